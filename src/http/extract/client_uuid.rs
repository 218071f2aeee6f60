//! The `{client_uuid}` path parameter.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::http::error::ApiError;
use crate::rules::client::ClientId;

pub struct ClientUuid(pub ClientId);

impl<S: Send + Sync> FromRequestParts<S> for ClientUuid {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let bad_request = || {
            let detail = "client_uuid is not a UUID: 36 characters such as 72b68208-36a6-11f0-b21b-da7ad0900002";
            ApiError::bad_parameter("client_uuid", detail)
        };
        let params =
            RawPathParams::from_request_parts(parts, state).await.map_err(|_| bad_request())?;
        let text = params.iter().find_map(|(name, value)| (name == "client_uuid").then_some(value));
        ClientId::parse(text.unwrap_or_default()).map(Self).map_err(|_| bad_request())
    }
}
