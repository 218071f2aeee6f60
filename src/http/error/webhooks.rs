//! The errors of the webhook endpoints, whose shape has only a text.

use crate::actions::webhooks::find_variable::VariableError;
use crate::actions::webhooks::find_webhook::WebhookError;
use crate::http::error::api::ApiError;
use crate::rules::syntax::json_object::JsonObjectError;
use crate::rules::webhook;
use crate::rules::webhook::variable;

/// The source is not reported.
fn bad_request(detail: impl ToString) -> ApiError {
    ApiError::bad_member(detail, "")
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
            WebhookError::Taken => Self::Conflict(
                "another webhook of this organization has this name: choose another one".into(),
            ),
            WebhookError::TooMany => {
                let max = webhook::MAX_WEBHOOKS;
                let detail = format!(
                    "this organization already has {max} webhooks, the maximum: delete one first"
                );
                Self::Conflict(detail.into())
            }
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
                "another custom variable of this organization has this name: choose another one"
                    .into(),
            ),
            VariableError::TooMany => {
                let max = variable::MAX_VARIABLES;
                let detail = format!(
                    "this organization already has {max} custom variables, the maximum: delete one first"
                );
                Self::Conflict(detail.into())
            }
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
