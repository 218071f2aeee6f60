//! `POST /api/v2/oauth2/register`: dynamic client registration (RFC 7591), open to anyone.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;

use crate::actions::clients::register::{Dedup, Registered};
use crate::app::App;
use crate::http::error::OAuthError;
use crate::http::extract::ClientIp;
use crate::http::middleware::body;
use crate::http::middleware::body::BodyBounds;
use crate::limits::rate_limit::{Class, Counted};
use crate::rules::client::identity::ClientIdentity;
use crate::rules::client::metadata::ClientMetadata;
use crate::rules::client::raw_metadata::RawClientMetadata;
use crate::rules::syntax::network::Network;

/// The response of RFC 7591 section 3.2.1: the id and all registered metadata.
#[derive(Serialize)]
struct RegistrationResponse<'a> {
    client_id: uuid::Uuid,
    client_id_issued_at: i64,
    #[serde(flatten)]
    metadata: &'a ClientMetadata,
}

pub async fn register(
    State(app): State<Arc<App>>,
    source: ClientIp,
    request: Request,
) -> Result<impl IntoResponse, OAuthError> {
    let outcome = handle(&app, source.network(), request).await;
    match &outcome {
        Ok((registered, _)) => app.metrics.registration("ok", registered.dedup.as_str()),
        Err(error) => app.metrics.registration(error.code(), "none"),
    }
    outcome.map(|(_, response)| response)
}

async fn handle(
    app: &App,
    network: Option<Network>,
    request: Request,
) -> Result<(Registered, impl IntoResponse + use<>), OAuthError> {
    limit(app, network)?;
    let bytes = body::read(request, &[body::JSON], BodyBounds::of(&app.config)).await?;
    let raw = RawClientMetadata::from_json(&bytes)?;
    let metadata = ClientMetadata::parse(&raw, &app.registration_rules())?;
    let identity = ClientIdentity::of(&raw, &metadata);
    limit_new(app, network, &identity).await?;
    let registered = app.registrar.register(&app.context, &metadata, &identity).await?;
    log(&registered, &metadata);
    let body = RegistrationResponse {
        client_id: registered.id.uuid(),
        client_id_issued_at: registered.issued_at.seconds(),
        metadata: &metadata,
    };
    let response = (StatusCode::CREATED, Json(body)).into_response();
    Ok((registered, response))
}

/// Applies the limit per source before the body is read.
fn limit(app: &App, network: Option<Network>) -> Result<(), OAuthError> {
    let Some(network) = network else { return Ok(()) };
    app.limits.take(Class::Register, Counted::Network(network)).map_err(OAuthError::RateLimited)
}

/// Applies the total limit, which counts only new clients: a registered client must get its id even
/// while others use up the limit.
async fn limit_new(
    app: &App,
    network: Option<Network>,
    identity: &ClientIdentity,
) -> Result<(), OAuthError> {
    if app.registrar.remembers(identity) {
        return Ok(());
    }
    let Err(refusal) = app.limits.take_registration(network) else { return Ok(()) };
    let is_stored = app.registrar.is_stored(&app.context, identity).await?;
    if is_stored { Ok(()) } else { Err(OAuthError::RateLimited(refusal)) }
}

/// Logs only new clients at `info`.
fn log(registered: &Registered, metadata: &ClientMetadata) {
    if registered.dedup == Dedup::New {
        let name = metadata.client_name().as_str();
        tracing::info!(client.id = %registered.id, client.name = name, "client registered");
    } else {
        tracing::debug!(client.id = %registered.id, dedup = ?registered.dedup, "client seen again");
    }
}
