//! `/oauth2/v1/authorize`: accepted parameters and their effect. `fatal.rs` and `refusals.rs` have
//! the errors, `pending.rs` has pending requests.

mod confidential;
mod documents;
mod fatal;
mod pending;
mod refusals;
mod resources;
mod sign_in;

use std::time::Duration;

use axum::http::Method;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use grantor::http::Peer;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::db::fixtures::execute;
use crate::support::flow::{AUTHORIZE, Form, McpClient, RedirectParams, STATE, choosing};
use crate::support::granted::{INTROSPECT, TOKEN, form, insert_resource};
use crate::support::{Answer, Reply, START, Site, TestApp, request};

const REDIRECT: &str = "https://app.example/cb";
const EVE: &str = "eve@mail.example";
const MINUTE: Duration = Duration::from_secs(60);
const ON_LOOPBACK: (&str, &str) = ("client_documents.allow_loopback", "true");
const NOBODY: &str = "72b68208-36a6-81f0-b21b-da7ad0900002";

fn document(url: &str) -> Reply {
    Reply::json(json!({"client_id": url, "client_name": "Editor", "redirect_uris": [REDIRECT]}))
}

/// A browser opens the authorization URL of this client.
async fn named_from(app: &TestApp, peer: &str, client_id: &str) -> Answer {
    let client = McpClient { app, id: client_id.to_owned(), redirect_uri: REDIRECT.to_owned() };
    let request = request(Method::GET, &client.url(&[])).header("accept", "text/html");
    let request = request.extension(Peer(peer.parse().expect("an address")));
    app.ask(request).await
}

fn text<'a>(tokens: &'a Value, member: &str) -> &'a str {
    tokens[member].as_str().expect("a text")
}

fn claims(tokens: &Value) -> Value {
    let token = tokens["access_token"].as_str().expect("a token");
    let payload = BASE64_URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).expect("a payload"))
        .expect("base64url");
    serde_json::from_slice(&payload).expect("JSON")
}

