//! `POST /oauth2/v1/token` with an authorization code: successful responses.

mod confidential;
mod lifetime;
mod refresh;
mod refusals;

use std::time::Duration;

use axum::http::Method;
use grantor::actions::audit::AuditActor;
use grantor::actions::signing_keys::rotate;
use grantor::actions::signing_keys::rotate::TakeOver;
use grantor::rules::authorization::request::AuthorizationRequest;
use serde_json::{Value, json};

use crate::support::errors::oauth;
use crate::support::granted::{
    Granted, MCP, REDIRECT, TOKEN, Tokens, VERIFIER, asks, form, opened, registered,
};
use crate::support::{Answer, Engine, START, TestApp, request};

const SECOND: &str = "https://second.example";

/// The members of every response with a refresh token, whatever its tokens are.
fn answer_with(answer: &Answer, scope: &str, more: Value) -> Value {
    let response = answer.json();
    let mut expected = json!({
        "access_token": response["access_token"],
        "token_type": "Bearer",
        "expires_in": 3600,
        "refresh_token": response["refresh_token"],
        "scope": scope,
    });
    for (name, value) in more.as_object().expect("members") {
        expected[name] = value.clone();
    }
    expected
}

fn access_token_claims(
    granted: &Granted<'_>,
    response: &Value,
    audience: Value,
    scope: &str,
) -> Value {
    json!({
        "iss": granted.app.app.issuer.name,
        "sub": granted.user.id,
        "aud": audience,
        "exp": START.seconds() + 3_600,
        "iat": START.seconds(),
        "auth_time": START.seconds(),
        "jti": response["jti"],
        "client_id": granted.client_id,
        "scope": scope,
        "org_id": granted.org_id(),
        "family": response["family"],
    })
}

async fn exchanged_as_json(granted: &Granted<'_>, path: &str, resources: Value) -> Answer {
    let code = granted.code_for(&asks("mcp_read", &[MCP, SECOND])).await;
    let body = json!({
        "grant_type": "authorization_code",
        "client_id": granted.client_id,
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
        "resource": resources,
    });
    granted.app.post(path, &body).await
}

fn kids(jwks: &Value) -> Vec<Value> {
    jwks["keys"].as_array().expect("a list").iter().map(|key| key["kid"].clone()).collect()
}

