//! A certified OpenID Connect client with all of its checks enabled, against the program.

use serde_json::json;

use super::script::{node, text};
use crate::support::{Program, Running};

on_both! {
    async fn a_certified_client_can_sign_in_refresh_and_revoke(engine: Engine) {
        let program = Program::on(engine).await;
        let user = program.bootstrap()["user"].clone();
        let _server = program.start();

        let mut client = node("openid_journey.mjs");
        client.args([program.url().as_str(), text(&user["email"]), text(&user["password"])]);
        let output = Running::spawn(client, "").finish().json();

        let client_id = text(&output["client_id"]);
        let expected = json!({
            "did": ["logged in", "authorized"],
            "client_id": client_id,
            "scope": ["email", "openid", "profile"],
            "token_type": "bearer",
            "expires_in": 3600,
            "id_token": {
                "iss": program.url(),
                "aud": client_id,
                "sub": user["id"],
                "claims": [
                    "aud", "auth_time", "email", "email_verified", "exp", "iat", "iss", "nonce", "preferred_username",
                    "sub",
                ],
            },
            "userinfo": {
                "sub": user["id"],
                "email": "admin@acme.example",
                "email_verified": true,
                "preferred_username": "admin",
            },
            "same_userinfo_after_refresh": true,
            "new_access_token": true,
            "new_refresh_token": true,
            "id_token_after_refresh": false,
            "refused": {"refresh": "400 invalid_grant", "userinfo": "401 invalid_token", "code": "400 invalid_grant"},
        });
        assert_eq!(output, expected);
    }
}
