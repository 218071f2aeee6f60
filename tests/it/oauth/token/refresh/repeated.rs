//! Refresh tokens that are used again: repeated responses, and reuse that ends the family.

use super::*;

on_both! {
    async fn a_lost_response_is_repeated_with_the_same_successor_within_the_grace_time(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;

        let lost = ok(&granted, &first.refresh).await;
        advance(&app, 10);
        let repeated = ok(&granted, &first.refresh).await;
        let repeated_there = ok(&granted.on(&app.replica().await), &first.refresh).await;

        assert_eq!((&lost.refresh, &lost.refresh), (&repeated.refresh, &repeated_there.refresh));
        assert_ne!(lost.access, repeated.access);
        for tokens in [&lost, &repeated, &repeated_there] {
            assert!(granted.is_active(&tokens.access).await);
        }
        assert_eq!(granted.refreshed(&repeated.refresh).await.status, 200);
        assert_eq!(granted.history().await, ["grant.given"]);
    }

    async fn a_response_that_was_lost_in_an_outage_is_repeated_until_its_token_is_used(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let lost = ok(&granted, &first.refresh).await;

        advance(&app, 600);
        let repeated = ok(&granted, &first.refresh).await;
        advance(&app, 2_400);
        assert!(granted.is_active(&repeated.access).await, "using an access token does not use the refresh token");
        let repeated_again = ok(&granted, &first.refresh).await;

        assert_eq!((&lost.refresh, &lost.refresh), (&repeated.refresh, &repeated_again.refresh));
        assert!(granted.is_active(&repeated_again.access).await);
        let next = ok(&granted, &repeated.refresh).await;
        assert_eq!(granted.refreshed(&next.refresh).await.status, 200);
        assert_eq!(granted.history().await, ["grant.given"]);
    }

    async fn a_replaced_token_whose_successor_was_used_ends_the_family_after_the_grace_time(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let second = ok(&granted, &first.refresh).await;
        advance(&app, 11);
        let third = ok(&granted, &second.refresh).await;

        granted.refreshed(&first.refresh).await.is(400, &refused());

        granted.refreshed(&third.refresh).await.is(400, &refused());
        assert!(!granted.is_active(&third.access).await);
        assert_eq!(granted.history().await, ["grant.given", "refresh_token.reused"]);
    }

    async fn a_replaced_token_is_refused_after_an_hour_and_the_family_stays(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let second = ok(&granted, &first.refresh).await;

        advance(&app, 3_600);
        let last_moment = ok(&granted, &first.refresh).await;
        advance(&app, 1);
        granted.refreshed(&first.refresh).await.is(400, &refused());

        assert_eq!(last_moment.refresh, second.refresh);
        assert_eq!(granted.history().await, ["grant.given"], "the successor is unused, so this is not a sign of theft");
        assert_eq!(granted.refreshed(&second.refresh).await.status, 200);
    }

    async fn a_reused_token_is_recorded_and_ends_only_its_own_family(engine: Engine) {
        let app = TestApp::with(engine, &[("tokens.refresh_repeat", "0")]).await;
        let granted = Granted::new(&app).await;
        let (first, other) = (granted.tokens("mcp_read").await, granted.tokens("mcp_read").await);
        let second = ok(&granted, &first.refresh).await;
        advance(&app, 11);

        let reused = granted.refreshed(&first.refresh).await;

        reused.is(400, &refused());
        assert_eq!(reused.header("cache-control"), Some("no-store"));
        granted.refreshed(&second.refresh).await.is(400, &refused());
        assert_eq!(granted.introspected(&second.access).await, json!({"active": false}));
        assert_eq!(granted.history().await, ["grant.given", "refresh_token.reused"]);
        let event = granted.events().await.pop().expect("an event");
        let family = opened(&first.access).1["family"].as_str().expect("a family").to_owned();
        assert!(event.subject.contains(&format!("family:{family}")), "{}", event.subject);
        assert_eq!(event.actor, format!("client:{}", granted.client_id));
        assert!(granted.is_active(&other.access).await, "another family of the same grant stays active");
        assert_eq!(granted.refreshed(&other.refresh).await.status, 200);
    }

    async fn the_slowest_of_three_concurrent_refreshes_gets_the_successor_of_its_token(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let second = ok(&granted, &first.refresh).await;
        let third = ok(&granted, &second.refresh).await;

        let slowest = ok(&granted, &first.refresh).await;
        let next = ok(&granted, &slowest.refresh).await;

        assert_eq!((&slowest.refresh, &next.refresh), (&second.refresh, &third.refresh), "the chain does not fork");
        assert!(granted.is_active(&slowest.access).await && granted.is_active(&third.access).await);
        assert_eq!(granted.history().await, ["grant.given"]);
        advance(&app, 11);
        granted.refreshed(&first.refresh).await.is(400, &refused());
        assert!(!granted.is_active(&third.access).await);
        assert_eq!(granted.history().await, ["grant.given", "refresh_token.reused"]);
    }

    async fn a_token_older_than_the_last_three_ends_the_family_at_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let second = ok(&granted, &first.refresh).await;
        let third = ok(&granted, &second.refresh).await;
        let third = ok(&granted, &third.refresh).await;

        granted.refreshed(&first.refresh).await.is(400, &refused());

        assert!(!granted.is_active(&third.access).await);
        granted.refreshed(&third.refresh).await.is(400, &refused());
        assert_eq!(granted.history().await, ["grant.given", "refresh_token.reused"]);
    }

    async fn without_grace_and_repetition_a_replaced_token_ends_the_family_at_once(engine: Engine) {
        let app = TestApp::with(engine, &[("tokens.refresh_grace", "0"), ("tokens.refresh_repeat", "0")]).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let second = ok(&granted, &first.refresh).await;

        granted.refreshed(&first.refresh).await.is(400, &refused());

        granted.refreshed(&second.refresh).await.is(400, &refused());
        assert_eq!(granted.history().await, ["grant.given", "refresh_token.reused"]);
    }
}
