//! Scopes that a first-party client always has, whatever an organization decides.

use grantor::rules::scope::ScopeToken;
use serde_json::{Value, json};

use crate::support::{TestApp, TestOperator, restriction_path, unrestricted, upsert};

/// The setting in the format of the environment and of flags.
fn required(client_id: &str) -> String {
    json!([{"client_id": client_id, "permission_scopes": ["teams_read", "mobile_app_access"]}])
        .to_string()
}

fn document(client_id: &str, restriction: &Value) -> Value {
    json!({"data": {
        "id": client_id,
        "type": "scopes_restriction",
        "attributes": {
            "required_permission_scopes": ["mobile_app_access", "teams_read"],
            "scopes_restriction": restriction,
        },
    }})
}

async fn removed_by(operator: &TestOperator<'_>, client_id: &str, upsert: &Value) -> Value {
    let answer =
        operator.post(&format!("{}?dry_run=true", restriction_path(client_id)), upsert).await;
    answer.json()["meta"]["scopes_removed"].clone()
}

on_both! {
    async fn required_scopes_are_returned_separately_from_the_restriction(engine: Engine) {
        let before = TestApp::start(engine).await;
        let client_id = before.registered("The mobile app").await;
        let app = before.replica_with(&[("restriction.required", &required(&client_id))]).await;
        let operator = app.operator("Acme").await;
        let lists = json!({"oidc_scopes": ["openid"], "permission_scopes": []});

        let unrestricted = operator.get(&restriction_path(&client_id)).await;
        let set = operator.restrict(&client_id, &["openid"], &[]).await;
        let restricted = operator.get(&restriction_path(&client_id)).await;

        unrestricted.is(200, &document(&client_id, &Value::Null));
        set.is(200, &document(&client_id, &lists));
        restricted.is(200, &document(&client_id, &lists));
    }

    async fn other_clients_have_no_required_scopes(engine: Engine) {
        let before = TestApp::start(engine).await;
        let client_id = before.registered("The mobile app").await;
        let app = before.replica_with(&[("restriction.required", &required(&client_id))]).await;
        let (operator, other) = (app.operator("Acme").await, app.registered("A client").await);

        let answer = operator.get(&restriction_path(&other)).await;

        answer.is(200, &unrestricted(&other));
    }

    async fn a_restriction_without_the_required_scopes_removes_everything_else(engine: Engine) {
        let before = TestApp::start(engine).await;
        let client_id = before.registered("The mobile app").await;
        let app = before.replica_with(&[("restriction.required", &required(&client_id))]).await;
        let operator = app.operator("Acme").await;
        let mut others: Vec<&str> = app.app.catalog.iter().map(|scope| ScopeToken::as_str(&scope.name)).collect();
        others.retain(|name| !["openid", "mobile_app_access", "teams_read"].contains(name));
        others.sort_unstable();

        let removed = removed_by(&operator, &client_id, &upsert(&["openid"], &[])).await;

        assert_eq!(removed, json!(others));
    }
}
