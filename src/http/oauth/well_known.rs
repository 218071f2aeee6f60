//! `GET /api/v2/oauth2/.well-known/sites`: the sites of this service, from the settings.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;

use crate::app::App;
use crate::http::error::JSON_API;

/// The document changes only with the settings.
fn document(environment: &str, hosts: &[String]) -> Bytes {
    json!({"data": {"id": environment, "type": "env", "attributes": {"sites": hosts}}})
        .to_string()
        .into()
}

pub async fn sites(State(app): State<Arc<App>>) -> Response {
    let document =
        app.sites.get_or_init(|| document(&app.config.sites.environment, &app.config.sites.hosts));
    let mut response = document.clone().into_response();
    response.headers_mut().insert(CONTENT_TYPE, JSON_API);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}
