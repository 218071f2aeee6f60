//! The resources of an authorization request and of its tokens.

use super::*;

on_both! {
    async fn a_token_is_for_the_requested_resources(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let two = [("resource", "https://MCP.example:443/"), ("resource", "https://other.example/mcp")];

        let page = eve.opens_consent(&client.url(&two)).await;
        let answer = eve.submit(&Form::approving(&page)).await;

        for resource in ["https://mcp.example", "https://other.example/mcp"] {
            assert!(page.text.contains(&format!("<code>{resource}</code>")), "{}", page.text);
        }
        let tokens = client.exchange(&client.code(&answer), &[]).await.json();
        assert_eq!(claims(&tokens)["aud"], json!(["https://mcp.example", "https://other.example/mcp"]));
    }

    async fn a_token_uses_the_operators_spelling_of_a_resource(engine: Engine) {
        const SPELLED: &str = "https://MCP.example/mcp/";
        const OTHERWISE: &str = "https://mcp.example:443/mcp";
        let app = TestApp::start(engine).await;
        insert_resource(&app, 1, SPELLED, "rs_spelled").await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;

        let page = eve.opens_consent(&client.url(&[("resource", OTHERWISE)])).await;
        let code = client.code(&eve.submit(&Form::approving(&page)).await);
        let first = client.exchange(&code, &[("resource", OTHERWISE)]).await.json();
        let refresh = [
            ("grant_type", "refresh_token"), ("client_id", &client.id), ("resource", OTHERWISE),
            ("refresh_token", text(&first, "refresh_token")),
        ];
        let next = form(&app, TOKEN, &refresh).await.json();
        let again = eve.open(&client.url(&[("resource", SPELLED)])).await;

        assert!(page.text.contains(&format!("<code>{SPELLED}</code>")), "{}", page.text);
        for tokens in [first, next] {
            assert_eq!(claims(&tokens)["aud"], json!(SPELLED));
            let asked = [("client_secret", "rs_spelled"), ("token", text(&tokens, "access_token"))];
            let response = form(&app, INTROSPECT, &asked).await.json();
            assert_eq!((&response["active"], &response["aud"]), (&json!(true), &json!(SPELLED)));
        }
        assert!(again.header("location").is_some_and(|to| to.starts_with(REDIRECT)), "it was agreed to: {again:?}");
    }

    async fn consent_survives_a_new_spelling_of_the_resource(engine: Engine) {
        const SPELLED: &str = "https://MCP.example/mcp/";
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let url = client.url(&[("resource", "https://mcp.example/mcp")]);
        eve.approves(&url).await;

        insert_resource(&app, 1, SPELLED, "rs_spelled").await;
        app.clock.advance(Duration::from_secs(5));
        let again = eve.open(&url).await;

        assert!(again.header("location").is_some_and(|to| to.starts_with(REDIRECT)), "{again:?}");
        assert_eq!(claims(&client.exchange(&client.code(&again), &[]).await.json())["aud"], json!(SPELLED));
    }
}
