//! The id of a key in the path. A malformed one gets 404, like one of another organization.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::http::api::authorized_resources::uuid;
use crate::http::error::ApiError;
use crate::rules::id::KeyId;

pub struct ApiKeyId(pub KeyId);

pub struct ApplicationKeyId(pub KeyId);

impl<S: Send + Sync> FromRequestParts<S> for ApiKeyId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        in_path(parts, state).await.map(Self).ok_or(ApiError::NoSuchApiKey)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ApplicationKeyId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        in_path(parts, state).await.map(Self).ok_or(ApiError::NoSuchApplicationKey)
    }
}

/// The paths have one parameter.
async fn in_path<S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<KeyId> {
    let params = RawPathParams::from_request_parts(parts, state).await.ok()?;
    let (_, text) = params.iter().next()?;
    uuid(text).map(KeyId)
}
