//! Delivers events to the webhooks of organizations.
//!
//! An event is stored in the transaction of its cause (`actions/webhooks/publish_events.rs`,
//! `db/webhooks/outbox.rs`), once for each webhook that subscribes to it. It waits in a lane, which
//! holds the events of one client for one webhook. A [`Sender`] claims lanes, sends their events in
//! order, and stores the outcomes.

mod lane;
mod message;
mod sender;
mod signature;
pub mod tokens;

pub use crate::delivery::sender::{Sender, SenderRules};
