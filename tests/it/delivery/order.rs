//! Events are ordered per webhook and client, and do not wait for those of other clients.

use std::time::Duration;

use serde_json::{Value, json};

use super::stage::{Stage, cause, deliveries};
use crate::support::{ReceivedRequest, Reply};

/// The client of the restriction and its new value.
fn said(got: &ReceivedRequest) -> (Value, Value) {
    let data = &got.json()["data"];
    (data["client"]["id"].clone(), data["scopes_removed"].clone())
}

on_both! {
    async fn the_events_of_a_client_arrive_in_order(engine: Engine) {
        let stage = Stage::new(engine).await;
        let (operator, _) = stage.operator().await;
        let client_id = stage.app.registered("App").await;
        for number in 0..150 {
            cause(&operator, &client_id, number).await;
        }

        stage.send().await;

        let mut in_order: Vec<String> =
            deliveries(&operator, "?page_size=1000").await.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect();
        in_order.reverse();
        let arrived: Vec<String> = stage.hook.requests().iter().map(|got| got.event_id().to_owned()).collect();
        assert_eq!((arrived.len(), arrived), (150, in_order));
    }

    async fn a_failure_delays_only_the_events_of_its_client(engine: Engine) {
        let stage = Stage::new(engine).await;
        let (operator, _) = stage.operator().await;
        let (one, other) = (stage.app.registered("One").await, stage.app.registered("Other").await);
        for number in 0..3 {
            cause(&operator, &one, number).await;
        }
        stage.hook.then([Reply::status(500)]);
        stage.send().await;
        for number in 0..3 {
            cause(&operator, &other, number).await;
        }
        stage.send().await;

        let of = |id: &str| stage.hook.requests().iter().filter(|got| said(got).0 == json!(id)).count();
        assert_eq!((of(&one), of(&other)), (1, 3));
        stage.app.clock.advance(Duration::from_secs(10));
        stage.send().await;
        assert_eq!((of(&one), of(&other)), (4, 3));
    }

    async fn a_parked_event_does_not_block_the_next_one(engine: Engine) {
        let stage = Stage::with(engine, &[("webhooks.attempts", "1")]).await;
        let (operator, _) = stage.operator().await;
        let client_id = stage.app.registered("App").await;
        for number in 0..3 {
            cause(&operator, &client_id, number).await;
        }
        stage.hook.then([Reply::status(500)]);

        stage.send().await;

        let states = deliveries(&operator, "").await;
        let states: Vec<&Value> = states.iter().map(|one| &one["attributes"]["state"]).collect();
        assert_eq!(states, ["delivered", "delivered", "parked"]);
        assert_eq!(stage.hook.requests().len(), 3);
    }
}
