//! `POST /oauth2/v1/introspect`.

use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::support::errors::oauth;
use crate::support::granted::{
    Granted, INTROSPECT, MCP, MCP_SECRET, Tokens, asks, form, form_with, insert_resource, opened,
};
use crate::support::{Answer, START, TestApp, request};

const SECOND: &str = "https://second.example";
const SECOND_SECRET: &str = "rs_the-secret-of-the-second-server";

fn inactive() -> Value {
    json!({"active": false})
}

fn assert_unknown_resource(answer: &Answer) {
    let response = oauth(
        "invalid_client",
        "no resource server has this secret: create one with grantor resource create",
    );
    answer.is(401, &response);
    assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"grantor\""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

async fn asked_by(app: &TestApp, secret: &str, token: &str) -> Answer {
    form(app, INTROSPECT, &[("client_secret", secret), ("token", token)]).await
}

on_both! {
    async fn an_active_token_is_returned_completely(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read email").await;
        let claims = opened(&tokens.access).1;

        let answer = asked_by(&app, MCP_SECRET, &tokens.access).await;

        answer.is(200, &json!({
            "active": true,
            "scope": "email mcp_read",
            "client_id": granted.client_id,
            "token_type": "Bearer",
            "exp": START.seconds() + 3_600,
            "iat": START.seconds(),
            "sub": granted.user.id,
            "aud": MCP,
            "iss": app.app.issuer.name,
            "jti": claims["jti"],
            "auth_time": START.seconds(),
            "org_id": granted.org_id(),
            "family": claims["family"],
        }));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }

    async fn a_resource_authenticates_by_basic_bearer_or_in_the_body(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        let token = [("token", tokens.access.as_str()), ("token_type_hint", "access_token")];
        let basic = |pair: String| format!("Basic {}", BASE64_STANDARD.encode(pair));
        let headers = [
            basic(format!("mcp:{MCP_SECRET}")),
            basic(format!(":{MCP_SECRET}")),
            format!("Bearer {MCP_SECRET}"),
            format!("bearer {MCP_SECRET}"),
        ];

        for header in &headers {
            let answer = form_with(&app, INTROSPECT, &token, &[("authorization", header)]).await;

            assert_eq!((answer.status.as_u16(), &answer.json()["active"]), (200, &json!(true)), "{header}");
        }
        let in_body = asked_by(&app, MCP_SECRET, &tokens.access).await;
        assert_eq!(in_body.json()["active"], json!(true));
    }

    async fn callers_without_a_resource_secret_are_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        let token = [("token", tokens.access.as_str())];
        let wrong = format!("Basic {}", BASE64_STANDARD.encode("mcp:wrong"));
        let half = format!("Basic {}", BASE64_STANDARD.encode(MCP_SECRET));
        let own_token = format!("Bearer {}", tokens.access);

        for header in [wrong.as_str(), &half, &own_token, "Basic", "Basic !", "Bearer", "Digest x", "x"] {
            assert_unknown_resource(&form_with(&app, INTROSPECT, &token, &[("authorization", header)]).await);
        }
        assert_unknown_resource(&form(&app, INTROSPECT, &token).await);
        assert_unknown_resource(&asked_by(&app, "wrong", &tokens.access).await);
        assert_unknown_resource(&asked_by(&app, "", &tokens.access).await);
    }

    async fn two_secrets_or_a_missing_token_are_errors(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        let body = [("client_secret", MCP_SECRET), ("token", &tokens.access)];
        let header = format!("Bearer {MCP_SECRET}");

        let two = form_with(&app, INTROSPECT, &body, &[("authorization", &header)]).await;
        let no_token = form(&app, INTROSPECT, &body[..1]).await;
        let twice = form(&app, INTROSPECT, &[body[0], body[1], body[1]]).await;
        let as_json = app.post(INTROSPECT, &json!({"client_secret": MCP_SECRET, "token": tokens.access})).await;

        two.is(400, &oauth(
            "invalid_request", "send the secret in one way only: in the Authorization header, or as client_secret",
        ));
        no_token.is(400, &oauth("invalid_request", "token is missing: it is required"));
        twice.is(400, &oauth("invalid_request", "token is sent more than once: send it once"));
        as_json.is(400, &oauth(
            "invalid_request",
            "the body is not sent as a form: set the header Content-Type: application/x-www-form-urlencoded",
        ));
    }

    async fn every_inactive_token_has_the_same_response(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        insert_resource(&app, 2, SECOND, SECOND_SECRET).await;
        let tokens = granted.tokens("mcp_read").await;
        let for_here = Tokens::of(&granted.exchanged(&granted.code("mcp_read").await).await);
        let for_second =
            Tokens::of(&granted.exchanged(&granted.code_for(&asks("mcp_read", &[SECOND])).await).await);
        let (signed, _) = tokens.access.rsplit_once('.').expect("a JWT");
        let (header, rest) = tokens.access.split_once('.').expect("a JWT");
        let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", rest.split_once('.').expect("a JWT").0);
        let (unsigned, forged, huge) = (format!("{signed}."), format!("{signed}.AAAA"), "x".repeat(10_000));
        let code = granted.code_of_mcp("mcp_read").await;
        let not_alive = [
            for_here.access.as_str(), &for_second.access, &tokens.refresh, &code, "x", "a.b.c", header, &none,
            &unsigned, &forged, &huge, MCP_SECRET,
        ];

        for token in not_alive {
            asked_by(&app, MCP_SECRET, token).await.is(200, &inactive());
        }
        assert!(granted.is_active(&tokens.access).await);
        app.clock.advance(Duration::from_secs(3_600));
        asked_by(&app, MCP_SECRET, &tokens.access).await.is(200, &inactive());
    }

    async fn a_token_for_two_resources_is_active_for_exactly_those(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        insert_resource(&app, 2, SECOND, SECOND_SECRET).await;
        insert_resource(&app, 3, "https://third.example", "rs_third").await;
        let tokens = Tokens::of(&granted.exchanged(&granted.code_for(&asks("mcp_read", &[MCP, SECOND])).await).await);

        for secret in [MCP_SECRET, SECOND_SECRET] {
            let response = asked_by(&app, secret, &tokens.access).await.json();
            assert_eq!((&response["active"], &response["aud"]), (&json!(true), &json!([MCP, SECOND])));
        }
        asked_by(&app, "rs_third", &tokens.access).await.is(200, &inactive());
    }

    async fn a_token_stays_active_after_a_new_spelling_of_its_resource(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        insert_resource(&app, 2, "https://SECOND.example:443/", SECOND_SECRET).await;
        let request = asks("mcp_read", &[SECOND]);

        let before = Tokens::of(&granted.exchanged(&granted.code_for(&request).await).await);

        assert_eq!(opened(&before.access).1["aud"], json!(SECOND));
        assert_eq!(asked_by(&app, SECOND_SECRET, &before.access).await.json()["active"], json!(true));
    }

    async fn scopes_removed_from_a_grant_are_missing_immediately(engine: Engine) {
        let app = TestApp::with(engine, &[("restriction.on_narrow", "narrow_grants")]).await;
        let replica = app.replica().await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read email teams_read").await;
        assert_eq!(granted.introspected(&tokens.access).await["scope"], json!("email mcp_read teams_read"));

        granted.operator.restrict(&granted.client_id, &["email"], &["mcp_read"]).await;

        assert_eq!(granted.introspected(&tokens.access).await["scope"], json!("email mcp_read"));
        assert_eq!(granted.on(&replica).introspected(&tokens.access).await["scope"], json!("email mcp_read"));
    }

    async fn added_and_removed_resources_take_effect_within_five_seconds(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let granted = Granted::new(&app).await;
        let tokens = Tokens::of(&granted.exchanged(&granted.code_for(&asks("mcp_read", &[MCP, SECOND])).await).await);
        assert_unknown_resource(&asked_by(&replica, SECOND_SECRET, &tokens.access).await);

        insert_resource(&app, 2, SECOND, SECOND_SECRET).await;
        replica.clock.advance(Duration::from_secs(5));
        let added = asked_by(&replica, SECOND_SECRET, &tokens.access).await;
        app.execute("DELETE FROM resources WHERE name = 'A resource'").await;
        replica.clock.advance(Duration::from_secs(5));
        let removed = asked_by(&replica, SECOND_SECRET, &tokens.access).await;

        assert_eq!(added.json()["active"], json!(true));
        assert_unknown_resource(&removed);
    }

    async fn a_resource_of_the_settings_is_known_from_the_start(engine: Engine) {
        let digest = grantor::rules::secret::hex(grantor::rules::secret::Digest::of("rs_declared").bytes());
        let declared = json!([{
            "uri": "https://declared.example", "name": "Declared", "scopes": ["mcp_read"], "secret_sha256": digest,
        }]);
        let app = TestApp::with(engine, &[("resources.declared", &declared.to_string())]).await;
        let granted = Granted::new(&app).await;
        let code = granted.code_for(&asks("mcp_read", &["https://declared.example"])).await;
        let tokens = Tokens::of(&granted.exchanged(&code).await);

        let response = asked_by(&app, "rs_declared", &tokens.access).await.json();

        assert_eq!((&response["active"], &response["aud"]), (&json!(true), &json!("https://declared.example")));
    }
}

