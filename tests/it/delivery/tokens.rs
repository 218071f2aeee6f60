//! Access tokens are cached and shared between deliveries.

use std::time::Duration;

use grantor::actions::webhooks::fetch_access_token::TokenFetchError;
use grantor::db::webhooks::auth_methods::AuthMethod;
use grantor::delivery::tokens::Tokens;
use grantor::rules::id::OrgId;
use grantor::rules::secret::Secret;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::auth_method::{TOKEN, auth_method, token_answer};
use crate::support::{DEADLINE, Engine, Reply, Site, TestApp};

const WITHIN: Duration = DEADLINE;
const SETTINGS: [(&str, &str); 2] =
    [("webhooks.allow_loopback", "true"), ("webhooks.at_once_per_webhook", "64")];

struct Stage {
    app: TestApp,
    tokens: Tokens,
    endpoint: Site,
    method: AuthMethod,
}

impl Stage {
    /// An endpoint whose tokens are numbered from 1.
    async fn with_tokens_good_for(seconds: i64) -> Self {
        let number = std::sync::atomic::AtomicUsize::new(0);
        let endpoint = Site::deciding(move |_| {
            let mut response = token_answer(seconds);
            let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            response["access_token"] = json!(format!("{TOKEN}-{number}"));
            Reply::json(response)
        })
        .await;
        let app = TestApp::with(Engine::Sqlite, &SETTINGS).await;
        let method =
            auth_method(&app.app.issuer.ring, OrgId(Uuid::from_u128(1)), &endpoint.url("/token"));
        Self { app, tokens: Tokens::default(), endpoint, method }
    }

    async fn find_for(&self, method: &AuthMethod) -> Result<Secret, TokenFetchError> {
        let app = &self.app.app;
        self.tokens.find(&app.context, &app.webhooks_outgoing, method, WITHIN).await
    }

    /// The number of the returned token.
    async fn find(&self) -> usize {
        number(&self.find_for(&self.method).await.expect("a token"))
    }

    /// Many callers that arrive before the first response.
    async fn crowd(&self, size: usize) -> Vec<Result<Secret, TokenFetchError>> {
        self.endpoint.close();
        let mut crowd = JoinSet::new();
        for _ in 0..size {
            let (app, tokens, method) =
                (self.app.app.clone(), self.tokens.clone(), self.method.clone());
            crowd.spawn(async move {
                tokens.find(&app.context, &app.webhooks_outgoing, &method, WITHIN).await
            });
        }
        let asked = self.endpoint.requests().len();
        self.endpoint.wait_for_requests(asked + 1).await;
        // Every task has run once on the only thread before this returns.
        tokio::task::yield_now().await;
        self.endpoint.open();
        crowd.join_all().await
    }
}

fn number(token: &Secret) -> usize {
    let number = token.expose().rsplit('-').next().expect("a number");
    number.parse().expect("a number")
}

#[tokio::test]
async fn fifty_concurrent_callers_cause_one_request_and_share_its_token() {
    let stage = Stage::with_tokens_good_for(3_600).await;

    let found = stage.crowd(50).await;

    assert!(
        found.iter().all(|token| token.as_ref().is_ok_and(|token| number(token) == 1)),
        "{found:?}"
    );
    assert_eq!((found.len(), stage.endpoint.requests().len()), (50, 1));
}

#[tokio::test]
async fn waiting_callers_share_a_token_that_is_too_short_lived_to_cache() {
    let stage = Stage::with_tokens_good_for(1).await;

    let found = stage.crowd(50).await;
    stage.app.clock.advance(Duration::from_millis(1));
    let later = stage.find().await;

    assert!(
        found.iter().all(|token| token.as_ref().is_ok_and(|token| number(token) == 1)),
        "{found:?}"
    );
    assert_eq!((later, stage.endpoint.requests().len()), (2, 2));
}

#[tokio::test]
async fn a_token_is_used_until_shortly_before_it_expires() {
    let stage = Stage::with_tokens_good_for(3_600).await;

    assert_eq!(stage.find().await, 1);
    stage.app.clock.advance(Duration::from_secs(3_240) - Duration::from_millis(1));
    assert_eq!(stage.find().await, 1);
    stage.app.clock.advance(Duration::from_millis(1));
    assert_eq!(stage.find().await, 2);
    assert_eq!(stage.endpoint.requests().len(), 2);
}

#[tokio::test]
async fn a_failure_is_shared_by_waiting_callers_and_cached_for_a_second() {
    let stage = Stage::with_tokens_good_for(3_600).await;
    stage.endpoint.answer(Reply::status(500));

    let found = stage.crowd(50).await;
    stage.app.clock.advance(Duration::from_millis(999));
    let soon = stage.find_for(&stage.method).await;
    stage.endpoint.answer(Reply::json(token_answer(60)));
    stage.app.clock.advance(Duration::from_millis(1));
    let later = stage.find_for(&stage.method).await;

    let failed = |found: &Result<Secret, TokenFetchError>| {
        found.as_ref().is_err_and(|error| {
            error.to_string() == "no access token: 127.0.0.1 responded with status 500"
        })
    };
    assert!(found.iter().all(failed) && failed(&soon), "{found:?} {soon:?}");
    assert_eq!((later.is_ok(), stage.endpoint.requests().len()), (true, 2));
}

#[tokio::test]
async fn a_changed_method_gets_a_new_token_even_within_the_same_second() {
    let stage = Stage::with_tokens_good_for(3_600).await;
    assert_eq!(stage.find().await, 1);
    let later =
        AuthMethod { modified_at: stage.method.modified_at.plus(1), ..stage.method.clone() };
    let other_scope = AuthMethod { scope: Some("other".to_owned()), ..later.clone() };

    for (method, expected) in [(&later, 2), (&later, 2), (&other_scope, 3), (&other_scope, 3)] {
        assert_eq!(stage.find_for(method).await.map(|token| number(&token)), Ok(expected));
    }
    assert_eq!(stage.endpoint.requests().len(), 3);
}

#[tokio::test]
async fn each_method_has_its_own_token() {
    let stage = Stage::with_tokens_good_for(3_600).await;
    let ring = &stage.app.app.issuer.ring;
    let other = auth_method(ring, OrgId(Uuid::from_u128(2)), &stage.endpoint.url("/token"));

    let found = (
        stage.find().await,
        stage.find_for(&other).await.map(|token| number(&token)),
        stage.find().await,
    );

    assert_eq!(found, (1, Ok(2), 1));
}

#[tokio::test]
async fn a_refused_token_is_dropped_but_a_newer_one_is_kept() {
    let stage = Stage::with_tokens_good_for(3_600).await;
    let refused = stage.find_for(&stage.method).await.expect("a token");

    stage.tokens.forget(stage.method.id, &refused);
    assert_eq!(stage.find().await, 2);
    stage.tokens.forget(stage.method.id, &refused);
    assert_eq!(stage.find().await, 2);
    assert_eq!(stage.endpoint.requests().len(), 2);
}

#[tokio::test]
async fn a_canceled_caller_lets_the_next_one_proceed() {
    let stage = Stage::with_tokens_good_for(3_600).await;
    stage.endpoint.close();
    let (app, tokens, method) = (stage.app.app.clone(), stage.tokens.clone(), stage.method.clone());
    let first = tokio::spawn(async move {
        tokens.find(&app.context, &app.webhooks_outgoing, &method, WITHIN).await
    });
    stage.endpoint.wait_for_requests(1).await;

    first.abort();
    assert!(first.await.is_err_and(|error| error.is_cancelled()));
    stage.endpoint.open();

    assert!(stage.find_for(&stage.method).await.is_ok());
}
