//! Records steps in the life of an organization's own client in the audit trail of its owner, and
//! tells the webhooks of the owner.

use serde_json::Value;

use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::rules::client::ClientId;
use crate::rules::id::OrgId;
use crate::rules::webhook::event::lifecycle::ClientStep;
use crate::rules::webhook::event::{ClientInfo, Event};

/// The client, and what changed.
pub(in crate::actions) struct OwnClientChange<'a> {
    pub org_id: OrgId,
    pub client_id: ClientId,
    pub name: &'a str,
    pub step: ClientStep,
    pub before: Option<Value>,
    pub after: Value,
}

/// Grants and keys that the change ends.
#[derive(Default)]
pub(in crate::actions) struct Consequences<'a> {
    pub changes: Vec<Change<'a>>,
    pub events: Vec<Event<'a>>,
}

/// The last step of the transaction.
pub(in crate::actions) async fn record_step(
    context: &Context,
    tx: &mut Tx,
    by: &AuditActor,
    change: OwnClientChange<'_>,
) -> Result<(), DbError> {
    record_steps(context, tx, by, &[change], Consequences::default()).await
}

/// The last step of the transaction. It happens once, for all steps.
pub(in crate::actions) async fn record_steps(
    context: &Context,
    tx: &mut Tx,
    by: &AuditActor,
    steps: &[OwnClientChange<'_>],
    consequences: Consequences<'_>,
) -> Result<(), DbError> {
    let actor = by.actor.name();
    let subjects: Vec<String> =
        steps.iter().map(|step| format!("client:{}", step.client_id)).collect();
    let Consequences { mut changes, mut events } = consequences;
    for (change, subject) in steps.iter().zip(&subjects) {
        let OwnClientChange { org_id, client_id, name, step, before, after } = change;
        let (org_id, step) = (*org_id, *step);
        let client = ClientInfo { id: *client_id, name };
        events.push(Event::OwnClientChanged {
            org_id,
            client,
            step,
            details: after,
            actor: &actor,
        });
        let (before, after) = (before.clone(), Some(after.clone()));
        changes.push(Change { org_id, action: step.name(), subject, before, after });
    }
    record_and_publish(context, tx, by, changes, &events).await
}
