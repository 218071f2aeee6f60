//! Ends a family: its refresh token, and the access tokens beside it, at once.

use serde_json::json;

use super::audit::{self, Change};
use super::{Actor, By, Context, Issuer};
use crate::db::{DbError, families};
use crate::oauth::FamilyId;

/// What ended it, for the audit event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The client is done with it (RFC 7009).
    Revoked,
    CodeUsedTwice,
    RefreshTokenReused,
}

impl Why {
    const fn action(self) -> &'static str {
        match self {
            Self::Revoked => "token.revoked",
            Self::CodeUsedTwice => "code.used_twice",
            Self::RefreshTokenReused => "refresh_token.reused",
        }
    }
}

/// Ending it twice is fine.
pub async fn revoke_family(context: &Context, issuer: &Issuer, id: FamilyId, why: Why) -> Result<(), DbError> {
    let now = context.clock.now();
    let Some(family) = families::find_liveness(&context.db, id).await? else { return Ok(()) };
    let mut tx = context.db.begin().await?;
    if !families::revoke(&mut tx, id, now, issuer.forget_ended_at(now)).await? {
        return tx.roll_back().await;
    }
    if why != Why::Revoked {
        tracing::warn!(family = %id, client.id = %family.client_id, org.id = %family.org_id, action = why.action(),
            "a token was used again: what came of it is revoked");
    }
    let subject = format!("grant:{} family:{id} client:{}", family.grant_id, family.client_id);
    let by = By { actor: Actor::Client(family.client_id), request_id: None, address: None };
    let after = Some(json!({"revoked_at": now}));
    let change = Change { org_id: family.org_id, action: why.action(), subject: &subject, before: None, after };
    audit::record(context, &mut tx, &by, change).await?;
    tx.commit().await
}
