//! A lane's events, sent one after the other to the first that has to be tried again.

use std::time::Duration;

use crate::actions::webhooks::fetch_access_token::TokenFetchError;
use crate::actions::webhooks::load_webhook::LoadedWebhook;
use crate::db::webhooks::auth_methods::AuthMethod;
use crate::db::webhooks::deliveries::{Attempted, State, Waiting};
use crate::db::webhooks::lanes::{Claimed, Release};
use crate::delivery::message::Message;
use crate::delivery::sender::Sender;
use crate::outgoing::{Bounds, Method, OutgoingError, Request};
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::delivery::{Next, Outcome};
use crate::secret::Secret;

/// After so long another lane has its turn.
const LONGEST_TURN: Duration = Duration::from_secs(15);
/// The answer's status is what counts; a body is read so far that the connection can be used again.
const MOST_BYTES: usize = 64 * 1024;
const UNAUTHORIZED: u16 = 401;
/// Seconds after which it is tried again whether there is a place.
const AFTER_BUSY: i64 = 1;
const TOO_OLD: &str = "it waited for longer than `webhooks.give_up_after`";

/// A webhook with all that its deliveries need. Or why nothing can be sent to it, in words.
pub(in crate::delivery) type Receiver = Result<LoadedWebhook, String>;

/// The first of a lane that was taken.
#[derive(Debug)]
pub(in crate::delivery) struct Batch {
    pub claimed: Claimed,
    pub waiting: Vec<Waiting>,
    /// Nothing more waits in the lane.
    pub is_all: bool,
}

/// Too much goes to the same host already: nothing was tried.
struct Busy;

impl Sender {
    pub(in crate::delivery) async fn send_batch(&self, receiver: &Receiver, batch: Batch) -> Release {
        let Batch { claimed, waiting, is_all } = batch;
        let clock = &self.context.clock;
        let began = clock.elapsed();
        let mut attempted = Vec::with_capacity(waiting.len());
        let mut due_at = (!is_all).then(|| clock.now());
        for waiting in waiting {
            if self.stop.is_stopping() || clock.elapsed().saturating_sub(began) > LONGEST_TURN {
                due_at = Some(clock.now());
                break;
            }
            let Some((noted, pause)) = self.send_one(receiver, &waiting).await else {
                due_at = Some(clock.now().plus(AFTER_BUSY));
                break;
            };
            attempted.push(noted);
            if let Some(pause) = pause {
                due_at = Some(clock.now().plus(pause));
                break;
            }
        }
        Release { claimed, attempted, due_at, now: clock.now() }
    }

    /// What to note, and in how many seconds it is to be tried again, if so. `None`: it was not tried at all.
    async fn send_one(&self, receiver: &Receiver, waiting: &Waiting) -> Option<(Attempted, Option<i64>)> {
        let now = self.context.clock.now();
        if self.rules.delivery.is_too_old(waiting.waiting_since, now) {
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
        let noted = |state| Attempted {
            event_id: waiting.event_id,
            state,
            attempts,
            at: now,
            status,
            failure: failure.clone(),
        };
        Some(match self.rules.delivery.next(&outcome, attempts, chance) {
            Next::Done => {
                self.deliveries.count("delivered");
                (noted(State::Delivered), None)
            }
            Next::Again(pause) => {
                self.deliveries.count("failed");
                tracing::info!(event = %waiting.event_id, kind = waiting.kind, attempts, again_in_s = pause,
                    failure = failure.as_deref(), "a webhook was not delivered");
                (noted(State::Waiting), Some(pause))
            }
            Next::Parked => {
                let failure = failure.as_deref().unwrap_or_default();
                (Attempted { attempts, ..self.parked(waiting, now, status, failure) }, None)
            }
        })
    }

    fn parked(&self, waiting: &Waiting, at: Timestamp, status: Option<u16>, failure: &str) -> Attempted {
        self.deliveries.count("parked");
        tracing::warn!(event = %waiting.event_id, kind = waiting.kind, attempts = waiting.attempts, failure,
            "a webhook was given up: `grantor webhook deliveries` shows it and `grantor webhook replay` sends it again");
        let (state, failure) = (State::Parked, Some(failure.to_owned()));
        Attempted { event_id: waiting.event_id, state, attempts: waiting.attempts, at, status, failure }
    }

    async fn attempt(&self, loaded: &LoadedWebhook, waiting: &Waiting, now: Timestamp) -> Result<Outcome, Busy> {
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
        // The token may have been taken back before its time: once more with another one.
        self.tokens.forget(method.id, &first);
        match self.token(method).await? {
            Ok(second) => self.post(url, &message, Some(&second)).await,
            Err(failed) => Ok(failed),
        }
    }

    async fn token(&self, method: &AuthMethod) -> Result<Result<Secret, Outcome>, Busy> {
        let found = self.tokens.find(&self.context, &self.outgoing, &self.ring, method, self.rules.timeout).await;
        match found {
            Ok(token) => Ok(Ok(token)),
            Err(TokenFetchError::Busy | TokenFetchError::Outgoing(OutgoingError::Busy { .. })) => Err(Busy),
            Err(error) => {
                tracing::info!(auth_method = %method.id, error = error.in_full(), "no access token was given");
                Ok(Err(Outcome::failed(format!("auth method {}: {error}", method.name))))
            }
        }
    }

    async fn post(&self, url: &str, message: &Message, token: Option<&Secret>) -> Result<Outcome, Busy> {
        let authorization = token.map(|token| Secret::new(format!("Bearer {}", token.expose())));
        let authorization = authorization.iter().map(|value| ("authorization", value.expose()));
        let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<(&str, &str)> = headers.chain(authorization).collect();
        let request = Request { method: Method::Post, url, headers: &headers, body: &message.body };
        let bounds = Bounds { bytes: MOST_BYTES, time: self.rules.timeout };
        match self.outgoing.send(request, bounds).await {
            Ok(answer) => Ok(Outcome::of_status(answer.status, answer.header("retry-after").as_deref())),
            // What it says beside the status is its own affair.
            Err(OutgoingError::TooLarge { status, .. }) => Ok(Outcome::of_status(status, None)),
            Err(OutgoingError::Busy { .. }) => Err(Busy),
            Err(error) => {
                tracing::info!(%error, "a receiver did not answer");
                Ok(Outcome::failed(error.told_to_strangers()))
            }
        }
    }
}
