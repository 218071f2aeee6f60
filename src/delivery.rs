//! What sends events to the receivers of organisations.
//!
//! An event is written in the transaction of its cause (`actions/webhooks/announce.rs`, `db/webhooks/outbox.rs`), once for each webhook that
//! wants it, and waits in a lane: the events of one client for one webhook. A [`Sender`] takes lanes, sends what waits in
//! them one after the other, and notes what came of it.

mod lane;
mod message;
mod sender;
mod signature;
pub mod tokens;

pub use crate::delivery::sender::{Sender, SenderRules};
