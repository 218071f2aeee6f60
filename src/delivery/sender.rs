//! Takes lanes that have something to do, sends what waits in them, and gives them back.
//!
//! Any number of servers do so on one database. A lane is held for [`LEASE`], and for longer as long as the server lives;
//! where it dies, another one takes the lane and sends again what was not noted.

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
use crate::db::webhooks::deliveries::Waiting;
use crate::db::webhooks::lanes;
use crate::db::webhooks::lanes::{ClaimRules, Claimed, Lane, LaneReleases, Release, Released};
use crate::delivery::lane::{Batch, Receiver};
use crate::delivery::tokens::Tokens;
use crate::metrics::DeliveryCounts;
use crate::outgoing::Outgoing;
use crate::rules::id::WebhookId;
use crate::rules::webhook::delivery::DeliveryRules;
use crate::sealing::KeyRing;
use crate::stop::Stop;

/// Seconds for which a lane is held.
const LEASE: i64 = 30;
const EXTENDED_EVERY: Duration = Duration::from_secs(10);
/// How soon an event of another server is noticed.
const LOOKS_EVERY: Duration = Duration::from_millis(500);
const LOOKS_AGAIN_AFTER_A_FAILURE: Duration = Duration::from_secs(5);
/// What one organisation may have under way: so much of all, so that others have places whatever it does.
const SHARE_OF_ORG: u32 = 4;
/// Of one lane at once.
const MOST_OF_LANE: u32 = 64;
/// Where it cannot be noted what was sent, it would be sent again.
const NOTES_TRIED: u32 = 5;
const NOTES_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Where the database did not say whom to send to.
const AGAIN_AFTER: i64 = 5;

#[derive(Clone, Copy, Debug)]
pub struct SenderRules {
    pub delivery: DeliveryRules,
    /// For one answer of a receiver, or of the server that gives access tokens for it.
    pub timeout: Duration,
    pub at_once: u32,
    pub at_once_per_webhook: u32,
}

pub struct Sender {
    pub(in crate::delivery) context: Context,
    pub(in crate::delivery) ring: KeyRing,
    pub(in crate::delivery) outgoing: Outgoing,
    pub(in crate::delivery) tokens: Tokens,
    pub(in crate::delivery) rules: SenderRules,
    pub(in crate::delivery) deliveries: DeliveryCounts,
    pub(in crate::delivery) stop: Stop,
    releases: LaneReleases,
}

/// Lanes that are being sent from.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    lanes: HashMap<task::Id, Claimed>,
    /// By the clock that measures durations.
    extended_at: Duration,
}

/// A webhook that several lanes of one round are for: loaded by the first of them. `None`: it was deleted meanwhile.
type Loading = Arc<OnceCell<Option<Receiver>>>;

impl Sender {
    /// Must be called within a runtime.
    pub fn new(
        context: Context,
        ring: KeyRing,
        outgoing: Outgoing,
        rules: SenderRules,
        deliveries: DeliveryCounts,
        stop: Stop,
    ) -> Self {
        let releases = LaneReleases::start(context.db.clone());
        let tokens = Tokens::default();
        Self { context, ring, outgoing, tokens, rules, deliveries, stop, releases }
    }

