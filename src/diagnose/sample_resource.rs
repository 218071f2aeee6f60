//! A minimal protected resource for `grantor demo`, which uses this server as an MCP server does.
//!
//! Without a token, it returns 401 and the URL of its metadata (RFC 9728 sections 3 and 5.1). With
//! a token, it introspects the token on every request (RFC 7662), so that a revoked token is
//! refused at once.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::outgoing::{Bounds, Method, Outgoing, Request};
use crate::rules::secret::Secret;

const BOUNDS: Bounds = Bounds { bytes: 64 * 1024, time: Duration::from_secs(5) };
const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";

pub struct SampleResource {
    /// Its own URL, without a path.
    pub url: String,
    pub issuer: String,
    /// The secret that it uses for introspection.
    pub secret: Secret,
    pub outgoing: Outgoing,
}

impl SampleResource {
    /// Its resource URI, the `aud` of its tokens.
    pub fn resource(&self) -> String {
        format!("{}/mcp", self.url)
    }

    /// Serves until the future is dropped.
    pub async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        let router = Router::new()
            .route("/mcp", get(show).post(show))
            .route(METADATA, get(metadata))
            .route("/callback", get(callback))
            .with_state(Arc::new(self));
        axum::serve(listener, router).await
    }
}

async fn metadata(State(this): State<Arc<SampleResource>>) -> Json<Value> {
    Json(json!({
        "resource": this.resource(),
        "authorization_servers": [this.issuer],
        "scopes_supported": ["mcp_read"],
    }))
}

async fn show(State(this): State<Arc<SampleResource>>, headers: HeaderMap) -> Response {
    let header =
        headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(token) = header.strip_prefix("Bearer ") else { return this.challenge("") };
    match this.introspect(token).await {
        None => (StatusCode::BAD_GATEWAY, "the authorization server did not respond\n").into_response(),
        Some(claims) if claims["active"] != true => this.challenge(", error=\"invalid_token\""),
        Some(claims) => {
            Json(json!({"hello": claims["sub"], "client": claims["client_id"], "you_may": claims["scope"]}))
                .into_response()
        }
    }
}

/// The redirect URI of the demo's client. It shows the code, which a real client would exchange at
/// once.
async fn callback(RawQuery(query): RawQuery) -> String {
    let query = query.unwrap_or_default();
    let value = |wanted: &str| {
        let is_plain = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs
            .find(|(name, value)| name == wanted && is_plain(value))
            .map(|(_, value)| value.into_owned())
    };
    match (value("code"), value("error")) {
        (Some(code), _) => {
            format!(
                "You approved the client. Paste this into the terminal of the tour:\n\nCODE={code}\n"
            )
        }
        (None, Some(error)) => format!("The client received the error {error}\n"),
        (None, None) => "The client received neither a code nor an error.\n".to_owned(),
    }
}

impl SampleResource {
    fn challenge(&self, error: &str) -> Response {
        let value = format!("Bearer resource_metadata=\"{}{METADATA}\"{error}", self.url);
        (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, value)]).into_response()
    }

    async fn introspect(&self, token: &str) -> Option<Value> {
        let pairs = [("token", token), ("client_secret", self.secret.expose())];
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let url = format!("{}/oauth2/v1/introspect", self.issuer);
        let headers = &[("content-type", "application/x-www-form-urlencoded")];
        let request = Request { method: Method::Post, url: &url, headers, body: &body };
        let response = self.outgoing.send(request, BOUNDS).await.ok()?;
        serde_json::from_slice(&response.body).ok()
    }
}
