//! Servers that share a database send each event once; where one dies, another one sends what it had not noted.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::stage::{SETTINGS, Stage, cause, create, deliveries, sender};
use crate::support::{Asked, Reply, Site, TestApp};

on_both! {
    async fn two_servers_send_each_event_once(engine: Engine) {
        let stage = Stage::new(engine).await;
        let (operator, _) = stage.operator().await;
        let replica = stage.app.replica_with(&SETTINGS).await;
        let mut clients = Vec::new();
        for number in 0..10 {
            clients.push(stage.app.registered(&format!("App {number}")).await);
        }
        for number in 0..8 {
            for client_id in &clients {
                cause(&operator, client_id, number).await;
            }
        }

        let (one, other) = (sender(&stage.app), sender(&replica));
        tokio::try_join!(one.send_due(), other.send_due()).expect("the database answers");

        let got = stage.hook.asked();
        let ids: HashSet<&str> = got.iter().map(Asked::event_id).collect();
        assert_eq!((got.len(), ids.len()), (80, 80));
        for client_id in &clients {
            let of_client = got.iter().filter(|got| got.json()["data"]["client"]["id"] == json!(client_id));
            let ids: Vec<&str> = of_client.map(Asked::event_id).collect();
            assert!(ids.is_sorted() && ids.len() == 8, "{ids:?}");
        }
    }

    async fn what_a_server_had_under_way_when_it_died_is_sent_by_another_one(engine: Engine) {
        let stage = Stage::new(engine).await;
        let (operator, _) = stage.operator().await;
        let client_id = stage.app.registered("App").await;
        cause(&operator, &client_id, 1).await;
        stage.hook.then([Reply::Silence]);
        let dying = tokio::spawn({
            let sender = sender(&stage.app);
            async move { sender.send_due().await.expect("the database answers") }
        });
        stage.hook.was_asked(1).await;
        dying.abort();
        assert!(dying.await.expect_err("is gone").is_cancelled());

        stage.send().await;
        assert_eq!(stage.hook.asked().len(), 1, "the other one may still live");
        stage.app.hand.advance(Duration::from_secs(31));
        stage.send().await;

        let got = stage.hook.asked();
        assert_eq!((got.len(), got[0].event_id()), (2, got[1].event_id()));
        assert_eq!(deliveries(&operator, "?state=delivered").await.len(), 1);
    }

    async fn a_server_that_stops_ends_what_is_under_way_and_begins_nothing(engine: Engine) {
        let stage = Stage::new(engine).await;
        let operator = stage.app.operator("Acme").await;
        let hook = Site::answering(Reply::status(200)).await;
        hook.close();
        create(&operator, json!({"name": "events", "url": hook.url("/")})).await;
        let client_id = stage.app.registered("App").await;
        cause(&operator, &client_id, 1).await;
        cause(&operator, &client_id, 2).await;
        let sending = tokio::spawn(sender(&stage.app).send_until_stopped(Duration::from_secs(30)));
        hook.was_asked(1).await;

        stage.app.app.stop.stop();
        hook.open();
        sending.await.expect("ends");

        assert_eq!((hook.asked().len(), deliveries(&operator, "?state=delivered").await.len()), (1, 1));
        let next: TestApp = stage.app.replica_with(&SETTINGS).await;
        sender(&next).send_due().await.expect("the database answers");
        assert_eq!((hook.asked().len(), deliveries(&operator, "?state=delivered").await.len()), (2, 2));
    }

    async fn a_server_notices_by_itself_what_happens(engine: Engine) {
        let stage = Stage::new(engine).await;
        let (operator, _) = stage.operator().await;
        let sending = tokio::spawn(Arc::clone(&sender(&stage.app)).send_until_stopped(Duration::from_secs(5)));
        let client_id = stage.app.registered("App").await;

        for number in 0..3 {
            cause(&operator, &client_id, number).await;
            stage.hook.was_asked(number + 1).await;
        }

        stage.app.app.stop.stop();
        sending.await.expect("ends");
    }
}
