//! `POST /oauth2/v1/token`, also at `/api/v2/oauth2/token` (RFC 6749 section 3.2): exchanges codes
//! and refresh tokens for tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, PRAGMA};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::actions::tokens::error::TokenError;
use crate::actions::tokens::exchange::{Exchange, exchange_code};
use crate::actions::tokens::issue::Issued;
use crate::actions::tokens::refresh::{Refreshing, refresh_tokens};
use crate::app::App;
use crate::db::clients::Client;
use crate::http::error::OAuthError;
use crate::http::extract::ClientForm;
use crate::http::oauth::authenticate::find_authenticated;
use crate::rules::client::ClientId;
use crate::rules::token::request::{TokenRefusal, TokenRequest};

/// The response of RFC 6749 section 5.1. Absent members are omitted: some clients fail on null.
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
}

pub async fn token(
    State(app): State<Arc<App>>,
    form: Result<ClientForm, OAuthError>,
) -> Result<Response, OAuthError> {
    let outcome = handle(&app, form).await;
    match &outcome {
        Ok(_) => app.metrics.token("ok"),
        Err(error) => app.metrics.token(error.code()),
    }
    outcome
}

async fn handle(app: &App, form: Result<ClientForm, OAuthError>) -> Result<Response, OAuthError> {
    let ClientForm { parameters, credentials } = form?;
    let issued = match TokenRequest::parse(&parameters)? {
        TokenRequest::Code { client_id, code, redirect_uri, code_verifier, resources } => {
            let client = find_authenticated(app, &client_id, &credentials).await?;
            let resources = app
                .resource_servers
                .with_registered_spelling(&app.context, resources)
                .await
                .map_err(TokenError::from)?;
            let exchange = Exchange {
                client: &client,
                code: &code,
                redirect_uri: redirect_uri.as_deref(),
                code_verifier: code_verifier.as_ref(),
                resources: &resources,
            };
            exchange_code(&app.context, &app.issuer, app.restriction_rules(client.id), exchange)
                .await?
        }
        TokenRequest::Refresh { client_id, refresh_token, scope, resources } => {
            let id = app.find_client.id_of(&client_id).ok_or(TokenRefusal::UnknownClient)?;
            // A client with a metadata document has its URL as the id and no secret, so it is not
            // read here. For the others, this normalizes the spelling of the id.
            let found = match ClientId::parse(&client_id) {
                Ok(_) => Some(find_authenticated(app, &client_id, &credentials).await?),
                Err(_) if credentials.by_header && !credentials.secrets.is_empty() => {
                    return Err(OAuthError::Authenticated);
                }
                Err(_) => None,
            };
            let client = found.as_ref().map_or(client_id, Client::wire_id);
            let resources = app
                .resource_servers
                .with_registered_spelling(&app.context, resources)
                .await
                .map_err(TokenError::from)?;
            let refreshing = Refreshing {
                client_id: id,
                client: &client,
                configured_scopes: found.as_ref().and_then(Client::configured_scopes),
                refresh_token: &refresh_token,
                scope: scope.as_ref(),
                resources: &resources,
            };
            refresh(app, refreshing).await?
        }
    };
    Ok(token_response(&issued))
}

/// Reports an unknown client as `invalid_client`, since that makes most clients register again.
async fn refresh(app: &App, refreshing: Refreshing<'_>) -> Result<Issued, OAuthError> {
    match refresh_tokens(
        &app.context,
        &app.issuer,
        app.restriction_rules(refreshing.client_id),
        refreshing,
    )
    .await
    {
        Err(error @ TokenError::Refused(TokenRefusal::InvalidRefreshToken)) => {
            app.find_client.find_known(&app.context, refreshing.client).await?;
            Err(error.into())
        }
        outcome => Ok(outcome?),
    }
}

fn token_response(issued: &Issued) -> Response {
    let body = TokenResponse {
        access_token: issued.access_token.expose(),
        token_type: "Bearer",
        expires_in: issued.expires_in,
        refresh_token: issued.refresh_token.as_ref().map(|token| token.expose()),
        scope: issued.scope.to_string(),
        id_token: issued.id_token.as_ref().map(|token| token.expose()),
    };
    ([(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")], Json(body)).into_response()
}
