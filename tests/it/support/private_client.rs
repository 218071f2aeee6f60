//! A private client of an organization, with a secret.

use axum::http::Method;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::flow::{McpClient, encoded};
use super::{Answer, TestOperator, request};

pub const OWN_CLIENTS: &str = "/api/v2/oauth2_clients";
pub const REDIRECT: &str = "https://pager.example/cb";

pub fn body(attributes: Value) -> Value {
    json!({"data": {"type": "oauth2_clients", "attributes": attributes}})
}

pub struct PrivateClient<'a> {
    /// The same client in authorization requests.
    pub flow: McpClient<'a>,
    pub secret: String,
}

impl<'a> PrivateClient<'a> {
    pub async fn of(operator: &TestOperator<'a>, scopes: &[&str]) -> Self {
        let attributes = json!({"name": "Pager", "redirect_uris": [REDIRECT], "scopes": scopes});
        let created = operator.post(OWN_CLIENTS, &body(attributes)).await;
        assert_eq!(created.status, 201, "{}", created.text);
        let id = created.json()["data"]["id"].as_str().expect("an id").to_owned();
        let made = operator.post(&format!("{OWN_CLIENTS}/{id}/client_secret"), &json!({})).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let secret = made.json()["data"]["attributes"]["client_secret"].as_str().map(str::to_owned);
        let flow = McpClient { app: operator.app, id, redirect_uri: REDIRECT.to_owned() };
        Self { flow, secret: secret.expect("a secret") }
    }

    pub fn path(&self) -> String {
        format!("{OWN_CLIENTS}/{}", self.flow.id)
    }

    pub fn basic(&self) -> String {
        basic(&self.flow.id, &self.secret)
    }

    /// Posts a form with `Authorization: Basic`.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        post(self, path, form, Some(&self.basic())).await
    }

    /// Exchanges a code, authenticated by the header.
    pub async fn exchange(&self, code: &str) -> Answer {
        let form =
            [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
        self.post("/oauth2/v1/token", &form).await
    }

    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.post("/oauth2/v1/token", &form).await
    }
}

pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

pub async fn post(
    client: &PrivateClient<'_>,
    path: &str,
    form: &[(&str, &str)],
    authorization: Option<&str>,
) -> Answer {
    let mut builder =
        request(Method::POST, path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(value) = authorization {
        builder = builder.header(AUTHORIZATION, value);
    }
    let body = encoded(form.iter().copied());
    client.flow.app.send(builder.body(body.into()).expect("a request")).await
}
