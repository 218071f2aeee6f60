//! A user with a pair of keys.

use axum::http::Method;
use grantor::actions::audit::AuditActor;
use grantor::actions::keys::create_key;
use grantor::actions::keys::create_key::NewKeys;
use grantor::actions::orgs::bootstrap;
use grantor::actions::orgs::bootstrap::Bootstrapped;
use grantor::actions::users::create_user;
use grantor::actions::users::create_user::NewMember;
use grantor::rules::id::OrgId;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use super::{Answer, TestApp, request};

pub struct TestOperator<'a> {
    pub app: &'a TestApp,
    pub org_id: OrgId,
    pub email: String,
    pub keys: NewKeys,
}

impl<'a> TestOperator<'a> {
    pub async fn bootstrapped(app: &'a TestApp, org: &str) -> Self {
        let email = format!("admin@{}.example", org.to_lowercase().replace(' ', "-"));
        let Bootstrapped { org_id, keys, .. } =
            bootstrap::bootstrap(app.context(), org, &email, None, &AuditActor::COMMAND_LINE)
                .await
                .expect("a new organization");
        Self { app, org_id, email, keys }
    }

    /// A colleague in the same organization.
    pub async fn colleague(&self, email: &str, role: Role) -> Self {
        let by = AuditActor::COMMAND_LINE;
        create_user::create_user(self.app.context(), self.org_id, NewMember::new(email, role), &by)
            .await
            .expect("a new user");
        let keys = create_key::create_key(self.app.context(), self.org_id, email, &by)
            .await
            .expect("new keys");
        Self { app: self.app, org_id: self.org_id, email: email.to_owned(), keys }
    }

    /// The same person's keys, used on another replica.
    pub fn on<'b>(&self, app: &'b TestApp) -> TestOperator<'b> {
        TestOperator {
            app,
            org_id: self.org_id,
            email: self.email.clone(),
            keys: self.keys.clone(),
        }
    }

    pub fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        request(method, path)
            .header("DD-API-KEY", self.keys.api_key.expose())
            .header("DD-APPLICATION-KEY", self.keys.application_key.expose())
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.app.ask(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.app.ask(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.app.ask_with(self.request(Method::POST, path), body).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.app.ask_with(self.request(Method::PATCH, path), body).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.app.ask_with(self.request(Method::PUT, path), body).await
    }

    /// Sets a restriction through the API.
    pub async fn restrict(
        &self,
        client_id: &str,
        oidc_scopes: &[&str],
        permission_scopes: &[&str],
    ) -> Answer {
        self.post(&restriction_path(client_id), &upsert(oidc_scopes, permission_scopes)).await
    }
}

pub fn restriction_path(client_id: &str) -> String {
    format!("/api/v2/oauth2/clients/{client_id}/scopes_restriction")
}

pub fn upsert(oidc_scopes: &[&str], permission_scopes: &[&str]) -> Value {
    json!({"data": {
        "type": "upsert_scopes_restriction",
        "attributes": {"oidc_scopes": oidc_scopes, "permission_scopes": permission_scopes},
    }})
}

/// The response for a client that is restricted to these scopes.
pub fn restricted(client_id: &str, oidc_scopes: &[&str], permission_scopes: &[&str]) -> Value {
    json!({"data": {
        "id": client_id,
        "type": "scopes_restriction",
        "attributes": {
            "required_permission_scopes": null,
            "scopes_restriction": {"oidc_scopes": oidc_scopes, "permission_scopes": permission_scopes},
        },
    }})
}

/// The response for a client without a restriction.
pub fn unrestricted(client_id: &str) -> Value {
    json!({"data": {
        "id": client_id,
        "type": "scopes_restriction",
        "attributes": {"required_permission_scopes": null, "scopes_restriction": null},
    }})
}
