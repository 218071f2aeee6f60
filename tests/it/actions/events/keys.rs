//! Events about keys that expire soon.

use std::time::Duration;

use futures_util::future::join_all;
use grantor::actions::sealing_keys::announce::announce_sealing_key;
use grantor::actions::signing_keys::announce::announce_signing_keys;
use grantor::db::keys::signing_keys;
use serde_json::json;
use uuid::Uuid;

use super::{DAY, event, started};
use crate::support::outbox::{deliveries, insert_webhook, kinds, queued_events, webhook_id};
use crate::support::{START, TestApp};

on_both! {
    async fn one_server_announces_a_signing_key_to_all_organizations_a_week_ahead(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (granted, umbra, replica) = (started(&app).await, app.operator("Umbra").await, app.replica().await);
        insert_webhook(&app, 2, umbra.org_id, Some(&["signing_key.expiring"])).await;
        insert_webhook(&app, 3, umbra.org_id, Some(&["grant.given"])).await;
        let announce = async |at: &TestApp| {
            announce_signing_keys(at.context(), at.app.signing_rules()).await.expect("succeeds")
        };
        let max_age = u64::try_from(app.app.signing_rules().max_age).expect("a positive age");
        app.clock.advance(Duration::from_secs(max_age - 7 * DAY - 1));
        replica.clock.advance(Duration::from_secs(max_age - 7 * DAY));
        let key = signing_keys::list(app.db()).await.expect("is readable").remove(0);

        assert_eq!((announce(&app).await, kinds(&app).await.len()), (0, 0));
        app.clock.advance(Duration::from_secs(1));
        let counts = join_all([announce(&app), announce(&replica), announce(&app), announce(&replica)]).await;

        assert_eq!(counts.iter().sum::<usize>(), 1);
        let written = deliveries(&app).await;
        let expected = json!({
            "title": "The key that signs tokens will be replaced at 2026-04-02T03:04:05Z.",
            "org_id": null,
            "signing_key": {"id": key.id, "algorithm": "ES256"},
            "signs_from": "2026-01-02T03:04:05Z",
            "replaced_at": "2026-04-02T03:04:05Z",
        });
        for (one, webhook) in written.iter().zip([1, 2]) {
            assert_eq!((one.webhook_id, one.client_id), (webhook_id(webhook), Uuid::nil()));
            assert_eq!((one.kind.as_str(), one.data()), ("signing_key.expiring", expected.clone()));
        }
        assert_eq!((written.len(), written[0].event_id), (2, written[1].event_id));
        drop(granted);
    }

    async fn an_aging_sealing_key_is_announced_once_to_the_organizations_that_use_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_granted, replica) = (started(&app).await, app.replica().await);
        app.execute("DELETE FROM sealing_keys").await;
        app.execute("INSERT INTO sealing_keys (id, first_used_at) VALUES ('development', 1767323045), ('former', 1)").await;
        let announce = async |at: &TestApp, max_age: u64| {
            let max_age = i64::try_from(max_age).expect("an age");
            announce_sealing_key(at.context(), max_age).await.expect("succeeds")
        };
        for at in [&app, &replica] {
            at.clock.advance(Duration::from_secs(60 * DAY - 1));
        }

        assert_eq!((announce(&app, 0).await, announce(&app, 90 * DAY).await), (0, 0));
        for at in [&app, &replica] {
            at.clock.advance(Duration::from_secs(1));
        }
        let counts = join_all([announce(&app, 90 * DAY), announce(&replica, 90 * DAY)]).await;

        assert_eq!(counts.iter().sum::<usize>(), 1);
        let expected = json!({
            "title": "The key development, which encrypts stored secrets, reaches its maximum age at 2026-04-02T03:04:05Z.",
            "org_id": null,
            "sealing_key": {"id": "development"},
            "first_used_at": "2026-01-02T03:04:05Z",
            "expires_at": "2026-04-02T03:04:05Z",
        });
        assert_eq!(queued_events(&app).await, [event("sealing_key.expiring", expected)]);
    }

    async fn a_sweep_announces_keys(engine: Engine) {
        let app = TestApp::with(engine, &[("tokens.signing_key_max_age", "86400")]).await;
        let _granted = started(&app).await;
        // The clocks of the test and the database differ, so a sweep would delete nothing.
        let skew = app.db().unix_millis().await.expect("answers") - START.seconds() * 1000;
        app.clock.advance(Duration::from_millis(skew.try_into().expect("later than the start of the test")));
        app.execute("UPDATE signing_keys SET announced_at = NULL").await;

        grantor::sweeper::sweep(&app.app).await;

        assert!(kinds(&app).await.contains(&"signing_key.expiring".to_owned()));
    }
}
