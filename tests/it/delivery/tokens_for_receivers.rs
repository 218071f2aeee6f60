//! Access tokens for receivers: fetched once, sent with each delivery, and fetched again if one is
//! refused.

use std::time::Duration;

use serde_json::json;

use super::stage::{Stage, auth_method, cause, create, deliveries};
use crate::support::{ReceivedRequest, Reply, Site, TestOperator};

fn token(text: &str) -> Reply {
    Reply::json(json!({"access_token": text, "token_type": "Bearer", "expires_in": 3_600}))
}

/// A webhook whose receiver requires tokens of another server.
async fn with_tokens<'a>(stage: &'a Stage, tokens: &Site) -> TestOperator<'a> {
    let operator = stage.app.operator("Acme").await;
    let method = auth_method(&operator, &tokens.url("/token")).await;
    create(
        &operator,
        json!({"name": "events", "url": stage.hook.url("/"), "auth_method_id": method}),
    )
    .await;
    operator
}

fn presented(got: &[ReceivedRequest]) -> Vec<String> {
    got.iter().map(|got| got.header("authorization").unwrap_or_default().to_owned()).collect()
}

on_both! {
    async fn a_token_is_fetched_once_and_sent_to_the_receiver(engine: Engine) {
        let (stage, tokens) = (Stage::new(engine).await, Site::answering(token("first")).await);
        let operator = with_tokens(&stage, &tokens).await;
        for number in 0..5 {
            let client_id = stage.app.registered(&format!("App {number}")).await;
            cause(&operator, &client_id, 1).await;
        }

        stage.send().await;

        assert_eq!(presented(&stage.hook.requests()), vec!["Bearer first"; 5]);
        assert_eq!(tokens.requests().len(), 1);
        let fields: Vec<_> = form_urlencoded::parse(tokens.requests()[0].body.as_bytes()).into_owned().collect();
        assert!(fields.contains(&("grant_type".to_owned(), "client_credentials".to_owned())), "{fields:?}");
        assert!(fields.contains(&("scope".to_owned(), "events.write".to_owned())), "{fields:?}");
    }

    async fn a_refused_token_is_fetched_again_once(engine: Engine) {
        let (stage, tokens) = (Stage::new(engine).await, Site::answering(token("second")).await);
        tokens.then([token("first")]);
        let operator = with_tokens(&stage, &tokens).await;
        let client_id = stage.app.registered("App").await;
        cause(&operator, &client_id, 1).await;
        stage.hook.then([Reply::status(401)]);

        stage.send().await;

        assert_eq!(presented(&stage.hook.requests()), ["Bearer first", "Bearer second"]);
        assert_eq!(deliveries(&operator, "?state=delivered").await[0]["attributes"]["attempts"], 1);

        cause(&operator, &client_id, 2).await;
        stage.hook.then([Reply::status(401), Reply::status(401)]);
        stage.send().await;
        assert_eq!(stage.hook.requests().len(), 4, "not for ever");
        let waiting = deliveries(&operator, "?state=waiting").await;
        assert_eq!(waiting[0]["attributes"]["failure"], "the receiver returned 401");
    }

    async fn without_a_token_nothing_is_sent_and_the_reason_is_recorded(engine: Engine) {
        let (stage, tokens) = (Stage::new(engine).await, Site::answering(Reply::status(500)).await);
        let operator = with_tokens(&stage, &tokens).await;
        let client_id = stage.app.registered("App").await;
        cause(&operator, &client_id, 1).await;

        stage.send().await;

        let waiting = deliveries(&operator, "?state=waiting").await;
        let failure = waiting[0]["attributes"]["failure"].as_str().expect("words").to_owned();
        assert!(failure.starts_with("auth method tokens: no access token: ") && failure.contains("500"), "{failure}");
        assert!(!failure.contains("the-secret-of-the-receiver"));
        assert_eq!(stage.hook.requests().len(), 0);
        tokens.answer(token("at-last"));
        stage.app.clock.advance(Duration::from_secs(10));
        stage.send().await;
        assert_eq!(presented(&stage.hook.requests()), ["Bearer at-last"], "{:?}", deliveries(&operator, "").await);
    }
}
