//! `POST /oauth2/v1/introspect` (RFC 7662): resource servers check access tokens.
//!
//! A resource server authenticates with its secret, and so does a confidential client, which sees
//! only its own tokens. A token for another resource is reported as inactive, and so is a token that
//! is unknown, expired, revoked or not an access token. The response does not reveal which.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::actions::tokens::check::ActiveToken;
use crate::app::App;
use crate::http::error::OAuthError;
use crate::http::extract::look_ups::wait_for_turn;
use crate::http::extract::{Authorization, ClientCredentials, ClientIp, OAuthForm};
use crate::http::headers::credentials::secrets_of;
use crate::http::oauth::authenticate::find_authenticated;
use crate::limits::rate_limit::{Class, Counted};
use crate::rules::authorization::resource::Resource;
use crate::rules::client::client_secret::PREFIX;
use crate::rules::id::{FamilyId, OrgId, UserId};
use crate::rules::secret::Secret;
use crate::rules::syntax::parameters::Parameters;
use crate::rules::timestamp::Timestamp;
use crate::rules::token::claims::Audience;
use crate::rules::token::request::TokenRefusal;

/// The response of RFC 7662 section 2.2 for an active token.
#[derive(Serialize)]
struct IntrospectionResponse<'a> {
    active: bool,
    scope: String,
    client_id: &'a str,
    token_type: &'static str,
    exp: Timestamp,
    iat: Timestamp,
    sub: UserId,
    aud: &'a Audience,
    iss: &'a str,
    jti: Uuid,
    auth_time: Timestamp,
    org_id: OrgId,
    family: FamilyId,
}

pub async fn introspect(
    State(app): State<Arc<App>>,
    source: ClientIp,
    Authorization(header): Authorization,
    OAuthForm(mut parameters): OAuthForm,
) -> Result<Response, OAuthError> {
    let in_header = header.as_ref().map(secrets_of);
    if sends_client_secret(in_header.as_deref(), &parameters) {
        let credentials =
            ClientCredentials::read(header.as_ref(), source.counted(), &mut parameters)?;
        return introspect_own(&app, &credentials, &parameters).await;
    }
    let resource = authenticate(&app, in_header, source.counted(), &parameters).await?;
    let token = parameters.get("token").ok_or(TokenRefusal::Missing("token"))?;
    let live = app.find_live(token).await?;
    let live = live.filter(|live| live.claims.aud.is_for(&resource));
    Ok(introspection_response(live.as_ref()))
}

/// The form of a secret tells the two kinds of callers apart.
fn sends_client_secret(in_header: Option<&[Secret]>, parameters: &Parameters) -> bool {
    let in_body = parameters.get("client_secret").is_some_and(|text| text.starts_with(PREFIX));
    let is_ours = |secret: &Secret| secret.expose().starts_with(PREFIX);
    in_body || in_header.is_some_and(|secrets| secrets.iter().any(is_ours))
}

/// A confidential client asks about a token. Only its own ones are reported as active.
async fn introspect_own(
    app: &App,
    credentials: &ClientCredentials,
    parameters: &Parameters,
) -> Result<Response, OAuthError> {
    let client_id = parameters.get("client_id").ok_or(OAuthError::BadClientSecret)?;
    let client = find_authenticated(app, client_id, credentials).await?;
    let token = parameters.get("token").ok_or(TokenRefusal::Missing("token"))?;
    let live = app.find_live(token).await?;
    let live = live.filter(|live| live.liveness.client_id == client.id);
    Ok(introspection_response(live.as_ref()))
}

/// Accepts HTTP Basic, `client_secret` in the body, or the secret as a bearer token. The secret
/// alone identifies the resource server. Wrong secrets are counted by source and refused before the
/// token is checked. Valid ones are never refused.
async fn authenticate(
    app: &App,
    in_header: Option<Vec<Secret>>,
    source: Option<Counted>,
    parameters: &Parameters,
) -> Result<Resource, OAuthError> {
    let in_body = parameters.get("client_secret").map(|secret| Secret::new(secret.to_owned()));
    let secrets = match in_header {
        Some(_) if in_body.is_some() => return Err(OAuthError::TwoCredentials),
        Some(secrets) => secrets,
        None => in_body.into_iter().collect(),
    };
    let found = {
        let _turn = wait_for_turn(&app.limits, source, &[Class::FailedKeys]).await;
        app.resource_servers.find(&app.context, &secrets).await?
    };
    if found.is_none()
        && let Some(source) = source
    {
        app.limits.take(Class::FailedKeys, source).map_err(OAuthError::RateLimited)?;
    }
    found.ok_or(OAuthError::UnknownResource)
}

fn introspection_response(live: Option<&ActiveToken>) -> Response {
    let no_store = [(CACHE_CONTROL, "no-store")];
    let Some(ActiveToken { claims, scopes, .. }) = live else {
        return (no_store, Json(json!({"active": false}))).into_response();
    };
    let body = IntrospectionResponse {
        active: true,
        scope: scopes.to_string(),
        client_id: &claims.client_id,
        token_type: "Bearer",
        exp: claims.exp,
        iat: claims.iat,
        sub: claims.sub,
        aud: &claims.aud,
        iss: &claims.iss,
        jti: claims.jti,
        auth_time: claims.auth_time,
        org_id: claims.org_id,
        family: claims.family,
    };
    (no_store, Json(body)).into_response()
}
