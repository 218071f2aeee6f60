//! Percent-decoded names in a path.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::http::error::ApiError;

/// The last path parameter: the name of a webhook or custom variable.
pub struct Named(pub String);

/// A webhook name and the id of one of its deliveries.
pub struct NamedWithId {
    pub name: String,
    pub id: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let name = names(parts, state).await?.pop();
        name.map(Self).ok_or(ApiError::NotFound)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NamedWithId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let names: Result<[String; 2], _> = names(parts, state).await?.try_into();
        let [name, id] = names.map_err(|_| ApiError::NotFound)?;
        Ok(Self { name, id })
    }
}

/// Names with control characters are not valid, so they get 404 without a database query.
async fn names<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Vec<String>, ApiError> {
    let params =
        RawPathParams::from_request_parts(parts, state).await.map_err(|_| ApiError::NotFound)?;
    let names = params
        .iter()
        .map(|(_, value)| (!value.chars().any(char::is_control)).then(|| value.to_owned()));
    names.collect::<Option<_>>().ok_or(ApiError::NotFound)
}