on_both! {
    async fn a_user_signs_in_and_agrees_and_the_client_gets_a_code_and_its_site(engine: Engine) {
        let app = TestApp::with(engine, &[("http.public_url", "https://app.grantor.example")]).await;
        let acme = app.operator("Acme & Söhne").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;

        let answer = eve.approves(&client.url(&[])).await;

        let code = client.code(&answer);
        let org_id = acme.org_id.to_string();
        let expected = [
            ("code", code.as_str()),
            ("state", STATE),
            ("iss", "https://app.grantor.example"),
            ("domain", "grantor.example"),
            ("site", "https://app.grantor.example"),
            ("dd_oid", &org_id),
            ("dd_org_name", "Acme & Söhne"),
        ];
        assert_eq!(client.redirect_params(&answer), RedirectParams::of(&expected));
        assert_eq!(answer.text, "");
        let tokens = client.exchange(&code, &[]).await;
        let claims = claims(&tokens.json());
        assert_eq!(
            [&claims["sub"], &claims["org_id"], &claims["client_id"], &claims["auth_time"], &claims["iss"]],
            [
                &json!(eve.user_id().await.to_string()),
                &json!(org_id),
                &json!(client.id),
                &json!(START.seconds()),
                &json!("https://app.grantor.example"),
            ],
        );
    }

    async fn a_client_without_a_state_gets_none(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;

        let answer = acme.person(EVE, Role::Standard).await.approves(&client.url(&[("state", "")])).await;

        assert_eq!(client.redirect_params(&answer).names(), ["code", "iss", "domain", "site", "dd_oid", "dd_org_name"]);
    }

    async fn a_request_may_be_sent_as_a_form(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let query = client.query(&[]);
        let fields = form_urlencoded::parse(query.as_bytes()).into_owned().collect();

        let begun = eve.submit(&Form { action: AUTHORIZE.to_owned(), fields }).await;
        let page = eve.follow(begun).await;
        let page = eve.signs_in_on(&page).await;
        let answer = eve.submit(&Form::approving(&page)).await;

        client.code(&answer);
    }

    async fn a_loopback_redirect_may_use_any_port(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let cases = [
            ("http://127.0.0.1:33418/cb", "http://127.0.0.1:51000/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51000/cb"),
            ("http://localhost/callback", "http://localhost:3118/callback"),
            ("http://localhost/port80", "http://localhost:80/port80"),
            ("http://[::1]:1/cb", "http://[::1]:2/cb"),
        ];
        for (registered, used) in cases {
            let mut client = McpClient::registered(&app, &[registered]).await;
            client.redirect_uri = used.to_owned();

            let answer = eve.approves(&client.url(&[])).await;

            let code = client.code(&answer);
            let elsewhere = client.exchange(&code, &[("redirect_uri", registered)]).await;
            assert_eq!(
                (elsewhere.status.as_u16(), &elsewhere.json()["error"]),
                (400, &json!("invalid_grant")),
                "{used}"
            );
        }
    }

    async fn a_client_of_an_earlier_version_keeps_its_redirect_uri(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut client = McpClient::registered(&app, &[REDIRECT]).await;
        execute(
            &app,
            engine,
            "UPDATE clients SET metadata = replace(metadata, 'https://app.example/cb', 'https://App.example:443/cb')",
            "UPDATE clients
                SET metadata = replace(metadata::text, 'https://app.example/cb', 'https://App.example:443/cb')::jsonb",
        )
        .await;
        client.redirect_uri = "https://App.example:443/cb".to_owned();
        let mut eve = acme.person(EVE, Role::Standard).await;

        let answer = eve.approves(&client.url(&[])).await;
        let tokens = client.exchange(&client.code(&answer), &[]).await;
        let again = eve.open(&client.url(&[])).await;

        assert_eq!(tokens.status, 200, "{}", tokens.text);
        let is_at_client = again.header("location").is_some_and(|to| to.starts_with(&client.redirect_uri));
        assert!(is_at_client, "it was agreed to: {again:?}");
    }

    async fn a_redirect_may_use_a_private_scheme(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        for redirect in ["cursor://anysphere.cursor-mcp/oauth/callback", "com.example.app:/cb"] {
            let client = McpClient::registered(&app, &[redirect]).await;

            let answer = eve.approves(&client.url(&[])).await;

            assert!(client.exchange(&client.code(&answer), &[]).await.json()["access_token"].is_string(), "{redirect}");
        }
    }

    async fn an_omitted_redirect_uri_is_omitted_at_the_exchange_too(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;

        let answer = acme.person(EVE, Role::Standard).await.approves(&client.url(&[("redirect_uri", "")])).await;

        let tokens = client.exchange(&client.code(&answer), &[("redirect_uri", "")]).await;
        assert_eq!(tokens.status, 200, "{}", tokens.text);
    }

    async fn unknown_parameters_are_ignored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let unknown = [
            ("unheard_of", "1"),
            ("audience", "https://api.example"),
            ("claims", "{}"),
            ("id_token_hint", "x.y.z"),
            ("display", "popup"),
            ("ui_locales", "de"),
            ("csrf", "x"),
        ];

        let answer = acme.person(EVE, Role::Standard).await.approves(&client.url(&unknown)).await;

        assert_eq!(client.scopes(&answer).await, "email mcp_read openid profile");
    }

    async fn an_omitted_scope_means_the_registered_or_default_scopes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let plain = McpClient::registered(&app, &[REDIRECT]).await;
        let registered = json!({"client_name": "Other", "scope": "openid dashboards_read"});
        let registered = McpClient::registered_with(&app, &[REDIRECT], registered).await;

        let defaults = eve.approves(&plain.url(&[])).await;
        let blank = eve.approves(&plain.url(&[("scope", " ")])).await;
        let of_client = eve.approves(&registered.url(&[])).await;
        let beyond = eve.approves(&registered.url(&[("scope", "openid metrics_read")])).await;

        assert_eq!(plain.scopes(&defaults).await, "email mcp_read openid profile");
        assert_eq!(plain.scopes(&blank).await, "email mcp_read openid profile");
        assert_eq!(registered.scopes(&of_client).await, "dashboards_read openid");
        assert_eq!(registered.scopes(&beyond).await, "metrics_read openid");
    }

    async fn probes_for_a_known_client_get_a_redirect(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;

        let looked = app.get(&client.url(&[])).await;
        let again = app.get(&client.url(&[])).await;

        for answer in [looked, again] {
            assert_eq!(answer.status, 303);
            assert!(answer.header("location").is_some_and(|to| to.starts_with("/login?request=")), "{answer:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
}
