//! Changes on another replica during a refresh or an exchange.

use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use grantor::actions::audit::AuditActor;
use grantor::actions::authorize::approve::ApproveError;
use grantor::actions::clients::disable_client::{disable_client, enable_client};
use grantor::actions::grants::revoke_grant::revoke_grant;
use grantor::db::{families, grants};
use grantor::random::Random;
use grantor::rules::client::ClientId;
use grantor::rules::scope::ScopeSet;
use grantor::rules::token::refresh_token::RefreshToken;
use serde_json::json;

use crate::support::granted::{Granted, MCP, Tokens, asks};
use crate::support::{self, Answer, Engine, TestApp, restriction_path, upsert};

const ROUNDS: u64 = 60;
/// The test sends many requests from one address without moving the clock.
const NO_LIMIT: (&str, &str) = ("limits.token_per_minute", "0");

/// A random delay of up to ten milliseconds.
async fn later<T>(random: &Random, what: impl Future<Output = T>) -> T {
    let [moment] = random.bytes::<1>();
    support::after_delay(Duration::from_micros(u64::from(moment) * 40), what).await
}

fn scopes(response: &serde_json::Value) -> ScopeSet {
    ScopeSet::parse(response["scope"].as_str().unwrap_or_default()).expect("scopes")
}

/// Asserts that every returned token is within the allowed scopes or inactive.
async fn assert_within(granted: &Granted<'_>, ceiling: &str, access_tokens: &[String]) {
    let ceiling = ScopeSet::parse(ceiling).expect("scopes");
    for token in access_tokens {
        let response = granted.introspected(token).await;
        assert!(
            response["active"] == json!(false) || scopes(&response).is_subset(&ceiling),
            "{response}"
        );
    }
}

fn given(answer: &Answer) -> Option<Tokens> {
    match answer.status.as_u16() {
        200 => Some(Tokens::of(answer)),
        400 => None,
        _ => panic!("{}", answer.text),
    }
}

async fn narrowing_against_refresh(engine: Engine, on_narrow: &str) {
    let settings = [("restriction.on_narrow", on_narrow), NO_LIMIT];
    let app = TestApp::with(engine, &settings).await;
    let replica = app.replica_with(&settings).await;
    let (granted, random) = (Granted::new(&app).await, Random::seeded(7));
    let there = granted.on(&replica);
    let path = restriction_path(&granted.client_id);
    for _ in 0..ROUNDS {
        granted.operator.delete(&path).await;
        let tokens = granted.tokens("mcp_read email").await;

        let (refreshed, narrowed) = tokio::join!(
            later(&random, granted.refreshed(&tokens.refresh)),
            later(&random, there.operator.restrict(&granted.client_id, &[], &["mcp_read"])),
        );
        assert_eq!(narrowed.status, 200, "{}", narrowed.text);

        let mut all = vec![tokens.access];
        if let Some(second) = given(&refreshed) {
            all.push(second.access);
            all.extend(given(&there.refreshed(&second.refresh).await).map(|third| third.access));
        }
        assert_within(&granted, "mcp_read", &all).await;
    }
}

async fn narrowing_against_exchange(engine: Engine, on_narrow: &str) {
    let settings = [("restriction.on_narrow", on_narrow), NO_LIMIT];
    let app = TestApp::with(engine, &settings).await;
    let replica = app.replica_with(&settings).await;
    let (granted, random) = (Granted::new(&app).await, Random::seeded(8));
    let there = granted.on(&replica);
    let path = restriction_path(&granted.client_id);
    for _ in 0..ROUNDS {
        granted.operator.delete(&path).await;
        let code = granted.code_of_mcp("mcp_read email").await;

        let (exchanged, narrowed) = tokio::join!(
            later(&random, granted.exchanged(&code)),
            later(&random, there.operator.restrict(&granted.client_id, &[], &["mcp_read"])),
        );
        assert_eq!(narrowed.status, 200, "{}", narrowed.text);

        let mut all = Vec::new();
        if let Some(first) = given(&exchanged) {
            all.extend(given(&there.refreshed(&first.refresh).await).map(|second| second.access));
            all.push(first.access);
        }
        assert_within(&granted, "mcp_read", &all).await;
    }
}

