//! `/api/v1/integration/webhooks/configuration/webhooks`: the webhooks of an organization. The list
//! and the members `auth_method_id`, `events` and `signing_secret` are additions to the compatible
//! API.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::actions::webhooks::create_webhook;
use crate::actions::webhooks::delete_webhook;
use crate::actions::webhooks::find_webhook;
use crate::actions::webhooks::find_webhook::DecryptedWebhook;
use crate::actions::webhooks::update_webhook;
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::extract::{Caller, Integrations, JsonApi, Named};
use crate::rules::syntax::address::AddressRules;
use crate::rules::syntax::json_object::JsonObject;
use crate::rules::webhook::{NewWebhook, WebhookChange};

pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    JsonApi(body): JsonApi<JsonObject>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let new = NewWebhook::parse(&body, &addresses(&app))?;
    let created =
        create_webhook::create_webhook(&app.context, caller.org_id, &new, &caller.by()).await?;
    Ok((StatusCode::CREATED, Json(document(&created))))
}

pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
) -> Result<Json<Value>, ApiError> {
    let webhooks = find_webhook::list_webhooks(&app.context, caller.org_id).await?;
    Ok(Json(webhooks.iter().map(document).collect()))
}

pub async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    Named(name): Named,
) -> Result<Json<Value>, ApiError> {
    let webhook = find_webhook::find_webhook(&app.context, caller.org_id, &name).await?;
    Ok(Json(document(&webhook)))
}

/// Changes only the members that are sent.
pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    Named(name): Named,
    JsonApi(body): JsonApi<JsonObject>,
) -> Result<Json<Value>, ApiError> {
    let change = WebhookChange::parse(&body, &addresses(&app))?;
    let changed =
        update_webhook::update_webhook(&app.context, caller.org_id, &name, &change, &caller.by())
            .await?;
    Ok(Json(document(&changed)))
}

pub async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    Named(name): Named,
) -> Result<StatusCode, ApiError> {
    delete_webhook::delete_webhook(&app.context, caller.org_id, &name, &caller.by()).await?;
    Ok(StatusCode::OK)
}

/// The rules for addresses in the URL. The addresses of a host name are checked on each delivery.
fn addresses(app: &App) -> AddressRules {
    AddressRules {
        allow_networks: app.config.outgoing.allow_networks.clone(),
        allow_loopback: app.config.webhooks.allow_loopback,
    }
}

fn document(shown: &DecryptedWebhook) -> Value {
    let DecryptedWebhook { webhook, custom_headers, signing_secret } = shown;
    let mut document = json!({
        "name": webhook.name,
        "url": webhook.url,
        "encode_as": webhook.encode_as.name(),
        "payload": webhook.payload,
        "custom_headers": custom_headers.as_ref().map(|text| text.expose()),
        "auth_method_id": webhook.auth_method_id,
        "events": webhook.event_kinds,
    });
    if let Some(secret) = signing_secret {
        document["signing_secret"] = json!(secret.expose());
    }
    document
}
