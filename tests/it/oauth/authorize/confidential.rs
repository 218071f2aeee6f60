//! Authorization requests of clients with a secret.

use grantor::rules::identity::permission::Role;
use serde_json::json;

use crate::support::TestApp;
use crate::support::private_client::PrivateClient;
use crate::support::publishing::{PublishedClient, complete, make_partner, reviewer};

const UNKNOWN: &str = "invalid_request - Invalid client_id parameter value.";

on_both! {
    async fn only_members_of_its_organization_can_authorize_a_private_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let client = PrivateClient::of(&acme, &["openid"]).await;
        let mut eve = acme.person("eve@mail.example", Role::Standard).await;
        umbra.adds_member(&eve, Role::Standard).await;
        let mut bob = umbra.person("bob@mail.example", Role::Admin).await;
        let suggested = umbra.org_id.to_string();

        let allowed = eve.approves(&client.flow.url(&[("dd_oid", &suggested)])).await;
        let foreign = bob.opens_consent(&client.flow.url(&[])).await;
        let silently = bob.open(&client.flow.url(&[("prompt", "none")])).await;

        let received = client.flow.redirect_params(&allowed);
        assert_eq!(received.get("dd_oid"), Some(acme.org_id.to_string().as_str()), "no choice is asked");
        for page in [foreign, silently] {
            assert_eq!(page.status, 400);
            assert!(page.text.contains(UNKNOWN), "{}", page.text);
        }
    }

    async fn another_redirect_is_not_followed(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = PrivateClient::of(&acme, &["openid"]).await;
        let mut eve = acme.person("eve@mail.example", Role::Standard).await;

        let page = eve.open(&client.flow.url(&[("redirect_uri", "https://pager.example/other")])).await;

        assert_eq!(page.status, 400);
        assert!(page.text.contains("invalid_request - Mismatching redirect URI."), "{}", page.text);
    }

    async fn a_client_gets_its_configured_scopes_and_no_others(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = PrivateClient::of(&acme, &["openid", "mcp_read"]).await;
        let mut eve = acme.person("eve@mail.example", Role::Standard).await;

        let beyond = eve.open(&client.flow.url(&[("scope", "openid mcp_write")])).await;
        let all = eve.approves(&client.flow.url(&[])).await;

        client.flow.is_refused(&beyond, "invalid_scope", "mcp_write is not among the scopes of this client: its owner can add it");
        let form = [("grant_type", "authorization_code"), ("code", &client.flow.code(&all)), ("redirect_uri", &client.flow.redirect_uri), ("code_verifier", crate::support::flow::VERIFIER)];
        assert_eq!(client.post("/oauth2/v1/token", &form).await.json()["scope"], "mcp_read openid");
    }

    async fn the_default_of_the_organization_is_for_public_clients(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = PrivateClient::of(&acme, &["openid", "mcp_read"]).await;
        let mut eve = acme.person("eve@mail.example", Role::Standard).await;
        let default = json!({"data": {"type": "upsert_scopes_restriction", "attributes": {"oidc_scopes": ["openid"]}}});
        assert_eq!(acme.post("/api/v2/oauth2/default_scopes_restriction", &default).await.status, 200);

        let page = eve.opens_consent(&client.flow.url(&[])).await;
        acme.restrict(&client.flow.id, &["openid"], &[]).await;
        let restricted = eve.visit(&client.flow.url(&[])).await;

        assert!(page.text.contains("value=\"mcp_read\""), "{}", page.text);
        assert!(!restricted.text.contains("value=\"mcp_read\""), "{}", restricted.text);
    }

    async fn pkce_with_plain_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = PrivateClient::of(&acme, &["openid"]).await;
        let mut eve = acme.person("eve@mail.example", Role::Standard).await;

        let plain = eve.open(&client.flow.url(&[("code_challenge_method", "plain")])).await;
        let without_method = eve.open(&client.flow.url(&[("code_challenge_method", "")])).await;

        for answer in [plain, without_method] {
            assert_eq!(client.flow.redirect_params(&answer).get("error"), Some("invalid_request"));
        }
    }

    async fn the_consent_page_names_the_owner_and_the_review(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let private = PrivateClient::of(&acme, &["openid"]).await;
        let mut attributes = complete();
        attributes["name"] = json!("Buzzer");
        let published = PublishedClient::of(&acme, &judge, attributes).await;
        let mut eve = acme.person("eve@acme.example", Role::Standard).await;
        let mut bob = umbra.person("bob@umbra.example", Role::Standard).await;

        let own = eve.opens_consent(&private.flow.url(&[])).await;
        let foreign = bob.opens_consent(&published.client.flow.url(&[])).await;

        assert!(own.text.contains("private client of") && !own.text.contains("unverified"), "{}", own.text);
        assert!(foreign.text.contains("reviewed by the operator of this server on"), "{}", foreign.text);
        assert!(!foreign.text.contains("unverified"), "{}", foreign.text);
    }
}
