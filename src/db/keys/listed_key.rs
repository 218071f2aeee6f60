//! API keys and application keys as shown in lists. Only digests of the secrets are stored.

use uuid::Uuid;

use crate::rules::id::KeyId;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    pub id: KeyId,
    /// The address of the user that an application key acts for. API keys have none.
    pub email: Option<String>,
    pub last_four: String,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: Uuid,
    #[sqlx(default)]
    email: Option<String>,
    last_four: String,
    created_at: i64,
    revoked_at: Option<i64>,
}

impl From<Row> for ListedKey {
    fn from(row: Row) -> Self {
        Self {
            id: KeyId(row.id),
            email: row.email,
            last_four: row.last_four,
            created_at: Timestamp::from_seconds(row.created_at),
            revoked_at: row.revoked_at.map(Timestamp::from_seconds),
        }
    }
}
