//! Names in a path, percent-decoded.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::http::error::{ApiError, StringsError};

/// The last one, of a thing that nothing but its name leads to.
pub struct Named(pub String);

/// What a name leads to, and the id of something that belongs to it.
pub struct NamedWithId {
    pub name: String,
    pub id: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = StringsError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, StringsError> {
        let name = names(parts, state).await?.pop();
        Ok(Self(name.ok_or(ApiError::NotFound)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NamedWithId {
    type Rejection = StringsError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, StringsError> {
        let names: Result<[String; 2], _> = names(parts, state).await?.try_into();
        let [name, id] = names.map_err(|_| ApiError::NotFound)?;
        Ok(Self { name, id })
    }
}

/// What no name may hold names nothing, and never reaches the database.
async fn names<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Vec<String>, ApiError> {
    let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| ApiError::NotFound)?;
    let names = params.iter().map(|(_, value)| (!value.chars().any(char::is_control)).then(|| value.to_owned()));
    names.collect::<Option<_>>().ok_or(ApiError::NotFound)
}
