//! Why no tokens are issued, in the terms of the token endpoint.

use crate::db::engine::error::DbError;
use crate::rules::token::request::TokenRefusal;
use crate::signing::SigningError;

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error(transparent)]
    Refused(#[from] TokenRefusal),
    /// Concurrent requests changed the family before each attempt.
    #[error("concurrent requests changed the token family before each attempt")]
    Busy,
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error(transparent)]
    Db(#[from] DbError),
}
