//! Delivery of events to receivers.

mod bounds;
mod deliver;
mod order;
mod replaced_secrets;
mod several_servers;
pub mod stage;
mod tokens;
mod tokens_for_receivers;
