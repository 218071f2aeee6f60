//! A partner, a reviewer and what they do to publish a client.

use grantor::db::users::reviewers;
use grantor::db::{partners, users};
use grantor::rules::scope::ScopeSet;
use serde_json::{Value, json};

use super::flow::McpClient;
use super::private_client::{OWN_CLIENTS, PrivateClient, REDIRECT, body};
use super::{Answer, START, TestApp, TestOperator};

pub const REVIEWS: &str = "/api/v2/oauth2_client_reviews";
pub const PUBLISHED: &str = "/api/v2/published_oauth2_clients";

/// The attributes of a client that can be submitted.
pub fn complete() -> Value {
    json!({
        "name": "Pager",
        "redirect_uris": [REDIRECT],
        "onboarding_url": "https://pager.example/start",
        "description": "On-call alerts",
        "scopes": ["openid", "mcp_read"],
    })
}

pub fn decision(note: &str) -> Value {
    json!({"data": {"type": "oauth2_client_versions", "attributes": {"note": note}}})
}

/// An administrator of an organization of their own, named as a reviewer.
pub async fn reviewer<'a>(app: &'a TestApp, org: &str) -> TestOperator<'a> {
    let reviewer = app.operator(org).await;
    let user = users::find_by_email(app.db(), &reviewer.email).await.expect("is readable");
    reviewers::add(app.db(), user.expect("a user").id, START).await.expect("is added");
    reviewer
}

pub async fn make_partner(operator: &TestOperator<'_>, private_scopes: &str) {
    let partner = partners::Partner {
        org_id: operator.org_id,
        org_name: String::new(),
        private_scopes: ScopeSet::parse(private_scopes).expect("scopes"),
        note: None,
        approved_by: None,
        approved_at: START,
    };
    let partner = &partner;
    operator
        .app
        .context()
        .transact("test", |tx| Box::pin(async move { partners::upsert(tx, partner).await }))
        .await
        .expect("is stored");
}

/// A private client that can be submitted.
pub async fn draft(operator: &TestOperator<'_>, attributes: Value) -> String {
    let answer = operator.post(OWN_CLIENTS, &body(attributes)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["data"]["id"].as_str().expect("an id").to_owned()
}

pub async fn submit(operator: &TestOperator<'_>, client_id: &str) -> Answer {
    operator.post(&format!("{OWN_CLIENTS}/{client_id}/submit"), &submission(json!({}))).await
}

pub fn submission(attributes: Value) -> Value {
    json!({"data": {"type": "oauth2_client_versions", "attributes": attributes}})
}

pub async fn approve(reviewer: &TestOperator<'_>, version_id: &str) -> Answer {
    reviewer.post(&format!("{REVIEWS}/{version_id}/approve"), &submission(json!({}))).await
}

/// What the first submission returned.
pub struct FirstVersion {
    pub version_id: String,
    pub client_id: String,
    pub secret: String,
}

pub async fn first_version(operator: &TestOperator<'_>, client_id: &str) -> FirstVersion {
    let answer = submit(operator, client_id).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let data = answer.json()["data"].clone();
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    FirstVersion {
        version_id: text(&data["id"]),
        client_id: text(&data["attributes"]["client_id"]),
        secret: text(&data["attributes"]["client_secret"]),
    }
}

/// A published client of a partner, for the flows of its users.
pub struct PublishedClient<'a> {
    pub private_id: String,
    pub client: PrivateClient<'a>,
}

impl<'a> PublishedClient<'a> {
    pub async fn of(
        partner: &TestOperator<'a>,
        reviewer: &TestOperator<'_>,
        attributes: Value,
    ) -> Self {
        let private_id = draft(partner, attributes).await;
        let first = first_version(partner, &private_id).await;
        let approved = approve(reviewer, &first.version_id).await;
        assert_eq!(approved.status, 200, "{}", approved.text);
        let FirstVersion { client_id: id, secret, .. } = first;
        let flow = McpClient { app: partner.app, id, redirect_uri: REDIRECT.to_owned() };
        Self { private_id, client: PrivateClient { flow, secret } }
    }

    /// A reviewer changes the client.
    pub async fn set(&self, reviewer: &TestOperator<'_>, attributes: Value) -> Answer {
        let id = &self.client.flow.id;
        let body = json!({"data": {"id": id, "type": "oauth2_clients", "attributes": attributes}});
        reviewer.patch(&format!("{PUBLISHED}/{id}"), &body).await
    }
}
