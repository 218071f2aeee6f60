//! `PATCH /api/v2/org_authorized_clients/{id}`: operators disable a client with a reason, and enable
//! it again.

use grantor::db::orgs::org_clients;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::errors::json_api;
use crate::support::{Answer, Bearer, TestApp, TestOperator, listed};

const PATH: &str = "/api/v2/org_authorized_clients";
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

fn one(bearer: &Bearer<'_>) -> String {
    format!("{PATH}/{}", bearer.authorized_id)
}

async fn given<'a>(person: &TestOperator<'a>, client_name: &str) -> Bearer<'a> {
    Bearer::of(person, &person.app.registered(client_name).await, "openid", &[]).await
}

fn body(bearer: &Bearer<'_>, disabled: bool) -> Value {
    json!({"data": {
        "id": bearer.authorized_id,
        "type": "org_authorized_clients",
        "attributes": {"disabled": disabled},
    }})
}

fn because(bearer: &Bearer<'_>, reason: &str) -> Value {
    let mut body = body(bearer, true);
    body["meta"] = json!({"reason": reason});
    body
}

fn resource(bearer: &Bearer<'_>, disabled: bool) -> Value {
    let id = bearer.authorized_id;
    json!({"data": {
        "id": id,
        "type": "org_authorized_clients",
        "attributes": {"disabled": disabled, "last_exercised": null, "user_count": 0},
        "relationships": {
            "oauth2_client": {"data": {"id": bearer.client_id, "type": "oauth2_clients"}},
            "user_authorized_clients": {
                "data": [],
                "links": {"related": format!("{PATH}/{id}/user_authorized_clients")},
            },
        },
    }})
}

async fn reason(operator: &TestOperator<'_>, bearer: &Bearer<'_>) -> Option<String> {
    let found = org_clients::find(operator.app.db(), operator.org_id, bearer.client_id).await;
    found.expect("is readable").expect("is there").disabled_reason.map(|reason| reason.to_string())
}

/// What the audit trail says about disabling and enabling, oldest first.
async fn recorded(operator: &TestOperator<'_>) -> Vec<(String, Value)> {
    let events = listed::audit_events(operator.app.db(), operator.org_id, 100).await;
    events
        .expect("is readable")
        .into_iter()
        .filter(|event| ["client.disabled", "client.enabled"].contains(&&*event.action))
        .map(|event| (event.action, event.after.unwrap_or_default()))
        .collect()
}

fn is_unprocessable(answer: &Answer, detail: &str, pointer: &str) {
    let mut error = json_api(422, "Unprocessable Entity", detail);
    error["errors"][0]["source"] = json!({"pointer": pointer});
    answer.is(422, &error);
}

on_both! {
    async fn a_disabled_client_loses_its_access_here_and_is_enabled_without_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, other) = (app.operator("Acme").await, app.operator("Umbra").await);
        let colleague = operator.colleague("ada@acme.example", Role::Standard).await;
        let (first, second) = (given(&operator, "App").await, given(&colleague, "App").await);
        let elsewhere = given(&other, "App").await;

        let disabled = operator.patch(&one(&first), &because(&first, " It is under review. ")).await;

        disabled.is(200, &resource(&first, true));
        assert_eq!(disabled.header("content-type"), Some("application/vnd.api+json"));
        assert!(!first.lives().await && !second.lives().await && elsewhere.lives().await);
        assert_eq!(reason(&operator, &first).await.as_deref(), Some("It is under review."));

        let enabled = operator.patch(&one(&first), &body(&first, false)).await;

        enabled.is(200, &resource(&first, false));
        assert!(!first.lives().await && !second.lives().await);
        assert_eq!(reason(&operator, &first).await, None);
        assert_eq!(recorded(&operator).await, [
            ("client.disabled".to_owned(), json!({"disabled": true, "reason": "It is under review.", "grants_ended": 2})),
            ("client.enabled".to_owned(), json!({"disabled": false, "grants_ended": 0})),
        ]);
    }

    async fn the_same_state_again_is_no_change_and_another_reason_is_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let bearer = given(&operator, "App").await;
        let path = one(&bearer);
        operator.patch(&path, &body(&bearer, false)).await;
        assert!(bearer.lives().await && recorded(&operator).await.is_empty());

        for body in [body(&bearer, true), body(&bearer, true), because(&bearer, "Prüfung"), because(&bearer, "Prüfung")] {
            operator.patch(&path, &body).await.is(200, &resource(&bearer, true));
        }
        assert_eq!(operator.delete(&path).await.status, 204);

        assert_eq!(reason(&operator, &bearer).await.as_deref(), Some("Prüfung"));
        let after: Vec<Value> = recorded(&operator).await.into_iter().map(|(_, after)| after).collect();
        assert_eq!(after, [
            json!({"disabled": true, "grants_ended": 1}),
            json!({"disabled": true, "reason": "Prüfung", "grants_ended": 0}),
        ]);
    }

    async fn a_body_that_cannot_be_used_is_refused_with_its_member(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let bearer = given(&operator, "App").await;
        let path = one(&bearer);
        let mut other_id = body(&bearer, true);
        other_id["data"]["id"] = json!(NOBODY);
        let mut without_change = body(&bearer, true);
        without_change["data"]["attributes"] = json!({});

        is_unprocessable(&operator.patch(&path, &other_id).await, "data.id is not the id in the path", "/data/id");
        is_unprocessable(
            &operator.patch(&path, &without_change).await,
            "nothing would change: send attributes.disabled",
            "/data/attributes",
        );
        let mut not_a_boolean = body(&bearer, true);
        not_a_boolean["data"]["attributes"]["disabled"] = json!("true");
        for (body, pointer) in [
            (not_a_boolean, "/data/attributes/disabled"),
            (json!({"data": {"type": "users"}}), "/data/type"),
            (because(&bearer, "two\nlines"), "/meta/reason"),
        ] {
            let refused = operator.patch(&path, &body).await;
            assert_eq!(refused.status, 400, "{body}");
            assert_eq!(refused.json()["errors"][0]["source"], json!({"pointer": pointer}), "{body}");
        }
        assert!(bearer.lives().await && recorded(&operator).await.is_empty());
    }

    async fn another_organization_and_members_without_the_permission_cannot_disable_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, other) = (app.operator("Acme").await, app.operator("Umbra").await);
        let standard = operator.colleague("ada@acme.example", Role::Standard).await;
        let bearer = given(&operator, "App").await;
        let path = one(&bearer);

        let foreign = other.patch(&path, &body(&bearer, true)).await;
        let unknown = operator.patch(&format!("{PATH}/{NOBODY}"), &body(&bearer, true)).await;
        let lacking = standard.patch(&path, &body(&bearer, true)).await;

        let not_found = json_api(404, "Not Found", "this organization has no authorized client with this id");
        foreign.is(404, &not_found);
        unknown.is(404, &not_found);
        assert_eq!(lacking.status, 403);
        assert!(bearer.lives().await);
    }
}
