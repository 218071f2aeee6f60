//! `/api/v1/integration/webhooks/configuration/custom-variables`: variables for the payloads and
//! headers of webhooks. The list is an addition to the compatible API.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::actions::webhooks::create_variable;
use crate::actions::webhooks::delete_variable;
use crate::actions::webhooks::find_variable;
use crate::actions::webhooks::find_variable::ShownVariable;
use crate::actions::webhooks::update_variable;
use crate::app::App;
use crate::http::api::webhooks::object;
use crate::http::error::StringsError;
use crate::http::extract::{MayManageIntegrations, Named};
use crate::rules::webhook::variable::{NewVariable, VariableChange};

pub async fn create(
    State(app): State<Arc<App>>,
    MayManageIntegrations(operator, by): MayManageIntegrations,
    request: Request,
) -> Result<(StatusCode, Json<Value>), StringsError> {
    let new = NewVariable::parse(&object(&app, request).await?)?;
    let created = create_variable::create_variable(&app.context, &app.issuer.ring, operator.org_id, &new, &by).await?;
    Ok((StatusCode::CREATED, Json(document(&created))))
}

pub async fn list(
    State(app): State<Arc<App>>,
    MayManageIntegrations(operator, _): MayManageIntegrations,
) -> Result<Json<Value>, StringsError> {
    let variables = find_variable::list_variables(&app.context, &app.issuer.ring, operator.org_id).await?;
    Ok(Json(variables.iter().map(document).collect()))
}

pub async fn show(
    State(app): State<Arc<App>>,
    MayManageIntegrations(operator, _): MayManageIntegrations,
    Named(name): Named,
) -> Result<Json<Value>, StringsError> {
    let variable = find_variable::find_variable(&app.context, &app.issuer.ring, operator.org_id, &name).await?;
    Ok(Json(document(&variable)))
}

/// Changes only the members that are sent.
pub async fn update(
    State(app): State<Arc<App>>,
    MayManageIntegrations(operator, by): MayManageIntegrations,
    Named(name): Named,
    request: Request,
) -> Result<Json<Value>, StringsError> {
    let change = VariableChange::parse(&object(&app, request).await?)?;
    let ring = &app.issuer.ring;
    let changed = update_variable::update_variable(&app.context, ring, operator.org_id, &name, &change, &by).await?;
    Ok(Json(document(&changed)))
}

pub async fn delete(
    State(app): State<Arc<App>>,
    MayManageIntegrations(operator, by): MayManageIntegrations,
    Named(name): Named,
) -> Result<StatusCode, StringsError> {
    delete_variable::delete_variable(&app.context, operator.org_id, &name, &by).await?;
    Ok(StatusCode::OK)
}

fn document(shown: &ShownVariable) -> Value {
    let ShownVariable { variable, value } = shown;
    let mut document = json!({"name": variable.name, "is_secret": variable.is_secret});
    if let Some(value) = value {
        document["value"] = json!(value.expose());
    }
    document
}
