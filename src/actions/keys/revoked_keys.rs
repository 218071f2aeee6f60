//! Revokes the API keys that a client created, and records which keys were revoked.

use serde_json::json;

use crate::actions::audit::Change;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::keys::api_keys;
use crate::rules::client::ClientId;
use crate::rules::id::{KeyId, OrgId};
use crate::rules::timestamp::Timestamp;

/// The two kinds of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Api,
    Application,
}

impl KeyKind {
    /// The key in the audit trail.
    pub fn subject(self, id: KeyId) -> String {
        match self {
            Self::Api => format!("api_key:{id}"),
            Self::Application => format!("application_key:{id}"),
        }
    }
}

/// The audit event of a revoked key.
pub(in crate::actions) fn key_revoked(
    kind: KeyKind,
    org_id: OrgId,
    subject: &str,
    now: Timestamp,
) -> Change<'_> {
    let action = match kind {
        KeyKind::Api => "api_key.revoked",
        KeyKind::Application => "application_key.revoked",
    };
    Change { org_id, action, subject, before: None, after: Some(json!({"revoked_at": now})) }
}

/// The API keys of a client that were just revoked.
pub(in crate::actions) struct RevokedClientKeys {
    keys: Vec<(OrgId, String)>,
    now: Timestamp,
}

impl RevokedClientKeys {
    /// The audit events, in the organization of each key.
    pub(in crate::actions) fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        self.keys
            .iter()
            .map(|(org_id, subject)| key_revoked(KeyKind::Api, *org_id, subject, self.now))
    }
}

/// Revokes the keys that a client created, in one organization or in all of them.
pub(in crate::actions) async fn revoke_keys_of_client(
    tx: &mut Tx,
    client_id: ClientId,
    org: Option<OrgId>,
    now: Timestamp,
) -> Result<RevokedClientKeys, DbError> {
    let revoked = api_keys::revoke_of_client(tx, client_id, org, now).await?;
    let keys = revoked.into_iter().map(|(id, org_id)| (org_id, KeyKind::Api.subject(id))).collect();
    Ok(RevokedClientKeys { keys, now })
}
