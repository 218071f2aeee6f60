//! HTTP: routes, middleware, extractors, handlers and pages. The tree mirrors the URLs. It contains
//! no SQL, and only decisions about HTTP.

mod middleware;
pub mod routes;

mod api;
mod error;
mod extract;
mod health;
mod oauth;
mod openapi;
mod pages;
mod redirect;
mod views;

pub use crate::http::middleware::client_ip::Peer;
pub use crate::http::middleware::listen::{ConnectionBounds, Counts as ConnectionCounts, Listener};
pub use crate::http::routes::{management, openapi_document, public};
