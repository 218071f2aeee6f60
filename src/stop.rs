//! The word that the server stops, heard by everything that runs.

use tokio::sync::watch;

/// Tells every part of the server to stop, once.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stop {
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    pub fn is_stopping(&self) -> bool {
        *self.0.borrow()
    }

    pub async fn stopped(&self) {
        // The sender lives as long as `self`, so waiting does not fail.
        let _ = self.0.subscribe().wait_for(|stopping| *stopping).await;
    }
}
