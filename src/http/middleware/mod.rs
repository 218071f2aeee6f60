//! What runs before the handlers: connections, client address, limits, CORS and request bodies.

pub mod audience;
pub mod body;
pub mod client_ip;
pub mod cors;
pub mod edge;
pub mod listen;
pub mod origin;
pub mod policy;
pub mod sign_in_attempts;
pub mod unread;
