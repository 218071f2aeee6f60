//! `POST …/auth-method/oauth2-client-credentials/{auth_method_id}/test`.

use std::time::Duration;

use grantor::db::webhooks::auth_methods::AuthMethod;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::auth_method::{CLIENT_SECRET, TOKEN, auth_method, store, token_answer};
use crate::support::{Answer, Reply, Site, TestApp, TestOperator};

const ON_LOOPBACK: (&str, &str) = ("webhooks.allow_loopback", "true");

const CREDENTIALS: &str =
    "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials";

fn request(attributes: &Value) -> Value {
    json!({"data": {"type": "webhooks-auth-method-oauth2-client-credentials", "attributes": attributes}})
}

fn path(id: &str) -> String {
    format!("{CREDENTIALS}/{id}/test")
}

async fn stored(operator: &TestOperator<'_>, url: &str) -> AuthMethod {
    let method = auth_method(&operator.app.app.issuer.ring, operator.org_id, url);
    store(operator.app.db(), &method).await;
    method
}

async fn tried(operator: &TestOperator<'_>, method: &AuthMethod) -> Answer {
    let answer = operator.post(&path(&method.id.0.to_string()), &json!({})).await;
    assert!(
        !answer.text.contains(TOKEN) && !answer.text.contains(CLIENT_SECRET),
        "{}",
        answer.text
    );
    answer
}

fn report(method: &AuthMethod, attributes: &Value) -> Value {
    let mut whole = json!({"duration_ms": 0, "requested_at": "2026-01-02T03:04:05Z"});
    for (name, value) in attributes.as_object().expect("members") {
        whole[name] = value.clone();
    }
    json!({"data": {"type": "webhooks-auth-method-test", "id": method.id, "attributes": whole}})
}

fn failed(method: &AuthMethod, status: Value, failure: &str) -> Value {
    report(
        method,
        &json!({"succeeded": false, "status": status, "failure": failure, "token": null}),
    )
}

