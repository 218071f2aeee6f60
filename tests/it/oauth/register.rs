//! `POST /api/v2/oauth2/register`.

use serde_json::json;

use crate::support::{START, TestApp};

const PATH: &str = "/api/v2/oauth2/register";

on_both! {
    async fn a_client_is_registered_with_everything_that_was_registered(engine: Engine) {
        let app = TestApp::start(engine).await;

        let answer = app.post(PATH, &json!({
            "client_name": "Example MCP Client",
            "redirect_uris": ["https://example.com/oauth/callback"],
            "scope": "openid profile",
            "client_uri": "https://example.com",
            "unknown": true,
        })).await;

        answer.is(201, &json!({
            "client_id": answer.json()["client_id"],
            "client_id_issued_at": START.seconds(),
            "client_name": "Example MCP Client",
            "redirect_uris": ["https://example.com/oauth/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "scope": "openid profile",
            "client_uri": "https://example.com",
        }));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}
