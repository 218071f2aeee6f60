//! `GET` and `POST /oauth2/v1/userinfo` (OpenID Connect Core section 5.3): the user of an access
//! token.
//!
//! Any access token of this server with the scope `openid` is accepted, whatever resource it is
//! for, so that an MCP server can find out who its user is.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::db::users;
use crate::http::error::BearerError;
use crate::http::extract::basic::bearer_token;
use crate::rules::token::claims::{UserClaims, UserInfo};

pub async fn userinfo(State(app): State<Arc<App>>, request: Request) -> Result<Response, BearerError> {
    let header = request.headers().get(AUTHORIZATION).ok_or(BearerError::Missing)?;
    let token = bearer_token(header).ok_or(BearerError::Missing)?;
    let live = app.find_live(token).await?.ok_or(BearerError::Invalid)?;
    if !live.scopes.contains("openid") {
        return Err(BearerError::Lacks("openid"));
    }
    let user = users::find(&app.context.db, live.claims.sub).await?.ok_or(BearerError::Invalid)?;
    let claims = UserClaims::for_scopes(&live.scopes, &user.email, user.name.as_deref());
    let body = UserInfo { sub: user.id, user: claims };
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)).into_response())
}
