//! The routes of the server.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, delete, get, post};

use crate::app::App;
use crate::http::api::{
    auth_methods, default_scopes_restriction, org_authorized_clients, scopes_restriction, test_auth_method,
    webhook_deliveries, webhook_variables, webhooks,
};
use crate::http::error::{method_not_allowed, not_found, render_page_errors};
use crate::http::middleware::edge::edge;
use crate::http::oauth::pending::see_other;
use crate::http::oauth::{authorize, discovery, introspect, jwks, register, revoke, token, userinfo, well_known};
use crate::http::pages::{account, consent, login, organization, password};
use crate::http::views::style;
use crate::http::{health, openapi};

/// A path, its methods and its `Allow` header.
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
const DEFAULT_SCOPES_RESTRICTION: Route =
    Route { path: "/api/v2/oauth2/default_scopes_restriction", ..SCOPES_RESTRICTION };
const SERVER_METADATA: Route =
    Route { path: "/.well-known/oauth-authorization-server", methods: &["get"], allow: "GET, HEAD, OPTIONS" };
const OPENID_CONFIGURATION: Route =
    Route { path: "/.well-known/openid-configuration", methods: &["get"], allow: "GET, HEAD, OPTIONS" };
/// The path that clients of the compatible API use.
const API_OPENID_CONFIGURATION: Route =
    Route { path: "/api/v2/oauth2/.well-known/openid-configuration", methods: &["get"], allow: "GET, HEAD, OPTIONS" };
const JWKS: Route = Route { path: "/oauth2/v1/jwks", methods: &["get"], allow: "GET, HEAD, OPTIONS" };
const OPENAPI: Route = Route { path: "/openapi.json", methods: &["get"], allow: "GET, HEAD, OPTIONS" };

const TOKEN: Route = Route { path: "/oauth2/v1/token", methods: &["post"], allow: "POST, OPTIONS" };
const TOKEN_V2: Route = Route { path: "/api/v2/oauth2/token", ..TOKEN };
const REVOKE: Route = Route { path: "/oauth2/v1/revoke", methods: &["post"], allow: "POST, OPTIONS" };
const INTROSPECT: Route = Route { path: "/oauth2/v1/introspect", methods: &["post"], allow: "POST, OPTIONS" };
const USERINFO: Route =
    Route { path: "/oauth2/v1/userinfo", methods: &["get", "post"], allow: "GET, HEAD, POST, OPTIONS" };

const ORG_CLIENTS: Route =
    Route { path: "/api/v2/org_authorized_clients", methods: &["get"], allow: "GET, HEAD, OPTIONS" };
const ORG_CLIENT: Route = Route {
    path: "/api/v2/org_authorized_clients/{org_authorized_client_id}",
    methods: &["get", "delete"],
    allow: "GET, HEAD, DELETE, OPTIONS",
};

const ORG_CLIENT_USERS: Route = Route {
    path: "/api/v2/org_authorized_clients/{org_authorized_client_id}/user_authorized_clients",
    methods: &["get"],
    allow: "GET, HEAD, OPTIONS",
};
const ORG_CLIENT_AUTHORIZATION: Route = Route {
    path: "/api/v2/org_authorized_clients/{org_authorized_client_id}/user_authorized_clients/{user_authorized_client_id}",
    methods: &["delete"],
    allow: "DELETE, OPTIONS",
};
const ORG_CLIENT_USER: Route = Route {
    path: "/api/v2/org_authorized_clients/{org_authorized_client_id}/user/{user_id}",
    methods: &["delete"],
    allow: "DELETE, OPTIONS",
};

const AUTH_METHOD_TEST: Route = Route {
    path: "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials/{auth_method_id}/test",
    methods: &["post"],
    allow: "POST, OPTIONS",
};

const AUTH_METHODS: Route = Route {
    path: "/api/v2/integration/webhooks/configuration/auth-method",
    methods: &["get"],
    allow: "GET, HEAD, OPTIONS",
};
const CLIENT_CREDENTIALS: Route = Route {
    path: "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials",
    methods: &["post"],
    allow: "POST, OPTIONS",
};
const CLIENT_CREDENTIALS_OF_ID: Route = Route {
    path: "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials/{auth_method_id}",
    methods: &["get", "patch", "delete"],
    allow: "GET, HEAD, PATCH, DELETE, OPTIONS",
};
const WEBHOOKS: Route = Route {
    path: "/api/v1/integration/webhooks/configuration/webhooks",
    methods: &["get", "post"],
    allow: "GET, HEAD, POST, OPTIONS",
};
const WEBHOOK: Route = Route {
    path: "/api/v1/integration/webhooks/configuration/webhooks/{webhook_name}",
    methods: &["get", "put", "delete"],
    allow: "GET, HEAD, PUT, DELETE, OPTIONS",
};
const WEBHOOK_VARIABLES: Route =
    Route { path: "/api/v1/integration/webhooks/configuration/custom-variables", ..WEBHOOKS };
