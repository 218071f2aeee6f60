//! The management API of partners, reviews and published clients.

use crate::http::api::{oauth2_client_reviews, partners, published_oauth2_clients};
use crate::http::extract::Members;
use crate::http::middleware::policy::Policy;
use crate::http::openapi::partners as describe;
use crate::http::routes::access::REVIEWER;
use crate::http::routes::route::{Route, delete, get, patch, post, put};

pub fn reviews() -> Vec<Route> {
    vec![
        Route {
            path: "/api/v2/oauth2_client_reviews",
            policy: Policy::JSON_API,
            operations: vec![
                get(REVIEWER, oauth2_client_reviews::list).described(describe::list_reviews),
            ],
        },
        Route {
            path: "/api/v2/oauth2_client_reviews/{version_id}",
            policy: Policy::JSON_API,
            operations: vec![
                get(REVIEWER, oauth2_client_reviews::show).described(describe::show_review),
            ],
        },
        Route {
            path: "/api/v2/oauth2_client_reviews/{version_id}/approve",
            policy: Policy::JSON_API,
            operations: vec![
                post(REVIEWER, oauth2_client_reviews::approve).described(describe::approve),
            ],
        },
        Route {
            path: "/api/v2/oauth2_client_reviews/{version_id}/reject",
            policy: Policy::JSON_API,
            operations: vec![
                post(REVIEWER, oauth2_client_reviews::reject).described(describe::reject),
            ],
        },
    ]
}

pub fn published() -> Vec<Route> {
    vec![
        Route {
            path: "/api/v2/published_oauth2_clients",
            policy: Policy::JSON_API,
            operations: vec![
                get(Members, published_oauth2_clients::list).described(describe::list_published),
            ],
        },
        Route {
            path: "/api/v2/published_oauth2_clients/{client_id}",
            policy: Policy::JSON_API,
            operations: vec![
                patch(REVIEWER, published_oauth2_clients::update)
                    .described(describe::update_published),
            ],
        },
    ]
}

pub fn partners() -> Vec<Route> {
    vec![
        Route {
            path: "/api/v2/partners",
            policy: Policy::JSON_API,
            operations: vec![get(REVIEWER, partners::list).described(describe::list_partners)],
        },
        Route {
            path: "/api/v2/partners/{org_id}",
            policy: Policy::JSON_API,
            operations: vec![
                get(Members, partners::show).described(describe::show_partner),
                put(REVIEWER, partners::replace).described(describe::replace_partner),
                delete(REVIEWER, partners::delete).described(describe::end_partner),
            ],
        },
    ]
}
