//! `POST /api/v2/oauth2/register`: RFC 7591, open to anyone.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;

use crate::actions::{Dedup, Registered};
use crate::app::App;
use crate::http::body;
use crate::http::edge::Origin;
use crate::http::error::OAuthError;
use crate::http::rate_limit::{Class, Counted};
use crate::oauth::client_identity::ClientIdentity;
use crate::oauth::client_metadata::{ClientMetadata, RawClientMetadata};

/// RFC 7591 section 3.2.1: the id, and everything that was registered.
#[derive(Serialize)]
struct Answer<'a> {
    client_id: uuid::Uuid,
    client_id_issued_at: i64,
    #[serde(flatten)]
    metadata: &'a ClientMetadata,
}

pub async fn register(State(app): State<Arc<App>>, request: Request) -> Result<impl IntoResponse, OAuthError> {
    let outcome = answered(&app, request).await;
    match &outcome {
        Ok((registered, _)) => app.metrics.registration("ok", Some(registered.dedup)),
        Err(error) => app.metrics.registration(error.code(), None),
    }
    outcome.map(|(_, answer)| answer)
}

async fn answered(app: &App, request: Request) -> Result<(Registered, impl IntoResponse + use<>), OAuthError> {
    limit(app, &request)?;
    let bytes = body::read(request, &[body::JSON], app.body_bounds()).await?;
    let raw = RawClientMetadata::from_json(&bytes)?;
    let metadata = ClientMetadata::parse(&raw, &app.registration_rules())?;
    let identity = ClientIdentity::of(&raw, &metadata);
    let registered = app.registrar.register(&app.context, &metadata, &identity).await?;
    log(&registered, &metadata);
    let answer = Answer {
        client_id: registered.id.uuid(),
        client_id_issued_at: registered.issued_at.seconds(),
        metadata: &metadata,
    };
    let answer = (StatusCode::CREATED, Json(answer)).into_response();
    Ok((registered, answer))
}

/// Before the body is read: by source, and in total.
fn limit(app: &App, request: &Request) -> Result<(), OAuthError> {
    if let Some(origin) = request.extensions().get::<Origin>() {
        let source = Counted::Network(origin.address.into());
        app.limits.take(Class::Register, source).map_err(OAuthError::RateLimited)?;
    }
    app.limits.take(Class::RegisterTotal, Counted::Everyone).map_err(OAuthError::RateLimited)
}

/// A client that registers again is no news.
fn log(registered: &Registered, metadata: &ClientMetadata) {
    if registered.dedup == Dedup::New {
        let name = metadata.client_name().as_str();
        tracing::info!(client.id = %registered.id, client.name = name, "client registered");
    } else {
        tracing::debug!(client.id = %registered.id, dedup = ?registered.dedup, "client seen again");
    }
}
