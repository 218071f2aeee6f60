//! `/api/v1/integration/webhooks/configuration/custom-variables`: variables for the payloads and
//! headers of webhooks. The list is an addition to the compatible API.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::actions::webhooks::create_variable;
use crate::actions::webhooks::delete_variable;
use crate::actions::webhooks::find_variable;
use crate::actions::webhooks::find_variable::DecryptedVariable;
use crate::actions::webhooks::update_variable;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::extract::{Caller, Integrations, JsonApi, Named};
use crate::rules::syntax::json_object::JsonObject;
use crate::rules::webhook::variable::{NewVariable, VariableChange};

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    JsonApi(body): JsonApi<JsonObject>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let new = NewVariable::parse(&body)?;
    let created =
        create_variable::create_variable(&app.context, caller.org_id, &new, &caller.by()).await?;
    Ok((StatusCode::CREATED, Json(document(&created))))
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
) -> Result<Json<Value>, ApiError> {
    let variables = find_variable::list_variables(&app.context, caller.org_id).await?;
    Ok(Json(variables.iter().map(document).collect()))
}

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    Named(name): Named,
) -> Result<Json<Value>, ApiError> {
    let variable = find_variable::find_variable(&app.context, caller.org_id, &name).await?;
    Ok(Json(document(&variable)))
}

/// Changes only the members that are sent.
pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    Named(name): Named,
    JsonApi(body): JsonApi<JsonObject>,
) -> Result<Json<Value>, ApiError> {
    let change = VariableChange::parse(&body)?;
    let changed =
        update_variable::update_variable(&app.context, caller.org_id, &name, &change, &caller.by())
            .await?;
    Ok(Json(document(&changed)))
}

pub async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    Named(name): Named,
) -> Result<StatusCode, ApiError> {
    delete_variable::delete_variable(&app.context, caller.org_id, &name, &caller.by()).await?;
    Ok(StatusCode::OK)
}

fn document(shown: &DecryptedVariable) -> Value {
    let DecryptedVariable { variable, value } = shown;
    let mut document = json!({"name": variable.name, "is_secret": variable.is_secret});
    if let Some(value) = value {
        document["value"] = json!(value.expose());
    }
    document
}
