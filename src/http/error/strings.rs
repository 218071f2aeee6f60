//! The errors of the integrations endpoints, which are always plain strings.

use axum::response::{IntoResponse, Response};

use crate::actions::webhooks::find_variable::VariableError;
use crate::actions::webhooks::find_webhook::WebhookError;
use crate::http::error::api::{About, ApiError};
use crate::http::middleware::audience::Audience;
use crate::rules::syntax::json_object::JsonObjectError;
use crate::rules::webhook;
use crate::rules::webhook::variable;

#[derive(Debug)]
pub struct StringsError(ApiError);

impl<E: Into<ApiError>> From<E> for StringsError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for StringsError {
    fn into_response(self) -> Response {
        self.0.response_for(Audience::Strings)
    }
}

fn bad_request(detail: impl ToString) -> ApiError {
    ApiError::BadRequest { detail: detail.to_string(), about: About::Pointer(String::new()) }
}

impl From<JsonObjectError> for ApiError {
    fn from(error: JsonObjectError) -> Self {
        bad_request(error)
    }
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::NoSuchWebhook => Self::NoSuchWebhook,
            WebhookError::Taken => {
                Self::Conflict("another webhook of this organization has this name: choose another one".to_owned())
            }
            WebhookError::TooMany => Self::Conflict(format!(
                "this organization already has {} webhooks, the maximum: delete one first",
                webhook::MAX_WEBHOOKS
            )),
            WebhookError::NoSuchAuthMethod => {
                bad_request("auth_method_id is not the id of an auth method of this organization")
            }
            WebhookError::NotBound(cause) => bad_request(cause),
            WebhookError::Mistake(mistake) => bad_request(mistake),
            WebhookError::Seal(cause) => Self::Unopened(cause),
            WebhookError::Db(cause) => Self::Db(cause),
        }
    }
}

impl From<webhook::WebhookMistake> for ApiError {
    fn from(mistake: webhook::WebhookMistake) -> Self {
        bad_request(mistake)
    }
}

impl From<VariableError> for ApiError {
    fn from(error: VariableError) -> Self {
        match error {
            VariableError::NoSuchVariable => Self::NoSuchVariable,
            VariableError::Taken => Self::Conflict(
                "another custom variable of this organization has this name: choose another one".to_owned(),
            ),
            VariableError::TooMany => Self::Conflict(format!(
                "this organization already has {} custom variables, the maximum: delete one first",
                variable::MAX_VARIABLES
            )),
            VariableError::Mistake(mistake) => bad_request(mistake),
            VariableError::Seal(cause) => Self::Unopened(cause),
            VariableError::Db(cause) => Self::Db(cause),
        }
    }
}

impl From<variable::VariableMistake> for ApiError {
    fn from(mistake: variable::VariableMistake) -> Self {
        bad_request(mistake)
    }
}
