//! The scopes that a restricted client gets.

use grantor::actions::authorize::approve::ApproveError;
use grantor::actions::authorize::offer_scopes::OfferError;
use grantor::rules::client::ClientId;
use serde_json::{Value, json};

use crate::support::granted::{Granted, MCP, Tokens, asks, opened};
use crate::support::{Answer, TestApp, restriction_path};

fn scope(answer: &Answer) -> (Value, Value) {
    (answer.json()["scope"].clone(), opened(&Tokens::of(answer).access).1["scope"].clone())
}

fn both(scope: &str) -> (Value, Value) {
    (json!(scope), json!(scope))
}

fn required(client_id: &str) -> String {
    json!([{"client_id": client_id, "permission_scopes": ["teams_read"]}]).to_string()
}

/// The scopes of a new consent, or the text of the refusal.
async fn consented(granted: &Granted<'_>, scope_names: &str) -> Result<(Value, Value), String> {
    match granted.approve(&asks(scope_names, &[MCP])).await {
        Ok(code) => Ok(scope(&granted.exchanged(&code).await)),
        Err(ApproveError::Offer(OfferError::Refused(refusal))) => Err(refusal.to_string()),
        Err(other) => panic!("{other}"),
    }
}

on_both! {
    async fn a_consent_and_its_token_contain_only_the_listed_scopes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        granted.operator.restrict(&granted.client_id, &["openid"], &["mcp_read"]).await;

        let narrowed = consented(&granted, "openid email mcp_read mcp_write").await;
        let nothing = consented(&granted, "email mcp_write").await;
        granted.operator.delete(&restriction_path(&granted.client_id)).await;
        let lifted = consented(&granted, "email mcp_write").await;

        assert_eq!(narrowed, Ok(both("mcp_read openid")));
        assert!(nothing.as_ref().is_err_and(|words| words.starts_with("invalid_scope: ")), "{nothing:?}");
        assert_eq!(lifted, Ok(both("email mcp_write")));
    }

    async fn a_server_may_refuse_instead_of_narrowing(engine: Engine) {
        let app = TestApp::with(engine, &[("restriction.on_excess", "refuse")]).await;
        let granted = Granted::new(&app).await;
        granted.operator.restrict(&granted.client_id, &["openid"], &["mcp_read"]).await;

        let beyond = consented(&granted, "openid email").await;
        let within = consented(&granted, "mcp_read").await;

        assert!(beyond.as_ref().is_err_and(|words| words.starts_with("invalid_scope: ")), "{beyond:?}");
        assert_eq!(within, Ok(both("mcp_read")));
    }

    async fn empty_lists_grant_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        granted.operator.restrict(&granted.client_id, &[], &[]).await;

        let refused = consented(&granted, "openid mcp_read").await;

        assert!(refused.as_ref().is_err_and(|words| words.starts_with("invalid_scope: ")), "{refused:?}");
    }

    async fn required_scopes_are_granted_despite_every_restriction(engine: Engine) {
        let before = TestApp::start(engine).await;
        let client_id = Granted::new(&before).await.client_id;
        let app = before.replica_with(&[("restriction.required", &required(&client_id))]).await;
        let granted = Granted::of(&app, "Umbrella").await;
        assert_eq!(granted.client_id, client_id);

        granted.operator.restrict(&client_id, &[], &[]).await;
        let consent = consented(&granted, "teams_read email").await;
        let tokens = granted.tokens("teams_read email").await;
        granted.operator.restrict(&client_id, &["openid"], &[]).await;

        assert_eq!(consent, Ok(both("teams_read")));
        assert_eq!(scope(&granted.refreshed(&tokens.refresh).await), both("teams_read"));
        assert!(granted.is_active(&tokens.access).await);
    }

    async fn a_restriction_applies_only_to_its_organization_and_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = Granted::new(&app).await;
        let umbrella = Granted::of(&app, "Umbrella").await;
        let other_client = acme.another_client("Another").await;
        let kept = [umbrella.tokens("mcp_read email").await, other_client.tokens("mcp_read email").await];

        acme.operator.restrict(&acme.client_id, &[], &["mcp_read"]).await;

        assert_eq!(consented(&acme, "mcp_read email").await, Ok(both("mcp_read")));
        assert_eq!(consented(&umbrella, "mcp_read email").await, Ok(both("email mcp_read")));
        assert_eq!(consented(&other_client, "mcp_read email").await, Ok(both("email mcp_read")));
        for (granted, tokens) in [&umbrella, &other_client].into_iter().zip(&kept) {
            assert!(granted.is_active(&tokens.access).await);
            assert_eq!(scope(&granted.refreshed(&tokens.refresh).await), both("email mcp_read"));
        }
    }

    async fn a_restriction_applies_immediately_on_other_replicas(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let granted = Granted::new(&app).await;
        let there = granted.on(&replica);
        let tokens = granted.tokens("mcp_read email").await;
        assert!(granted.is_active(&tokens.access).await);

        there.operator.restrict(&granted.client_id, &[], &["mcp_read"]).await;

        assert!(!granted.is_active(&tokens.access).await);
        assert_eq!(granted.refreshed(&tokens.refresh).await.json()["error"], json!("invalid_grant"));
        assert_eq!(consented(&granted, "mcp_read email").await, Ok(both("mcp_read")));
    }

    async fn nobody_can_authorize_a_disabled_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let client_id = ClientId::parse(&granted.client_id).expect("an id");
        let by = grantor::actions::audit::AuditActor::COMMAND_LINE;
        grantor::actions::clients::disable_client::disable_client(app.context(), granted.org_id(), client_id, None, &by).await.expect("is disabled");

        let refused = granted.approve(&asks("mcp_read", &[])).await;

        assert!(matches!(refused, Err(ApproveError::Offer(OfferError::Disabled))), "{refused:?}");
    }
}
