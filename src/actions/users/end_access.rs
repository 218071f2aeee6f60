//! Revokes the keys and grants of a membership that ends or has ended.

use crate::actions::keys::revoked_keys::KeyKind;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::grants;
use crate::db::grants::named::NamedGrant;
use crate::db::grants::revocations;
use crate::db::keys::application_keys;
use crate::rules::id::{KeyId, OrgId, UserId};
use crate::rules::timestamp::Timestamp;

/// The keys and grants that were revoked with a membership.
#[derive(Default)]
pub(in crate::actions) struct MemberAccess {
    pub grants: Vec<NamedGrant>,
    pub keys: Vec<KeyId>,
}

impl MemberAccess {
    /// The names of the keys in the audit trail.
    pub fn key_subjects(&self) -> Vec<String> {
        self.keys.iter().map(|id| KeyKind::Application.subject(*id)).collect()
    }
}

/// Revokes the keys and grants of a member. The transaction must hold the lock on the user's row.
pub(in crate::actions) async fn end_access(
    tx: &mut Tx,
    org_id: OrgId,
    user_id: UserId,
    now: Timestamp,
) -> Result<MemberAccess, DbError> {
    let keys = application_keys::revoke_of_member(&mut *tx, org_id, user_id, now).await?;
    let ids = grants::ids::of_user(&mut *tx, user_id, Some(org_id)).await?;
    let grants = revocations::revoke(tx, &ids, now).await?;
    Ok(MemberAccess { grants, keys })
}
