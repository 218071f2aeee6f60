//! Secrets are sent only to the origins they were set for, so that no user can read one by
//! redirecting a webhook.

use std::time::Duration;

use grantor::actions::webhooks::load_webhook::{LoadWebhookError, load_webhook};
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use super::{PATH, VARIABLES, path, recorded, stored};
use crate::support::errors::strings;
use crate::support::{Answer, TestApp, TestOperator, listed};

pub(super) const METHODS: &str =
    "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials";
const PAYLOAD: &str = "{\"key\": \"$KEY\"}";

async fn variable(operator: &TestOperator<'_>, name: &str, is_secret: bool) {
    let made = operator
        .post(VARIABLES, &json!({"name": name, "value": "hunter2", "is_secret": is_secret}))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
}

async fn give_again(operator: &TestOperator<'_>, name: &str) {
    let given = operator.put(&format!("{VARIABLES}/{name}"), &json!({"value": "hunter2"})).await;
    assert_eq!(given.status, 200, "{}", given.text);
}

pub(super) fn at(name: &str, url: &str) -> Value {
    json!({"name": name, "url": url, "payload": PAYLOAD})
}

pub(super) async fn post(operator: &TestOperator<'_>, webhook: Value) -> Answer {
    operator.post(PATH, &webhook).await
}

