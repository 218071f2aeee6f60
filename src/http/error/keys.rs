//! The errors of API keys and application keys.

use crate::actions::keys::KeyError;
use crate::http::error::api::ApiError;
use crate::rules::identity::key_attributes::KeyAttributeError;

impl From<KeyAttributeError> for ApiError {
    fn from(error: KeyAttributeError) -> Self {
        match error.path() {
            path if path.is_empty() => Self::bad_member(error, "/data/attributes"),
            path => Self::bad_attribute(error, path),
        }
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NoSuchApiKey => Self::NoSuchApiKey,
            KeyError::NoSuchApplicationKey => Self::NoSuchApplicationKey,
            KeyError::NothingChanges => {
                Self::unprocessable("nothing would change", "/data/attributes")
            }
            KeyError::AccessEnded => Self::Unauthorized,
            KeyError::Db(cause) => Self::Db(cause),
            error @ (KeyError::TooManyApiKeys(_)
            | KeyError::TooManyApplicationKeys(_)
            | KeyError::ClientHasKey) => Self::Conflict(error.to_string().into()),
        }
    }
}
