//! `GET` and `POST /oauth2/v1/userinfo` (OpenID Connect Core section 5.3): the user of an access
//! token.
//!
//! Any access token of this server with the scope `openid` is accepted, whatever resource it is
//! for, so that an MCP server can find out who its user is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};

use crate::actions::tokens::issue::user_claims;
use crate::app::App;
use crate::db::users;
use crate::http::error::OAuthError;
use crate::http::extract::Authorization;
use crate::http::headers::credentials::bearer_token;
use crate::rules::token::claims::UserInfo;

pub async fn userinfo(
    State(app): State<Arc<App>>,
    Authorization(header): Authorization,
) -> Result<Response, OAuthError> {
    let token = header.as_ref().and_then(bearer_token).ok_or(OAuthError::NoAccessToken)?;
    let live = app.find_live(token).await?.ok_or(OAuthError::BadAccessToken)?;
    if !live.scopes.contains("openid") {
        return Err(OAuthError::LacksScope("openid"));
    }
    let user =
        users::find(&app.context.db, live.claims.sub).await?.ok_or(OAuthError::BadAccessToken)?;
    let claims = user_claims(&live.scopes, &user);
    let body = UserInfo { sub: user.id, user: claims };
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)).into_response())
}
