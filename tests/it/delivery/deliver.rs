//! One event and one receiver: the request, and the effect of the response.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::stage::{Stage, WEBHOOKS, cause, create, deliveries, sender};
use crate::support::{ReceivedRequest, Reply, START, Site, TestOperator};

/// Verifies the signature like a receiver, by the Standard Webhooks convention.
fn is_signed_with(secret: &str, got: &ReceivedRequest) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a secret")).expect("base64");
    let timestamp = got.header("webhook-timestamp").expect("a time");
    let signed = format!("{}.{timestamp}.{}", got.event_id(), got.body);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signatures = got
        .header("webhook-signature")
        .expect("signatures")
        .split(' ')
        .filter_map(|one| one.strip_prefix("v1,"));
    let mut tags = signatures.map(|one| STANDARD.decode(one).expect("base64"));
    tags.any(|tag| hmac::verify(&key, signed.as_bytes(), &tag).is_ok())
}

/// Causes one event.
async fn one_event(operator: &TestOperator<'_>) -> String {
    let client_id = operator.app.registered("App").await;
    cause(operator, &client_id, 1).await;
    client_id
}

/// The only delivery in the operator API: state, attempts, status and failure.
async fn only_delivery(operator: &TestOperator<'_>) -> (String, u64, Option<u64>, Option<String>) {
    let all = deliveries(operator, "").await;
    assert_eq!(all.len(), 1, "{all:?}");
    let attributes = &all[0]["attributes"];
    let text = |name: &str| attributes[name].as_str().map(str::to_owned);
    let attempts = attributes["attempts"].as_u64().expect("a number");
    (text("state").expect("a state"), attempts, attributes["status"].as_u64(), text("failure"))
}

