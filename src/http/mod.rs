//! WHAT IS SAID: routes, extractors, answers. The tree mirrors the URLs; no SQL, and no decision that is not about the
//! wire.

mod api;
mod attempts;
mod audience;
mod body;
mod bounded_writes;
mod browser;
mod consent_page;
mod cors;
mod edge;
mod error;
mod extract;
mod health;
mod intake;
mod listen;
mod look_ups;
mod oauth;
mod openapi;
mod pages;
mod pending;
mod rate_limit;
mod router;
mod source;
mod unread;
mod views;
mod waiting;

pub use body::BodyBounds;
pub use intake::{Intake, IntakeRules, Refused};
pub use listen::{ConnectionBounds, Counts as ConnectionCounts, Listener};
pub use oauth::discovery::document as discovery_document;
pub use oauth::well_known::document as sites_document;
pub use openapi::document as openapi_document;
pub use rate_limit::RateLimits;
pub use router::{ROUTES, Route, management, public};
pub use source::Peer;
pub use waiting::WaitingRequests;
