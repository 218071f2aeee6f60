//! Every change records an audit event with its actor, address, and the values before and after.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use grantor::db::audit_events::AuditEvent;
use grantor::db::keys::callers;
use grantor::http::Peer;
use serde_json::{Value, json};

use crate::support::{Answer, START, TestApp, TestOperator, listed, restriction_path, upsert};

async fn actor(operator: &TestOperator<'_>) -> String {
    let keys = &operator.keys;
    let found =
        callers::find(operator.app.db(), keys.api_key.digest(), keys.application_key.digest())
            .await;
    let user_id = found.expect("is read").expect("is there").caller.user_id;
    format!("user:{user_id} application_key:{}", keys.application_key_id)
}

/// The changes of restrictions, in the order they were made.
async fn events(operator: &TestOperator<'_>) -> Vec<AuditEvent> {
    let mut events =
        listed::audit_events(operator.app.db(), operator.org_id, 100).await.expect("are listed");
    events.retain(|event| event.action.starts_with("scopes_restriction."));
    events
}

async fn send_from(
    operator: &TestOperator<'_>,
    peer: &str,
    method: Method,
    path: &str,
    body: &Value,
) -> Answer {
    let peer: SocketAddr = peer.parse().expect("an address");
    let request = operator
        .request(method, path)
        .header("content-type", "application/json")
        .extension(Peer(peer));
    operator.app.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

on_both! {
    async fn a_change_is_recorded_with_its_actor_address_and_previous_value(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let path = restriction_path(&client_id);
        app.clock.advance(Duration::from_secs(1));

        let set = send_from(&operator, "192.0.2.7:4711", Method::POST, &path, &upsert(&["openid"], &["mcp_read"])).await;
        app.clock.advance(Duration::from_secs(1));
        let lifted = send_from(&operator, "[2001:db8::7]:4711", Method::DELETE, &path, &Value::Null).await;

        let events = events(&operator).await;
        let none = json!({"scopes_restriction": null});
        let lists = json!({"scopes_restriction": {"oidc_scopes": ["openid"], "permission_scopes": ["mcp_read"]}});
        let event = |index: usize, action: &str, before: &Value, after: &Value, answer: &Answer, address: &str| AuditEvent {
            id: events[index].id,
            org_id: Some(operator.org_id),
            at: START.plus(i64::try_from(index).expect("a small number") + 1),
            actor: String::new(),
            action: action.to_owned(),
            subject: format!("client:{client_id}"),
            before: Some(before.clone()),
            after: Some(after.clone()),
            request_id: answer.header("x-request-id").map(str::to_owned),
            address: Some(address.to_owned()),
        };
        let actor = actor(&operator).await;
        assert_eq!(events, [
            AuditEvent { actor: actor.clone(), ..event(0, "scopes_restriction.set", &none, &lists, &set, "192.0.2.7") },
            AuditEvent { actor, ..event(1, "scopes_restriction.lifted", &lists, &none, &lifted, "2001:db8::7") },
        ]);
    }

    async fn refusals_and_reads_record_no_event(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let path = restriction_path(&client_id);

        operator.get(&path).await;
        operator.restrict(&client_id, &["nonsense"], &[]).await;
        operator.post(&format!("{path}?dry_run=true"), &upsert(&[], &[])).await;
        operator.post(&format!("{path}?if_digest={}", "0".repeat(64)), &upsert(&[], &[])).await;
        operator.delete(&path).await;

        assert_eq!(events(&operator).await, []);
    }

    async fn another_organization_does_not_see_the_event(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbrella) = (app.operator("Acme").await, app.operator("Umbrella").await);
        let client_id = app.registered("A client").await;

        acme.restrict(&client_id, &[], &[]).await;

        assert_eq!((events(&acme).await.len(), events(&umbrella).await.len()), (1, 0));
    }
}
