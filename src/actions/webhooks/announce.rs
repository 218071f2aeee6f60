//! What a transaction tells at its end: the audit who changed what, and webhooks what happened.
//!
//! Once in a transaction and as its last step: whoever takes a webhook's lane takes nothing afterwards, so that none waits
//! for another in a ring.

use crate::actions::audit::{By, Change, event_of};
use crate::actions::context::Context;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::webhooks::outbox;
use crate::db::webhooks::outbox::NewEvent;
use crate::rules::id::EventId;
use crate::rules::webhook::event::Event;

pub(in crate::actions) async fn announce(context: &Context, tx: &mut Tx, events: &[Event<'_>]) -> Result<(), DbError> {
    let new: Vec<NewEvent> = events.iter().map(|event| new_event(context, event)).collect();
    outbox::enqueue(tx, &[], &new, context.clock.now()).await
}

/// The same with changes for the audit, at the cost of one step.
pub(in crate::actions) async fn record_and_announce(
    context: &Context,
    tx: &mut Tx,
    by: &By,
    changes: Vec<Change<'_>>,
    events: &[Event<'_>],
) -> Result<(), DbError> {
    let recorded: Vec<_> = changes.into_iter().map(|change| event_of(context, by, change)).collect();
    let new: Vec<NewEvent> = events.iter().map(|event| new_event(context, event)).collect();
    outbox::enqueue(tx, &recorded, &new, context.clock.now()).await
}

fn new_event(context: &Context, event: &Event<'_>) -> NewEvent {
    NewEvent {
        id: EventId(context.new_id()),
        org_id: event.org(),
        client_id: event.client(),
        kind: event.kind(),
        data: event.data().to_string(),
    }
}
