//! Writes failed sign-in attempts to the audit trail, one event per account and hour, and deletes
//! old counts.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{Actor, AuditActor, Change, ServerChange};
use crate::actions::context::Context;
use crate::actions::sign_in::KNOWN_FOR;
use crate::actions::upkeep::forget_expired::{BATCH, in_batches};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::orgs::memberships;
use crate::db::users::sign_in_failures::Failures;
use crate::db::users::{known_browsers, sign_in_failures};

const ACTION: &str = "sign_in.refused";
/// How long the counts are kept after they were audited, in seconds.
const KEPT_FOR: i64 = 7 * 86_400;
const BY: AuditActor = AuditActor { actor: Actor::Anonymous, request_id: None, address: None };

/// Audits the hours that are over, and returns the number of events. The next round writes the
/// rest.
pub async fn audit_refused_sign_ins(context: &Context) -> Result<usize, DbError> {
    let (db, now) = (&context.db, context.clock.now());
    let mut written = 0;
    for failures in &sign_in_failures::list_unaudited(db, now, BATCH).await? {
        let is_new = context
            .transact("sign_in.audit_refused", |tx| Box::pin(audit_once(context, tx, failures)))
            .await?;
        written += usize::from(is_new);
    }
    in_batches(|| sign_in_failures::delete_old(db, now.minus(KEPT_FOR), BATCH)).await?;
    in_batches(|| known_browsers::delete_expired(db, now.minus(KNOWN_FOR), BATCH)).await?;
    Ok(written)
}

/// Returns false if another server was faster.
async fn audit_once(context: &Context, tx: &mut Tx, failures: &Failures) -> Result<bool, DbError> {
    let is_new = sign_in_failures::mark_audited(tx, failures, context.clock.now()).await?;
    if is_new {
        record(context, tx, failures).await?;
    }
    Ok(is_new)
}

/// Writes the event for every organization of the user. Attempts on unknown accounts are events of
/// the server.
async fn record(context: &Context, tx: &mut Tx, failures: &Failures) -> Result<(), DbError> {
    let after = Some(json!({"attempts": failures.attempts, "hour": failures.hour.to_rfc3339()}));
    let (subject, orgs) = match failures.user_id {
        Some(id) => (format!("user:{id}"), memberships::list_orgs(&mut *tx, id).await?),
        None => ("unknown accounts".to_owned(), Vec::new()),
    };
    for org_id in &orgs {
        let change = Change {
            org_id: *org_id,
            action: ACTION,
            subject: &subject,
            before: None,
            after: after.clone(),
        };
        audit::record(context, tx, &BY, change).await?;
    }
    if orgs.is_empty() {
        let change = ServerChange { action: ACTION, subject: &subject, before: None, after };
        audit::record_of_server(context, tx, &BY, change).await?;
    }
    Ok(())
}
