//! The effect of the user's role on the scopes of a client, at authorization and refresh.

use grantor::rules::identity::permission::Role;
use grantor::rules::scope::ScopeSet;

use crate::support::TestApp;
use crate::support::flow::{Form, McpClient};
use crate::support::granted::Granted;

const REDIRECT: &str = "https://app.example/cb";

on_both! {
    async fn a_read_only_user_is_not_offered_write_scopes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let scope = "openid mcp_read mcp_write monitors_downtime timeseries_query";
        let mut reader = acme.person("reader@mail.example", Role::ReadOnly).await;
        let mut developer = acme.person("developer@mail.example", Role::Standard).await;

        let page = reader.opens_consent(&client.url(&[("scope", scope)])).await;
        let of_developer = developer.opens_consent(&client.url(&[("scope", scope)])).await;

        let offered = |page: &str, name: &str| page.contains(&format!("name=\"scope\" value=\"{name}\""));
        for name in ["mcp_write", "monitors_downtime"] {
            assert!(!offered(&page.text, name) && offered(&of_developer.text, name), "{name}: {}", page.text);
        }
        for name in ["mcp_read", "timeseries_query"] {
            assert!(offered(&page.text, name) && offered(&of_developer.text, name), "{name}");
        }
        // Scopes that a form adds to those of the page are not granted either.
        let form = Form::approving(&page).and("scope", "mcp_write");
        assert_eq!(client.scopes(&reader.submit(&form).await).await, "mcp_read openid timeseries_query");
    }

    async fn only_write_scopes_are_refused_to_a_read_only_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut reader = app.operator("Acme").await.person("reader@mail.example", Role::ReadOnly).await;
        reader.signs_in().await;

        let answer = reader.visit(&client.url(&[("scope", "mcp_write")])).await;

        client.is_refused(
            &answer,
            "invalid_scope",
            "mcp_write is not permitted by the role of the user: an administrator of the organization can change the role",
        );
    }

    async fn a_refresh_uses_the_current_role_of_the_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read mcp_write").await;
        app.execute("UPDATE memberships SET role = 'read_only'").await;

        let refreshed = granted.refreshed(&tokens.refresh).await;

        assert_eq!(refreshed.status, 200, "{}", refreshed.text);
        let scope = ScopeSet::parse(refreshed.json()["scope"].as_str().expect("a scope")).expect("scopes");
        assert_eq!(scope.to_string(), "mcp_read");
    }
}