on_both! {
    async fn two_concurrent_refreshes_both_get_working_tokens(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT]).await;
        let replica = app.replica_with(&[NO_LIMIT]).await;
        let (granted, random) = (Granted::new(&app).await, Random::seeded(9));
        let there = granted.on(&replica);
        let mut tokens = granted.tokens("mcp_read").await;
        for _ in 0..ROUNDS {
            let (one, other) = tokio::join!(
                later(&random, granted.refreshed(&tokens.refresh)),
                later(&random, there.refreshed(&tokens.refresh)),
            );

            let (one, other) = (Tokens::of(&one), Tokens::of(&other));
            assert_eq!(one.refresh, other.refresh, "both hold the chain's one successor");
            assert!(granted.is_active(&one.access).await && there.is_active(&other.access).await);
            tokens = one;
        }
        assert_eq!(granted.history().await, ["grant.given"]);
    }

    async fn concurrent_refreshes_get_the_same_successor(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT]).await;
        let replica = app.replica_with(&[NO_LIMIT]).await;
        let granted = Granted::new(&app).await;
        let there = granted.on(&replica);
        let tokens = granted.tokens("mcp_read").await;

        let refresh = &tokens.refresh;
        let (a, b, c, d, e, f, g, h) = tokio::join!(
            granted.refreshed(refresh), there.refreshed(refresh), granted.refreshed(refresh), there.refreshed(refresh),
            granted.refreshed(refresh), there.refreshed(refresh), granted.refreshed(refresh), there.refreshed(refresh),
        );

        let all = [a, b, c, d, e, f, g, h].map(|answer| Tokens::of(&answer));
        for tokens in &all {
            assert_eq!(tokens.refresh, all[0].refresh);
            assert!(granted.is_active(&tokens.access).await);
        }
        assert_eq!(granted.refreshed(&all[0].refresh).await.status, 200);
    }

    async fn families_refreshed_concurrently_in_opposite_orders_get_their_own_successors(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT]).await;
        let replica = app.replica_with(&[NO_LIMIT]).await;
        let granted = Granted::new(&app).await;
        let there = granted.on(&replica);
        let mut all = Vec::new();
        for _ in 0..20 {
            all.push(granted.tokens("mcp_read").await.refresh);
        }

        let (up, down) = tokio::join!(
            join_all(all.iter().map(|token| granted.refreshed(token))),
            join_all(all.iter().rev().map(|token| there.refreshed(token))),
        );

        let successors: Vec<_> = up.iter().map(|answer| Tokens::of(answer).refresh).collect();
        let repeated: Vec<_> = down.iter().rev().map(|answer| Tokens::of(answer).refresh).collect();
        assert_eq!(successors, repeated, "two presentations of one token get one successor");
        let distinct: std::collections::HashSet<_> = successors.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(granted.history().await, ["grant.given"]);
    }

    async fn a_refused_refresh_does_not_affect_others_in_its_batch(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT]).await;
        let granted = Granted::new(&app).await;
        let mut all = Vec::new();
        for _ in 0..12 {
            all.push(granted.tokens("mcp_read").await.refresh);
        }
        let scope_of = |place: usize| if place.is_multiple_of(2) { "mcp_read" } else { "mcp_write" };

        let client = &granted;
        let refresh = |(place, token)| async move {
            let answer = client.refreshed_with(token, &[("scope", scope_of(place))]).await;
            answer.status.as_u16()
        };
        let statuses = join_all(all.iter().map(String::as_str).enumerate().map(refresh)).await;

        let expected: Vec<u16> = (0..12).map(|place| if place % 2 == 0 { 200 } else { 400 }).collect();
        assert_eq!(statuses, expected);
        app.clock.advance(Duration::from_secs(4_000));
        for refused in all.iter().skip(1).step_by(2) {
            assert_eq!(granted.refreshed(refused).await.status, 200, "a refusal used no token up");
        }
    }

    async fn a_refresh_waits_for_a_locked_row(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT]).await;
        let replica = app.replica_with(&[NO_LIMIT]).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let id = RefreshToken::parse(&first.refresh).expect("a token").family;
        let now = app.context().clock.now();
        let mut tx = replica.db().begin().await.expect("begins");
        assert!(families::revocations::revoke(&mut tx, id, now, now.plus(99)).await.expect("runs"));

        let mut refreshing = pin!(granted.refreshed(&first.refresh));
        support::until_blocked(&app, refreshing.as_mut()).await;
        tx.roll_back().await.expect("is rolled back");

        assert_eq!(refreshing.await.status, 200);
    }

    async fn a_refresh_during_a_restriction_stays_within_it_if_grants_end(engine: Engine) {
        narrowing_against_refresh(engine, "revoke").await;
    }

    async fn a_refresh_during_a_restriction_stays_within_it_if_grants_are_narrowed(engine: Engine) {
        narrowing_against_refresh(engine, "narrow_grants").await;
    }

    async fn an_exchange_during_a_restriction_stays_within_it_if_grants_end(engine: Engine) {
        narrowing_against_exchange(engine, "revoke").await;
    }

    async fn an_exchange_during_a_restriction_stays_within_it_if_grants_are_narrowed(engine: Engine) {
        narrowing_against_exchange(engine, "narrow_grants").await;
    }

    async fn a_consent_during_a_restriction_stays_within_it(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT]).await;
        let replica = app.replica_with(&[NO_LIMIT]).await;
        let (granted, random) = (Granted::new(&app).await, Random::seeded(10));
        let there = granted.on(&replica);
        let path = restriction_path(&granted.client_id);
        let request = asks("mcp_read email", &[MCP]);
        for _ in 0..ROUNDS {
            granted.operator.delete(&path).await;

            let narrowing = upsert(&[], &["mcp_read"]);
            let (code, narrowed) = tokio::join!(
                later(&random, granted.approve(&request)),
                later(&random, there.operator.post(&path, &narrowing)),
            );
            assert_eq!(narrowed.status, 200, "{}", narrowed.text);

            let code = match code {
                // The restriction came between the page and the answer.
                Err(ApproveError::Changed) => continue,
                code => code.expect("some of it is left"),
            };
            if let Some(tokens) = given(&granted.exchanged(&code).await) {
                assert_within(&granted, "mcp_read", &[tokens.access]).await;
            }
        }
    }

    async fn a_refresh_during_a_revocation_leaves_no_active_token(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT]).await;
        let replica = app.replica_with(&[NO_LIMIT]).await;
        let (granted, random) = (Granted::new(&app).await, Random::seeded(11));
        let there = granted.on(&replica);
        for _ in 0..ROUNDS {
            let tokens = granted.tokens("mcp_read").await;

            let (refreshed, revoked) = tokio::join!(
                later(&random, granted.refreshed(&tokens.refresh)),
                later(&random, there.revoked(&tokens.refresh)),
            );

            assert_eq!(revoked.status, 200, "{}", revoked.text);
            if let Some(second) = given(&refreshed) {
                assert!(!there.is_active(&second.access).await);
                assert_eq!(there.refreshed(&second.refresh).await.status, 400);
            }
            assert!(!granted.is_active(&tokens.access).await);
        }
    }

    async fn an_exchange_during_the_end_of_its_grant_leaves_no_active_token(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT]).await;
        let replica = app.replica_with(&[NO_LIMIT]).await;
        let (granted, random) = (Granted::new(&app).await, Random::seeded(12));
        let client_id = ClientId::parse(&granted.client_id).expect("an id");
        for _ in 0..ROUNDS {
            let code = granted.code_of_mcp("mcp_read").await;

            let (exchanged, disabled) = tokio::join!(
                later(&random, granted.exchanged(&code)),
                later(&random, disable_client(
                    replica.context(), granted.org_id(), client_id, None, &AuditActor::COMMAND_LINE,
                )),
            );
            disabled.expect("is disabled");

            if let Some(tokens) = given(&exchanged) {
                assert!(!granted.is_active(&tokens.access).await);
                assert_eq!(granted.refreshed(&tokens.refresh).await.status, 400);
            }
            enable_client(app.context(), granted.org_id(), client_id, &AuditActor::COMMAND_LINE)
                .await
                .expect("is enabled");
        }
    }

    async fn a_silent_approval_during_the_end_of_its_grant_revives_nothing(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT]).await;
        let replica = app.replica_with(&[NO_LIMIT]).await;
        let (granted, random) = (Granted::new(&app).await, Random::seeded(14));
        let client_id = ClientId::parse(&granted.client_id).expect("an id");
        let request = asks("mcp_read", &[MCP]);
        let find = async || {
            let found = grants::find(app.db(), granted.org_id(), client_id, granted.user.id).await;
            found.expect("is readable").expect("is there")
        };
        for _ in 0..ROUNDS {
            granted.code_for(&request).await;
            let (waiting, id) = (granted.waiting(&request).await, find().await.id);

            let (code, ended) = tokio::join!(
                later(&random, granted.answer(&waiting, None)),
                later(&random, revoke_grant(replica.context(), id, |_| true, &AuditActor::COMMAND_LINE)),
            );
            ended.expect("is ended");

            assert!(find().await.revoked_at.is_some());
            match code {
                Err(ApproveError::Changed) => {}
                code => assert!(given(&granted.exchanged(&code.expect("was given before")).await).is_none()),
            }
        }
    }

    async fn all_operations_complete_when_they_run_concurrently(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT]).await;
        let replica = app.replica_with(&[NO_LIMIT]).await;
        let (granted, random) = (Granted::new(&app).await, Random::seeded(13));
        let eve = granted.another_user("eve@acme.example").await;
        let (there, eve_there) = (granted.on(&replica), eve.on(&replica));
        let client_id = ClientId::parse(&granted.client_id).expect("an id");
        let (path, by) = (restriction_path(&granted.client_id), AuditActor::COMMAND_LINE);
        let request = asks("mcp_read email", &[MCP]);
        for _ in 0..ROUNDS / 2 {
            granted.operator.delete(&path).await;
            let (mine, hers) = (granted.tokens("mcp_read email").await, eve.tokens("mcp_read email").await);
            let (code, her_code) = (granted.code_of_mcp("mcp_read").await, eve.code_of_mcp("mcp_read email").await);

            let by_clients = join_all([
                later(&random, granted.exchanged(&code)).boxed_local(),
                later(&random, eve_there.exchanged(&her_code)).boxed_local(),
                later(&random, granted.refreshed(&mine.refresh)).boxed_local(),
                later(&random, there.refreshed(&mine.refresh)).boxed_local(),
                later(&random, eve.refreshed(&hers.refresh)).boxed_local(),
                later(&random, there.revoked(&mine.access)).boxed_local(),
            ]);
            let (answers, narrowed, lifted, disabled, approved) = tokio::join!(
                by_clients,
                later(&random, granted.operator.restrict(&granted.client_id, &[], &["mcp_read"])),
                later(&random, there.operator.delete(&path)),
                later(&random, disable_client(replica.context(), granted.org_id(), client_id, None, &by)),
                later(&random, eve.approve(&request)),
            );

            for answer in answers {
                assert!([200, 400].contains(&answer.status.as_u16()), "{} {}", answer.status, answer.text);
            }
            assert_eq!((narrowed.status.as_u16(), lifted.status.as_u16()), (200, 204));
            disabled.expect("is disabled");
            assert!(matches!(approved, Ok(_) | Err(ApproveError::Offer(_) | ApproveError::Changed)), "{approved:?}");
            for token in [&mine.access, &hers.access] {
                assert!(!there.is_active(token).await, "the client was disabled");
            }
            enable_client(app.context(), granted.org_id(), client_id, &by).await.expect("is enabled");
        }
    }
}
