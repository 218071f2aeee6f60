//! Revokes a family: its refresh token and all its access tokens.

use serde_json::json;

use crate::actions::audit::{Actor, AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::grant_info;
use crate::actions::tokens::issue::Issuer;
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::families;
use crate::db::families::Liveness;
use crate::db::grants::named;
use crate::rules::id::FamilyId;
use crate::rules::webhook::event::Event;

/// Why the family is revoked, for the audit event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationReason {
    /// The client revoked it (RFC 7009).
    Revoked,
    CodeUsedTwice,
    RefreshTokenReused,
}

impl RevocationReason {
    const fn action(self) -> &'static str {
        match self {
            Self::Revoked => "token.revoked",
            Self::CodeUsedTwice => "code.used_twice",
            Self::RefreshTokenReused => "refresh_token.reused",
        }
    }
}

/// Revokes the family. Revoking it twice is fine.
pub async fn revoke_family(
    context: &Context,
    issuer: &Issuer,
    id: FamilyId,
    reason: RevocationReason,
) -> Result<(), DbError> {
    let Some(family) = families::find_liveness(&context.db, id).await? else { return Ok(()) };
    let ending = Ending { id, family: &family, reason };
    context.transact("family.revoke", |tx| Box::pin(revoke_in(context, issuer, tx, ending))).await
}

/// A family that is about to be revoked.
#[derive(Clone, Copy)]
struct Ending<'a> {
    id: FamilyId,
    family: &'a Liveness,
    reason: RevocationReason,
}

async fn revoke_in(
    context: &Context,
    issuer: &Issuer,
    tx: &mut Tx,
    ending: Ending<'_>,
) -> Result<(), DbError> {
    let Ending { id, family, reason } = ending;
    let now = context.clock.now();
    if !families::revocations::revoke(&mut *tx, id, now, issuer.forget_ended_at(now)).await? {
        return Ok(());
    }
    if reason != RevocationReason::Revoked {
        tracing::warn!(
            family = %id,
            client.id = %family.client_id,
            org.id = %family.org_id,
            action = reason.action(),
            "a code or refresh token was reused: its token family was revoked"
        );
    }
    let subject = format!("grant:{} family:{id} client:{}", family.grant_id, family.client_id);
    let by = AuditActor { actor: Actor::Client(family.client_id), request_id: None, address: None };
    let after = Some(json!({"revoked_at": now}));
    let change = Change {
        org_id: family.org_id,
        action: reason.action(),
        subject: &subject,
        before: None,
        after,
    };
    let grant = match reason {
        RevocationReason::RefreshTokenReused => {
            named::find_named(&mut *tx, family.grant_id).await?
        }
        RevocationReason::Revoked | RevocationReason::CodeUsedTwice => None,
    };
    let reused = |grant| Event::RefreshTokenReused { grant: grant_info(grant), family_id: id };
    let events: Vec<Event<'_>> = grant.iter().map(reused).collect();
    record_and_publish(context, tx, &by, vec![change], &events).await
}
