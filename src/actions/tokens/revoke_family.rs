//! Ends a family: its refresh token, and the access tokens beside it, at once.

use serde_json::json;

use crate::actions::audit::{Actor, By, Change};
use crate::actions::context::Context;
use crate::actions::grants::end::told;
use crate::actions::tokens::issue::Issuer;
use crate::actions::webhooks::announce::record_and_announce;
use crate::db::engine::error::DbError;
use crate::db::families;
use crate::db::families::Liveness;
use crate::db::grants::named;
use crate::rules::id::FamilyId;
use crate::rules::webhook::event::Event;

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
    let Some(family) = families::find_liveness(&context.db, id).await? else { return Ok(()) };
    crate::actions::conflict::again_after_conflict(context, || revoke(context, issuer, id, &family, why)).await
}

async fn revoke(context: &Context, issuer: &Issuer, id: FamilyId, family: &Liveness, why: Why) -> Result<(), DbError> {
    let now = context.clock.now();
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
    let grant = match why {
        Why::RefreshTokenReused => named::find_named(&mut tx, family.grant_id).await?,
        Why::Revoked | Why::CodeUsedTwice => None,
    };
    let reused = |grant| Event::RefreshTokenReused { grant: told(grant), family_id: id };
    let events: Vec<Event<'_>> = grant.iter().map(reused).collect();
    record_and_announce(context, &mut tx, &by, vec![change], &events).await?;
    tx.commit().await
}
