//! Several replicas and concurrent operators.

use futures_util::future::join_all;
use serde_json::Value;

use crate::support::{TestApp, TestOperator, listed, restricted, restriction_path, unrestricted};

/// The value before and after each change. Serialized changes form a chain: every state except the
/// first was written once, and every state except the last was replaced once.
async fn changes(operator: &TestOperator<'_>) -> Vec<(String, String)> {
    let events =
        listed::audit_events(operator.app.db(), operator.org_id, 100).await.expect("are listed");
    let changes = events.into_iter().filter(|event| event.action == "scopes_restriction.set");
    let state = |side: Option<Value>| side.expect("is recorded")["scopes_restriction"].to_string();
    changes.map(|event| (state(event.before), state(event.after))).collect()
}

on_both! {
    async fn a_write_on_one_replica_is_visible_to_the_next_read_on_another(engine: Engine) {
        let app = TestApp::start(engine).await;
        let other = app.replica().await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let path = restriction_path(&client_id);
        let elsewhere = operator.on(&other);
        elsewhere.get(&path).await.is(200, &unrestricted(&client_id));

        operator.restrict(&client_id, &["openid"], &["mcp_read"]).await;
        let restricted_there = elsewhere.get(&path).await;
        operator.delete(&path).await;
        let lifted_there = elsewhere.get(&path).await;

        restricted_there.is(200, &restricted(&client_id, &["openid"], &["mcp_read"]));
        lifted_there.is(200, &unrestricted(&client_id));
    }

    async fn concurrent_upserts_each_replace_the_previous_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let other = app.replica().await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let elsewhere = operator.on(&other);
        let scopes = ["mcp_read", "mcp_write", "teams_read", "teams_manage", "usage_read", "billing_read"];

        let here = join_all(scopes.iter().map(|scope| operator.restrict(&client_id, &["openid"], std::slice::from_ref(scope))));
        let there = join_all(scopes.iter().map(|scope| elsewhere.restrict(&client_id, &["email"], std::slice::from_ref(scope))));
        let (here, there) = tokio::join!(here, there);

        assert!(here.iter().chain(&there).all(|answer| answer.status == 200), "{here:?} {there:?}");
        let now = operator.get(&restriction_path(&client_id)).await.json()["data"]["attributes"]["scopes_restriction"].clone();
        let (mut replaced, mut written): (Vec<_>, Vec<_>) = changes(&operator).await.into_iter().unzip();
        replaced.push(now.to_string());
        written.push(Value::Null.to_string());
        replaced.sort_unstable();
        written.sort_unstable();
        assert_eq!(replaced, written);
    }

    async fn only_one_of_two_changes_with_the_same_digest_succeeds(engine: Engine) {
        let app = TestApp::start(engine).await;
        let other = app.replica().await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let elsewhere = operator.on(&other);
        let path = restriction_path(&client_id);
        let upsert = crate::support::upsert(&["openid"], &[]);
        let preview = operator.post(&format!("{path}?dry_run=true"), &upsert).await.json();
        let tied = format!("{path}?if_digest={}", preview["meta"]["digest"].as_str().expect("a digest"));

        let (one, two) = tokio::join!(operator.post(&tied, &upsert), elsewhere.post(&tied, &upsert));

        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
    }
}