pub(super) async fn accepted(operator: &TestOperator<'_>, webhook: Value) {
    let made = post(operator, webhook).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

pub(super) fn refused(origins: &str, origin: &str) -> Value {
    strings(&format!(
        "the secret variable KEY {origins}. To send it to {origin}, send the value of KEY again and repeat this request \
         within a day"
    ))
}

/// The webhook as a delivery loads it.
pub(super) async fn load(
    operator: &TestOperator<'_>,
    name: &str,
) -> Result<Option<Value>, LoadWebhookError> {
    let (app, id) = (operator.app, stored(operator, name).await.id);
    let loaded = load_webhook(app.context(), id).await?;
    Ok(loaded.and_then(|loaded| loaded.variables.get("KEY").cloned()))
}

async fn is_sent(operator: &TestOperator<'_>, name: &str) -> bool {
    match load(operator, name).await {
        Ok(value) => value == Some(json!("hunter2")),
        Err(LoadWebhookError::NotBound(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

pub(super) async fn method(operator: &TestOperator<'_>) -> String {
    let attributes = json!({"name": "tokens", "access_token_url": "https://auth.example/token", "client_id": "c",
        "client_secret": "s"});
    let body = json!({"data": {"type": "webhooks-auth-method-oauth2-client-credentials", "attributes": attributes}});
    let made = operator.post(METHODS, &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json()["data"]["id"].as_str().expect("an id").to_owned()
}

on_both! {
    async fn moving_a_webhook_to_another_origin_requires_its_secret_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        variable(&operator, "KEY", true).await;
        accepted(&operator, at("CRM", "https://a.example/one")).await;
        let only = "may be sent only to https://a.example";

        for (url, origin) in [
            ("https://evil.example/one", "https://evil.example"),
            ("https://a.example:8443/one", "https://a.example:8443"),
            ("https://a.example.evil.example/", "https://a.example.evil.example"),
        ] {
            operator.put(&path("CRM"), &json!({"url": url})).await.is(400, &refused(only, origin));
        }
        let same = operator.put(&path("CRM"), &json!({"url": "https://a.example/two"})).await;
        assert_eq!((same.status.as_u16(), is_sent(&operator, "CRM").await), (200, true));
        give_again(&operator, "KEY").await;
        let moved = operator.put(&path("CRM"), &json!({"url": "https://b.example"})).await;

        assert_eq!((moved.status.as_u16(), is_sent(&operator, "CRM").await), (200, true));
        let both = "may be sent only to https://a.example, https://b.example";
        operator.put(&path("CRM"), &json!({"url": "https://evil.example"})).await
            .is(400, &refused(both, "https://evil.example"));
        let after = recorded(&app, operator.org_id).await.pop().expect("an event").2.expect("a record");
        assert_eq!(after["bound_secrets"], json!(["KEY"]));
    }

    async fn only_the_operator_who_set_a_secret_can_bind_it_to_another_origin(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let eve = operator.colleague("eve@acme.example", Role::Standard).await;
        variable(&operator, "KEY", true).await;
        let nowhere = refused("may not be sent anywhere yet", "https://evil.example");
        post(&eve, at("EVIL", "https://evil.example")).await.is(400, &nowhere);
        accepted(&operator, at("CRM", "https://a.example")).await;
        give_again(&operator, "KEY").await;
        let only = refused("may be sent only to https://a.example", "https://evil.example");

        post(&eve, at("EVIL", "https://evil.example")).await.is(400, &only);
        eve.put(&path("CRM"), &json!({"url": "https://evil.example"})).await.is(400, &only);
        accepted(&eve, at("OURS", "https://a.example/other")).await;
        accepted(&operator, at("B", "https://b.example")).await;
        give_again(&eve, "KEY").await;
        assert_eq!(post(&operator, at("C", "https://c.example")).await.status, 400);
        accepted(&eve, at("C", "https://c.example")).await;

        assert!(is_sent(&operator, "B").await && is_sent(&operator, "C").await);
    }

    async fn another_operator_cannot_bind_a_rotated_auth_method(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let eve = operator.colleague("eve@acme.example", Role::Standard).await;
        let id = method(&operator).await;
        let webhook = |name: &str, url: &str| json!({"name": name, "url": url, "auth_method_id": id});
        accepted(&operator, webhook("CRM", "https://a.example")).await;
        let body = json!({"data": {"type": "webhooks-auth-method-oauth2-client-credentials", "id": id,
            "attributes": {"client_secret": "s2"}}});
        let rotated = operator.patch(&format!("{METHODS}/{id}"), &body).await;
        assert_eq!(rotated.status, 200, "{}", rotated.text);

        assert_eq!(post(&eve, webhook("EVIL", "https://evil.example")).await.status, 400);
        accepted(&operator, webhook("B", "https://b.example")).await;
    }

    async fn another_webhook_cannot_use_a_secret_in_its_payload_or_headers(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        variable(&operator, "KEY", true).await;
        accepted(&operator, at("CRM", "https://a.example")).await;
        let answer = refused("may be sent only to https://a.example", "https://evil.example");
        let in_headers = json!({"name": "EVIL", "url": "https://evil.example", "custom_headers": "{\"X-A\": \"a$KEY\"}"});

        post(&operator, at("EVIL", "https://evil.example")).await.is(400, &answer);
        post(&operator, in_headers).await.is(400, &answer);
        accepted(&operator, json!({"name": "EVIL", "url": "https://evil.example"})).await;
        operator.put(&path("EVIL"), &json!({"payload": PAYLOAD})).await.is(400, &answer);
        accepted(&operator, at("OURS", "https://a.example/other")).await;

        assert_eq!((stored(&operator, "EVIL").await.payload, is_sent(&operator, "OURS").await), (None, true));
    }

    async fn a_webhook_that_references_a_missing_secret_does_not_get_it_later(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        accepted(&operator, at("EVIL", "https://evil.example")).await;

        variable(&operator, "OTHER", true).await;
        accepted(&operator, json!({"name": "CRM", "url": "https://a.example", "payload": "{\"key\": \"$OTHER\"}"})).await;
        let renamed = operator.put(&format!("{VARIABLES}/OTHER"), &json!({"name": "KEY"})).await;

        assert_eq!((renamed.status.as_u16(), is_sent(&operator, "EVIL").await), (200, false));
        let message = load(&operator, "EVIL").await.expect_err("is refused").to_string();
        assert!(message.starts_with("the secret variable KEY may be sent only to https://a.example. "), "{message}");
    }

    async fn an_old_unused_secret_must_be_set_again_first(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        variable(&operator, "KEY", true).await;
        app.clock.advance(Duration::from_secs(86_400));

        post(&operator, at("CRM", "https://a.example")).await
            .is(400, &refused("may not be sent anywhere yet", "https://a.example"));
        give_again(&operator, "KEY").await;
        accepted(&operator, at("CRM", "https://a.example")).await;

        assert!(is_sent(&operator, "CRM").await);
    }

    async fn a_variable_that_becomes_secret_stays_where_it_is_used(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        variable(&operator, "KEY", false).await;
        for (name, url) in [("ONE", "https://a.example"), ("TWO", "https://b.example")] {
            accepted(&operator, at(name, url)).await;
        }

        operator.put(&format!("{VARIABLES}/KEY"), &json!({"is_secret": true})).await;

        assert!(is_sent(&operator, "ONE").await && is_sent(&operator, "TWO").await);
        assert_eq!(post(&operator, at("EVIL", "https://evil.example")).await.status, 400);
    }

    async fn a_secret_of_an_older_release_is_bound_before_other_changes(engine: Engine) {
        const UNBIND: &str = "UPDATE webhook_variables SET bound_origins = NULL, open_until = NULL";
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        variable(&operator, "KEY", true).await;
        accepted(&operator, at("CRM", "https://a.example")).await;

        app.execute(UNBIND).await;
        post(&operator, at("EVIL", "https://evil.example")).await
            .is(400, &refused("may be sent only to https://a.example", "https://evil.example"));
        app.execute(UNBIND).await;
        give_again(&operator, "KEY").await;
        accepted(&operator, at("B", "https://b.example")).await;
        post(&operator, at("EVIL", "https://evil.example")).await
            .is(400, &refused("may be sent only to https://a.example, https://b.example", "https://evil.example"));

        let waits = json!({"name": "EVIL", "url": "https://evil.example", "payload": "{\"key\": \"$NEW\"}"});
        accepted(&operator, waits).await;
        app.execute(UNBIND).await;
        let renamed = operator.put(&format!("{VARIABLES}/KEY"), &json!({"name": "NEW"})).await;
        assert_eq!(renamed.status, 200, "{}", renamed.text);
        assert!(matches!(load(&operator, "EVIL").await, Err(LoadWebhookError::NotBound(_))));
    }

    async fn tokens_of_an_auth_method_go_only_to_the_origins_it_was_used_for(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let id = method(&operator).await;
        let webhook = |name: &str, url: &str| json!({"name": name, "url": url, "auth_method_id": id});
        accepted(&operator, webhook("CRM", "https://a.example")).await;
        let answer = strings(
            "auth_method_id names an auth method whose access tokens may be sent only to https://a.example. To send it to \
             https://evil.example, send the client_secret of the auth method again and repeat this request within a day",
        );

        post(&operator, webhook("EVIL", "https://evil.example")).await.is(400, &answer);
        operator.put(&path("CRM"), &json!({"url": "https://evil.example"})).await.is(400, &answer);
        let attributes = json!({"client_secret": "s2"});
        let body = json!({"data": {"type": "webhooks-auth-method-oauth2-client-credentials", "id": id, "attributes": attributes}});
        let given = operator.patch(&format!("{METHODS}/{id}"), &body).await;
        assert_eq!(given.status, 200, "{}", given.text);
        accepted(&operator, webhook("B", "https://b.example")).await;

        post(&operator, webhook("EVIL", "https://c.example")).await.is(400, &strings(
            "auth_method_id names an auth method whose access tokens may be sent only to https://a.example, \
             https://b.example. To send it to https://c.example, send the client_secret of the auth method again and repeat \
             this request within a day",
        ));
    }

    async fn secrets_of_an_older_release_are_bound_to_the_origins_that_use_them(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        variable(&operator, "KEY", true).await;
        variable(&operator, "UNUSED", true).await;
        let id = method(&operator).await;
        let webhook = json!({"name": "CRM", "url": "https://a.example", "custom_headers": "{\"X-A\": \"$KEY\"}",
            "auth_method_id": id});
        accepted(&operator, webhook).await;
        app.execute("UPDATE webhook_variables SET bound_origins = NULL, open_until = NULL;
                     UPDATE auth_methods SET bound_origins = NULL, open_until = NULL").await;

        assert!(is_sent(&operator, "CRM").await, "also before the next start");
        app.app.prepare().await.expect("starts");

        assert!(is_sent(&operator, "CRM").await);
        post(&operator, at("EVIL", "https://evil.example")).await
            .is(400, &refused("may be sent only to https://a.example", "https://evil.example"));
        let unused = json!({"name": "EVIL", "url": "https://evil.example", "payload": "{\"a\": \"$UNUSED\"}"});
        assert_eq!(post(&operator, unused).await.status, 400);
        let borrowed = json!({"name": "EVIL", "url": "https://evil.example", "auth_method_id": id});
        assert_eq!(post(&operator, borrowed).await.status, 400);
        accepted(&operator, at("OURS", "https://a.example")).await;
        let events = listed::audit_events(app.db(), operator.org_id, 100).await.expect("is readable");
        assert!(events.iter().all(|event| !format!("{event:?}").contains("hunter2")));
    }
}
