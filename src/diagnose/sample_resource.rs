//! A tiny protected resource for `grantor demo`: what an MCP server does with this server, and nothing else.
//!
//! Without a token it answers 401 and says where its metadata is (RFC 9728 sections 3 and 5.1); with one it asks the
//! authorization server about it (RFC 7662), each time, so that a token that was taken back is refused at once.

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
use crate::secret::Secret;

const BOUNDS: Bounds = Bounds { bytes: 64 * 1024, time: Duration::from_secs(5) };
const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";

pub struct SampleResource {
    /// Where it listens, as a URL without a path.
    pub url: String,
    pub issuer: String,
    /// By which it asks about tokens.
    pub secret: Secret,
    pub outgoing: Outgoing,
}

impl SampleResource {
    /// What tokens for it say in `aud`.
    pub fn resource(&self) -> String {
        format!("{}/mcp", self.url)
    }

    /// Serves until it is dropped.
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
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(token) = header.strip_prefix("Bearer ") else { return this.challenge("") };
    match this.introspect(token).await {
        None => (StatusCode::BAD_GATEWAY, "the authorization server did not answer\n").into_response(),
        Some(told) if told["active"] != true => this.challenge(", error=\"invalid_token\""),
        Some(told) => {
            Json(json!({"hello": told["sub"], "client": told["client_id"], "you_may": told["scope"]})).into_response()
        }
    }
}

/// Where the demo's client is sent: it shows the code, which a real client would exchange at once.
async fn callback(RawQuery(query): RawQuery) -> String {
    let query = query.unwrap_or_default();
    let told = |wanted: &str| {
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, value)| name == wanted && is_plain(value)).map(|(_, value)| value.into_owned())
    };
    match (told("code"), told("error")) {
        (Some(code), _) => format!("You let the client in. In the terminal of the tour:\n\nCODE={code}\n"),
        (None, Some(error)) => format!("The client is told: {error}\n"),
        (None, None) => "The client is told nothing that it understands.\n".to_owned(),
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
        let answer = self.outgoing.send(request, BOUNDS).await.ok()?;
        serde_json::from_slice(&answer.body).ok()
    }
}
