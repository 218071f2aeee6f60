//! Removes scopes from grants, or revokes the grants.

use crate::config::OnNarrow;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::grants;
use crate::db::grants::named::NamedGrant;
use crate::db::grants::revocations;
use crate::rules::id::GrantId;
use crate::rules::scope::ScopeSet;
use crate::rules::timestamp::Timestamp;

/// Removes scopes from grants as part of a larger change, which records and publishes it. The
/// setting decides whether a grant is revoked or loses only these scopes. A grant without any scope
/// left is revoked too. Returns the revoked grants.
pub(in crate::actions) async fn narrow_or_revoke(
    tx: &mut Tx,
    ids: &[GrantId],
    on_narrow: OnNarrow,
    scopes: &ScopeSet,
    now: Timestamp,
) -> Result<Vec<NamedGrant>, DbError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    if on_narrow == OnNarrow::Revoke {
        return revocations::revoke(tx, ids, now).await;
    }
    revocations::remove_scopes(&mut *tx, ids, scopes, now).await?;
    let empty = grants::ids::without_scopes(&mut *tx, ids).await?;
    if empty.is_empty() { Ok(Vec::new()) } else { revocations::revoke(tx, &empty, now).await }
}
