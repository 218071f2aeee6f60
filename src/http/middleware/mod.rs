//! What runs before the handlers: connections, client address, limits, CORS and request bodies.

pub mod attempts;
pub mod audience;
pub mod body;
pub mod client_ip;
pub mod cors;
pub mod edge;
pub mod listen;
pub mod origin;
pub mod policy;
pub mod unread;
