//! Rate limits of application keys and of failed attempts per address.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Method;
use grantor::http::Peer;
use grantor::random::Random;
use grantor::rules::identity::permission::Role;
use serde_json::json;

use crate::support::{Answer, Bearer, TestApp, TestOperator, restriction_path, unrestricted};

async fn get_from(operator: &TestOperator<'_>, peer: &str, path: &str) -> Answer {
    let peer: SocketAddr = peer.parse().expect("an address");
    let request = operator.request(Method::GET, path).extension(Peer(peer));
    operator.app.ask(request).await
}

/// Asserts a complete 429 response with the headers that clients use to wait.
fn assert_too_many(answer: &Answer, limit: &str, reset: &str) {
    answer.is(429, &json!({"errors": ["Too many requests"]}));
    let names = [
        "retry-after",
        "x-ratelimit-limit",
        "x-ratelimit-period",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ];
    assert_eq!(names.map(|name| answer.header(name)), [reset, limit, "60", "0", reset].map(Some));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

on_both! {
    async fn a_key_over_its_limit_does_not_affect_other_keys(engine: Engine) {
        let app = TestApp::with(engine, &[("limits.operator_per_minute", "6")]).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let colleague = operator.colleague("ada@acme.example", Role::Admin).await;
        let path = restriction_path(&client_id);
        operator.get(&path).await.is(200, &unrestricted(&client_id));

        let refused = operator.get(&path).await;
        let other_key = colleague.get(&path).await;
        app.clock.advance(Duration::from_secs(10));
        let later = operator.get(&path).await;

        assert_too_many(&refused, "6", "10");
        other_key.is(200, &unrestricted(&client_id));
        later.is(200, &unrestricted(&client_id));
    }

    async fn invalid_keys_of_an_address_are_limited_but_valid_ones_are_accepted(engine: Engine) {
        let app = TestApp::with(engine, &[("limits.failed_keys_per_minute", "2")]).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let mut guess = operator.on(&app);
        guess.keys.api_key = Random::seeded(1).api_key();
        let (path, here) = (restriction_path(&client_id), "192.0.2.1:1");
        get_from(&guess, here, &path).await.is(403, &json!({"errors": ["Forbidden"]}));
        get_from(&guess, here, &path).await.is(403, &json!({"errors": ["Forbidden"]}));

        let third_guess = get_from(&guess, here, &path).await;
        let right = get_from(&operator, here, &path).await;
        app.clock.advance(Duration::from_secs(30));
        let later_guess = get_from(&guess, here, &path).await;

        assert_too_many(&third_guess, "2", "30");
        right.is(200, &unrestricted(&client_id));
        later_guess.is(403, &json!({"errors": ["Forbidden"]}));
    }

    async fn valid_keys_are_accepted_when_invalid_ones_used_up_the_limit_of_their_address(engine: Engine) {
        let settings = [("limits.requests_per_minute", "4"), ("limits.failed_keys_per_minute", "0")];
        let app = TestApp::with(engine, &settings).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let mut guess = operator.on(&app);
        guess.keys.api_key = Random::seeded(1).api_key();
        let (path, here) = (restriction_path(&client_id), "192.0.2.1:1");
        get_from(&guess, here, &path).await.is(403, &json!({"errors": ["Forbidden"]}));
        get_from(&guess, here, &path).await.is(403, &json!({"errors": ["Forbidden"]}));

        let third_guess = get_from(&guess, here, &path).await;
        let of_nothing = get_from(&operator, here, "/api/v2/nothing").await;

        assert_too_many(&third_guess, "4", "15");
        assert_eq!(of_nothing.status, 429);
        for _ in 0..3 {
            get_from(&operator, here, &path).await.is(200, &unrestricted(&client_id));
        }
    }

    async fn the_tokens_of_one_user_share_one_limit(engine: Engine) {
        let app = TestApp::with(engine, &[("limits.operator_per_minute", "12")]).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let scope = "org_authorized_apps_read";
        let one = Bearer::of(&operator, &app.registered("A console").await, scope, &[]).await;
        let other = Bearer::of(&operator, &app.registered("Another console").await, scope, &[]).await;
        let path = restriction_path(&client_id);

        one.get(&path).await.is(200, &unrestricted(&client_id));
        other.get(&path).await.is(200, &unrestricted(&client_id));
        let third = other.get(&path).await;
        let by_key = operator.get(&path).await;

        assert_too_many(&third, "12", "5");
        by_key.is(200, &unrestricted(&client_id));
    }

    async fn a_request_without_keys_is_not_counted_as_a_guess(engine: Engine) {
        let app = TestApp::with(engine, &[("limits.failed_keys_per_minute", "1")]).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let path = restriction_path(&client_id);
        app.get(&path).await.is(401, &json!({"errors": ["Unauthorized"]}));
        app.get(&path).await.is(401, &json!({"errors": ["Unauthorized"]}));

        let answer = operator.get(&path).await;

        answer.is(200, &unrestricted(&client_id));
    }
}