on_both! {
    async fn a_code_can_be_exchanged_for_tokens(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;

        let answer = granted.exchanged(&granted.code("mcp_read email").await).await;

        answer.is(200, &answer_with(&answer, "email mcp_read", json!({})));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
        assert!(Tokens::of(&answer).refresh.starts_with("rt_"), "{}", answer.text);
    }

    async fn an_access_token_has_the_claims_of_rfc_9068_and_its_origin(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;

        let answer = granted.exchanged(&granted.code_of_mcp("mcp_read openid").await).await;

        let (header, claims) = opened(&Tokens::of(&answer).access);
        let jwks = app.get("/oauth2/v1/jwks").await.json();
        assert_eq!(header, json!({"typ": "at+jwt", "alg": "ES256", "kid": jwks["keys"][0]["kid"]}));
        assert_eq!(claims, access_token_claims(&granted, &claims, json!(MCP), "mcp_read openid"));
    }

    async fn the_setting_selects_the_signing_algorithm(engine: Engine) {
        for algorithm in ["ES256", "EdDSA", "RS256"] {
            let app = TestApp::with(engine, &[("tokens.signing_algorithm", algorithm)]).await;
            let granted = Granted::new(&app).await;

            let tokens = granted.tokens("mcp_read").await;

            assert_eq!(opened(&tokens.access).0["alg"], json!(algorithm));
            assert!(granted.is_active(&tokens.access).await, "{algorithm}");
        }
    }

    async fn without_a_resource_a_token_is_for_this_server(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;

        let answer = granted.exchanged(&granted.code("mcp_read").await).await;

        let (_, claims) = opened(&Tokens::of(&answer).access);
        assert_eq!(claims["aud"], json!(app.app.issuer.name));
    }

    async fn a_resource_that_is_first_named_at_a_refresh_is_ignored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = Tokens::of(&granted.exchanged(&granted.code("mcp_read").await).await);

        let late = [("resource", MCP), ("resource", "https://nobody.example/mcp")];
        let refreshed = Tokens::of(&granted.refreshed_with(&first.refresh, &late).await);
        let again = Tokens::of(&granted.refreshed(&refreshed.refresh).await);

        for tokens in [first, refreshed, again] {
            assert_eq!(opened(&tokens.access).1["aud"], json!(app.app.issuer.name));
            assert!(!granted.is_active(&tokens.access).await, "it is for no resource");
        }
    }

    async fn a_token_is_for_every_granted_resource(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;

        let answer = granted.exchanged(&granted.code_for(&asks("mcp_read", &[MCP, SECOND])).await).await;

        assert_eq!(opened(&Tokens::of(&answer).access).1["aud"], json!([MCP, SECOND]));
    }

    async fn every_spelling_of_a_resource_is_the_same_resource(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        for spelling in [MCP, "https://mcp.example/v1/", "HTTPS://MCP.example/v1", "https://mcp.example:443/v1"] {
            let code = granted.code_of_mcp("mcp_read").await;

            let answer = form(&app, TOKEN, &[granted.exchange(&code), vec![("resource", spelling)]].concat()).await;

            assert_eq!(opened(&Tokens::of(&answer).access).1["aud"], json!(MCP), "{spelling}");
            assert!(granted.is_active(&Tokens::of(&answer).access).await, "{spelling}");
        }
    }

    async fn the_setting_decides_about_unknown_resources(engine: Engine) {
        for (policy, expected) in [("accept", None), ("refuse", Some("invalid_target"))] {
            let app = TestApp::with(engine, &[("resources.unknown", policy)]).await;
            let granted = Granted::new(&app).await;
            let query = form_urlencoded::Serializer::new(String::new())
                .extend_pairs([
                    ("response_type", "code"), ("client_id", &granted.client_id), ("redirect_uri", REDIRECT),
                    ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
                    ("code_challenge_method", "S256"), ("scope", "mcp_read"),
                ])
                .finish();
            for (resource, expected) in [(MCP, None), ("https://mcp.example/v1/", None), (SECOND, expected)] {
                let answer = app.get(&format!("/oauth2/v1/authorize?{query}&resource={resource}")).await;

                let location = answer.header("location").unwrap_or_default();
                let (_, query) = location.split_once('?').unwrap_or_default();
                let error = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "error");
                assert_eq!(error.map(|(_, value)| value.into_owned()).as_deref(), expected, "{policy} {location}");
                assert_eq!(location.starts_with(REDIRECT), expected.is_some(), "{policy} {location}");
            }
        }
    }

    async fn an_exchange_can_select_one_resource_and_a_refresh_has_all_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let code = granted.code_for(&asks("mcp_read", &[MCP, SECOND])).await;

        let narrowed = form(&app, TOKEN, &[granted.exchange(&code), vec![("resource", SECOND)]].concat()).await;
        let refreshed = granted.refreshed(&Tokens::of(&narrowed).refresh).await;

        assert_eq!(opened(&Tokens::of(&narrowed).access).1["aud"], json!(SECOND));
        assert_eq!(opened(&Tokens::of(&refreshed).access).1["aud"], json!([MCP, SECOND]));
    }

    async fn a_json_body_works_at_both_paths(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        for path in [TOKEN, "/api/v2/oauth2/token"] {
            for (resources, audience) in [(json!([MCP, SECOND]), json!([MCP, SECOND])), (json!(MCP), json!(MCP))] {
                let answer = exchanged_as_json(&granted, path, resources).await;

                answer.is(200, &answer_with(&answer, "mcp_read", json!({})));
                assert_eq!(opened(&Tokens::of(&answer).access).1["aud"], audience, "{path}");
            }
        }
    }

    async fn the_setting_enables_the_path_of_the_first_mcp_revision(engine: Engine) {
        for (setting, expected) in [("true", 200), ("false", 404)] {
            let app = TestApp::with(engine, &[("http.fallback_paths", setting)]).await;
            let granted = Granted::new(&app).await;
            let code = granted.code("mcp_read").await;

            let by_short_path = form(&app, "/token", &granted.exchange(&code)).await;

            assert_eq!(by_short_path.status.as_u16(), expected, "{}", by_short_path.text);
        }
    }

    async fn the_openid_scope_returns_an_id_token(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let request = AuthorizationRequest { nonce: Some("n-0S6".to_owned()), ..asks("openid email", &[MCP]) };

        let answer = granted.exchanged(&granted.code_for(&request).await).await;

        let id_token = answer.json()["id_token"].clone();
        answer.is(200, &answer_with(&answer, "email openid", json!({"id_token": id_token})));
        let (header, claims) = opened(id_token.as_str().expect("an ID token"));
        assert_eq!((&header["typ"], &header["alg"]), (&json!("JWT"), &json!("ES256")));
        assert_eq!(claims, json!({
            "iss": app.app.issuer.name,
            "sub": granted.user.id,
            "aud": granted.client_id,
            "exp": START.seconds() + 3_600,
            "iat": START.seconds(),
            "auth_time": START.seconds(),
            "nonce": "n-0S6",
            "email": "admin@acme.example",
            "email_verified": true,
        }));
    }

    async fn an_id_token_has_a_nonce_only_if_one_was_sent(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let request = AuthorizationRequest { nonce: Some("n-0S6".to_owned()), ..asks("openid", &[]) };
        let nonce = |answer: &Answer| {
            let id_token = answer.json()["id_token"].as_str().expect("an ID token").to_owned();
            opened(&id_token).1.get("nonce").cloned()
        };

        let with = granted.exchanged(&granted.code_for(&request).await).await;
        let without = granted.exchanged(&granted.code("openid").await).await;

        assert_eq!([nonce(&with), nonce(&without)], [Some(json!("n-0S6")), None]);
    }

    async fn an_id_token_is_not_accepted_as_an_access_token(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let answer = granted.exchanged(&granted.code_of_mcp("openid").await).await;

        let response = granted.introspected(answer.json()["id_token"].as_str().expect("an ID token")).await;

        assert_eq!(response, json!({"active": false}));
    }

    async fn a_client_without_offline_access_gets_a_refresh_token(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;

        let with = granted.exchanged(&granted.code("mcp_read offline_access").await).await;
        let without = granted.exchanged(&granted.code("mcp_read").await).await;

        with.is(200, &answer_with(&with, "mcp_read offline_access", json!({})));
        without.is(200, &answer_with(&without, "mcp_read", json!({})));
    }

    async fn a_client_that_did_not_register_refresh_tokens_gets_none(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut granted = Granted::new(&app).await;
        granted.client_id = registered(&app, "Without", &["authorization_code"]).await;

        let answer = granted.exchanged(&granted.code("mcp_read").await).await;

        answer.is(200, &json!({
            "access_token": answer.json()["access_token"],
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": "mcp_read",
        }));
    }

    async fn the_setting_limits_how_long_an_access_token_is_valid(engine: Engine) {
        let app = TestApp::with(engine, &[("tokens.access_ttl", "60")]).await;
        let granted = Granted::new(&app).await;

        let answer = granted.exchanged(&granted.code_of_mcp("mcp_read").await).await;

        let tokens = Tokens::of(&answer);
        assert_eq!((&answer.json()["expires_in"], &opened(&tokens.access).1["exp"]),
            (&json!(60), &json!(START.seconds() + 60)));
        app.clock.advance(Duration::from_secs(59));
        assert!(granted.is_active(&tokens.access).await);
        app.clock.advance(Duration::from_secs(1));
        assert!(!granted.is_active(&tokens.access).await);
    }

    async fn a_code_is_valid_for_a_minute_or_the_configured_time(engine: Engine) {
        for (settings, seconds) in [(vec![], 60), (vec![("tokens.code_ttl", "600")], 600)] {
            let app = TestApp::with(engine, &settings).await;
            let granted = Granted::new(&app).await;
            let (early, late) = (granted.code("mcp_read").await, granted.code("mcp_read").await);

            app.clock.advance(Duration::from_secs(seconds - 1));
            let in_time = granted.exchanged(&early).await;
            app.clock.advance(Duration::from_secs(2));
            let too_late = granted.exchanged(&late).await;

            assert_eq!(in_time.status, 200, "{}", in_time.text);
            too_late.is(400, &oauth("invalid_grant", "Invalid code or code verifier"));
        }
    }

    async fn every_consent_of_a_user_is_recorded_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;

        for scope in ["mcp_read", "mcp_read", "mcp_read email"] {
            granted.tokens(scope).await;
        }

        let given: Vec<_> = granted.events().await.into_iter().filter(|event| event.action == "grant.given").collect();
        let [first, second] = given.as_slice() else { panic!("{given:?}") };
        assert_eq!((&first.before, &first.after), (&None, &Some(json!({"scopes": ["mcp_read"]}))));
        assert_eq!(second.before, Some(json!({"scopes": ["mcp_read"]})));
        assert_eq!(second.after, Some(json!({"scopes": ["email", "mcp_read"]})));
        assert_eq!(first.subject, second.subject);
        assert!(first.subject.ends_with(&format!(" client:{}", granted.client_id)), "{}", first.subject);
    }

    async fn tokens_of_an_older_key_stay_valid_after_a_rotation(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let before = granted.tokens("mcp_read").await;
        let rules = app.app.signing_rules();

        rotate::rotate_signing_keys(
            app.context(), rules.algorithm, TakeOver::Now, &AuditActor::COMMAND_LINE,
        ).await.expect("a new key");
        app.app.issuer.signing.reload().await.expect("is read");
        let after = granted.tokens("mcp_read").await;

        let (old, new) = (opened(&before.access).0["kid"].clone(), opened(&after.access).0["kid"].clone());
        assert_ne!(old, new);
        let published = kids(&app.get("/oauth2/v1/jwks").await.json());
        assert!(published.contains(&old) && published.contains(&new), "{published:?}");
        assert!(granted.is_active(&before.access).await && granted.is_active(&after.access).await);
        let replica = app.replica().await;
        assert!(granted.on(&replica).is_active(&before.access).await, "also where it was never seen");
    }
}

#[tokio::test]
async fn token_requests_over_the_limit_get_retry_after() {
    let app = TestApp::with(Engine::Sqlite, &[("limits.token_per_minute", "2")]).await;
    let peer = grantor::http::Peer("192.0.2.1:1".parse().expect("an address"));
    let post = async || {
        let request = request(Method::POST, TOKEN)
            .header("content-type", "application/x-www-form-urlencoded");
        app.ask(request.extension(peer)).await
    };

    let (first, second) = (post().await, post().await);
    app.clock.advance(Duration::from_secs(30));
    let later = post().await;

    first.is(400, &oauth("invalid_request", "grant_type is missing: it is required"));
    second.is(429, &json!({"errors": ["Too many requests"]}));
    let names = ["retry-after", "x-ratelimit-limit", "x-ratelimit-period", "x-ratelimit-remaining"];
    assert_eq!(names.map(|name| second.header(name)), ["30", "2", "60", "0"].map(Some));
    assert_eq!(later.status, 400);
}
