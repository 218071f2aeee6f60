//! The endpoints for OAuth clients and resource servers, and the metadata that leads to them.

use crate::http::middleware::policy::Policy;
use crate::http::oauth::{
    authorize, discovery, introspect, jwks, register, revoke, token, userinfo, well_known,
};
use crate::http::openapi::oauth as describe;
use crate::http::routes::access::{BROWSER, PUBLIC, RESOURCE_SERVER, bearer};
use crate::http::routes::route::{Route, get, post};

pub fn clients_and_tokens() -> Vec<Route> {
    vec![
        Route {
            path: "/api/v2/oauth2/register",
            policy: Policy::OAUTH,
            operations: vec![post(PUBLIC, register::register).described(describe::register)],
        },
        Route {
            path: "/oauth2/v1/authorize",
            policy: Policy::PAGE,
            operations: vec![get(BROWSER, authorize::by_query), post(BROWSER, authorize::by_form)],
        },
        Route {
            path: "/oauth2/v1/token",
            policy: Policy::TOKENS,
            operations: vec![
                post(PUBLIC, token::token).described(|| describe::token("CreateToken")),
            ],
        },
        // The path that clients of the compatible API use.
        Route {
            path: "/api/v2/oauth2/token",
            policy: Policy::TOKENS,
            operations: vec![
                post(PUBLIC, token::token).described(|| describe::token("CreateOAuthToken")),
            ],
        },
        Route {
            path: "/oauth2/v1/revoke",
            policy: Policy::TOKENS,
            operations: vec![post(PUBLIC, revoke::revoke).described(describe::revoke)],
        },
        Route {
            path: "/oauth2/v1/introspect",
            policy: Policy::TOKENS,
            operations: vec![
                post(RESOURCE_SERVER, introspect::introspect).described(describe::introspect),
            ],
        },
        Route {
            path: "/oauth2/v1/userinfo",
            policy: Policy::OAUTH,
            operations: vec![
                get(bearer("openid"), userinfo::userinfo)
                    .described(|| describe::userinfo("GetUserInfo")),
                post(bearer("openid"), userinfo::userinfo)
                    .described(|| describe::userinfo("PostUserInfo")),
            ],
        },
    ]
}

pub fn metadata() -> Vec<Route> {
    vec![
        Route {
            path: "/.well-known/oauth-authorization-server",
            policy: Policy::OAUTH,
            operations: vec![
                get(PUBLIC, discovery::show)
                    .described(|| describe::metadata("GetServerMetadata", "RFC 8414")),
            ],
        },
        Route {
            path: "/.well-known/openid-configuration",
            policy: Policy::OAUTH,
            operations: vec![get(PUBLIC, discovery::show).described(|| {
                describe::metadata("GetOpenIdConfiguration", "OpenID Connect Discovery 1.0")
            })],
        },
        // The path that clients of the compatible API use.
        Route {
            path: "/api/v2/oauth2/.well-known/openid-configuration",
            policy: Policy::OAUTH,
            operations: vec![get(PUBLIC, discovery::show).described(|| {
                describe::metadata("GetOAuthOpenIdConfiguration", "OpenID Connect Discovery 1.0")
            })],
        },
        Route {
            path: "/oauth2/v1/jwks",
            policy: Policy::OAUTH,
            operations: vec![get(PUBLIC, jwks::show).described(describe::jwks)],
        },
        Route {
            path: "/api/v2/oauth2/.well-known/sites",
            policy: Policy::DOCUMENT,
            operations: vec![get(PUBLIC, well_known::sites).described(describe::sites)],
        },
    ]
}

/// The paths that clients of the first MCP revision use if they find no metadata. The OpenAPI
/// document leaves them out.
pub fn fallback_paths() -> Vec<Route> {
    vec![
        Route {
            path: "/authorize",
            policy: Policy::PAGE,
            operations: vec![get(BROWSER, authorize::by_query), post(BROWSER, authorize::by_form)],
        },
        Route {
            path: "/token",
            policy: Policy::TOKENS,
            operations: vec![post(PUBLIC, token::token)],
        },
        Route {
            path: "/register",
            policy: Policy::OAUTH,
            operations: vec![post(PUBLIC, register::register)],
        },
    ]
}
