//! The management API of the audit trail.

use crate::http::api::audit_events;
use crate::http::extract::AuditRead;
use crate::http::middleware::policy::Policy;
use crate::http::openapi::audit as describe;
use crate::http::routes::route::{Route, get, post};

pub fn events() -> Vec<Route> {
    vec![
        Route {
            path: "/api/v2/audit/events",
            policy: Policy::STRINGS_API,
            operations: vec![get(AuditRead, audit_events::list).described(describe::list)],
        },
        Route {
            path: "/api/v2/audit/events/search",
            policy: Policy::STRINGS_API,
            operations: vec![post(AuditRead, audit_events::search).described(describe::search)],
        },
    ]
}
