//! `POST /oauth2/v1/revoke`.

use serde_json::json;

use crate::support::TestApp;
use crate::support::errors::oauth;
use crate::support::granted::{Granted, REVOKE, Tokens, form, form_with, opened};
use crate::support::private_client::basic;

const NOBODY: &str = "72b68208-36a6-81f0-b21b-da7ad0900002";

on_both! {
    async fn revoking_either_token_ends_its_family_only(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let other = granted.tokens("mcp_read").await;
        for by_refresh_token in [true, false] {
            let first = granted.tokens("mcp_read").await;
            let second = Tokens::of(&granted.refreshed(&first.refresh).await);

            let answer = granted.revoked(if by_refresh_token { &second.refresh } else { &first.access }).await;

            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
            for token in [&first.access, &second.access] {
                assert_eq!(granted.introspected(token).await, json!({"active": false}));
            }
            for token in [&first.refresh, &second.refresh] {
                assert_eq!(granted.refreshed(token).await.json()["error"], json!("invalid_grant"));
            }
            assert!(granted.is_active(&other.access).await, "another chain of the same grant");
        }
        assert_eq!(granted.refreshed(&other.refresh).await.status, 200);
    }

    async fn a_revocation_is_recorded_once_and_can_be_repeated(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;

        for token in [&tokens.refresh, &tokens.refresh, &tokens.access] {
            assert_eq!(granted.revoked(token).await.status, 200);
        }

        assert_eq!(granted.history().await, ["grant.given", "token.revoked"]);
        let event = granted.events().await.pop().expect("an event");
        let family = opened(&tokens.access).1["family"].as_str().expect("a family").to_owned();
        let (expected, subject) = (format!("family:{family} client:{}", granted.client_id), &event.subject);
        assert!(subject.starts_with("grant:") && subject.ends_with(&expected), "{subject}");
        assert_eq!(event.actor, format!("client:{}", granted.client_id));
        assert_eq!(event.after, Some(json!({"revoked_at": crate::support::START.seconds()})));
    }

    async fn revoking_a_replaced_refresh_token_ends_the_family(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let second = Tokens::of(&granted.refreshed(&first.refresh).await);
        let third = Tokens::of(&granted.refreshed(&second.refresh).await);

        assert_eq!(granted.revoked(&first.refresh).await.status, 200);

        assert!(!granted.is_active(&third.access).await);
        assert_eq!(granted.history().await, ["grant.given", "token.revoked"]);
    }

    async fn revoking_an_expired_access_token_ends_its_family(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        app.clock.advance(std::time::Duration::from_secs(3_601));

        assert_eq!(granted.revoked(&tokens.access).await.status, 200);

        assert_eq!(granted.refreshed(&tokens.refresh).await.status, 400);
    }

    async fn a_wrong_token_type_hint_is_ignored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        for hint in ["access_token", "refresh_token", "nonsense", ""] {
            let tokens = granted.tokens("mcp_read").await;
            let parameters =
                [("client_id", granted.client_id.as_str()), ("token", &tokens.refresh), ("token_type_hint", hint)];

            assert_eq!(form(&app, REVOKE, &parameters).await.status, 200);

            assert!(!granted.is_active(&tokens.access).await, "{hint}");
        }
    }

    async fn an_unknown_token_gets_the_same_response_and_has_no_effect(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        let code = granted.code_of_mcp("mcp_read").await;
        let (start, _) = tokens.refresh.split_at(40);
        let forged = format!("{start}{}", "A".repeat(tokens.refresh.len() - 40));
        let unsigned = format!("{}.AAAA", tokens.access.rsplit_once('.').expect("a JWT").0);
        let huge = "x".repeat(10_000);

        for text in ["x", "rt_", "a.b.c", &huge, &forged, &unsigned, &code] {
            let answer = granted.revoked(text).await;

            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""), "{text}");
        }
        assert!(granted.is_active(&tokens.access).await);
        assert_eq!(granted.refreshed(&tokens.refresh).await.status, 200);
        assert_eq!(granted.exchanged(&code).await.status, 200);
    }

    async fn a_token_of_another_client_is_not_revoked(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let stranger = granted.another_client("Another").await;
        let tokens = granted.tokens("mcp_read").await;

        for token in [&tokens.access, &tokens.refresh] {
            assert_eq!(stranger.revoked(token).await.status, 200);
        }

        assert!(granted.is_active(&tokens.access).await);
        assert_eq!(granted.refreshed(&tokens.refresh).await.status, 200);
    }

    async fn missing_repeated_and_unknown_parameters_are_reported(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        let (client, token) = (("client_id", granted.client_id.as_str()), ("token", tokens.refresh.as_str()));
        let unknown = oauth("invalid_client", "the client is not known: register it");
        let invalid = |detail: &str| oauth("invalid_request", detail);
        let cases = [
            (vec![client], 400, invalid("token is missing: it is required")),
            (vec![token], 400, invalid("client_id is missing: it is required")),
            (vec![], 400, invalid("token is missing: it is required")),
            (vec![client, token, token], 400, invalid("token is sent more than once: send it once")),
            (vec![("client_id", NOBODY), token], 401, unknown.clone()),
            (vec![("client_id", "x"), token], 401, unknown),
        ];
        for (parameters, status, body) in cases {
            form(&app, REVOKE, &parameters).await.is(status, &body);
        }
        let header = basic(&granted.client_id, "secret");
        let header = [("authorization", header.as_str())];
        form_with(&app, REVOKE, &[client, token], &header).await.is(401, &oauth(
            "invalid_client",
            "this client has no secret, so it does not authenticate: leave the Authorization header out",
        ));
        assert!(granted.is_active(&tokens.access).await);
    }

    async fn a_revocation_takes_effect_immediately_on_other_replicas(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let granted = Granted::new(&app).await;
        let there = granted.on(&replica);
        let tokens = granted.tokens("mcp_read").await;
        assert!(granted.is_active(&tokens.access).await && there.is_active(&tokens.access).await);

        there.revoked(&tokens.refresh).await;

        assert!(!granted.is_active(&tokens.access).await && !there.is_active(&tokens.access).await);
        assert_eq!(granted.refreshed(&tokens.refresh).await.status, 400);
    }
}
