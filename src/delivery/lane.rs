//! Sends the events of a lane in order, and stops at the first one that must be retried.

use std::time::Duration;

use crate::actions::context::Context;
use crate::actions::webhooks::fetch_access_token::TokenFetchError;
use crate::actions::webhooks::load_webhook::LoadedWebhook;
use crate::db::webhooks::auth_methods::AuthMethod;
use crate::db::webhooks::deliveries::{AttemptResult, State, WaitingDelivery};
use crate::db::webhooks::lanes::ClaimedLane;
use crate::db::webhooks::releases::Release;
use crate::delivery::message::Message;
use crate::delivery::tokens::Tokens;
use crate::metrics::DeliveryCounts;
use crate::outgoing::{Bounds, Method, Outgoing, OutgoingError, Request};
use crate::rules::secret::Secret;
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::delivery::{DeliveryRules, Next, Outcome};
use crate::shutdown::Shutdown;

/// The limit of time for one lane, after which other lanes get their chance.
const MAX_LANE_TIME: Duration = Duration::from_secs(15);
/// Only the status of a response matters. Bodies up to this limit are read, so that the connection
/// can be reused.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;
const UNAUTHORIZED: u16 = 401;
/// How long to wait, in seconds, if the limit of requests to a host was reached.
const RETRY_AFTER_BUSY: i64 = 1;
const TOO_OLD: &str = "it waited longer than `webhooks.give_up_after`";

/// A webhook with everything that its deliveries need, or the reason why it cannot be loaded.
pub(in crate::delivery) type Receiver = Result<LoadedWebhook, String>;

/// The first events of a claimed lane.
#[derive(Debug)]
pub(in crate::delivery) struct Batch {
    pub claimed: ClaimedLane,
    pub waiting: Vec<WaitingDelivery>,
    /// Whether these are all events of the lane.
    pub is_all: bool,
}

/// The limit of requests to this host was reached, so nothing was sent.
struct Busy;

/// Sends batches to their receivers.
pub(in crate::delivery) struct BatchSender {
    pub context: Context,
    pub outgoing: Outgoing,
    pub tokens: Tokens,
    pub rules: DeliveryRules,
    /// The time limit for one request.
    pub timeout: Duration,
    pub deliveries: DeliveryCounts,
    pub stop: Shutdown,
}

impl BatchSender {
    pub async fn send(&self, receiver: &Receiver, batch: Batch) -> Release {
        let Batch { claimed, waiting, is_all } = batch;
        let clock = &self.context.clock;
        let began = clock.elapsed();
        let mut attempted = Vec::with_capacity(waiting.len());
        let mut due_at = (!is_all).then(|| clock.now());
        for waiting in waiting {
            if self.stop.is_stopping() || clock.elapsed().saturating_sub(began) > MAX_LANE_TIME {
                due_at = Some(clock.now());
                break;
            }
            let Some((attempt, delay)) = self.send_one(receiver, &waiting).await else {
                due_at = Some(clock.now().plus(RETRY_AFTER_BUSY));
                break;
            };
            attempted.push(attempt);
            if let Some(delay) = delay {
                due_at = Some(clock.now().plus(delay));
                break;
            }
        }
        Release { claimed, attempted, due_at, now: clock.now() }
    }

    /// Returns the attempt to store, and the delay in seconds if it must be retried. Returns `None`
    /// if nothing was sent.
    async fn send_one(
        &self,
        receiver: &Receiver,
        waiting: &WaitingDelivery,
    ) -> Option<(AttemptResult, Option<i64>)> {
        let now = self.context.clock.now();
        if self.rules.is_too_old(waiting.waiting_since, now) {
            return Some((self.parked(waiting, now, None, TOO_OLD), None));
        }
        let attempts = waiting.attempts.saturating_add(1);
        let outcome = match receiver {
            Ok(loaded) => self.attempt(loaded, waiting, now).await,
            Err(failure) => Ok(Outcome::failed(failure)),
        };
        let Ok(outcome) = outcome else { return None };
        let [chance] = self.context.random.bytes();
        let (status, failure) = (outcome.status(), outcome.failure().map(str::to_owned));
        let attempted = |state| AttemptResult {
            event_id: waiting.event_id,
            state,
            attempts,
            at: now,
            status,
            failure: failure.clone(),
        };
        Some(match self.rules.next(&outcome, attempts, chance) {
            Next::Done => {
                self.deliveries.count("delivered");
                (attempted(State::Delivered), None)
            }
            Next::Retry(pause) => {
                self.deliveries.count("failed");
                tracing::info!(event = %waiting.event_id, kind = waiting.kind, attempts, again_in_s = pause,
                    failure = failure.as_deref(), "a webhook delivery failed and is retried");
                (attempted(State::Waiting), Some(pause))
            }
            Next::Parked => {
                let failure = failure.as_deref().unwrap_or_default();
                (AttemptResult { attempts, ..self.parked(waiting, now, status, failure) }, None)
            }
        })
    }

