//! `GET /oauth2/v1/jwks`: the public keys that verify tokens (RFC 7517 section 5).

use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::rules::token::signing_period::KEY_SET_MAX_AGE;
use crate::signing::SigningKeys;

impl FromRef<Arc<App>> for SigningKeys {
    fn from_ref(app: &Arc<App>) -> Self {
        app.issuer.signing.clone()
    }
}

pub async fn show(State(keys): State<SigningKeys>) -> Response {
    let mut response = keys.jwks().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, MAX_AGE);
    response
}

/// This is [`KEY_SET_MAX_AGE`]. A new key is published longer than that before it signs.
const MAX_AGE: HeaderValue = HeaderValue::from_static("public, max-age=60");
const _: () = assert!(KEY_SET_MAX_AGE == 60);
