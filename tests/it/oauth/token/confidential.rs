//! Tokens of clients with a secret: authentication, refresh tokens that stay, and their scopes.

use std::time::Duration;

use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::flow::{McpClient, Person};
use crate::support::private_client::{PrivateClient, REDIRECT, basic, post};
use crate::support::{Answer, TestApp, TestOperator};

const TOKEN: &str = "/oauth2/v1/token";
const INTROSPECT: &str = "/oauth2/v1/introspect";
const REVOKE: &str = "/oauth2/v1/revoke";

async fn stage(app: &TestApp) -> (TestOperator<'_>, PrivateClient<'_>, Person<'_>) {
    let acme = app.operator("Acme").await;
    let eve = acme.person("eve@acme.example", Role::Standard).await;
    let client = PrivateClient::of(&acme, &["openid", "mcp_read", "mcp_write"]).await;
    (acme, client, eve)
}

fn without_pkce(client: &PrivateClient<'_>) -> String {
    client.flow.url(&[("code_challenge", ""), ("code_challenge_method", "")])
}

async fn code(client: &PrivateClient<'_>, eve: &mut Person<'_>) -> String {
    let answer = eve.approves(&without_pkce(client)).await;
    client.flow.code(&answer)
}

async fn tokens(client: &PrivateClient<'_>, eve: &mut Person<'_>) -> Value {
    let code = code(client, eve).await;
    let answer = client.exchange(&code).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().expect("text")
}

