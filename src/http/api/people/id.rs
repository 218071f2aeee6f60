//! The id of a person or a role in the path. A malformed one gets 404, like one of another
//! organization.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use uuid::Uuid;

use crate::http::api::authorized_resources::uuid;
use crate::http::error::ApiError;
use crate::rules::id::UserId;
use crate::rules::identity::permission::Role;

pub struct PersonId(pub UserId);

pub struct RoleId(pub Role);

impl<S: Send + Sync> FromRequestParts<S> for PersonId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        in_path(parts, state).await.map(|id| Self(UserId(id)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RoleId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let id = in_path(parts, state).await?;
        Role::find(id).map(Self).ok_or(ApiError::NoSuchId(id))
    }
}

/// The paths have one parameter.
async fn in_path<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Uuid, ApiError> {
    let params =
        RawPathParams::from_request_parts(parts, state).await.map_err(|_| ApiError::NotFound)?;
    let id = params.iter().next().and_then(|(_, text)| uuid(text));
    id.ok_or(ApiError::NotFound)
}
