//! Since when each key of the ring seals.

use std::time::Duration;

use grantor::db::keys::sealing_keys;

use super::by_hand::after;
use crate::support::{START, TestApp};

const OLD: &str = "old:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const BOTH: &str = "new:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=,old:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

on_both! {
    async fn the_first_use_of_a_key_is_known_once(engine: Engine) {
        let app = TestApp::start(engine).await;

        let first = sealing_keys::insert(app.db(), "a", after(1)).await.expect("is asked");
        let again = sealing_keys::insert(app.db(), "a", after(2)).await.expect("is asked");

        assert_eq!((first, again), (true, false));
        assert_eq!(sealing_keys::find_first_used(app.db(), "a").await.expect("is readable"), Some(after(1)));
        assert_eq!(sealing_keys::find_first_used(app.db(), "b").await.expect("is readable"), None);
    }

    async fn a_server_that_starts_notes_the_newest_key_of_its_ring_and_no_other(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;
        app.hand.advance(Duration::from_secs(5));
        app.app.prepare().await.expect("starts again");
        let replica = app.replica_with(&[("secrets.key", BOTH)]).await;
        replica.hand.advance(Duration::from_secs(7));
        replica.app.prepare().await.expect("starts again");

        let first_used = async |id| sealing_keys::find_first_used(app.db(), id).await.expect("is readable");
        assert_eq!((first_used("old").await, first_used("new").await), (Some(START), Some(START)));
        let other = TestApp::with(engine, &[("secrets.key", BOTH)]).await;
        assert_eq!(sealing_keys::find_first_used(other.db(), "old").await.expect("is readable"), None);
    }
}