fn failed(answer: &Answer) {
    answer.is(
        401,
        &json!({"error": "invalid_client", "error_description": "client authentication failed"}),
    );
    assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"grantor\""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

on_both! {
    async fn header_and_body_both_authenticate_and_everything_else_fails_alike(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let other = PrivateClient::of(&acme, &["openid"]).await;
        let refresh = text(&tokens(&client, &mut eve).await, "refresh_token").to_owned();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        let id = client.flow.id.as_str();
        let in_body = |secret| [form[0], form[1], ("client_id", id), ("client_secret", secret)];

        assert_eq!(client.post(TOKEN, &form).await.status, 200);
        assert_eq!(post(&client, TOKEN, &in_body(&client.secret), None).await.status, 200);
        let json_body = json!({"grant_type": "refresh_token", "refresh_token": refresh, "client_id": id, "client_secret": client.secret});
        assert_eq!(app.post(TOKEN, &json_body).await.status, 200);

        let wrong = [client.secret.replace("gcs_", "gcs-"), other.secret.clone(), String::new()];
        for secret in &wrong {
            failed(&post(&client, TOKEN, &form, Some(&basic(id, secret))).await);
        }
        failed(&post(&client, TOKEN, &in_body(&other.secret), None).await);
        failed(&post(&client, TOKEN, &[form[0], form[1], ("client_id", id)], None).await);
    }

    async fn a_secret_is_sent_in_one_way_and_for_one_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, _eve) = stage(&app).await;
        let form = |more| [("grant_type", "refresh_token"), ("refresh_token", "rt_x"), more];
        let refused = async |path: &str, form: &[(&str, &str)]| client.post(path, form).await;

        let twice = refused(TOKEN, &form(("client_secret", &client.secret))).await;
        let other = refused(TOKEN, &form(("client_id", "00000000-0000-4000-8000-000000000000"))).await;
        let same = refused(TOKEN, &form(("client_id", &client.flow.id))).await;
        let in_url = format!("{TOKEN}?client_secret={}", client.secret);
        let in_url = post(&client, &in_url, &form(("client_id", &client.flow.id)), None).await;

        let text = "send the secret in one way only: in the Authorization header, or as client_secret";
        twice.is(400, &json!({"error": "invalid_request", "error_description": text}));
        assert_eq!((other.status.as_u16(), other.json()["error"].as_str()), (400, Some("invalid_request")));
        assert_eq!(same.json()["error"], "invalid_grant");
        assert_eq!((in_url.status.as_u16(), in_url.json()["error"].as_str()), (400, Some("invalid_request")));
        for path in [format!("{INTROSPECT}?client_secret=x&y=%zz"), format!("{REVOKE}?client_secret=")] {
            let refused = client.post(&path, &[("token", "x")]).await;
            assert_eq!((refused.status.as_u16(), refused.json()["error"].as_str()), (400, Some("invalid_request")), "{path}");
        }
        let upper = client.flow.id.to_uppercase();
        assert_eq!(refused(TOKEN, &form(("client_id", &upper))).await.json()["error"], "invalid_grant");
    }

    async fn a_secret_for_an_unknown_client_fails_like_a_wrong_one(engine: Engine) {
        let app = TestApp::with(engine, &[("limits.failed_keys_per_minute", "4")]).await;
        let (_acme, client, _eve) = stage(&app).await;
        let unknown = basic("0190a0b0-36a6-7000-b21b-da7ad0900002", &client.secret);
        let form = [("grant_type", "refresh_token"), ("refresh_token", "rt_x"), ("token", "x")];

        for path in [TOKEN, REVOKE, INTROSPECT, TOKEN] {
            failed(&post(&client, path, &form, Some(&unknown)).await);
        }
        assert_eq!(post(&client, TOKEN, &form, Some(&unknown)).await.status, 429);
    }

    async fn clients_without_a_secret_notice_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person("eve@acme.example", Role::Standard).await;
        let public = McpClient::registered(&app, &[REDIRECT]).await;
        let code = public.code(&eve.approves(&public.url(&[])).await);
        let with = async |authorization: &str| {
            let form = [("grant_type", "refresh_token"), ("refresh_token", "rt_x"), ("client_id", public.id.as_str())];
            let as_private = PrivateClient { flow: McpClient { app: &app, id: public.id.clone(), redirect_uri: REDIRECT.to_owned() }, secret: String::new() };
            post(&as_private, TOKEN, &form, Some(authorization)).await
        };

        assert_eq!(with(&basic(&public.id, "")).await.json()["error"], "invalid_grant", "some libraries probe this way");
        assert_eq!(with(&basic(&public.id, "gcs_x")).await.status, 401);
        let ignored = public.exchange(&code, &[("client_secret", "gcs_x")]).await;
        assert_eq!(ignored.status, 200, "{}", ignored.text);
    }

    async fn a_refresh_token_works_repeatedly_and_stays_the_same(engine: Engine) {
        let settings = [("tokens.refresh_idle_ttl", "3600"), ("tokens.refresh_ttl", "7200")];
        let app = TestApp::with(engine, &settings).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let first = tokens(&client, &mut eve).await;
        let refresh = text(&first, "refresh_token");

        for _ in 0..3 {
            app.clock.advance(Duration::from_secs(86_400));
            let again = client.refresh(refresh).await;

            assert_eq!(again.status, 200, "{}", again.text);
            let again = again.json();
            assert_eq!(text(&again, "refresh_token"), refresh);
            assert_ne!(text(&again, "access_token"), text(&first, "access_token"));
            assert!(is_active(&client, text(&again, "access_token")).await);
        }

        let revoked = client.post(REVOKE, &[("token", refresh)]).await;
        assert_eq!((revoked.status.as_u16(), client.refresh(refresh).await.json()["error"].as_str()), (200, Some("invalid_grant")));
    }

    async fn pkce_is_optional_and_binds_once_it_was_used(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let verifier = crate::support::flow::VERIFIER;
        let refused = json!({"error": "invalid_grant", "error_description": "Invalid code or code verifier"});
        let exchange = async |code: &str, verifier: Option<&str>| {
            let mut form = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
            form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
            client.post(TOKEN, &form).await
        };

        let plain = code(&client, &mut eve).await;
        exchange(&plain, Some(verifier)).await.is(400, &refused);
        assert_eq!(exchange(&plain, None).await.status, 200);
        let bound = client.flow.code(&eve.visit(&client.flow.url(&[])).await);
        exchange(&bound, None).await.is(400, &refused);
        assert_eq!(exchange(&bound, Some(verifier)).await.status, 200);
    }

    async fn scopes_that_were_taken_away_are_missing_at_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let tokens = tokens(&client, &mut eve).await;
        assert_eq!(tokens["scope"], "mcp_read mcp_write openid");

        let less = json!({"data": {"id": client.flow.id, "type": "oauth2_clients", "attributes": {"scopes": ["openid", "mcp_read"]}}});
        assert_eq!(acme.patch(&client.path(), &less).await.status, 200);

        let introspected = client.post(INTROSPECT, &[("token", text(&tokens, "access_token"))]).await.json();
        assert_eq!(introspected["scope"], "mcp_read openid");
        let refreshed = client.refresh(text(&tokens, "refresh_token")).await.json();
        assert_eq!(refreshed["scope"], "mcp_read openid");
    }

    async fn a_client_introspects_its_own_tokens_only(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let other = PrivateClient::of(&acme, &["openid"]).await;
        let tokens = tokens(&client, &mut eve).await;
        let access = text(&tokens, "access_token");

        assert!(is_active(&client, access).await);
        assert!(!is_active(&other, access).await && !is_active(&client, "unknown").await);
        failed(&post(&client, INTROSPECT, &[("token", access)], Some(&basic(&client.flow.id, &other.secret))).await);
    }

    async fn the_previous_secret_works_until_its_time_and_no_longer(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let (acme, client, mut eve) = stage(&app).await;
        let refresh = text(&tokens(&client, &mut eve).await, "refresh_token").to_owned();
        let overlap = json!({"data": {"type": "client_secrets", "attributes": {"overlap_until": "2026-01-02T04:00:00Z"}}});
        let made = acme.post(&format!("{}/client_secret/regenerate", client.path()), &overlap).await.json();
        let new = made["data"]["attributes"]["client_secret"].as_str().expect("a secret").to_owned();
        let with = |app, secret: &str| PrivateClient {
            flow: McpClient { app, id: client.flow.id.clone(), redirect_uri: REDIRECT.to_owned() },
            secret: secret.to_owned(),
        };

        assert_eq!(client.refresh(&refresh).await.status, 200);
        assert_eq!(with(&replica, &new).refresh(&refresh).await.status, 200);
        app.clock.advance(Duration::from_secs(3_600));
        replica.clock.advance(Duration::from_secs(3_600));
        failed(&client.refresh(&refresh).await);
        failed(&with(&replica, &client.secret).refresh(&refresh).await);
        assert_eq!(with(&replica, &new).refresh(&refresh).await.status, 200);
    }

    async fn a_deleted_client_and_its_tokens_end_at_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let tokens = tokens(&client, &mut eve).await;
        let resource = ("token", text(&tokens, "access_token"));

        assert_eq!(acme.delete(&client.path()).await.status, 204);

        failed(&client.refresh(text(&tokens, "refresh_token")).await);
        failed(&client.post(INTROSPECT, &[resource]).await);
        let page = eve.visit(&without_pkce(&client)).await;
        assert_eq!(page.status, 400);
        assert!(page.text.contains("invalid_request - Invalid client_id parameter value."), "{}", page.text);
    }

    async fn wrong_secrets_are_limited_by_source_and_right_ones_are_not(engine: Engine) {
        let app = TestApp::with(engine, &[("limits.failed_keys_per_minute", "2")]).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let refresh = text(&tokens(&client, &mut eve).await, "refresh_token").to_owned();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        let wrong = basic(&client.flow.id, "gcs_wrong");

        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(post(&client, TOKEN, &form, Some(&wrong)).await.status.as_u16());
        }

        assert_eq!(statuses, [401, 401, 429, 429]);
        assert_eq!(client.refresh(&refresh).await.status, 200);
    }
}

async fn is_active(client: &PrivateClient<'_>, token: &str) -> bool {
    let answer = client.post(INTROSPECT, &[("token", token)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["active"] == true
}
