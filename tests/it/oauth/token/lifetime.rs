//! What is recorded about active tokens, and when expired ones are deleted.

use std::time::Duration;

use grantor::actions::upkeep::forget_expired;
use grantor::actions::upkeep::forget_expired::Forgotten;
use grantor::db::authorizations::requests;
use grantor::db::authorizations::requests::NewPendingRequest;
use grantor::db::users::sessions;
use grantor::db::users::sessions::NewSession;
use grantor::db::{grants, users};
use grantor::rules::client::ClientId;
use grantor::rules::id::SessionId;
use grantor::rules::secret::Digest;
use grantor::rules::timestamp::Timestamp;
use grantor::sweeper;
use serde_json::json;

use crate::support::granted::{Granted, REVOKE, Tokens, asks, form, registered};
use crate::support::{START, TestApp, until};

const DAY: u64 = 86_400;

/// Moves the clock to the time of the database, because a sweep does nothing if they differ.
async fn go_to_the_present(app: &TestApp) {
    let theirs = app.db().unix_millis().await.expect("the time");
    let ahead =
        u64::try_from(theirs - START.seconds() * 1_000).expect("later than the tests begin");
    app.clock.advance(Duration::from_millis(ahead));
}

async fn last_used_at(granted: &Granted<'_>) -> Option<Timestamp> {
    let client_id = ClientId::parse(&granted.client_id).expect("an id");
    let found = grants::find(granted.app.db(), granted.org_id(), client_id, granted.user.id).await;
    found.expect("is readable").expect("is there").last_used_at
}

async fn forgotten(app: &TestApp) -> Forgotten {
    forget_expired::forget_expired(app.context()).await.expect("is swept")
}

const NOTHING: Forgotten = Forgotten { requests: 0, codes: 0, sessions: 0, families: 0 };