const WEBHOOK_VARIABLE: Route =
    Route { path: "/api/v1/integration/webhooks/configuration/custom-variables/{custom_variable_name}", ..WEBHOOK };

const WEBHOOK_DELIVERIES: Route = Route {
    path: "/api/v1/integration/webhooks/configuration/webhooks/{webhook_name}/deliveries",
    methods: &["get"],
    allow: "GET, HEAD, OPTIONS",
};
const WEBHOOK_REPLAY: Route = Route {
    path: "/api/v1/integration/webhooks/configuration/webhooks/{webhook_name}/deliveries/replay",
    methods: &["post"],
    allow: "POST, OPTIONS",
};
const WEBHOOK_DELIVERY_REPLAY: Route = Route {
    path: "/api/v1/integration/webhooks/configuration/webhooks/{webhook_name}/deliveries/{delivery_id}/replay",
    ..WEBHOOK_REPLAY
};

/// The public routes for programs. The OpenAPI document describes them, and the metrics use them as
/// labels.
pub const ROUTES: [Route; 30] = [
    REGISTER,
    SITES,
    SCOPES_RESTRICTION,
    DEFAULT_SCOPES_RESTRICTION,
    ORG_CLIENTS,
    ORG_CLIENT,
    ORG_CLIENT_USERS,
    ORG_CLIENT_AUTHORIZATION,
    ORG_CLIENT_USER,
    AUTH_METHOD_TEST,
    AUTH_METHODS,
    CLIENT_CREDENTIALS,
    CLIENT_CREDENTIALS_OF_ID,
    WEBHOOKS,
    WEBHOOK,
    WEBHOOK_VARIABLES,
    WEBHOOK_VARIABLE,
    WEBHOOK_DELIVERIES,
    WEBHOOK_REPLAY,
    WEBHOOK_DELIVERY_REPLAY,
    OPENAPI,
    SERVER_METADATA,
    OPENID_CONFIGURATION,
    API_OPENID_CONFIGURATION,
    JWKS,
    TOKEN,
    TOKEN_V2,
    REVOKE,
    INTROSPECT,
    USERINFO,
];

const fn page(path: &'static str) -> Route {
    Route { path, methods: &["get"], allow: "GET, HEAD" }
}

const fn form(path: &'static str) -> Route {
    Route { path, methods: &["post"], allow: "POST" }
}

const fn page_with_form(path: &'static str) -> Route {
    Route { path, methods: &["get", "post"], allow: "GET, HEAD, POST" }
}

const AUTHORIZE: Route = page_with_form("/oauth2/v1/authorize");
/// Redirects to the account page.
const ROOT: Route = page("/");
const LOGIN: Route = page_with_form("/login");
const LOGOUT: Route = form("/logout");
const CONSENT: Route = page("/consent");
const PASSWORD: Route = page_with_form("/password");
const ORGANIZATION: Route = page_with_form("/organization");
const CHOOSE_SITE: Route = page("/choose-site");
const ACCOUNT: Route = page("/account");
const ACCOUNT_REVOKE: Route = form("/account/revoke");
const ACCOUNT_PASSWORD: Route = form("/account/password");
const ACCOUNT_END_SESSION: Route = form("/account/sessions/end");
const ACCOUNT_END_OTHERS: Route = form("/account/sessions/end-others");
const STYLE: Route = page("/style.css");

/// The paths that clients of the first MCP revision use if they find no metadata.
const FALLBACK_AUTHORIZE: Route = page_with_form("/authorize");
const FALLBACK_TOKEN: Route = Route { path: "/token", ..TOKEN };
const FALLBACK_REGISTER: Route = Route { path: "/register", ..REGISTER };

/// The pages, and the routes that the OpenAPI document leaves out.
const PAGES: [Route; 16] = [
    AUTHORIZE,
    ROOT,
    LOGIN,
    LOGOUT,
    CONSENT,
    ORGANIZATION,
    CHOOSE_SITE,
    ACCOUNT,
    ACCOUNT_REVOKE,
    ACCOUNT_PASSWORD,
    ACCOUNT_END_SESSION,
    ACCOUNT_END_OTHERS,
    STYLE,
    FALLBACK_AUTHORIZE,
    FALLBACK_TOKEN,
    FALLBACK_REGISTER,
];

