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
mod views;

pub use crate::http::middleware::body::BodyBounds;
pub use crate::http::middleware::client_ip::Peer;
pub use crate::http::middleware::intake::{Intake, IntakeRules, Refused};
pub use crate::http::middleware::listen::{ConnectionBounds, Counts as ConnectionCounts, Listener};
pub use crate::http::middleware::rate_limit::RateLimits;
pub use crate::http::middleware::waiting::WaitingRequests;
pub use crate::http::oauth::discovery::document as discovery_document;
pub use crate::http::oauth::well_known::document as sites_document;
pub use crate::http::openapi::document as openapi_document;
pub use crate::http::routes::{ROUTES, Route, management, public};
