//! `/api/v1/integration/webhooks/configuration/webhooks`: where events are sent.

mod access;
mod bound_secrets;
mod life;
mod names;
mod refusals;
mod replaced_secrets;
mod secrets;

use grantor::actions::webhooks::load_webhook::{LoadedWebhook, load_webhook};
use grantor::db::webhooks;
use grantor::db::webhooks::Webhook;
use grantor::rules::id::OrgId;
use serde_json::{Value, json};

use crate::support::errors::strings;
use crate::support::{Answer, TestApp, TestOperator, listed};

const PATH: &str = "/api/v1/integration/webhooks/configuration/webhooks";
const VARIABLES: &str = "/api/v1/integration/webhooks/configuration/custom-variables";
const UNLIMITED: [(&str, &str); 2] =
    [("limits.operator_per_minute", "0"), ("limits.requests_per_minute", "0")];

fn path(name: &str) -> String {
    format!("{PATH}/{name}")
}

/// The required attributes: a name and a URL.
fn least(name: &str) -> Value {
    json!({"name": name, "url": "https://hooks.example/services/T0"})
}

/// The response, without the signing secret.
fn shown(name: &str) -> Value {
    json!({
        "name": name, "url": "https://hooks.example/services/T0", "encode_as": "json", "payload": null,
        "custom_headers": null, "auth_method_id": null, "events": null,
    })
}

fn with(mut document: Value, member: &str, value: impl Into<Value>) -> Value {
    document[member] = value.into();
    document
}

fn unknown() -> Value {
    strings("this organization has no webhook with this name")
}

fn taken() -> Value {
    strings("another webhook of this organization has this name: choose another one")
}

/// The signing secret of a response, and the response without it.
fn without_secret(answer: &Answer) -> (String, Value) {
    let mut document = answer.json();
    let secret = document
        .as_object_mut()
        .expect("an object")
        .remove("signing_secret")
        .expect("a signing secret");
    (secret.as_str().expect("text").to_owned(), document)
}

/// Creates a webhook and returns its signing secret.
async fn created(operator: &TestOperator<'_>, body: &Value) -> String {
    let answer = operator.post(PATH, body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    without_secret(&answer).0
}

async fn stored(operator: &TestOperator<'_>, name: &str) -> Webhook {
    webhooks::find(operator.app.db(), operator.org_id, name)
        .await
        .expect("is readable")
        .expect("is there")
}

async fn loaded(operator: &TestOperator<'_>, name: &str) -> LoadedWebhook {
    let app = operator.app;
    let id = stored(operator, name).await.id;
    load_webhook(app.context(), id).await.expect("is readable").expect("is there")
}

async fn signing_secrets(operator: &TestOperator<'_>, name: &str) -> Vec<String> {
    loaded(operator, name)
        .await
        .signing_secrets
        .iter()
        .map(|secret| secret.expose().to_owned())
        .collect()
}

/// The audit events of webhooks: action, and the values before and after.
async fn recorded(app: &TestApp, org_id: OrgId) -> Vec<(String, Option<Value>, Option<Value>)> {
    let events = listed::audit_events(app.db(), org_id, 100).await.expect("is readable");
    let events = events.into_iter().filter(|event| event.subject.starts_with("webhook:"));
    events.map(|event| (event.action, event.before, event.after)).collect()
}
