//! The first use of each sealing key.

use std::time::Duration;

use grantor::db::keys::sealing_keys;
use grantor::rules::timestamp::Timestamp;

use crate::db::fixtures::after;
use crate::support::{START, TestApp};

const OLD: &str = "old:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const BOTH: &str = "new:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=,old:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

async fn first_used(app: &TestApp, id: &str) -> Option<Timestamp> {
    let used = sealing_keys::list_due(app.db(), after(3_600)).await.expect("is readable");
    used.into_iter().find(|(key, _)| key == id).map(|(_, at)| at)
}

on_both! {
    async fn the_first_use_of_a_key_is_recorded_once(engine: Engine) {
        let app = TestApp::start(engine).await;

        let first = sealing_keys::insert(app.db(), "a", after(1)).await.expect("succeeds");
        let again = sealing_keys::insert(app.db(), "a", after(2)).await.expect("succeeds");

        assert_eq!((first, again), (true, false));
        assert_eq!((first_used(&app, "a").await, first_used(&app, "b").await), (Some(after(1)), None));
    }

    async fn a_starting_server_records_only_the_newest_key_of_its_ring(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;
        app.clock.advance(Duration::from_secs(5));
        app.app.prepare().await.expect("starts again");
        let replica = app.replica_with(&[("secrets.key", BOTH)]).await;
        replica.clock.advance(Duration::from_secs(7));
        replica.app.prepare().await.expect("starts again");

        assert_eq!((first_used(&app, "old").await, first_used(&app, "new").await), (Some(START), Some(START)));
        let other = TestApp::with(engine, &[("secrets.key", BOTH)]).await;
        assert_eq!(first_used(&other, "old").await, None);
    }
}