pub fn public(app: Arc<App>) -> Router {
    let restriction = get(scopes_restriction::show).post(scopes_restriction::upsert).delete(scopes_restriction::lift);
    let default_restriction = get(default_scopes_restriction::show)
        .post(default_scopes_restriction::upsert)
        .delete(default_scopes_restriction::lift);
    Router::new()
        .merge(route(REGISTER, post(register::register)))
        .merge(route(SITES, get(well_known::sites)))
        .merge(route(SCOPES_RESTRICTION, restriction))
        .merge(route(DEFAULT_SCOPES_RESTRICTION, default_restriction))
        .merge(route(SERVER_METADATA, get(discovery::show)))
        .merge(route(OPENID_CONFIGURATION, get(discovery::show)))
        .merge(route(API_OPENID_CONFIGURATION, get(discovery::show)))
        .merge(route(JWKS, get(jwks::show)))
        .merge(route(OPENAPI, get(openapi::show)))
        .merge(route(ORG_CLIENTS, get(org_authorized_clients::list)))
        .merge(route(ORG_CLIENT, get(org_authorized_clients::show).delete(org_authorized_clients::delete)))
        .merge(route(ORG_CLIENT_USERS, get(org_authorized_clients::list_users)))
        .merge(route(ORG_CLIENT_AUTHORIZATION, delete(org_authorized_clients::delete_authorization)))
        .merge(route(ORG_CLIENT_USER, delete(org_authorized_clients::delete_of_user)))
        .merge(route(TOKEN, post(token::token)))
        .merge(route(TOKEN_V2, post(token::token)))
        .merge(route(REVOKE, post(revoke::revoke)))
        .merge(route(INTROSPECT, post(introspect::introspect)))
        .merge(route(USERINFO, get(userinfo::userinfo).post(userinfo::userinfo)))
        .merge(integrations())
        .merge(pages())
        .merge(fallback_paths(app.config.http.fallback_paths))
        .fallback(|request: Request| async move { not_found(&request) })
        .layer(from_fn_with_state(Arc::clone(&app), edge))
        .with_state(app)
}

/// Webhooks, their variables and their auth methods.
fn integrations() -> Router<Arc<App>> {
    let auth_method = get(auth_methods::show).patch(auth_methods::update).delete(auth_methods::delete);
    let webhook = get(webhooks::show).put(webhooks::update).delete(webhooks::delete);
    let variable = get(webhook_variables::show).put(webhook_variables::update).delete(webhook_variables::delete);
    Router::new()
        .merge(route(AUTH_METHODS, get(auth_methods::list)))
        .merge(route(CLIENT_CREDENTIALS, post(auth_methods::create)))
        .merge(route(CLIENT_CREDENTIALS_OF_ID, auth_method))
        .merge(route(AUTH_METHOD_TEST, post(test_auth_method::test)))
        .merge(route(WEBHOOKS, get(webhooks::list).post(webhooks::create)))
        .merge(route(WEBHOOK, webhook))
        .merge(route(WEBHOOK_VARIABLES, get(webhook_variables::list).post(webhook_variables::create)))
        .merge(route(WEBHOOK_VARIABLE, variable))
        .merge(route(WEBHOOK_DELIVERIES, get(webhook_deliveries::list)))
        .merge(route(WEBHOOK_REPLAY, post(webhook_deliveries::replay)))
        .merge(route(WEBHOOK_DELIVERY_REPLAY, post(webhook_deliveries::replay_one)))
}

/// The pages for browsers, including their errors.
fn pages() -> Router<Arc<App>> {
    Router::new()
        .merge(route(AUTHORIZE, get(authorize::by_query).post(authorize::by_form)))
        .merge(route(ROOT, get(|| async { see_other("/account") })))
        .merge(route(LOGIN, get(login::show).post(login::submit)))
        .merge(route(LOGOUT, post(login::sign_out_here)))
        .merge(route(CONSENT, get(consent::show)))
        .merge(route(PASSWORD, get(password::show).post(password::submit)))
        .merge(route(ORGANIZATION, get(organization::show).post(organization::choose)))
        .merge(route(CHOOSE_SITE, get(organization::choose_site)))
        .merge(route(ACCOUNT, get(account::show)))
        .merge(route(ACCOUNT_REVOKE, post(account::revoke)))
        .merge(route(ACCOUNT_PASSWORD, post(account::password)))
        .merge(route(ACCOUNT_END_SESSION, post(account::end_session)))
        .merge(route(ACCOUNT_END_OTHERS, post(account::end_others)))
        .merge(route(STYLE, get(style)))
        .layer(from_fn(render_page_errors))
}

fn fallback_paths(are_served: bool) -> Router<Arc<App>> {
    if !are_served {
        return Router::new();
    }
    let authorize = route(FALLBACK_AUTHORIZE, get(authorize::by_query).post(authorize::by_form));
    Router::new()
        .merge(authorize.layer(from_fn(render_page_errors)))
        .merge(route(FALLBACK_TOKEN, post(token::token)))
        .merge(route(FALLBACK_REGISTER, post(register::register)))
}

fn route(route: Route, methods: MethodRouter<Arc<App>>) -> Router<Arc<App>> {
    let refuse = move |method: Method, uri: Uri| async move { method_not_allowed(&method, uri.path(), route.allow) };
    Router::new().route(route.path, methods.fallback(refuse))
}

/// The routes of the separate management listener, for operators.
pub fn management(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .fallback(|request: Request| async move { not_found(&request) })
        .with_state(app)
}

/// Maps a matched path to a metrics label. Other paths share one label, so that their number is
/// bounded.
pub fn known_route(matched: Option<&str>) -> &'static str {
    let route = ROUTES.iter().chain(&PAGES).find(|route| Some(route.path) == matched);
    route.map_or("unknown", |route| route.path)
}
