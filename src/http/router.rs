//! Every path on one page.

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use super::api::scopes_restriction;
use super::edge::edge;
use super::error::{method_not_allowed, not_found};
use super::oauth::{register, well_known};
use super::{health, openapi};
use crate::app::App;

/// A path, the methods it takes, and what `Allow` says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub path: &'static str,
    pub methods: &'static [&'static str],
    allow: &'static str,
}

const REGISTER: Route = Route { path: "/api/v2/oauth2/register", methods: &["post"], allow: "POST, OPTIONS" };
const SITES: Route = Route { path: "/api/v2/oauth2/.well-known/sites", methods: &["get"], allow: "GET, HEAD, OPTIONS" };
const SCOPES_RESTRICTION: Route = Route {
    path: "/api/v2/oauth2/clients/{client_uuid}/scopes_restriction",
    methods: &["get", "post", "delete"],
    allow: "GET, HEAD, POST, DELETE, OPTIONS",
};
const OPENAPI: Route = Route { path: "/openapi.json", methods: &["get"], allow: "GET, HEAD, OPTIONS" };

/// What the public listener serves: the OpenAPI document and the metrics go by it.
pub const ROUTES: [Route; 4] = [REGISTER, SITES, SCOPES_RESTRICTION, OPENAPI];

pub fn public(app: Arc<App>) -> Router {
    let restriction = get(scopes_restriction::show).post(scopes_restriction::upsert).delete(scopes_restriction::lift);
    Router::new()
        .merge(route(REGISTER, post(register::register)))
        .merge(route(SITES, get(well_known::sites)))
        .merge(route(SCOPES_RESTRICTION, restriction))
        .merge(route(OPENAPI, get(openapi::show)))
        .fallback(|uri: Uri| async move { not_found(uri.path()) })
        .layer(from_fn_with_state(Arc::clone(&app), edge))
        .with_state(app)
}

fn route(route: Route, methods: MethodRouter<Arc<App>>) -> Router<Arc<App>> {
    let refuse = move |method: Method, uri: Uri| async move { method_not_allowed(&method, uri.path(), route.allow) };
    Router::new().route(route.path, methods.fallback(refuse))
}

/// Served apart from the public, for whoever runs the server.
pub fn management(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .fallback(|uri: Uri| async move { not_found(uri.path()) })
        .with_state(app)
}

/// A bounded set of labels for metrics, whatever path is asked for.
pub fn known_route(matched: Option<&str>) -> &'static str {
    let route = ROUTES.iter().find(|route| Some(route.path) == matched);
    route.map_or("unknown", |route| route.path)
}