on_both! {
    async fn a_successful_test_is_reported_without_the_token(engine: Engine) {
        let app = TestApp::with(engine, &[ON_LOOPBACK]).await;
        let operator = app.operator("Acme").await;
        let endpoint = Site::answering(Reply::json(token_answer(3_600))).await;
        let method = stored(&operator, &endpoint.url("/token")).await;

        let answer = tried(&operator, &method).await;
        let again = tried(&operator, &method).await;

        let token = json!({"type": "Bearer", "expires_in": 3_600, "scope": "events"});
        let expected =
            report(&method, &json!({"succeeded": true, "status": 200, "failure": null, "token": token}));
        answer.is(200, &expected);
        again.is(200, &expected);
        assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(endpoint.requests().len(), 2, "each test asks");
    }

    async fn a_failed_test_is_reported_with_its_cause(engine: Engine) {
        let app = TestApp::with(engine, &[ON_LOOPBACK]).await;
        let operator = app.operator("Acme").await;
        let mut endpoint = Site::answering(Reply::status(500)).await;
        let method = stored(&operator, &endpoint.url("/token")).await;
        let hostile = json!({"error": "invalid_scope", "error_description": format!("{TOKEN} {CLIENT_SECRET}")});

        let words = "no access token: 127.0.0.1 responded with status 500";
        tried(&operator, &method).await.is(200, &failed(&method, json!(500), words));
        endpoint.answer(Reply::status(400).with_body(hostile));
        let words = "no access token: 127.0.0.1 responded with status 400 (invalid_scope)";
        tried(&operator, &method).await.is(200, &failed(&method, json!(400), words));
        endpoint.answer(Reply::json("no json"));
        let words = "no access token: 127.0.0.1 responded with a body that is not a JSON object";
        tried(&operator, &method).await.is(200, &failed(&method, json!(200), words));
        endpoint.shut_down().await;
        let answer = tried(&operator, &method).await.json();
        let attributes = &answer["data"]["attributes"];
        assert_eq!((&attributes["succeeded"], &attributes["status"]), (&json!(false), &json!(null)), "{answer}");
    }

    async fn a_secret_is_sent_only_to_the_server_it_was_set_for(engine: Engine) {
        let app = TestApp::with(engine, &[ON_LOOPBACK]).await;
        let operator = app.operator("Acme").await;
        let endpoint = Site::answering(Reply::json(token_answer(60))).await;
        let other = Site::answering(Reply::json(token_answer(60))).await;
        let whole = json!({
            "name": "A method", "client_id": "client", "client_secret": CLIENT_SECRET, "access_token_url": endpoint.url("/a"),
        });
        let made = operator.post(CREDENTIALS, &request(&whole)).await.json();
        let id = made["data"]["id"].as_str().expect("an id");
        let change = async |attributes: Value| {
            let answer = operator.patch(&format!("{CREDENTIALS}/{id}"), &request(&attributes)).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        };
        let failure = async || {
            let answer = operator.post(&path(id), &json!({})).await;
            answer.json()["data"]["attributes"]["failure"].as_str().map(str::to_owned)
        };

        change(json!({"access_token_url": other.url("/a")})).await;
        let refused = failure().await;
        change(json!({"name": "Another name", "client_id": "other"})).await;
        let still = failure().await;

        let (given_for, leads_to) = (endpoint.url(""), other.url(""));
        let words = format!(
            "no access token: the client_secret is for {given_for}, but access_token_url points to {leads_to}: send \
             client_secret again, together with access_token_url"
        );
        assert_eq!((refused.as_ref(), still.as_ref()), (Some(&words), Some(&words)));
        assert_eq!((endpoint.requests().len(), other.requests().len()), (0, 0));
        change(json!({"access_token_url": endpoint.url("/b?c")})).await;
        assert_eq!((failure().await, endpoint.requests().len()), (None, 1));
        change(json!({"access_token_url": other.url("/a")})).await;
        let alone = operator.patch(&format!("{CREDENTIALS}/{id}"), &request(&json!({"client_secret": CLIENT_SECRET}))).await;
        assert_eq!((alone.status.as_u16(), failure().await, other.requests().len()), (400, Some(words), 0));
        change(json!({"access_token_url": other.url("/a"), "client_secret": CLIENT_SECRET})).await;
        assert_eq!((failure().await, other.requests().len()), (None, 1));
        change(json!({"access_token_url": endpoint.url("/a"), "client_secret": CLIENT_SECRET})).await;
        assert_eq!((failure().await, endpoint.requests().len(), other.requests().len()), (None, 2, 1));
    }

    async fn internal_addresses_are_neither_contacted_nor_reported(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let inside = Site::answering(Reply::json(token_answer(60))).await;
        let method = stored(&operator, &format!("https://localhost:{}/token", inside.address.port())).await;

        let answer = tried(&operator, &method).await;

        let words = "no access token: localhost has no address that this server connects to";
        answer.is(200, &failed(&method, Value::Null, words));
        assert_eq!(inside.requests().len(), 0);
    }

    async fn testing_requires_the_manage_integrations_permission_of_the_organization(engine: Engine) {
        let app = TestApp::with(engine, &[ON_LOOPBACK]).await;
        let (operator, stranger) = (app.operator("Acme").await, app.operator("Other").await);
        let colleague = operator.colleague("ada@acme.example", Role::ReadOnly).await;
        let endpoint = Site::answering(Reply::json(token_answer(60))).await;
        let method = stored(&operator, &endpoint.url("/token")).await;
        let path = path(&method.id.0.to_string());

        let nobody = app.post(&path, &json!({})).await;
        let lacking = colleague.post(&path, &json!({})).await;
        let foreign = stranger.post(&path, &json!({})).await;

        nobody.is(401, &json!({"errors": ["Unauthorized"]}));
        assert_eq!(lacking.status, 403);
        let words = lacking.json()["errors"][0].as_str().map(str::to_owned);
        assert!(words.is_some_and(|words| words.contains("manage_integrations")), "{}", lacking.text);
        foreign.is(404, &json!({"errors": ["there is no auth method with this id"]}));
        for id in ["not-an-id", "00000000-0000-0000-0000-000000000000"] {
            operator.post(&self::path(id), &json!({})).await.is(404, &foreign.json());
        }
        assert_eq!(endpoint.requests().len(), 0);
    }

    async fn a_method_can_be_tested_ten_times_a_minute_independently_of_others(engine: Engine) {
        let app = TestApp::with(engine, &[ON_LOOPBACK]).await;
        let operator = app.operator("Acme").await;
        let endpoint = Site::answering(Reply::status(500)).await;
        let method = stored(&operator, &endpoint.url("/token")).await;
        let other = AuthMethod { name: "Other".to_owned(), ..auth_method(&app.app.issuer.ring, operator.org_id, &endpoint.url("/")) };
        store(app.db(), &other).await;
        for _ in 0..10 {
            assert_eq!(tried(&operator, &method).await.status, 200);
        }

        let refused = tried(&operator, &method).await;
        let of_other = tried(&operator, &other).await;
        app.clock.advance(Duration::from_secs(6));
        let later = tried(&operator, &method).await;

        refused.is(429, &json!({"errors": ["Too many requests"]}));
        assert_eq!((refused.header("x-ratelimit-limit"), refused.header("retry-after")), (Some("10"), Some("6")));
        assert_eq!((of_other.status.as_u16(), later.status.as_u16()), (200, 200));
        assert_eq!(endpoint.requests().len(), 12);
    }
}
