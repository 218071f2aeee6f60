//! `POST /oauth2/v1/revoke` (RFC 7009): token revocation.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use crate::actions::tokens::revoke_token::revoke_token;
use crate::app::App;
use crate::http::error::OAuthError;
use crate::http::extract::ClientForm;
use crate::http::oauth::authenticate::find_authenticated;
use crate::rules::token::request::TokenRefusal;

/// Returns 200 for any token, even if it is unknown or belongs to another client (RFC 7009 section
/// 2.2). The response is sent after the commit.
pub async fn revoke(
    State(app): State<Arc<App>>,
    ClientForm { parameters, credentials }: ClientForm,
) -> Result<StatusCode, OAuthError> {
    let token = parameters.get("token").ok_or(TokenRefusal::Missing("token"))?;
    let client_id = parameters.get("client_id").ok_or(TokenRefusal::Missing("client_id"))?;
    let client = find_authenticated(&app, client_id, &credentials).await?;
    revoke_token(&app.context, &app.issuer, client.id, token).await?;
    Ok(StatusCode::OK)
}
