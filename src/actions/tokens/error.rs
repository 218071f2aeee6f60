//! Why no tokens are given, in the words that the token endpoint has for it.

use crate::db::engine::error::DbError;
use crate::rules::token::request::TokenRefusal;
use crate::signing::SigningError;

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error(transparent)]
    Refused(#[from] TokenRefusal),
    /// Others were quicker, again and again.
    #[error("the family was changed by others each time")]
    Busy,
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error(transparent)]
    Db(#[from] DbError),
}
