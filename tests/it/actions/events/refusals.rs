//! Events about requests that a restriction refuses.

use std::time::Duration;

use serde_json::json;

use super::{event, events_of, kinds_of, sign_in, started};
use crate::support::TestApp;
use crate::support::flow::{Form, McpClient, Person};
use crate::support::outbox::kinds;

on_both! {
    async fn a_refusal_by_a_restriction_is_published_once_per_minute_and_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let client = McpClient::registered(&app, &["https://app.example/cb"]).await;
        let mut eve = sign_in(&granted, "eve@acme.example").await;
        let mut max = sign_in(&granted, "max@acme.example").await;
        granted.operator.restrict(&client.id, &["openid"], &[]).await;
        let url = client.url(&[("scope", "email mcp_read org_management")]);
        let refused = async |person: &mut Person<'_>| {
            assert_eq!(client.redirect_params(&person.visit(&url).await).get("error"), Some("invalid_scope"));
        };

        let first = events_of(&app, async || refused(&mut eve).await).await;
        let again = events_of(&app, async || {
            refused(&mut eve).await;
            client.redirect_params(&eve.visit(&client.url(&[("scope", "email"), ("prompt", "none")])).await)
        })
        .await;
        let other = events_of(&app, async || refused(&mut max).await).await;
        app.clock.advance(Duration::from_secs(60));
        let later = events_of(&app, async || refused(&mut eve).await).await;

        let expected = json!({
            "title": "Editor asked eve@acme.example for scopes that the organization does not allow, and was refused.",
            "org_id": granted.org_id(),
            "client": {"id": client.id, "name": "Editor"},
            "user": {"id": eve.user_id().await, "email": "eve@acme.example"},
            "withheld": ["email", "mcp_read", "org_management"],
            "outcome": "refused",
        });
        assert_eq!(first, [event("restriction.hit", expected.clone())]);
        assert_eq!((again, later), (Vec::new(), vec![event("restriction.hit", expected)]));
        assert_eq!((kinds_of(&other), &other[0].1["user"]["email"]), (vec!["restriction.hit"], &json!("max@acme.example")));
    }

    async fn other_refusals_are_not_published(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let client = McpClient::registered(&app, &["https://app.example/cb"]).await;
        let mut eve = sign_in(&granted, "eve@acme.example").await;

        let by_role = eve.visit(&client.url(&[("scope", "org_management")])).await;
        let by_server = eve.visit(&client.url(&[("scope", "api_keys_write")])).await;
        let page = eve.visit(&client.url(&[("scope", "openid")])).await;
        let by_user = eve.submit(&Form::refusing(&page)).await;

        assert_eq!(client.redirect_params(&by_role).get("error"), Some("invalid_scope"));
        assert_eq!(client.redirect_params(&by_server).get("error"), Some("invalid_scope"));
        assert_eq!(client.redirect_params(&by_user).get("error"), Some("access_denied"));
        assert_eq!(kinds(&app).await, Vec::<String>::new());
    }

    async fn a_refusal_at_the_consent_decision_is_published_too(engine: Engine) {
        let app = TestApp::with(engine, &[("restriction.on_excess", "refuse")]).await;
        let granted = started(&app).await;
        let client = McpClient::registered(&app, &["https://app.example/cb"]).await;
        let mut eve = sign_in(&granted, "eve@acme.example").await;
        let page = eve.visit(&client.url(&[("scope", "openid email")])).await;
        granted.operator.restrict(&client.id, &["openid"], &[]).await;

        let hit = events_of(&app, async || eve.submit(&Form::approving(&page)).await).await;

        assert_eq!(kinds_of(&hit), ["restriction.hit"]);
        assert_eq!((&hit[0].1["withheld"], &hit[0].1["outcome"]), (&json!(["email"]), &json!("refused")));
    }
}