    /// Until told to stop; what is under way then is finished, for at most `drain`.
    pub async fn send_until_stopped(self: Arc<Self>, drain: Duration) {
        let mut under_way = UnderWay::default();
        while !self.stop.is_stopping() {
            let looks_again_after = match self.start_what_is_due(&mut under_way).await {
                Ok(true) if under_way.len() < self.rules.at_once => continue,
                Ok(_) => LOOKS_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "what waits for webhooks was not read");
                    LOOKS_AGAIN_AFTER_A_FAILURE
                }
            };
            tokio::select! {
                () = self.stop.stopped() => {}
                () = under_way.one_ends() => {}
                () = sleep(looks_again_after) => {}
            }
        }
        if timeout(drain, under_way.all_end()).await.is_err() {
            tracing::warn!(
                lanes = under_way.len(),
                "deliveries were still under way; others send them in half a minute"
            );
            under_way.tasks.shutdown().await;
        }
    }

    /// Everything that is due, to the last retry of this moment.
    pub async fn send_what_is_due(self: &Arc<Self>) -> Result<(), DbError> {
        let mut under_way = UnderWay::default();
        while self.start_what_is_due(&mut under_way).await? || under_way.len() > 0 {
            if under_way.len() > 0 {
                under_way.one_ends().await;
            }
        }
        Ok(())
    }

    /// Whether there was anything.
    async fn start_what_is_due(self: &Arc<Self>, under_way: &mut UnderWay) -> Result<bool, DbError> {
        self.extend(under_way).await?;
        let claimed = self.claim(under_way).await?;
        if claimed.is_empty() {
            return Ok(false);
        }
        let lanes: Vec<Lane> = claimed.iter().map(|claimed| claimed.lane).collect();
        let waiting = deliveries::list_waiting(&self.context.db, &lanes, MOST_OF_LANE).await?;
        self.start(under_way, claimed, waiting);
        Ok(true)
    }

    /// What is under way is kept, before anything else is taken.
    async fn extend(&self, under_way: &mut UnderWay) -> Result<(), DbError> {
        let now = self.context.clock.elapsed();
        if under_way.len() == 0 || now.saturating_sub(under_way.extended_at) < EXTENDED_EVERY {
            return Ok(());
        }
        let until = self.context.clock.now().plus(LEASE);
        lanes::extend(&self.context.db, &under_way.claimed(), until).await?;
        under_way.extended_at = now;
        Ok(())
    }

    async fn claim(&self, under_way: &UnderWay) -> Result<Vec<Claimed>, DbError> {
        let most = self.rules.at_once.saturating_sub(under_way.len());
        if most == 0 {
            return Ok(Vec::new());
        }
        let holder = self.context.random.uuid_v7(self.context.clock.unix_millis());
        let now = self.context.clock.now();
        let held = under_way.claimed();
        let rules = ClaimRules {
            most,
            most_of_webhook: self.rules.at_once_per_webhook,
            most_of_org: self.rules.at_once.div_ceil(SHARE_OF_ORG),
            held: &held,
        };
        lanes::claim(&self.context.db, holder, now, now.plus(LEASE), rules).await
    }

    fn start(
        self: &Arc<Self>,
        under_way: &mut UnderWay,
        claimed: Vec<Claimed>,
        mut waiting: HashMap<Lane, Vec<Waiting>>,
    ) {
        let mut receivers = HashMap::<WebhookId, Loading>::new();
        for claimed in claimed {
            let receiver = Arc::clone(receivers.entry(claimed.lane.webhook_id).or_default());
            let waiting = waiting.remove(&claimed.lane).unwrap_or_default();
            let is_all = waiting.len() < MOST_OF_LANE as usize;
            let batch = Batch { claimed, waiting, is_all };
            let task = under_way.tasks.spawn(Arc::clone(self).send_and_note(receiver, batch));
            under_way.lanes.insert(task.id(), claimed);
        }
    }

    async fn send_and_note(self: Arc<Self>, receiver: Loading, batch: Batch) {
        let claimed = batch.claimed;
        let release = match receiver.get_or_try_init(|| self.receiver(claimed.lane.webhook_id)).await {
            Ok(Some(receiver)) => self.send_batch(receiver, batch).await,
            // Nothing is left of its lanes either.
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "a webhook was not read");
                let now = self.context.clock.now();
                Release { claimed, attempted: Vec::new(), due_at: Some(now.plus(AGAIN_AFTER)), now }
            }
        };
        self.note(release).await;
    }

    /// `None`: there is no such webhook any more.
    async fn receiver(&self, id: WebhookId) -> Result<Option<Receiver>, DbError> {
        match load_webhook(&self.context, &self.ring, id).await {
            Ok(loaded) => Ok(loaded.map(Ok)),
            Err(LoadWebhookError::Db(error)) if error.is_transient() => Err(error),
            // Trying again changes nothing, so its deliveries fail until somebody does something.
            Err(unreadable) => Ok(Some(Err(unreadable.to_string()))),
        }
    }

    async fn note(&self, release: Release) {
        let lane = release.claimed.lane;
        for attempt in 1..=NOTES_TRIED {
            match self.releases.release(release.clone()).await {
                Ok(Released::Noted) => return,
                Ok(Released::Lost) => {
                    tracing::warn!(webhook = %lane.webhook_id, "a lane was taken over: what was sent may be sent again");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, attempt, "what was delivered could not be noted");
                    sleep(NOTES_AGAIN_AFTER * attempt).await;
                }
            }
        }
    }
}

impl UnderWay {
    fn len(&self) -> u32 {
        u32::try_from(self.lanes.len()).unwrap_or(u32::MAX)
    }

    fn claimed(&self) -> Vec<Claimed> {
        self.lanes.values().copied().collect()
    }

    /// And all others that have ended by then. Never, where nothing is under way.
    async fn one_ends(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.forget(ended),
            None => std::future::pending().await,
        }
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.forget(ended);
        }
    }

    async fn all_end(&mut self) {
        while self.len() > 0 {
            self.one_ends().await;
        }
    }

    fn forget(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "sending from a lane ended by itself");
                error.id()
            }
        };
        self.lanes.remove(&id);
    }
}
