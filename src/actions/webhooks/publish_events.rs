//! Publishes events to webhooks, and records audit changes, at the end of a transaction.
//!
//! This is the last step of a transaction and happens once: no other lock may follow the locks on
//! the lanes of webhooks, so that transactions cannot deadlock.

use crate::actions::audit::{AuditActor, Change, event_of};
use crate::actions::context::Context;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::webhooks::outbox;
use crate::db::webhooks::outbox::NewEvent;
use crate::rules::id::EventId;
use crate::rules::webhook::event::Event;

pub(in crate::actions) async fn publish_events(
    context: &Context,
    tx: &mut Tx,
    events: &[Event<'_>],
) -> Result<(), DbError> {
    let new: Vec<NewEvent> = events.iter().map(|event| new_event(context, event)).collect();
    outbox::enqueue(tx, &[], &new, context.clock.now()).await
}

/// Publishes events and records audit changes in one step.
pub(in crate::actions) async fn record_and_publish(
    context: &Context,
    tx: &mut Tx,
    by: &AuditActor,
    changes: Vec<Change<'_>>,
    events: &[Event<'_>],
) -> Result<(), DbError> {
    let recorded: Vec<_> =
        changes.into_iter().map(|change| event_of(context, by, change)).collect();
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