on_both! {
    /// RFC 6749 section 2.3.1: name and secret are form-encoded before they are joined.
    async fn a_secret_in_basic_is_form_encoded_and_may_be_any_text(engine: Engine) {
        let secret = "a+b/c=:%41 \u{e4}";
        let digest = grantor::rules::secret::hex(grantor::rules::secret::Digest::of(secret).bytes());
        let declared = json!([{"uri": SECOND, "name": "Second", "scopes": [], "secret_sha256": digest}]);
        let app = TestApp::with(engine, &[("resources.declared", &declared.to_string())]).await;
        let granted = Granted::new(&app).await;
        let tokens = Tokens::of(&granted.exchanged(&granted.code_for(&asks("mcp_read", &[SECOND])).await).await);
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let name: String = form_urlencoded::byte_serialize(SECOND.as_bytes()).collect();
        let header = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{encoded}")));

        let answer = form_with(&app, INTROSPECT, &[("token", &tokens.access)], &[("authorization", &header)]).await;

        assert_eq!((answer.status.as_u16(), &answer.json()["active"]), (200, &json!(true)));
    }
}

const TWO_WRONG: [(&str, &str); 1] = [("limits.failed_keys_per_minute", "2")];

/// The status for this secret from this address.
async fn status(app: &TestApp, secret: &str, token: &str, peer: &str) -> u16 {
    let peer = grantor::http::Peer(peer.parse().expect("an address"));
    let kind = "application/x-www-form-urlencoded";
    let request = request(Method::POST, INTROSPECT).header("content-type", kind).extension(peer);
    let body = format!("client_secret={secret}&token={token}");
    app.send(request.body(Body::from(body)).expect("a request")).await.status.as_u16()
}

