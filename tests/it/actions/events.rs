//! The events for webhooks: every kind with its complete data, for each of its causes.

mod concurrency;
mod consents;
mod ends;
mod keys;
mod refusals;
mod restrictions;

use grantor::actions::audit::AuditActor;
use grantor::db::grants;
use grantor::rules::client::ClientId;
use grantor::rules::identity::permission::Role;
use grantor::rules::scope::ScopeSet;
use serde_json::{Value, json};

use crate::support::flow::Person;
use crate::support::granted::Granted;
use crate::support::outbox::{insert_webhook, queued_events};
use crate::support::{TestApp, TestOperator};

const BY: AuditActor = AuditActor::COMMAND_LINE;
/// The test sends many requests from one address without moving the clock.
const NO_LIMIT: (&str, &str) = ("limits.token_per_minute", "0");
const DAY: u64 = 86_400;

fn scopes(names: &str) -> ScopeSet {
    ScopeSet::parse(names).expect("scopes")
}

fn client_id(granted: &Granted<'_>) -> ClientId {
    ClientId::parse(&granted.client_id).expect("an id")
}

/// The members that every event about a grant has.
fn about(granted: &Granted<'_>, grant_id: &Value, held: &[&str], title: &str) -> Value {
    json!({
        "title": title,
        "org_id": granted.org_id(),
        "grant_id": grant_id,
        "client": {"id": granted.client_id, "name": "App"},
        "user": {"id": granted.user.id, "email": granted.user.email},
        "scopes": held,
    })
}

fn and<const N: usize>(mut data: Value, members: [(&str, Value); N]) -> Value {
    for (name, value) in members {
        data[name] = value;
    }
    data
}

fn event(kind: &str, data: Value) -> (String, Value) {
    (kind.to_owned(), data)
}

/// An app whose organization has a webhook for all kinds of events.
async fn started(app: &TestApp) -> Granted<'_> {
    let granted = Granted::new(app).await;
    insert_webhook(app, 1, granted.org_id(), None).await;
    granted
}

async fn grant_id(granted: &Granted<'_>) -> Value {
    let found =
        grants::find(granted.app.db(), granted.org_id(), client_id(granted), granted.user.id).await;
    json!(found.expect("is readable").expect("is there").id)
}

/// The events that `change` adds.
async fn events_of<T>(app: &TestApp, change: impl AsyncFnOnce() -> T) -> Vec<(String, Value)> {
    let before = queued_events(app).await.len();
    change().await;
    queued_events(app).await.split_off(before)
}

fn kinds_of(queued_events: &[(String, Value)]) -> Vec<&str> {
    queued_events.iter().map(|(kind, _)| kind.as_str()).collect()
}

/// The client, or the URL of its document, in the `actor` of the API.
fn actor(operator: &TestOperator<'_>, granted: &Granted<'_>) -> String {
    format!("user:{} application_key:{}", granted.user.id, operator.keys.application_key_id)
}

async fn sign_in<'a>(granted: &Granted<'a>, email: &str) -> Person<'a> {
    let mut person = granted.operator.person(email, Role::Standard).await;
    person.signs_in().await;
    person
}
