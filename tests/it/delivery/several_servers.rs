//! Servers that share a database send each event once. If one is killed, another one sends its
//! unfinished deliveries.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::stage::{SETTINGS, Stage, cause, create, deliveries, sender};
use crate::support::{ReceivedRequest, Reply, Site, TestApp};

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

        let got = stage.hook.requests();
        let ids: HashSet<&str> = got.iter().map(ReceivedRequest::event_id).collect();
        assert_eq!((got.len(), ids.len()), (80, 80));
        for client_id in &clients {
            let of_client = got.iter().filter(|got| got.json()["data"]["client"]["id"] == json!(client_id));
            let ids: Vec<&str> = of_client.map(ReceivedRequest::event_id).collect();
            assert!(ids.is_sorted() && ids.len() == 8, "{ids:?}");
        }
    }

    async fn unfinished_deliveries_of_a_killed_server_are_sent_by_another_one(engine: Engine) {
        let stage = Stage::new(engine).await;
        let (operator, _) = stage.operator().await;
        let client_id = stage.app.registered("App").await;
        cause(&operator, &client_id, 1).await;
        stage.hook.then([Reply::Silence]);
        let dying = tokio::spawn({
            let sender = sender(&stage.app);
            async move { sender.send_due().await.expect("the database answers") }
        });
        stage.hook.wait_for_requests(1).await;
        dying.abort();
        assert!(dying.await.expect_err("is gone").is_cancelled());

        stage.send().await;
        assert_eq!(stage.hook.requests().len(), 1, "the other one may still live");
        stage.app.clock.advance(Duration::from_secs(31));
        stage.send().await;

        let got = stage.hook.requests();
        assert_eq!((got.len(), got[0].event_id()), (2, got[1].event_id()));
        assert_eq!(deliveries(&operator, "?state=delivered").await.len(), 1);
    }

    async fn a_stopping_server_finishes_running_deliveries_and_starts_none(engine: Engine) {
        let stage = Stage::new(engine).await;
        let operator = stage.app.operator("Acme").await;
        let hook = Site::answering(Reply::status(200)).await;
        hook.close();
        create(&operator, json!({"name": "events", "url": hook.url("/")})).await;
        let client_id = stage.app.registered("App").await;
        cause(&operator, &client_id, 1).await;
        cause(&operator, &client_id, 2).await;
        let sending = tokio::spawn(sender(&stage.app).send_until_stopped(Duration::from_secs(30)));
        hook.wait_for_requests(1).await;

        stage.app.app.stop.stop();
        hook.open();
        sending.await.expect("ends");

        assert_eq!((hook.requests().len(), deliveries(&operator, "?state=delivered").await.len()), (1, 1));
        let next: TestApp = stage.app.replica_with(&SETTINGS).await;
        sender(&next).send_due().await.expect("the database answers");
        assert_eq!((hook.requests().len(), deliveries(&operator, "?state=delivered").await.len()), (2, 2));
    }

    async fn a_server_notices_new_events(engine: Engine) {
        let stage = Stage::new(engine).await;
        let (operator, _) = stage.operator().await;
        let sending = tokio::spawn(Arc::clone(&sender(&stage.app)).send_until_stopped(Duration::from_secs(5)));
        let client_id = stage.app.registered("App").await;

        for number in 0..3 {
            cause(&operator, &client_id, number).await;
            stage.hook.wait_for_requests(number + 1).await;
        }

        stage.app.app.stop.stop();
        sending.await.expect("ends");
    }
}
