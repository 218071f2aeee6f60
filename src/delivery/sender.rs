//! Claims lanes with due events, sends the events, and releases the lanes.
//!
//! Any number of servers can share a database. A server holds a lane for [`LEASE`] and extends the
//! lease while it works. If the server dies, another one claims the lane and sends every event
//! again whose outcome was not stored.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use crate::actions::context::Context;
use crate::actions::webhooks::load_webhook::{LoadWebhookError, load_webhook};
use crate::db::engine::error::DbError;
use crate::db::webhooks::deliveries;
use crate::db::webhooks::deliveries::WaitingDelivery;
use crate::db::webhooks::lanes;
use crate::db::webhooks::lanes::{ClaimRules, ClaimedLane, Lane};
use crate::db::webhooks::releases::{LaneReleases, Release, Released};
use crate::delivery::lane::{Batch, BatchSender, Receiver};
use crate::delivery::tokens::Tokens;
use crate::metrics::DeliveryCounts;
use crate::outgoing::Outgoing;
use crate::rules::id::WebhookId;
use crate::rules::webhook::delivery::DeliveryRules;
use crate::shutdown::Shutdown;

/// How long a lane is held, in seconds.
const LEASE: i64 = 30;
const EXTEND_INTERVAL: Duration = Duration::from_secs(10);
/// How soon an event of another server is noticed.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
const POLL_INTERVAL_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// One organization may have at most a quarter of all lanes in flight, so that others have places
/// too.
const ORG_SHARE: u32 = 4;
/// The limit of events that are sent from a lane at once.
const MAX_BATCH: u32 = 64;
/// If the outcomes of a batch cannot be stored, its events are sent again. So storing them is
/// retried.
const MAX_RELEASE_ATTEMPTS: u32 = 5;
const RELEASE_RETRY_DELAY: Duration = Duration::from_millis(200);
/// How many seconds to wait if the webhook could not be read from the database.
const RETRY_LOAD_AFTER: i64 = 5;

#[derive(Clone, Copy, Debug)]
pub struct SenderRules {
    pub delivery: DeliveryRules,
    /// The time limit for one request to a receiver, or to the token endpoint for it.
    pub timeout: Duration,
    pub at_once: u32,
    pub at_once_per_webhook: u32,
}

pub struct Sender {
    context: Context,
    rules: SenderRules,
    stop: Shutdown,
    batches: BatchSender,
    releases: LaneReleases,
}

/// The lanes whose events are being sent.
#[derive(Default)]
struct InFlight {
    tasks: JoinSet<()>,
    lanes: HashMap<task::Id, ClaimedLane>,
    /// When the leases were last extended, as [`crate::clock::Clock::elapsed`].
    extended_at: Duration,
}

/// The webhook of several lanes of one round, which the first of them loads. `None`: it was deleted
/// in the meantime.
type Loading = Arc<OnceCell<Option<Receiver>>>;

impl Sender {
    /// Must be called within a runtime.
    pub fn new(
        context: Context,
        outgoing: Outgoing,
        rules: SenderRules,
        deliveries: DeliveryCounts,
        stop: Shutdown,
    ) -> Self {
        let releases = LaneReleases::start(context.db.clone());
        let batches = BatchSender {
            context: context.clone(),
            outgoing,
            tokens: Tokens::default(),
            rules: rules.delivery,
            timeout: rules.timeout,
            deliveries,
            stop: stop.clone(),
        };
        Self { context, rules, stop, batches, releases }
    }

    /// Sends due events until the server shuts down. Batches in flight then have `drain` to finish.
    pub async fn send_until_stopped(self: Arc<Self>, drain: Duration) {
        let mut in_flight = InFlight::default();
        while !self.stop.is_stopping() {
            let poll_again_after = match self.start_due(&mut in_flight).await {
                Ok(true) if in_flight.len() < self.rules.at_once => continue,
                Ok(_) => POLL_INTERVAL,
                Err(error) => {
                    tracing::warn!(%error, "could not read pending webhook deliveries");
                    POLL_INTERVAL_AFTER_FAILURE
                }
            };
            tokio::select! {
                () = self.stop.stopped() => {}
                () = in_flight.wait_for_one() => {}
                () = sleep(poll_again_after) => {}
            }
        }
        if timeout(drain, in_flight.wait_for_all()).await.is_err() {
            tracing::warn!(
                lanes = in_flight.len(),
                "webhook deliveries were still in flight at shutdown; they are sent again in half a minute"
            );
            in_flight.tasks.shutdown().await;
        }
    }

    /// Sends everything that is due now, including retries that become due meanwhile.
    pub async fn send_due(self: &Arc<Self>) -> Result<(), DbError> {
        let mut in_flight = InFlight::default();
        while self.start_due(&mut in_flight).await? || in_flight.len() > 0 {
            if in_flight.len() > 0 {
                in_flight.wait_for_one().await;
            }
        }
        Ok(())
    }

