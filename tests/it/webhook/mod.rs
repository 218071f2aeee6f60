//! Events on their way from their cause to a receiver.

mod bounds;
mod deliver;
mod order;
mod replaced_secrets;
mod several_servers;
pub mod stage;
mod tokens;
mod tokens_for_receivers;
