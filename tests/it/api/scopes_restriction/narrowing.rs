//! What a narrower restriction removes from earlier grants, and its preview.

use grantor::rules::scope::ScopeSet;
use serde_json::{Value, json};

use crate::support::granted::{Granted, Tokens};
use crate::support::{Answer, START, TestApp, restricted, restriction_path, upsert};

const NARROW_GRANTS: [(&str, &str); 1] = [("restriction.on_narrow", "narrow_grants")];

async fn previewed(granted: &Granted<'_>, oidc: &[&str], permission: &[&str]) -> Value {
    let path = format!("{}?dry_run=true", restriction_path(&granted.client_id));
    granted.operator.post(&path, &upsert(oidc, permission)).await.json()["meta"].clone()
}

/// The numbers of grants and users in a dry run.
async fn counted(granted: &Granted<'_>, oidc: &[&str], permission: &[&str]) -> (Value, Value) {
    let meta = previewed(granted, oidc, permission).await;
    (meta["grants"].clone(), meta["users"].clone())
}

fn error(answer: &Answer) -> Value {
    answer.json()["error"].clone()
}

on_both! {
    async fn a_dry_run_counts_the_grants_and_users_that_the_change_ends(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let eve = granted.another_user("eve@acme.example").await;
        let bob = granted.another_user("bob@acme.example").await;
        let umbrella = Granted::of(&app, "Umbrella").await;
        let ended = [granted.tokens("mcp_read email").await, eve.tokens("email").await, eve.tokens("profile").await];
        let kept = [bob.tokens("openid profile").await, umbrella.tokens("mcp_read email").await];
        granted.another_client("Another").await.tokens("email").await;

        let before = counted(&granted, &["openid", "profile"], &["mcp_read"]).await;
        let by_none = counted(&granted, &["openid", "profile", "email"], &["mcp_read"]).await;
        let by_all = counted(&granted, &[], &[]).await;
        for tokens in &ended {
            assert!(granted.is_active(&tokens.access).await, "a dry run ends nothing");
        }
        let narrowed = granted.operator.restrict(&granted.client_id, &["openid", "profile"], &["mcp_read"]).await;
        let after = counted(&granted, &[], &[]).await;

        narrowed.is(200, &restricted(&granted.client_id, &["openid", "profile"], &["mcp_read"]));
        assert_eq!([before, by_none, by_all], [2, 0, 3].map(|both| (json!(both), json!(both))));
        assert_eq!(after, (json!(1), json!(1)), "what has ended counts no more");
        for tokens in &ended {
            assert_eq!(granted.introspected(&tokens.access).await, json!({"active": false}));
        }
        assert_eq!(error(&granted.refreshed(&ended[0].refresh).await), json!("invalid_grant"));
        for tokens in &kept {
            assert!(granted.is_active(&tokens.access).await);
        }
        assert_eq!(bob.refreshed(&kept[0].refresh).await.status, 200);
    }

    async fn a_dry_run_returns_the_ended_grants_and_the_expiry_of_the_last_token(engine: Engine) {
        for (on_narrow, ended) in [("revoke", 2), ("narrow_grants", 1)] {
            let app = TestApp::with(engine, &[("restriction.on_narrow", on_narrow)]).await;
            let granted = Granted::new(&app).await;
            granted.tokens("mcp_read email").await;
            granted.another_user("eve@acme.example").await.tokens("email").await;
            let effect = |meta: &Value| (meta["ended"].clone(), meta["last_token_ends_at"].clone());

            let removes_email = previewed(&granted, &[], &["mcp_read"]).await;
            let removes_nothing_in_use = previewed(&granted, &["email"], &["mcp_read"]).await;

            let end = json!(START.plus(3_600).to_rfc3339());
            assert_eq!(effect(&removes_email), (json!(ended), end), "{on_narrow}");
            assert_eq!(effect(&removes_nothing_in_use), (json!(0), Value::Null), "{on_narrow}");
        }
    }

    async fn each_ended_grant_is_recorded_and_the_change_has_their_number(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let eve = granted.another_user("eve@acme.example").await;
        granted.tokens("mcp_read email").await;
        eve.tokens("mcp_read email").await;

        granted.operator.restrict(&granted.client_id, &[], &["mcp_read"]).await;

        assert_eq!(granted.history().await, ["grant.given", "grant.given", "grant.revoked", "grant.revoked"]);
        let set = granted.events().await.into_iter().find(|event| event.action == "scopes_restriction.set");
        let set = set.expect("is recorded");
        assert_eq!(set.after, Some(json!({
            "scopes_restriction": {"oidc_scopes": [], "permission_scopes": ["mcp_read"]},
            "grants_narrowed": 2,
        })));
    }

    async fn a_wider_restriction_ends_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        granted.operator.restrict(&granted.client_id, &["email"], &["mcp_read"]).await;
        let tokens = granted.tokens("mcp_read email").await;

        assert_eq!(counted(&granted, &["email", "openid"], &["mcp_read"]).await, (json!(0), json!(0)));
        granted.operator.restrict(&granted.client_id, &["email", "openid"], &["mcp_read"]).await;
        granted.operator.delete(&restriction_path(&granted.client_id)).await;

        assert!(granted.is_active(&tokens.access).await);
        assert_eq!(granted.refreshed(&tokens.refresh).await.status, 200);
    }

    async fn deleting_a_restriction_removes_scopes_that_the_defaults_do_not_allow(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        granted.operator.restrict(&granted.client_id, &["email"], &["mcp_read"]).await;
        let (wide, narrow) = (granted.another_user("eve@acme.example").await, &granted);
        let (of_wide, of_narrow) = (wide.tokens("email mcp_read").await, narrow.tokens("email").await);
        let defaults = ScopeSet::parse("email").expect("scopes");
        app.set_default_scopes(granted.org_id(), Some(&defaults)).await.expect("are set");

        let lifted = granted.operator.delete(&restriction_path(&granted.client_id)).await;

        assert_eq!(lifted.status, 204);
        assert!(!granted.is_active(&of_wide.access).await);
        assert!(granted.is_active(&of_narrow.access).await);
    }

    async fn an_unredeemed_code_ends_with_its_grant(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let code = granted.code_of_mcp("mcp_read email").await;

        granted.operator.restrict(&granted.client_id, &[], &["mcp_read"]).await;

        assert_eq!(error(&granted.exchanged(&code).await), json!("invalid_grant"));
    }

    async fn ended_tokens_stay_ended_when_the_restriction_is_deleted_and_the_user_consents_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let (tokens, code) = (granted.tokens("mcp_read email").await, granted.code_of_mcp("mcp_read email").await);
        granted.operator.restrict(&granted.client_id, &[], &["mcp_read"]).await;
        granted.operator.delete(&restriction_path(&granted.client_id)).await;

        let again = granted.tokens("mcp_read").await;

        assert!(granted.is_active(&again.access).await && !granted.is_active(&tokens.access).await);
        assert_eq!(error(&granted.refreshed(&tokens.refresh).await), json!("invalid_grant"));
        assert_eq!(error(&granted.exchanged(&code).await), json!("invalid_grant"));
        assert_eq!(counted(&granted, &["openid"], &["mcp_read"]).await, (json!(0), json!(0)), "it began anew");
    }

    async fn with_the_narrow_setting_grants_continue_without_the_scope(engine: Engine) {
        let app = TestApp::with(engine, &NARROW_GRANTS).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read email").await;
        let code = granted.code_of_mcp("mcp_read email").await;
        assert_eq!(counted(&granted, &[], &["mcp_read"]).await, (json!(1), json!(1)));

        granted.operator.restrict(&granted.client_id, &[], &["mcp_read"]).await;
        let response = granted.introspected(&tokens.access).await;
        let refreshed = granted.refreshed(&tokens.refresh).await;
        let wider = granted.refreshed_with(&Tokens::of(&refreshed).refresh, &[("scope", "email")]).await;
        granted.operator.delete(&restriction_path(&granted.client_id)).await;
        let lifted = granted.refreshed(&Tokens::of(&refreshed).refresh).await;

        assert_eq!(response["scope"], json!("mcp_read"));
        for answer in [&refreshed, &lifted] {
            assert_eq!(answer.json()["scope"], json!("mcp_read"));
        }
        assert_eq!(error(&wider), json!("invalid_scope"));
        assert_eq!(error(&granted.exchanged(&code).await), json!("invalid_grant"), "the client asks again");
        assert_eq!(counted(&granted, &["openid"], &["mcp_read"]).await, (json!(0), json!(0)));
    }

    async fn with_the_narrow_setting_grants_without_the_scope_are_unchanged(engine: Engine) {
        let app = TestApp::with(engine, &NARROW_GRANTS).await;
        let granted = Granted::new(&app).await;
        let eve = granted.another_user("eve@acme.example").await;
        granted.tokens("mcp_read email").await;
        let (tokens, code) = (eve.tokens("mcp_read").await, eve.code_of_mcp("mcp_read").await);

        granted.operator.restrict(&granted.client_id, &[], &["mcp_read"]).await;

        assert_eq!(granted.introspected(&tokens.access).await["scope"], json!("mcp_read"));
        assert_eq!(eve.exchanged(&code).await.status, 200);
        assert_eq!(eve.refreshed(&tokens.refresh).await.status, 200);
    }

    async fn a_grant_without_remaining_scopes_ends(engine: Engine) {
        let app = TestApp::with(engine, &NARROW_GRANTS).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("email profile").await;

        granted.operator.restrict(&granted.client_id, &["openid"], &[]).await;

        assert_eq!(granted.introspected(&tokens.access).await, json!({"active": false}));
        assert_eq!(error(&granted.refreshed(&tokens.refresh).await), json!("invalid_grant"));
        assert_eq!(granted.history().await, ["grant.given", "grant.revoked"]);
    }

    async fn a_second_use_of_a_code_is_detected_after_a_narrowing(engine: Engine) {
        let app = TestApp::with(engine, &NARROW_GRANTS).await;
        let granted = Granted::new(&app).await;
        let code = granted.code_of_mcp("email mcp_read").await;
        let tokens = Tokens::of(&granted.exchanged(&code).await);
        granted.operator.restrict(&granted.client_id, &[], &["mcp_read"]).await;

        granted.exchanged(&code).await;

        assert!(!granted.is_active(&tokens.access).await);
    }
}