    /// Starts sending from due lanes. Returns false if no lane was due.
    async fn start_due(self: &Arc<Self>, in_flight: &mut InFlight) -> Result<bool, DbError> {
        self.extend(in_flight).await?;
        let claimed = self.claim(in_flight).await?;
        if claimed.is_empty() {
            return Ok(false);
        }
        let lanes: Vec<Lane> = claimed.iter().map(|claimed| claimed.lane).collect();
        let waiting = deliveries::list_waiting(&self.context.db, &lanes, MAX_BATCH).await?;
        self.start(in_flight, claimed, waiting);
        Ok(true)
    }

    /// Extends the leases of lanes in flight. This precedes any new claim.
    async fn extend(&self, in_flight: &mut InFlight) -> Result<(), DbError> {
        let now = self.context.clock.elapsed();
        if in_flight.len() == 0 || now.saturating_sub(in_flight.extended_at) < EXTEND_INTERVAL {
            return Ok(());
        }
        let until = self.context.clock.now().plus(LEASE);
        lanes::extend(&self.context.db, &in_flight.claimed(), until).await?;
        in_flight.extended_at = now;
        Ok(())
    }

    async fn claim(&self, in_flight: &InFlight) -> Result<Vec<ClaimedLane>, DbError> {
        let max_lanes = self.rules.at_once.saturating_sub(in_flight.len());
        if max_lanes == 0 {
            return Ok(Vec::new());
        }
        let holder = self.context.random.uuid_v7(self.context.clock.unix_millis());
        let now = self.context.clock.now();
        let held = in_flight.claimed();
        let rules = ClaimRules {
            max_lanes,
            max_per_webhook: self.rules.at_once_per_webhook,
            max_per_org: self.rules.at_once.div_ceil(ORG_SHARE),
            held: &held,
        };
        lanes::claim(&self.context.db, holder, now, now.plus(LEASE), rules).await
    }

    fn start(
        self: &Arc<Self>,
        in_flight: &mut InFlight,
        claimed: Vec<ClaimedLane>,
        mut waiting: HashMap<Lane, Vec<WaitingDelivery>>,
    ) {
        let mut receivers = HashMap::<WebhookId, Loading>::new();
        for claimed in claimed {
            let receiver = Arc::clone(receivers.entry(claimed.lane.webhook_id).or_default());
            let waiting = waiting.remove(&claimed.lane).unwrap_or_default();
            let is_all = waiting.len() < MAX_BATCH as usize;
            let batch = Batch { claimed, waiting, is_all };
            let task = in_flight.tasks.spawn(Arc::clone(self).send_and_release(receiver, batch));
            in_flight.lanes.insert(task.id(), claimed);
        }
    }

    async fn send_and_release(self: Arc<Self>, receiver: Loading, batch: Batch) {
        let claimed = batch.claimed;
        let release =
            match receiver.get_or_try_init(|| self.receiver(claimed.lane.webhook_id)).await {
                Ok(Some(receiver)) => self.batches.send(receiver, batch).await,
                // The webhook was deleted together with its lanes.
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "could not read a webhook");
                    let now = self.context.clock.now();
                    let due_at = Some(now.plus(RETRY_LOAD_AFTER));
                    Release { claimed, attempted: Vec::new(), due_at, now }
                }
            };
        self.release(release).await;
    }

    /// Returns `None` if the webhook was deleted.
    async fn receiver(&self, id: WebhookId) -> Result<Option<Receiver>, DbError> {
        match load_webhook(&self.context, id).await {
            Ok(loaded) => Ok(loaded.map(Ok)),
            Err(LoadWebhookError::Db(error)) if error.is_transient() => Err(error),
            // Retrying does not help, so its deliveries fail until an operator fixes the cause.
            Err(unreadable) => Ok(Some(Err(unreadable.to_string()))),
        }
    }

    /// Stores the outcomes of a batch and gives the lane back.
    async fn release(&self, release: Release) {
        let lane = release.claimed.lane;
        for attempt in 1..=MAX_RELEASE_ATTEMPTS {
            match self.releases.release(release.clone()).await {
                Ok(Released::Recorded) => return,
                Ok(Released::Lost) => {
                    tracing::warn!(webhook = %lane.webhook_id,
                        "another server took over events of a webhook: they may be delivered twice");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, attempt, "could not store the outcome of deliveries");
                    sleep(RELEASE_RETRY_DELAY * attempt).await;
                }
            }
        }
    }
}

impl InFlight {
    fn len(&self) -> u32 {
        u32::try_from(self.lanes.len()).unwrap_or(u32::MAX)
    }

    fn claimed(&self) -> Vec<ClaimedLane> {
        self.lanes.values().copied().collect()
    }

    /// Waits for a lane to finish, and forgets all that finished. Never returns if no lane is in
    /// flight.
    async fn wait_for_one(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.forget(ended),
            None => std::future::pending().await,
        }
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.forget(ended);
        }
    }

    async fn wait_for_all(&mut self) {
        while self.len() > 0 {
            self.wait_for_one().await;
        }
    }

    fn forget(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a delivery task failed");
                error.id()
            }
        };
        self.lanes.remove(&id);
    }
}