    fn parked(
        &self,
        waiting: &WaitingDelivery,
        at: Timestamp,
        status: Option<u16>,
        failure: &str,
    ) -> AttemptResult {
        self.deliveries.count("parked");
        tracing::warn!(event = %waiting.event_id, kind = waiting.kind, attempts = waiting.attempts, failure,
            "gave up on a webhook delivery: `grantor webhook deliveries` lists it, and `grantor \
             webhook replay` sends it again");
        let (state, failure) = (State::Parked, Some(failure.to_owned()));
        AttemptResult {
            event_id: waiting.event_id,
            state,
            attempts: waiting.attempts,
            at,
            status,
            failure,
        }
    }

    async fn attempt(
        &self,
        loaded: &LoadedWebhook,
        waiting: &WaitingDelivery,
        now: Timestamp,
    ) -> Result<Outcome, Busy> {
        let message = match Message::of(loaded, waiting, now) {
            Ok(message) => message,
            Err(failure) => return Ok(Outcome::failed(failure)),
        };
        let url = &loaded.webhook.url;
        let Some(method) = &loaded.auth_method else { return self.post(url, &message, None).await };
        let first = match self.token(method).await? {
            Ok(token) => token,
            Err(failed) => return Ok(failed),
        };
        let outcome = self.post(url, &message, Some(&first)).await?;
        if outcome.status() != Some(UNAUTHORIZED) {
            return Ok(outcome);
        }
        // The token may have been revoked before it expired, so retry once with a new one.
        self.tokens.forget(method.id, &first);
        match self.token(method).await? {
            Ok(second) => self.post(url, &message, Some(&second)).await,
            Err(failed) => Ok(failed),
        }
    }

    async fn token(&self, method: &AuthMethod) -> Result<Result<Secret, Outcome>, Busy> {
        let found = self.tokens.find(&self.context, &self.outgoing, method, self.timeout).await;
        match found {
            Ok(token) => Ok(Ok(token)),
            Err(TokenFetchError::Busy | TokenFetchError::Outgoing(OutgoingError::Busy { .. })) => {
                Err(Busy)
            }
            Err(error) => {
                tracing::info!(auth_method = %method.id, error = error.log_message(),
                    "could not get an access token");
                Ok(Err(Outcome::failed(format!("auth method {}: {error}", method.name))))
            }
        }
    }

    async fn post(
        &self,
        url: &str,
        message: &Message,
        token: Option<&Secret>,
    ) -> Result<Outcome, Busy> {
        let authorization = token.map(|token| Secret::new(format!("Bearer {}", token.expose())));
        let authorization = authorization.iter().map(|value| ("authorization", value.expose()));
        let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<(&str, &str)> = headers.chain(authorization).collect();
        let request = Request { method: Method::Post, url, headers: &headers, body: &message.body };
        let bounds = Bounds { bytes: MAX_RESPONSE_BYTES, time: self.timeout };
        match self.outgoing.send(request, bounds).await {
            Ok(response) => {
                let retry_after = response.header("retry-after");
                Ok(Outcome::of_status(response.status, retry_after.as_deref()))
            }
            // Only the status matters, so a large body is not a failure.
            Err(OutgoingError::TooLarge { status, .. }) => Ok(Outcome::of_status(status, None)),
            Err(OutgoingError::Busy { .. }) => Err(Busy),
            Err(error) => {
                tracing::info!(%error, "no response from a webhook receiver");
                Ok(Outcome::failed(error.public_message()))
            }
        }
    }
}