on_both! {
    async fn the_last_use_of_a_token_is_written_by_the_next_sweep(engine: Engine) {
        let app = TestApp::start(engine).await;
        go_to_the_present(&app).await;
        let granted = Granted::new(&app).await;
        let other = granted.another_client("Another").await;
        let (tokens, _) = (granted.tokens("mcp_read").await, other.tokens("mcp_read").await);
        app.clock.advance(Duration::from_secs(5));
        let used_at = app.context().clock.now();

        assert!(granted.is_active(&tokens.access).await);
        assert_eq!(last_used_at(&granted).await, None, "not yet");
        sweeper::sweep(&app.app).await;

        let exchanged_at = app.context().clock.now().rounded_down_to(60);
        assert_eq!(last_used_at(&granted).await, Some(used_at.rounded_down_to(60)));
        assert_eq!(last_used_at(&other).await.map(|at| at.seconds_since(exchanged_at)), Some(0));
    }

    async fn an_exchange_counts_as_a_use_with_minute_precision(engine: Engine) {
        let app = TestApp::start(engine).await;
        go_to_the_present(&app).await;
        let granted = Granted::new(&app).await;
        let code = granted.code("mcp_read").await;
        sweeper::sweep(&app.app).await;
        assert_eq!(last_used_at(&granted).await, None, "a consent is not a use");

        assert_eq!(granted.exchanged(&code).await.status, 200);
        sweeper::sweep(&app.app).await;

        let used_at = last_used_at(&granted).await.expect("was used");
        let now = app.context().clock.now();
        assert_eq!((used_at.seconds() % 60, now.seconds_since(used_at) < 60), (0, true));
    }

    async fn an_inactive_token_records_no_use(engine: Engine) {
        let app = TestApp::start(engine).await;
        go_to_the_present(&app).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        granted.revoked(&tokens.refresh).await;

        sweeper::sweep(&app.app).await;
        let exchanged_at = last_used_at(&granted).await.expect("the exchange was a use");
        app.clock.advance(Duration::from_secs(90));
        granted.introspected(&tokens.access).await;
        sweeper::sweep(&app.app).await;

        assert_eq!(last_used_at(&granted).await, Some(exchanged_at));
    }

    async fn codes_are_deleted_ten_minutes_after_they_expire(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let (used, unused) = (granted.code_of_mcp("mcp_read").await, granted.code_of_mcp("mcp_read").await);
        let tokens = Tokens::of(&granted.exchanged(&used).await);

        app.clock.advance(Duration::from_secs(660));
        assert_eq!(forgotten(&app).await, NOTHING);
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(forgotten(&app).await, Forgotten { codes: 2, ..NOTHING });

        for code in [&used, &unused] {
            assert_eq!(granted.exchanged(code).await.json()["error"], json!("invalid_grant"));
        }
        assert!(granted.is_active(&tokens.access).await, "its tokens stay active");
    }

    async fn expired_requests_and_sessions_are_deleted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let now = app.context().clock.now();
        let new = NewPendingRequest {
            digest: Digest::of("handle"),
            browser_digest: Digest::of("browser"),
            client_id: ClientId::parse(&granted.client_id).expect("an id"),
            request: &asks("mcp_read", &[]),
            session_id: None,
            created_at: now,
            expires_at: now.plus(600),
        };
        requests::insert(app.db(), &new).await.expect("is inserted");
        let session = NewSession {
            id: SessionId(uuid::Uuid::from_u64_pair(0, 1)),
            digest: Digest::of("cookie"),
            user_id: granted.user.id,
            now,
            user_agent: "Browser",
            address: None,
        };
        let hash = users::find_password_hash(app.db(), session.user_id).await.expect("is readable").expect("a password");
        assert!(sessions::insert_if_password_is(app.db(), &session, &hash).await.expect("is inserted"));

        app.clock.advance(Duration::from_secs(599));
        assert_eq!(forgotten(&app).await, NOTHING);
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(forgotten(&app).await, Forgotten { requests: 1, ..NOTHING });
        app.clock.advance(Duration::from_secs(400 * DAY));
        assert_eq!(forgotten(&app).await, Forgotten { sessions: 1, ..NOTHING });
    }

    async fn families_are_deleted_when_none_of_their_tokens_can_be_used(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut granted = Granted::new(&app).await;
        let (resting, revoked) = (granted.tokens("mcp_read").await, granted.tokens("mcp_read").await);
        granted.revoked(&revoked.refresh).await;
        let with = granted.client_id.clone();
        granted.client_id = registered(&app, "Without", &["authorization_code"]).await;
        granted.tokens("mcp_read").await;
        granted.client_id = with;

        app.clock.advance(Duration::from_secs(3_600));
        assert_eq!(forgotten(&app).await.families, 0, "the family is kept to refuse its tokens as expired");
        app.clock.advance(Duration::from_secs(2 * DAY));
        assert_eq!(forgotten(&app).await.families, 2, "the revoked one, and the one without a refresh token");
        let resting = Tokens::of(&granted.refreshed(&resting.refresh).await);
        app.clock.advance(Duration::from_secs(90 * DAY));
        assert_eq!(granted.refreshed(&resting.refresh).await.json()["error"], json!("invalid_grant"));
        assert_eq!(forgotten(&app).await.families, 0);
        app.clock.advance(Duration::from_secs(2 * DAY));
        assert_eq!(forgotten(&app).await.families, 1);

        for tokens in [&resting, &revoked] {
            assert_eq!(granted.refreshed(&tokens.refresh).await.json()["error"], json!("invalid_grant"));
            assert_eq!(granted.introspected(&tokens.access).await, json!({"active": false}));
            assert_eq!(granted.revoked(&tokens.refresh).await.status, 200);
        }
    }

    async fn a_family_used_without_an_idle_limit_is_not_deleted_at_its_earlier_time(engine: Engine) {
        let app = TestApp::start(engine).await;
        let without_end = app.replica_with(&[("tokens.refresh_ttl", "0")]).await;
        let restarted = app.replica_with(&[("tokens.refresh_idle_ttl", "0")]).await;
        let granted = Granted::new(&app).await;
        let now = granted.on(&restarted);
        let (of_a_year, unused) = (granted.tokens("mcp_read").await, granted.tokens("mcp_read").await);
        let of_no_end = granted.on(&without_end).tokens("mcp_read").await;

        restarted.clock.advance(Duration::from_secs(DAY));
        let of_a_year = Tokens::of(&now.refreshed(&of_a_year.refresh).await);
        let of_no_end = Tokens::of(&now.refreshed(&of_no_end.refresh).await);
        restarted.clock.advance(Duration::from_secs(100 * DAY));
        assert_eq!(forgotten(&restarted).await.families, 1, "the one that was not used since");
        assert_eq!(now.refreshed(&unused.refresh).await.json()["error"], json!("invalid_grant"));
        let of_a_year = Tokens::of(&now.refreshed(&of_a_year.refresh).await);
        let of_no_end = Tokens::of(&now.refreshed(&of_no_end.refresh).await);

        // A year in total, and up to two days until the deletion.
        restarted.clock.advance(Duration::from_secs(264 * DAY - 1));
        assert_eq!(forgotten(&restarted).await.families, 0);
        let of_a_year = Tokens::of(&now.refreshed(&of_a_year.refresh).await);
        restarted.clock.advance(Duration::from_secs(3 * DAY));
        assert_eq!(forgotten(&restarted).await.families, 1);
        assert_eq!(now.refreshed(&of_a_year.refresh).await.json()["error"], json!("invalid_grant"));
        restarted.clock.advance(Duration::from_secs(10_000 * DAY));
        assert_eq!(forgotten(&restarted).await.families, 0);
        Tokens::of(&now.refreshed(&of_no_end.refresh).await);
    }

    async fn a_family_in_use_is_never_deleted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let mut tokens = granted.tokens("mcp_read").await;
        for _ in 0..10 {
            app.clock.advance(Duration::from_secs(30 * DAY));
            assert_eq!(forgotten(&app).await.families, 0);
            tokens = Tokens::of(&granted.refreshed(&tokens.refresh).await);
        }
    }
}

#[tokio::test]
async fn a_revocation_that_fails_to_commit_is_not_reported_as_done() {
    let (app, mut proxy) = crate::network::outage::behind_a_proxy().await;
    let granted = Granted::new(&app).await;
    let tokens = granted.tokens("mcp_read").await;
    // The client is cached, so the query for the token fails.
    assert_eq!(granted.revoked("x").await.status, 200);

    proxy.refuse().await;
    let by_refresh_token = granted.revoked(&tokens.refresh).await;
    let by_access_token = granted.revoked(&tokens.access).await;
    let refreshed = granted.refreshed(&tokens.refresh).await;
    let introspected = form(
        &app,
        crate::support::granted::INTROSPECT,
        &[("client_secret", crate::support::granted::MCP_SECRET), ("token", &tokens.access)],
    )
    .await;
    let garbage = form(&app, REVOKE, &[("client_id", &granted.client_id), ("token", "x")]).await;
    proxy.forward().await;

    for answer in [by_refresh_token, by_access_token, refreshed, introspected] {
        let away = "the server cannot reach its database; retry in a second";
        answer.is(503, &crate::support::errors::oauth("temporarily_unavailable", away));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(garbage.status, 200, "text that is not a token needs no database");
    let revoke = [("client_id", granted.client_id.as_str()), ("token", &tokens.refresh)];
    until("the database is found again", async || form(&app, REVOKE, &revoke).await.status == 200)
        .await;
    assert!(!granted.is_active(&tokens.access).await);
}
