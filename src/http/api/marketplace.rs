//! `POST /api/v2/api_keys/marketplace`: an app creates the API key that it has in the organization
//! of its user. The body is not read.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::actions::keys::create_marketplace_key::create_marketplace_key;
use crate::app::App;
use crate::http::api::key_resources::{api_key, created};
use crate::http::error::ApiError;
use crate::http::extract::AppCaller;

pub async fn create(
    State(app): State<Arc<App>>,
    AppCaller { requester, by }: AppCaller,
) -> Result<Response, ApiError> {
    let new = create_marketplace_key(&app.context, requester, &by).await?;
    Ok(created(api_key(&new.key), &new.secret))
}
