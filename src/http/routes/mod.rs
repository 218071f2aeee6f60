//! The routes of the server, one file per area. To add one, add a [`Route`] to its area.

pub mod access;
mod audit;
mod clients;
mod keys;
mod oauth;
mod pages;
mod partners;
mod people;
pub mod route;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value;

use crate::app::App;
use crate::http::error::not_found;
use crate::http::middleware::edge::{Edge, edge};
use crate::http::middleware::policy::Policy;
use crate::http::routes::access::PUBLIC;
use crate::http::routes::route::Route;
use crate::http::{health, openapi};

/// The router of the public listener.
pub fn public(app: Arc<App>) -> Router {
    let mut routes = routes();
    if app.config.http.fallback_paths {
        routes.extend(oauth::fallback_paths());
    }
    let unknown_paths = from_fn_with_state(Edge::of_unknown_paths(&app), edge);
    let router: Router<Arc<App>> = Router::new()
        .fallback(|request: Request| async move { not_found(&request) })
        .layer(unknown_paths);
    // Each route brings its own layer, so these follow the layer of the fallback.
    let router = routes
        .into_iter()
        .fold(router, |router, route| router.route(route.path, route.mount(&app)));
    router.with_state(app)
}

/// All routes of the public listener except the fallback paths, which are optional.
pub fn routes() -> Vec<Route> {
    [
        oauth::clients_and_tokens(),
        oauth::metadata(),
        clients::restrictions(),
        clients::authorized_clients(),
        clients::own_authorizations(),
        clients::own_clients(),
        partners::reviews(),
        partners::published(),
        partners::partners(),
        keys::of_organizations(),
        keys::of_users(),
        audit::events(),
        people::people(),
        people::roles_and_permissions(),
        webhooks::webhooks_and_variables(),
        webhooks::deliveries(),
        webhooks::auth_methods(),
        pages::sign_in(),
        pages::account_pages(),
        pages::invitations(),
        vec![Route {
            path: "/openapi.json",
            policy: Policy::DOCUMENT,
            operations: vec![
                route::get(PUBLIC, show_openapi).described(openapi::show).compressed(),
            ],
        }],
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The OpenAPI document of all routes.
pub fn openapi_document(public_url: &str) -> Value {
    let described =
        routes().into_iter().filter_map(|route| Some((route.path.to_owned(), route.path_item()?)));
    openapi::document(public_url, Value::Object(described.collect()))
}

async fn show_openapi(State(app): State<Arc<App>>) -> Response {
    let document = app
        .openapi
        .get_or_init(|| openapi_document(&app.config.http.public_url).to_string().into());
    ([(CONTENT_TYPE, "application/json")], document.clone()).into_response()
}

/// The router of the separate management listener, for operators.
pub fn management(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .fallback(|request: Request| async move { not_found(&request) })
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::middleware::audience::Audience;
    use crate::http::middleware::policy::{Cors, Limit};
    use crate::http::routes::access::Access;

    fn all() -> Vec<Route> {
        let mut routes = routes();
        routes.extend(oauth::fallback_paths());
        routes
    }

    fn route(path: &str) -> Route {
        all().into_iter().find(|route| route.path == path).expect("a declared route")
    }

    #[test]
    fn every_path_is_declared_once() {
        let mut paths: Vec<_> = all().iter().map(|route| route.path).collect();
        let declared = paths.len();
        paths.sort_unstable();
        paths.dedup();

        assert_eq!(paths.len(), declared);
    }

    #[test]
    fn routes_have_the_policy_of_their_area() {
        let cases = [
            ("/api/v2/oauth2/register", Audience::OAuth, Cors::AnyOrigin, Limit::Source),
            ("/register", Audience::OAuth, Cors::AnyOrigin, Limit::Source),
            (
                "/.well-known/oauth-authorization-server",
                Audience::OAuth,
                Cors::AnyOrigin,
                Limit::Source,
            ),
            ("/oauth2/v1/token", Audience::OAuth, Cors::AnyOrigin, Limit::Handler),
            ("/api/v2/oauth2/token", Audience::OAuth, Cors::AnyOrigin, Limit::Handler),
            ("/token", Audience::OAuth, Cors::AnyOrigin, Limit::Handler),
            ("/oauth2/v1/revoke", Audience::OAuth, Cors::AnyOrigin, Limit::Handler),
            ("/oauth2/v1/introspect", Audience::OAuth, Cors::AnyOrigin, Limit::Handler),
            ("/oauth2/v1/userinfo", Audience::OAuth, Cors::AnyOrigin, Limit::Source),
            ("/oauth2/v1/authorize", Audience::Page, Cors::SameOrigin, Limit::Source),
            ("/authorize", Audience::Page, Cors::SameOrigin, Limit::Source),
            ("/password", Audience::Page, Cors::SameOrigin, Limit::Source),
            ("/account/revoke", Audience::Page, Cors::SameOrigin, Limit::Source),
            ("/", Audience::Strings, Cors::SameOrigin, Limit::Source),
            ("/api/v2/oauth2/.well-known/sites", Audience::Strings, Cors::AnyOrigin, Limit::Source),
            ("/openapi.json", Audience::Strings, Cors::AnyOrigin, Limit::Source),
            (
                "/api/v2/oauth2/default_scopes_restriction",
                Audience::JsonApi,
                Cors::SameOrigin,
                Limit::Caller,
            ),
            (
                "/api/v1/integration/webhooks/configuration/webhooks",
                Audience::Strings,
                Cors::SameOrigin,
                Limit::Caller,
            ),
        ];
        for (path, audience, cors, limit) in cases {
            assert_eq!(route(path).policy, Policy { audience, cors, limit }, "{path}");
        }
    }

    #[test]
    fn calls_of_the_management_api_and_no_others_count_against_their_caller() {
        for route in all() {
            for operation in &route.operations {
                let is_by_caller = matches!(
                    operation.access,
                    Access::Keys(_)
                        | Access::KeysOrToken(_)
                        | Access::KeysOrScope(_)
                        | Access::Reviewer
                ) || route.path.starts_with("/api/v2/api_keys/");

                assert_eq!(
                    is_by_caller,
                    route.policy.limit == Limit::Caller,
                    "{} {}",
                    operation.method,
                    route.path
                );
            }
        }
    }

    #[test]
    fn browser_sessions_are_not_open_to_scripts_of_other_origins() {
        for route in all() {
            let is_for_browsers =
                route.operations.iter().any(|operation| operation.access == Access::Browser);

            assert!(!is_for_browsers || route.policy.cors == Cors::SameOrigin, "{}", route.path);
        }
    }

    #[test]
    fn everything_for_programs_is_described_and_pages_are_not() {
        for route in routes() {
            for operation in &route.operations {
                let is_for_programs = operation.access != Access::Browser;

                assert_eq!(
                    operation.is_described(),
                    is_for_programs,
                    "{} {}",
                    operation.method,
                    route.path
                );
            }
        }
    }

    #[test]
    fn the_allow_header_follows_from_the_operations() {
        let cases = [
            ("/api/v2/oauth2/register", "POST, OPTIONS"),
            ("/openapi.json", "GET, HEAD, OPTIONS"),
            ("/oauth2/v1/userinfo", "GET, HEAD, POST, OPTIONS"),
            ("/api/v2/oauth2/default_scopes_restriction", "GET, HEAD, POST, DELETE, OPTIONS"),
            (
                "/api/v1/integration/webhooks/configuration/webhooks/{webhook_name}",
                "GET, HEAD, PUT, DELETE, OPTIONS",
            ),
            (
                "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials/{auth_method_id}",
                "GET, HEAD, PATCH, DELETE, OPTIONS",
            ),
            ("/login", "GET, HEAD, POST"),
            ("/logout", "POST"),
            ("/style.css", "GET, HEAD"),
            ("/authorize", "GET, HEAD, POST"),
        ];
        for (path, allow) in cases {
            assert_eq!(route(path).allow(), allow, "{path}");
        }
    }
}
