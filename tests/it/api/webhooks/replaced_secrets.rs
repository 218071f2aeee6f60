//! A secret that another user replaces: an origin gets a value only if one user sent the value and bound the origin.

use std::time::Duration;

use grantor::actions::webhooks::load_webhook::LoadWebhookError;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use super::bound_secrets::{METHODS, accepted, at, load, method, post, refused};
use super::{VARIABLES, path, recorded};
use crate::support::errors::strings;
use crate::support::{Answer, TestApp, TestOperator};

async fn create(operator: &TestOperator<'_>, value: &str) {
    let made =
        operator.post(VARIABLES, &json!({"name": "KEY", "value": value, "is_secret": true})).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

async fn give(operator: &TestOperator<'_>, value: &str) {
    let given = operator.put(&format!("{VARIABLES}/KEY"), &json!({"value": value})).await;
    assert_eq!(given.status, 200, "{}", given.text);
}

/// Saves a webhook as it is.
async fn save(operator: &TestOperator<'_>, name: &str) -> Answer {
    operator.put(&path(name), &json!({})).await
}

async fn saved(operator: &TestOperator<'_>, name: &str) {
    let answer = save(operator, name).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// The values that deliveries of these webhooks would contain now, or `None` if nothing would be
/// sent.
async fn sent<const N: usize>(
    operator: &TestOperator<'_>,
    names: [&str; N],
) -> Vec<Option<String>> {
    let mut values = Vec::new();
    for name in names {
        values.push(match load(operator, name).await {
            Ok(value) => value.as_ref().and_then(Value::as_str).map(str::to_owned),
            Err(LoadWebhookError::NotBound(_)) => None,
            Err(error) => panic!("{error}"),
        });
    }
    values
}

const NOTHING: Option<String> = None;

fn some(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn no_longer(origin: &str) -> Value {
    strings(&format!(
        "the secret variable KEY may no longer be sent to this origin, because a user who had not bound it there replaced the \
         secret. To send it to {origin}, send the value of KEY again and repeat this request within a day"
    ))
}

/// Whether a delivery of this webhook would be sent.
async fn is_sent(operator: &TestOperator<'_>, name: &str) -> bool {
    match load(operator, name).await {
        Ok(_) => true,
        Err(LoadWebhookError::NotBound(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

async fn give_client_secret(operator: &TestOperator<'_>, id: &str, secret: &str) {
    let attributes =
        json!({"client_secret": secret, "access_token_url": "https://auth.example/token"});
    let answer = change_method(operator, id, attributes).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

async fn change_method(operator: &TestOperator<'_>, id: &str, attributes: Value) -> Answer {
    let data = json!({"type": "webhooks-auth-method-oauth2-client-credentials", "id": id, "attributes": attributes});
    operator.patch(&format!("{METHODS}/{id}"), &json!({"data": data})).await
}

on_both! {
    async fn an_origin_that_a_user_bound_with_a_wrong_value_does_not_get_the_real_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let ann = app.operator("Acme").await;
        let eve = ann.colleague("eve@acme.example", Role::Standard).await;
        create(&ann, "hunter2").await;
        accepted(&ann, at("CRM", "https://a.example")).await;

        give(&eve, "wrong").await;
        accepted(&eve, at("EVIL", "https://evil.example")).await;
        assert_eq!(sent(&ann, ["CRM", "EVIL"]).await, [NOTHING, some("wrong")]);
        give(&ann, "hunter2").await;

        assert_eq!(sent(&ann, ["CRM", "EVIL"]).await, [some("hunter2"), NOTHING]);
        let evil = no_longer("https://evil.example");
        save(&eve, "EVIL").await.is(400, &evil);
        post(&eve, at("AGAIN", "https://evil.example/again")).await.is(400, &evil);
        eve.put(&path("CRM"), &json!({"url": "https://evil.example"})).await.is(400, &evil);
        eve.put(&path("CRM"), &json!({"url": "https://b.example"})).await
            .is(400, &refused("may be sent only to https://a.example", "https://b.example"));
        saved(&eve, "CRM").await;
        let message = load(&ann, "EVIL").await.expect_err("is refused").to_string();
        assert_eq!(strings(&message), evil);
        assert_eq!(sent(&ann, ["CRM", "EVIL"]).await, [some("hunter2"), NOTHING]);
    }

    async fn an_origin_that_was_bound_with_a_placeholder_does_not_get_the_value_of_another_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let ann = app.operator("Acme").await;
        let eve = ann.colleague("eve@acme.example", Role::Standard).await;
        create(&eve, "to be replaced").await;
        accepted(&eve, at("EVIL", "https://evil.example")).await;

        give(&ann, "hunter2").await;
        accepted(&ann, at("CRM", "https://a.example")).await;

        assert_eq!(sent(&ann, ["CRM", "EVIL"]).await, [some("hunter2"), NOTHING]);
    }

    async fn a_user_who_replaces_a_value_confirms_the_origins_of_others_by_saving_their_webhooks(engine: Engine) {
        let app = TestApp::start(engine).await;
        let ann = app.operator("Acme").await;
        let bob = ann.colleague("bob@acme.example", Role::Standard).await;
        create(&ann, "hunter2").await;
        accepted(&ann, at("A", "https://a.example")).await;
        give(&ann, "hunter2").await;
        accepted(&ann, at("B", "https://b.example")).await;

        give(&bob, "hunter3").await;
        assert_eq!(sent(&ann, ["A", "B"]).await, [NOTHING, NOTHING]);
        save(&ann, "A").await.is(400, &no_longer("https://a.example"));
        saved(&bob, "A").await;
        let last = recorded(&app, ann.org_id).await.pop().expect("an event").2.expect("a record");
        assert_eq!(last["bound_secrets"], json!(["KEY"]));
        saved(&bob, "B").await;
        accepted(&bob, at("C", "https://c.example")).await;
        assert_eq!(post(&bob, at("D", "https://d.example")).await.status, 400);

        assert_eq!(sent(&ann, ["A", "B", "C"]).await, vec![some("hunter3"); 3]);
        give(&ann, "hunter4").await;
        assert_eq!(sent(&ann, ["A", "B", "C"]).await, [some("hunter4"), some("hunter4"), NOTHING]);
        give(&bob, "hunter5").await;
        assert_eq!(sent(&ann, ["A", "B", "C"]).await, vec![some("hunter5"); 3]);
    }

    async fn a_user_who_knows_the_value_replaces_it_without_a_gap(engine: Engine) {
        let app = TestApp::start(engine).await;
        let ann = app.operator("Acme").await;
        let bob = ann.colleague("bob@acme.example", Role::Standard).await;
        create(&ann, "hunter2").await;
        accepted(&ann, at("CRM", "https://a.example")).await;

        give(&bob, "hunter2").await;
        assert_eq!(sent(&ann, ["CRM"]).await, [some("hunter2")]);
        saved(&bob, "CRM").await;
        give(&bob, "hunter3").await;

        assert_eq!(sent(&ann, ["CRM"]).await, [some("hunter3")]);
    }

    async fn origins_of_a_replaced_value_are_confirmed_within_a_day(engine: Engine) {
        let app = TestApp::start(engine).await;
        let ann = app.operator("Acme").await;
        let bob = ann.colleague("bob@acme.example", Role::Standard).await;
        create(&ann, "hunter2").await;
        accepted(&ann, at("CRM", "https://a.example")).await;
        give(&bob, "hunter3").await;
        app.clock.advance(Duration::from_secs(86_400));

        save(&bob, "CRM").await.is(400, &no_longer("https://a.example"));
        give(&bob, "hunter3").await;
        saved(&bob, "CRM").await;

        assert_eq!(sent(&ann, ["CRM"]).await, [some("hunter3")]);
    }

    async fn origins_of_a_release_that_recorded_no_users_keep_the_value_they_have(engine: Engine) {
        let app = TestApp::start(engine).await;
        let ann = app.operator("Acme").await;
        create(&ann, "hunter2").await;
        accepted(&ann, at("CRM", "https://a.example")).await;
        app.execute("UPDATE webhook_variables SET binding_record = NULL").await;

        assert_eq!(sent(&ann, ["CRM"]).await, [some("hunter2")]);
        give(&ann, "hunter2").await;
        assert_eq!(sent(&ann, ["CRM"]).await, [some("hunter2")]);
        give(&ann, "hunter3").await;
        assert_eq!(sent(&ann, ["CRM"]).await, [NOTHING]);
        saved(&ann, "CRM").await;

        assert_eq!(sent(&ann, ["CRM"]).await, [some("hunter3")]);
    }

    async fn a_variable_that_becomes_secret_keeps_its_value_where_it_is_used(engine: Engine) {
        let app = TestApp::start(engine).await;
        let ann = app.operator("Acme").await;
        let eve = ann.colleague("eve@acme.example", Role::Standard).await;
        let made = eve.post(VARIABLES, &json!({"name": "KEY", "value": "public", "is_secret": false})).await;
        assert_eq!(made.status, 201, "{}", made.text);
        accepted(&eve, at("EVIL", "https://evil.example")).await;

        let changed = ann.put(&format!("{VARIABLES}/KEY"), &json!({"is_secret": true})).await;
        assert_eq!((changed.status.as_u16(), sent(&ann, ["EVIL"]).await), (200, vec![some("public")]));
        give(&ann, "hunter2").await;

        assert_eq!(sent(&ann, ["EVIL"]).await, [NOTHING]);
    }

    async fn a_client_secret_goes_to_no_url_that_another_user_chose(engine: Engine) {
        let app = TestApp::start(engine).await;
        let ann = app.operator("Acme").await;
        let eve = ann.colleague("eve@acme.example", Role::Standard).await;
        let id = method(&ann).await;
        let missing = strings(
            "access_token_url is missing: send it together with client_secret, because another user may have changed it",
        );
        let alone = || json!({"client_secret": "s2"});
        let ours = || json!({"client_secret": "s2", "access_token_url": "https://auth.example/token"});
        let theirs = json!({"client_secret": "wrong", "access_token_url": "https://evil.example/token"});

        assert_eq!(change_method(&ann, &id, alone()).await.status, 200);
        change_method(&eve, &id, json!({"client_secret": "wrong"})).await.is(400, &missing);
        assert_eq!(change_method(&eve, &id, json!({"access_token_url": "https://evil.example"})).await.status, 200);
        change_method(&ann, &id, alone()).await.is(400, &missing);
        assert_eq!(change_method(&eve, &id, theirs).await.status, 200);
        change_method(&ann, &id, alone()).await.is(400, &missing);

        assert_eq!(change_method(&ann, &id, ours()).await.status, 200);
        assert_eq!(change_method(&ann, &id, alone()).await.status, 200);
        app.execute("UPDATE auth_methods SET binding_record = NULL, open_until = NULL").await;
        change_method(&ann, &id, alone()).await.is(400, &missing);
        assert_eq!(change_method(&ann, &id, ours()).await.status, 200);
    }

    async fn access_tokens_of_a_replaced_client_secret_go_to_the_origins_of_its_sender(engine: Engine) {
        let app = TestApp::start(engine).await;
        let ann = app.operator("Acme").await;
        let eve = ann.colleague("eve@acme.example", Role::Standard).await;
        let id = method(&ann).await;
        let webhook = |name: &str, url: &str| json!({"name": name, "url": url, "auth_method_id": id});
        accepted(&ann, webhook("CRM", "https://a.example")).await;

        give_client_secret(&eve, &id, "wrong").await;
        accepted(&eve, webhook("EVIL", "https://evil.example")).await;
        assert!(!is_sent(&ann, "CRM").await && is_sent(&ann, "EVIL").await);
        give_client_secret(&ann, &id, "s").await;

        assert!(is_sent(&ann, "CRM").await && !is_sent(&ann, "EVIL").await);
        save(&eve, "EVIL").await.is(400, &strings(
            "auth_method_id names an auth method whose access tokens may no longer be sent to this origin, because a user who \
             had not bound it there replaced the secret. To send it to https://evil.example, send the client_secret of the \
             auth method again and repeat this request within a day",
        ));
        give_client_secret(&eve, &id, "wrong").await;
        give_client_secret(&eve, &id, "wrong").await;
        assert!(!is_sent(&ann, "CRM").await && is_sent(&ann, "EVIL").await, "the same secret again takes and gives nothing");
    }
}
