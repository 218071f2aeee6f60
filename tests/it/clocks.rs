//! Servers on hosts whose clocks are a day off. All of them use the time of their database.

use std::time::Duration;

use grantor::{clock_sync, sweeper};
use serde_json::json;

use crate::delivery::stage::{SETTINGS, cause, create, deliveries, sender};
use crate::support::granted::{Granted, Tokens, opened};
use crate::support::{Engine, Reply, Site, TestApp, TestOperator};

const DAY: i64 = 86_400;
/// The allowed difference, in seconds, between servers that read the time at different moments.
const BUSY: i64 = 20;

/// One server with the correct time, one a day ahead, one a day behind.
async fn three_servers(engine: Engine, settings: &[(&str, &str)]) -> [TestApp; 3] {
    let right = TestApp::by_database_time(engine, settings).await;
    let ahead = right.replica_on_host_off_by(DAY, settings).await;
    let behind = right.replica_on_host_off_by(-DAY, settings).await;
    [right, ahead, behind]
}

async fn database_seconds(app: &TestApp) -> i64 {
    app.db().unix_millis().await.expect("answers") / 1000
}

/// Manual clocks do not move. A running server does this every few seconds.
async fn read_the_time(servers: [&TestApp; 3]) {
    for server in servers {
        grantor::actions::upkeep::follow_database_clock::follow_database_clock(server.context())
            .await
            .expect("answers");
    }
}

async fn organization(app: &TestApp) -> TestOperator<'_> {
    app.operator("Acme").await
}

