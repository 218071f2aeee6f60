//! `POST …/auth-method/oauth2-client-credentials/{auth_method_id}/test`: requests an access token
//! as a delivery would, and returns the result. This is an addition to the compatible API.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::actions::webhooks::fetch_access_token::AccessToken;
use crate::actions::webhooks::test_auth_method::{AuthMethodTest, test_auth_method};
use crate::app::App;
use crate::db::webhooks::auth_methods;
use crate::http::error::{ApiError, JSON_API};
use crate::http::extract::{Caller, Integrations};
use crate::limits::rate_limit::{Class, Counted};
use crate::rules::id::AuthMethodId;

/// The part of the request time limit that is kept for everything but the token request.
const RESERVED_TIME: Duration = Duration::from_secs(1);

pub async fn test(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    // A malformed id gets 404.
    let id = Uuid::try_parse(&id).map(AuthMethodId).map_err(|_| ApiError::NoSuchAuthMethod)?;
    let found = auth_methods::find(&app.context.db, caller.org_id, id).await?;
    let method = found.ok_or(ApiError::NoSuchAuthMethod)?;
    app.limits.take(Class::AuthMethodTest, Counted::Key(id.0)).map_err(ApiError::RateLimited)?;
    let within = app
        .config
        .webhooks
        .timeout
        .min(app.config.http.request_timeout.saturating_sub(RESERVED_TIME));
    let test = test_auth_method(&app.context, &app.webhooks_outgoing, &method, within).await;
    let mut response = axum::Json(document(id, &test)).into_response();
    response.headers_mut().insert(CONTENT_TYPE, JSON_API);
    Ok(response)
}

fn document(id: AuthMethodId, test: &AuthMethodTest) -> Value {
    json!({"data": {
        "type": "webhooks-auth-method-test",
        "id": id,
        "attributes": {
            "succeeded": test.outcome.is_ok(),
            "status": test.status(),
            "duration_ms": test.took_millis(),
            "failure": test.outcome.as_ref().err().map(ToString::to_string),
            "token": test.outcome.as_ref().ok().map(token_details),
            "requested_at": test.requested_at.to_rfc3339(),
        },
    }})
}

/// The details of the token, but never the token itself.
fn token_details(token: &AccessToken) -> Value {
    json!({"type": "Bearer", "expires_in": token.lifetime, "scope": token.scope})
}
