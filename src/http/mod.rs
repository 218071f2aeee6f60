//! HTTP: routes, middleware, extractors, handlers and pages. It contains no SQL, and only decisions
//! about HTTP.
//!
//! `routes` lists every URL with its handler, permission and policy. Handlers are in `oauth` (OAuth
//! and OIDC: `/oauth2/v1/…` and `/api/v2/oauth2/register`), in `api` (the management API:
//! `/api/v2/…` and `/api/v1/…`) and in `pages`. Most files there are named after the last fixed
//! segment of their URL.

mod middleware;
pub mod routes;

mod api;
mod error;
mod extract;
mod headers;
mod health;
mod oauth;
mod openapi;
mod pages;
mod redirect;
mod views;

pub use crate::http::middleware::client_ip::Peer;
pub use crate::http::middleware::listen::{ConnectionBounds, Counts as ConnectionCounts, Listener};
pub use crate::http::routes::{management, openapi_document, public};