on_both! {
    async fn a_wrong_secret_causes_no_query(engine: Engine) {
        let app = TestApp::with(engine, &TWO_WRONG).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        assert!(granted.is_active(&tokens.access).await, "the secrets are read, and known for some seconds");
        app.execute("ALTER TABLE resources RENAME TO resources_away").await;
        app.execute("ALTER TABLE families RENAME TO families_away").await;
        let ask = async |secret: &str| status(&app, secret, &tokens.access, "192.0.2.1:1").await;

        let wrong = [ask("wrong").await, ask("wrong").await, ask("wrong").await, ask("wrong").await];
        let right = ask(MCP_SECRET).await;

        assert_eq!(wrong, [401, 401, 429, 429]);
        assert_eq!(right, 500, "only a right secret leads to the database");
    }
}

#[tokio::test]
async fn wrong_secrets_of_one_network_are_limited_but_correct_ones_are_accepted() {
    let app = TestApp::with(crate::support::Engine::Sqlite, &TWO_WRONG).await;
    let granted = Granted::new(&app).await;
    let tokens = granted.tokens("mcp_read").await;
    let ask = async |secret: &str, peer: &str| status(&app, secret, &tokens.access, peer).await;

    let wrong = ["[2001:db8::1]:1", "[2001:db8::ffff:2]:1", "[2001:db8::3]:1"];
    let wrong =
        [ask("wrong", wrong[0]).await, ask("wrong", wrong[1]).await, ask("wrong", wrong[2]).await];

    assert_eq!(wrong, [401, 401, 429]);
    for _ in 0..5 {
        assert_eq!(
            ask(MCP_SECRET, "[2001:db8::4]:1").await,
            200,
            "correct secrets are still accepted"
        );
    }
    assert_eq!(ask("wrong", "[2001:db8:1::1]:1").await, 401, "another network");
}

#[tokio::test]
async fn wrong_secrets_count_as_failed_keys_but_correct_ones_do_not() {
    let app = TestApp::with(crate::support::Engine::Sqlite, &TWO_WRONG).await;
    let granted = Granted::new(&app).await;
    let tokens = granted.tokens("mcp_read").await;
    let ask = async |secret: &str, peer: &str| status(&app, secret, &tokens.access, peer).await;
    let (here, elsewhere) = ("192.0.2.1:1", "192.0.2.2:1");

    for _ in 0..5 {
        assert_eq!(ask(MCP_SECRET, here).await, 200);
    }
    assert_eq!(
        [ask("wrong", here).await, ask("wrong", here).await, ask("wrong", here).await],
        [401, 401, 429]
    );
    assert_eq!(ask(MCP_SECRET, here).await, 200, "correct secrets are still accepted");
    assert_eq!(ask("wrong", elsewhere).await, 401);
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(ask("wrong", here).await, 401);
}
