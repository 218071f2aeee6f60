//! The query of a request to the management API.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::http::error::ApiError;
use crate::rules::syntax::parameters::Parameters;

pub struct Query(pub Parameters);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let query = Parameters::from_query(parts.uri.query().unwrap_or_default());
        query.map(Self).map_err(|error| ApiError::bad_parameter("query", error.to_string()))
    }
}