on_both! {
    async fn an_event_is_delivered_with_its_signature(engine: Engine) {
        let stage = Stage::new(engine).await;
        let (operator, secret) = stage.operator().await;
        let client_id = one_event(&operator).await;

        stage.send().await;

        let got = &stage.hook.requests()[0];
        let body = got.json();
        assert_eq!((stage.hook.requests().len(), got.path()), (1, "/events"));
        assert_eq!((&body["type"], &body["timestamp"]), (&json!("restriction.changed"), &json!(START.to_rfc3339())));
        assert_eq!(body["data"]["client"]["id"], json!(client_id));
        assert_eq!(got.header("content-type"), Some("application/json"));
        assert_eq!(got.header("webhook-timestamp"), Some(START.seconds().to_string().as_str()));
        assert!(is_signed_with(&secret, got));
        assert!(!is_signed_with("whsec_AQEB", got));
        assert_eq!(got.header("authorization"), None);
        assert_eq!(only_delivery(&operator).await, ("delivered".to_owned(), 1, Some(200), None));
        stage.send().await;
        assert_eq!(stage.hook.requests().len(), 1, "once");
    }

    async fn a_webhook_of_an_earlier_version_keeps_its_url(engine: Engine) {
        let stage = Stage::new(engine).await;
        let (operator, _) = stage.operator().await;
        let respelled =
            "UPDATE webhooks SET url = replace(replace(url, 'http:', 'HTTP:'), '/events', '/a/../events')";
        stage.app.execute(respelled).await;
        one_event(&operator).await;

        stage.send().await;

        assert_eq!(stage.hook.requests()[0].path(), "/events");
        assert_eq!(only_delivery(&operator).await, ("delivered".to_owned(), 1, Some(200), None));
    }

    async fn a_custom_payload_and_headers_can_use_variables(engine: Engine) {
        let stage = Stage::new(engine).await;
        let operator = stage.app.operator("Acme").await;
        let variable = json!({"name": "TEAM", "value": "a \"quoted\" team", "is_secret": true});
        let made = operator.post("/api/v1/integration/webhooks/configuration/custom-variables", &variable).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let payload = json!({"text": "$EVENT_TYPE for $TEAM", "client": "$CLIENT_ID", "event": "$EVENT"}).to_string();
        let headers = json!({"x-team": "$TEAM"}).to_string();
        let webhook = json!({
            "name": "events", "url": stage.hook.url("/chat"), "payload": payload, "custom_headers": headers,
        });
        create(&operator, webhook).await;
        let client_id = one_event(&operator).await;

        stage.send().await;

        let got = &stage.hook.requests()[0];
        let body = got.json();
        assert_eq!(body["text"], "restriction.changed for a \"quoted\" team");
        assert_eq!((&body["client"], &body["event"]["type"]), (&json!(client_id), &json!("restriction.changed")));
        assert_eq!(got.header("x-team"), Some("a \"quoted\" team"));
    }

    async fn a_form_has_one_field_per_member(engine: Engine) {
        let stage = Stage::new(engine).await;
        let operator = stage.app.operator("Acme").await;
        let payload = json!({"text": "$EVENT_TYPE & more", "number": 7}).to_string();
        let webhook =
            json!({"name": "events", "url": stage.hook.url("/form"), "encode_as": "form", "payload": payload});
        create(&operator, webhook).await;
        one_event(&operator).await;

        stage.send().await;

        let got = &stage.hook.requests()[0];
        assert_eq!(got.header("content-type"), Some("application/x-www-form-urlencoded"));
        let fields: Vec<_> = form_urlencoded::parse(got.body.as_bytes()).into_owned().collect();
        let expected = [("number", "7"), ("text", "restriction.changed & more")];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    async fn a_failed_event_is_retried_with_growing_pauses_and_the_same_id(engine: Engine) {
        let stage = Stage::new(engine).await;
        let (operator, secret) = stage.operator().await;
        one_event(&operator).await;
        stage.hook.then([Reply::status(500), Reply::status(503), Reply::status(429)]);

        stage.send().await;
        let waits = ("waiting".to_owned(), 1, Some(500), Some("the receiver returned 500".to_owned()));
        assert_eq!(only_delivery(&operator).await, waits);
        stage.send().await;
        assert_eq!(stage.hook.requests().len(), 1, "not before its time");
        for (seconds, attempts) in [(6, 2), (18, 3), (54, 4)] {
            stage.app.clock.advance(std::time::Duration::from_secs(seconds));
            stage.send().await;
            assert_eq!(stage.hook.requests().len(), attempts);
        }

        assert_eq!(only_delivery(&operator).await, ("delivered".to_owned(), 4, Some(200), None));
        let got = stage.hook.requests();
        assert!(got.iter().all(|one| is_signed_with(&secret, one)));
        assert!(got.iter().all(|one| one.event_id() == got[0].event_id() && one.body == got[0].body));
        assert_ne!(got[3].header("webhook-timestamp"), got[0].header("webhook-timestamp"));
    }

    async fn failures_of_a_receiver_are_described(engine: Engine) {
        let stage = Stage::new(engine).await;
        let (operator, _) = stage.operator().await;
        one_event(&operator).await;
        let elsewhere = Site::answering(Reply::status(200)).await;
        let cases = [
            (Reply::status(302).with_header("location", elsewhere.url("/")), Some(302), "redirects are not followed"),
            (Reply::status(404), Some(404), "the receiver returned 404"),
        ];
        for (told_by, status, failure) in cases {
            stage.hook.then([told_by]);
            stage.send().await;
            let (state, _, reported_status, words) = only_delivery(&operator).await;
            assert_eq!((state.as_str(), reported_status), ("waiting", status));
            assert!(words.as_deref().is_some_and(|words| words.contains(failure)), "{words:?}");
            stage.app.clock.advance(std::time::Duration::from_secs(3_600));
        }
        assert_eq!(elsewhere.requests().len(), 0);
        stage.hook.then([Reply::json("x".repeat(10_000_000))]);
        stage.send().await;
        assert_eq!(only_delivery(&operator).await.0, "delivered", "the body of a successful response is ignored");
    }

    async fn a_silent_receiver_times_out(engine: Engine) {
        let stage = Stage::with(engine, &[("webhooks.timeout", "1")]).await;
        let (operator, _) = stage.operator().await;
        one_event(&operator).await;
        stage.hook.answer(Reply::Silence);

        stage.send().await;

        let (state, attempts, status, words) = only_delivery(&operator).await;
        assert_eq!((state.as_str(), attempts, status), ("waiting", 1, None));
        assert!(words.as_deref().is_some_and(|words| words.contains("in time")), "{words:?}");
    }

    async fn a_receiver_that_returns_410_is_disabled(engine: Engine) {
        let stage = Stage::new(engine).await;
        let (operator, _) = stage.operator().await;
        one_event(&operator).await;
        stage.hook.then([Reply::status(410)]);

        stage.send().await;

        assert_eq!(only_delivery(&operator).await, ("parked".to_owned(), 1, Some(410), Some("the receiver returned 410".to_owned())));
    }

    async fn an_event_is_parked_after_the_last_attempt_and_can_be_redelivered(engine: Engine) {
        let stage = Stage::with(engine, &[("webhooks.attempts", "2")]).await;
        let (operator, _) = stage.operator().await;
        one_event(&operator).await;
        stage.hook.then([Reply::status(500), Reply::status(500)]);
        stage.send().await;
        stage.app.clock.advance(std::time::Duration::from_secs(10));
        stage.send().await;

        let parked = deliveries(&operator, "?state=parked").await;
        let id = parked[0]["id"].as_str().expect("an id");
        assert_eq!((parked.len(), &parked[0]["attributes"]["attempts"]), (1, &json!(2)));
        assert_eq!(deliveries(&operator, "?state=delivered").await, Vec::<serde_json::Value>::new());
        let replay = |id: &str| format!("{WEBHOOKS}/events/deliveries/{id}/replay");
        let replayed = operator.post(&replay(id), &json!({})).await;
        assert_eq!(replayed.status, 202, "{}", replayed.text);
        stage.send().await;

        assert_eq!(only_delivery(&operator).await, ("delivered".to_owned(), 1, Some(200), None));
        let nothing = operator.post(&replay(id), &json!({})).await;
        assert_eq!((nothing.status.as_u16(), nothing.json()), (404, json!({"errors": ["this webhook has no parked delivery with this id"]})));
    }

    async fn an_event_that_waited_too_long_is_parked_unsent(engine: Engine) {
        let stage = Stage::with(engine, &[("webhooks.give_up_after", "60")]).await;
        let (operator, _) = stage.operator().await;
        one_event(&operator).await;
        stage.app.clock.advance(std::time::Duration::from_secs(61));

        stage.send().await;

        let (state, attempts, _, failure) = only_delivery(&operator).await;
        assert_eq!((state.as_str(), attempts, stage.hook.requests().len()), ("parked", 0, 0));
        assert!(failure.is_some_and(|failure| failure.contains("webhooks.give_up_after")));
    }

    async fn a_slow_receiver_does_not_delay_others(engine: Engine) {
        let stage = Stage::with(engine, &[("webhooks.at_once_per_webhook", "2")]).await;
        let operator = stage.app.operator("Acme").await;
        let slow = Site::answering(Reply::status(200)).await;
        slow.close();
        create(&operator, json!({"name": "slow", "url": slow.url("/")})).await;
        create(&operator, json!({"name": "quick", "url": stage.hook.url("/")})).await;
        for number in 0..10 {
            let client_id = stage.app.registered(&format!("App {number}")).await;
            cause(&operator, &client_id, 1).await;
        }

        let sending = tokio::spawn({
            let sender = sender(&stage.app);
            async move { sender.send_due().await.expect("the database answers") }
        });
        stage.hook.wait_for_requests(10).await;
        assert_eq!(slow.requests().len(), 2, "no more at once than it may have");
        slow.open();
        sending.await.expect("ends");

        assert_eq!(slow.requests().len(), 10);
    }
}
