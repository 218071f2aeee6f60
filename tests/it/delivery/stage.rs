//! An organization with a webhook, and an event for it.

use std::sync::Arc;

use grantor::delivery::Sender;
use serde_json::{Value, json};

use crate::support::{Answer, Engine, Reply, Site, TestApp, TestOperator};

pub const WEBHOOKS: &str = "/api/v1/integration/webhooks/configuration/webhooks";
pub const AUTH_METHODS: &str =
    "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials";
/// The settings of every stage: receivers on this machine, and a long timeout.
pub const SETTINGS: [(&str, &str); 3] = [
    ("webhooks.allow_loopback", "true"),
    ("webhooks.timeout", "60"),
    ("limits.operator_per_minute", "0"),
];

pub struct Stage {
    pub app: TestApp,
    pub hook: Site,
}

impl Stage {
    pub async fn new(engine: Engine) -> Self {
        Self::with(engine, &[]).await
    }

    pub async fn with(engine: Engine, settings: &[(&str, &str)]) -> Self {
        let settings: Vec<_> = SETTINGS.iter().chain(settings).copied().collect();
        Self {
            app: TestApp::with(engine, &settings).await,
            hook: Site::answering(Reply::status(200)).await,
        }
    }

    /// An operator of an organization with a webhook, and its signing secret.
    pub async fn operator(&self) -> (TestOperator<'_>, String) {
        let operator = self.app.operator("Acme").await;
        let created =
            create(&operator, json!({"name": "events", "url": self.hook.url("/events")})).await;
        (operator, created["signing_secret"].as_str().expect("a secret").to_owned())
    }

    /// Sends everything that is due.
    pub async fn send(&self) {
        sender(&self.app).send_due().await.expect("the database answers");
    }
}

pub fn sender(app: &TestApp) -> Arc<Sender> {
    Arc::new(app.app.sender())
}

pub async fn create(operator: &TestOperator<'_>, webhook: Value) -> Value {
    created(operator.post(WEBHOOKS, &webhook).await)
}

/// Creates an auth method that gets access tokens from the receiver, and returns its id.
pub async fn auth_method(operator: &TestOperator<'_>, url: &str) -> String {
    let attributes = json!({
        "name": "tokens",
        "access_token_url": url,
        "client_id": "grantor",
        "client_secret": "the-secret-of-the-receiver",
        "scope": "events.write",
    });
    let body = json!({"data": {"type": "webhooks-auth-method-oauth2-client-credentials", "attributes": attributes}});
    created(operator.post(AUTH_METHODS, &body).await)["data"]["id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

fn created(answer: Answer) -> Value {
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

/// Causes an event by changing the restriction of a client to another value each time.
pub async fn cause(operator: &TestOperator<'_>, client_id: &str, number: usize) {
    let scopes: &[&str] =
        if number.is_multiple_of(2) { &["mcp_read"] } else { &["mcp_read", "mcp_write"] };
    let answer = operator.restrict(client_id, &[], scopes).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

pub async fn deliveries(operator: &TestOperator<'_>, query: &str) -> Vec<Value> {
    let answer = operator.get(&format!("{WEBHOOKS}/events/deliveries{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["data"].as_array().expect("a list").clone()
}