on_both! {
    async fn tokens_have_the_time_of_the_database_even_if_the_host_is_a_day_off(engine: Engine) {
        let [right, ahead, behind] = three_servers(engine, &[]).await;
        let granted = Granted::new(&right).await;
        read_the_time([&right, &ahead, &behind]).await;

        for server in [&ahead, &behind] {
            let code = granted.code_of_mcp("mcp_read").await;
            let tokens = Tokens::of(&granted.on(server).exchanged(&code).await);
            let now = database_seconds(&right).await;
            let (_, claims) = opened(&tokens.access);
            let issued_at = claims["iat"].as_i64().expect("a time");

            assert!((now - issued_at).abs() < BUSY, "issued at {issued_at}, and it is {now}");
            assert_eq!(claims["exp"].as_i64(), Some(issued_at + 3_600));
            for everywhere in [&right, &ahead, &behind] {
                assert!(granted.on(everywhere).is_active(&tokens.access).await);
            }
        }
    }

    async fn a_host_a_day_off_ends_no_family(engine: Engine) {
        let [right, ahead, behind] = three_servers(engine, &[("tokens.refresh_grace", "60")]).await;
        let granted = Granted::new(&right).await;
        let first = granted.tokens("mcp_read").await;

        let second = Tokens::of(&granted.on(&ahead).refreshed(&first.refresh).await);
        let repeated = Tokens::of(&granted.on(&behind).refreshed(&first.refresh).await);
        let third = Tokens::of(&granted.on(&behind).refreshed(&second.refresh).await);
        let last = Tokens::of(&granted.on(&ahead).refreshed(&third.refresh).await);

        assert_eq!(repeated.refresh, second.refresh, "a retry gets the same token again");
        for server in [&right, &ahead, &behind] {
            assert!(granted.on(server).is_active(&last.access).await);
        }
        assert!(!granted.history().await.iter().any(|action| action.contains("reuse") || action.contains("ended")));
    }

    async fn a_host_a_day_off_deletes_nothing_that_is_valid(engine: Engine) {
        let [right, ahead, behind] = three_servers(engine, &[]).await;
        let granted = Granted::new(&right).await;
        let (tokens, code) = (granted.tokens("mcp_read").await, granted.code_of_mcp("mcp_read").await);
        let fresh = right.registered("Not used yet").await;

        for server in [&ahead, &behind] {
            sweeper::sweep(&server.app).await;
            grantor::actions::upkeep::forget_expired::forget_expired(server.context()).await.expect("is swept");
            grantor::actions::clients::forget::forget_clients(server.context(), DAY - 60).await.expect("is swept");
            grantor::actions::signing_keys::rotate::forget_signing_keys(server.context(), server.app.signing_rules()).await.expect("is swept");
        }

        let client_id = grantor::rules::client::ClientId::parse(&fresh).expect("an id");
        let kept = grantor::db::clients::find(right.db(), client_id).await.expect("is readable");
        assert!(kept.is_some(), "the client that was registered a moment ago");
        Tokens::of(&granted.exchanged(&code).await);
        Tokens::of(&granted.refreshed(&tokens.refresh).await);
    }

    async fn a_lane_claimed_by_a_host_a_day_ahead_expires_after_half_a_minute(engine: Engine) {
        let [right, ahead, behind] = three_servers(engine, &SETTINGS).await;
        let hook = Site::answering(Reply::status(200)).await;
        let operator = organization(&right).await;
        create(&operator, json!({"name": "events", "url": hook.url("/events")})).await;
        let client_id = right.registered("App").await;
        cause(&operator.on(&behind), &client_id, 1).await;
        read_the_time([&right, &ahead, &behind]).await;
        hook.then([Reply::Silence]);
        let dying = tokio::spawn({
            let sender = sender(&ahead);
            async move { sender.send_due().await.expect("the database answers") }
        });
        hook.wait_for_requests(1).await;
        dying.abort();
        assert!(dying.await.expect_err("is gone").is_cancelled());

        read_the_time([&right, &ahead, &behind]).await;
        behind.clock.advance(Duration::from_secs(31));
        sender(&behind).send_due().await.expect("the database answers");

        assert_eq!(hook.requests().len(), 2, "the one that died, and the one that sent it again");
        assert_eq!(deliveries(&operator, "?state=delivered").await.len(), 1);
    }

    async fn events_of_hosts_a_day_off_are_delivered_immediately(engine: Engine) {
        let [right, ahead, behind] = three_servers(engine, &SETTINGS).await;
        let hook = Site::answering(Reply::status(200)).await;
        let operator = organization(&right).await;
        create(&operator, json!({"name": "events", "url": hook.url("/events")})).await;
        let client_id = right.registered("App").await;

        for (number, (caused_on, sent_by)) in [(&ahead, &behind), (&behind, &right), (&right, &ahead)].iter().enumerate() {
            cause(&operator.on(caused_on), &client_id, number).await;
            read_the_time([&right, &ahead, &behind]).await;
            sender(sent_by).send_due().await.expect("the database answers");
            assert_eq!(hook.requests().len(), number + 1);
        }
    }

    async fn the_metrics_and_verbose_readiness_show_a_host_a_day_off(engine: Engine) {
        let right = TestApp::by_database_time(engine, &[]).await;
        let ahead = right.replica_on_host_off_by(DAY, &[]).await;

        for server in [&right, &ahead] {
            clock_sync::follow(&server.app, &mut clock_sync::Warnings::default()).await;
        }

        let skew = |text: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix("grantor_clock_skew_seconds "));
            line.expect("the metric").parse().expect("a number")
        };
        assert!((skew(&ahead.manage("/metrics").await.text) - 86_400.0).abs() < 60.0);
        assert!(skew(&right.manage("/metrics").await.text).abs() < 30.0);
        ahead.manage("/readyz").await.is(200, &json!({"status": "ready"}));
        let verbose = ahead.manage("/readyz?verbose").await;
        assert_eq!((verbose.status.as_u16(), &verbose.json()["status"]), (200, &json!("ready")));
        assert!((verbose.json()["clock"]["skew_seconds"].as_f64().expect("a number") - 86_400.0).abs() < 60.0);
        assert_eq!(
            verbose.json()["clock"]["warning"],
            json!("this host's clock differs from the database's by more than 30 s: synchronize it with NTP")
        );
        assert_eq!(right.manage("/readyz?verbose").await.json()["clock"]["warning"], json!(null));
    }
}
