//! Requests that would be too long are not sent: the delivery fails with an explanation and is
//! retried.

use std::time::Duration;

use serde_json::json;

use super::stage::{Stage, cause, create, deliveries};
use crate::support::TestOperator;

const VARIABLES: &str = "/api/v1/integration/webhooks/configuration/custom-variables";

async fn variable(operator: &TestOperator<'_>, name: &str, value: &str) {
    let made =
        operator.post(VARIABLES, &json!({"name": name, "value": value, "is_secret": false})).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

/// State, attempts and failure of the only delivery.
async fn only_delivery(operator: &TestOperator<'_>) -> (String, u64, String) {
    let all = deliveries(operator, "").await;
    assert_eq!(all.len(), 1, "{all:?}");
    let attributes = &all[0]["attributes"];
    let text = |name: &str| attributes[name].as_str().unwrap_or_default().to_owned();
    (text("state"), attributes["attempts"].as_u64().expect("a number"), text("failure"))
}

on_both! {
    async fn a_body_that_is_too_long_fails_with_an_explanation(engine: Engine) {
        let stage = Stage::with(engine, &[("webhooks.attempts", "3")]).await;
        let operator = stage.app.operator("Acme").await;
        variable(&operator, "LONG", &"x".repeat(4096)).await;
        let payload = json!({"a": "$LONG".repeat(255), "event": "$EVENT_TYPE"}).to_string();
        create(&operator, json!({"name": "events", "url": stage.hook.url("/"), "payload": payload})).await;
        let client_id = stage.app.registered("App").await;
        cause(&operator, &client_id, 1).await;

        stage.send().await;
        let words = "the body would be longer than 262144 bytes with its variables: use fewer or shorter variables";
        assert_eq!(only_delivery(&operator).await, ("waiting".to_owned(), 1, words.to_owned()));
        assert_eq!(stage.hook.requests().len(), 0);
        let shorter = operator.put(&format!("{VARIABLES}/LONG"), &json!({"value": "x".repeat(1000)})).await;
        assert_eq!(shorter.status, 200, "{}", shorter.text);
        stage.app.clock.advance(Duration::from_secs(3_600));
        stage.send().await;

        assert_eq!(only_delivery(&operator).await.0, "delivered");
        assert_eq!(stage.hook.requests()[0].json()["a"].as_str().map(str::len), Some(255_000));
    }

    async fn headers_forms_and_escapes_that_are_too_long_are_parked(engine: Engine) {
        let body = "the body would be longer than";
        let cases = [
            (json!({"custom_headers": json!({"X-Long": "$LONG".repeat(65)}).to_string()}), "the headers would be longer than 262144 bytes"),
            (json!({"custom_headers": json!({"X-Long": "$LONG".repeat(3)}).to_string()}), "the header X-Long: it is longer than 8192 bytes"),
            (json!({"payload": json!({"a": "$LONG".repeat(65)}).to_string(), "encode_as": "form"}), body),
            (json!({"payload": json!({"a": "$CONTROLS".repeat(30)}).to_string()}), body),
        ];
        for (webhook, words) in cases {
            let stage = Stage::with(engine, &[("webhooks.attempts", "2")]).await;
            let operator = stage.app.operator("Acme").await;
            variable(&operator, "LONG", &"x".repeat(4096)).await;
            variable(&operator, "CONTROLS", &"\u{1}".repeat(4096)).await;
            let mut webhook = webhook;
            webhook["name"] = json!("events");
            webhook["url"] = json!(stage.hook.url("/"));
            create(&operator, webhook).await;
            let client_id = stage.app.registered("App").await;
            cause(&operator, &client_id, 1).await;

            stage.send().await;
            stage.app.clock.advance(Duration::from_secs(3_600));
            stage.send().await;

            let (state, attempts, failure) = only_delivery(&operator).await;
            assert_eq!((state.as_str(), attempts, stage.hook.requests().len()), ("parked", 2, 0), "{failure}");
            assert!(failure.contains(words), "{failure}");
        }
    }

    async fn an_event_that_is_too_long_is_not_sent(engine: Engine) {
        let stage = Stage::new(engine).await;
        let (operator, _) = stage.operator().await;
        let client_id = stage.app.registered("App").await;
        cause(&operator, &client_id, 1).await;
        let (sqlite, postgres) = (
            "UPDATE deliveries SET data = json_object('title', hex(zeroblob(131072)))",
            "UPDATE deliveries SET data = json_build_object('title', repeat('00', 131072))",
        );
        crate::db::fixtures::execute(&stage.app, engine, sqlite, postgres).await;

        stage.send().await;

        let (state, _, failure) = only_delivery(&operator).await;
        assert_eq!((state.as_str(), stage.hook.requests().len()), ("waiting", 0));
        assert!(failure.contains("the body would be longer than 262144 bytes"), "{failure}");
    }
}
