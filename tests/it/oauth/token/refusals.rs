//! `POST /oauth2/v1/token` with an authorization code: refusals, and the tokens that they end.

use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use grantor::actions::audit::AuditActor;
use grantor::actions::clients::disable_client::{disable_client, enable_client};
use grantor::actions::users::disable_user;
use grantor::rules::authorization::request::AuthorizationRequest;
use grantor::rules::client::ClientId;
use serde_json::{Value, json};

use crate::support::errors::oauth;
use crate::support::granted::{Granted, MCP, REDIRECT, TOKEN, Tokens, asks, form, form_with};
use crate::support::private_client::basic;
use crate::support::{Answer, TestApp, request};

const NOBODY: &str = "72b68208-36a6-81f0-b21b-da7ad0900002";

fn invalid_code() -> Value {
    oauth("invalid_grant", "Invalid code or code verifier")
}

fn used_code() -> Value {
    oauth(
        "invalid_grant",
        "Invalid code or code verifier: the code was already used, so start the authorization again",
    )
}

fn unknown_client() -> Value {
    oauth("invalid_client", "the client is not known: register it")
}

/// The exchange with one parameter replaced, or removed if the value is `None`.
fn with<'a>(
    exchange: &[(&'static str, &'a str)],
    name: &'static str,
    value: Option<&'a str>,
) -> Vec<(&'static str, &'a str)> {
    let others = exchange.iter().filter(|(other, _)| *other != name).copied();
    others.chain(value.map(|value| (name, value))).collect()
}

fn assert_refused(answer: &Answer, status: u16, body: &Value) {
    answer.is(status, body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

on_both! {
    async fn reusing_a_code_is_refused_and_ends_its_tokens(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let code = granted.code_of_mcp("mcp_read").await;
        let tokens = Tokens::of(&granted.exchanged(&code).await);
        assert!(granted.is_active(&tokens.access).await);

        let again = granted.exchanged(&code).await;

        assert_refused(&again, 400, &used_code());
        assert_eq!(granted.introspected(&tokens.access).await, json!({"active": false}));
        assert_eq!(granted.refreshed(&tokens.refresh).await.status, 400);
        assert_eq!(granted.history().await, ["grant.given", "code.used_twice"]);
        granted.exchanged(&code).await;
        assert_eq!(granted.history().await, ["grant.given", "code.used_twice"], "a third use changes nothing");
    }

    async fn a_late_second_use_or_one_without_proof_ends_the_tokens_too(engine: Engine) {
        for advance in [0, 600] {
            let app = TestApp::start(engine).await;
            let granted = Granted::new(&app).await;
            let code = granted.code_of_mcp("mcp_read").await;
            let tokens = Tokens::of(&granted.exchanged(&code).await);
            app.clock.advance(Duration::from_secs(advance));

            let again = form(&app, TOKEN, &with(&granted.exchange(&code), "code_verifier", None)).await;

            assert_refused(&again, 400, &used_code());
            assert!(!granted.is_active(&tokens.access).await, "{advance}");
        }
    }

    async fn tokens_of_another_code_survive_a_second_use(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let (code, other) = (granted.code_of_mcp("mcp_read").await, granted.tokens("mcp_read").await);
        granted.exchanged(&code).await;

        granted.exchanged(&code).await;

        assert!(granted.is_active(&other.access).await);
        assert_eq!(granted.refreshed(&other.refresh).await.status, 200);
    }

    async fn only_one_of_two_exchanges_on_two_replicas_succeeds(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let granted = Granted::new(&app).await;
        let there = granted.on(&replica);
        for _ in 0..20 {
            let code = granted.code_of_mcp("mcp_read").await;

            let (one, other) = tokio::join!(granted.exchanged(&code), there.exchanged(&code));

            let mut statuses = [one.status.as_u16(), other.status.as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 400], "{} {}", one.text, other.text);
            let refused = if one.status == 400 { &one } else { &other };
            assert_refused(refused, 400, &used_code());
        }
    }

    async fn a_code_of_another_client_is_refused_and_stays_valid(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let thief = granted.another_client("Another").await;
        let code = granted.code_of_mcp("mcp_read").await;

        let stolen = thief.exchanged(&code).await;
        let tokens = Tokens::of(&granted.exchanged(&code).await);
        let stolen_later = thief.exchanged(&code).await;

        assert_refused(&stolen, 400, &invalid_code());
        assert_refused(&stolen_later, 400, &invalid_code());
        assert!(granted.is_active(&tokens.access).await);
    }

    async fn a_code_requires_its_verifier_and_redirect_uri_and_survives_wrong_ones(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let code = granted.code_of_mcp("mcp_read").await;
        let exchange = granted.exchange(&code);
        let other_verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK";
        let (long, umlaut) = ("a".repeat(129), format!("{}ä", "a".repeat(43)));
        let cases = [
            ("code_verifier", Some(other_verifier)),
            ("code_verifier", Some("short")),
            ("code_verifier", Some(long.as_str())),
            ("code_verifier", Some(umlaut.as_str())),
            ("code_verifier", Some("")),
            ("code_verifier", None),
            ("redirect_uri", Some("https://example.com/callback/")),
            ("redirect_uri", Some("https://example.com/CALLBACK")),
            ("redirect_uri", Some("https://example.com:443/callback")),
            ("redirect_uri", Some("")),
            ("redirect_uri", None),
        ];
        for (name, value) in cases {
            let answer = form(&app, TOKEN, &with(&exchange, name, value)).await;

            assert_refused(&answer, 400, &invalid_code());
        }
        assert_eq!(granted.exchanged(&code).await.status, 200, "the right ones still do");
    }

    async fn a_code_requested_without_a_redirect_uri_needs_none(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let request = AuthorizationRequest { redirect_uri_was_sent: false, ..asks("mcp_read", &[]) };
        for value in [None, Some(REDIRECT)] {
            let code = granted.code_for(&request).await;

            let answer = form(&app, TOKEN, &with(&granted.exchange(&code), "redirect_uri", value)).await;

            assert_eq!(answer.status, 200, "{value:?} {}", answer.text);
        }
    }

    async fn an_unknown_code_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let code = granted.code_of_mcp("mcp_read").await;
        let last = if code.ends_with('A') { "B" } else { "A" };
        let tampered = format!("{}{last}", &code[..code.len() - 1]);
        let longer = format!("{code}A");
        let huge = "x".repeat(10_000);

        for made_up in [tampered.as_str(), &longer, &code[..code.len() - 1], &code[..4], "x", &huge, "' OR 1=1 --"] {
            assert_refused(&granted.exchanged(made_up).await, 400, &invalid_code());
        }
        assert_eq!(granted.exchanged(&code).await.status, 200);
    }

    async fn an_unknown_client_gets_invalid_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        let code = granted.code("mcp_read").await;
        for client_id in [NOBODY, "x", "https://client.example/metadata.json"] {
            let exchange = with(&granted.exchange(&code), "client_id", Some(client_id));
            let refresh =
                [("grant_type", "refresh_token"), ("client_id", client_id), ("refresh_token", &tokens.refresh)];

            assert_refused(&form(&app, TOKEN, &exchange).await, 401, &unknown_client());
            assert_refused(&form(&app, TOKEN, &refresh).await, 401, &unknown_client());
        }
        assert!(granted.is_active(&tokens.access).await);
        assert_eq!(granted.exchanged(&code).await.status, 200);
    }

    async fn missing_repeated_and_invalid_parameters_are_named(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let code = granted.code("mcp_read").await;
        let exchange = granted.exchange(&code);
        let missing = |name| oauth("invalid_request", &format!("{name} is missing: it is required"));
        let repeated = |name| oauth("invalid_request", &format!("{name} is sent more than once: send it once"));
        let unsupported = oauth(
            "unsupported_grant_type", "grant_type is not supported: use authorization_code or refresh_token",
        );
        let again = |name, value| [exchange.clone(), vec![(name, value)]].concat();
        let cases = [
            (with(&exchange, "grant_type", None), missing("grant_type")),
            (with(&exchange, "client_id", None), missing("client_id")),
            (with(&exchange, "code", None), missing("code")),
            (with(&exchange, "code", Some("")), missing("code")),
            (vec![], missing("grant_type")),
            (vec![("grant_type", "refresh_token"), ("client_id", &granted.client_id)], missing("refresh_token")),
            (again("code", &code), repeated("code")),
            (again("code", "another"), repeated("code")),
            (again("client_id", &granted.client_id), repeated("client_id")),
            (again("grant_type", "refresh_token"), repeated("grant_type")),
            (with(&exchange, "grant_type", Some("password")), unsupported.clone()),
            (with(&exchange, "grant_type", Some("client_credentials")), unsupported.clone()),
            (with(&exchange, "grant_type", Some("urn:ietf:params:oauth:grant-type:device_code")), unsupported),
        ];
        for (parameters, expected) in cases {
            assert_refused(&form(&app, TOKEN, &parameters).await, 400, &expected);
        }
        assert_eq!(granted.exchanged(&code).await.status, 200, "no refusal used the code");
    }

    async fn a_body_that_cannot_be_read_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let not_form = "the body is not sent as a form: set the header Content-Type: application/x-www-form-urlencoded";
        let cases = [
            (Some("application/json"), "{", "the body is not valid JSON: send one JSON object and nothing else"),
            (Some("application/json"), "[]",
             "the body is not a JSON object: send the parameters as members of one object"),
            (Some("application/json"), r#"{"code": 1}"#, "code is not a string: send a JSON string"),
            (Some("application/json"), r#"{"code": "a", "code": "b"}"#, "code is sent more than once: send it once"),
            (Some("application/x-www-form-urlencoded"), "code=%zz",
             "the parameters contain a % that is not followed by two hexadecimal digits: write %25 for a percent sign"),
            (Some("application/x-www-form-urlencoded"), "code=%ff",
             "the parameters are not UTF-8: encode them as UTF-8"),
            (Some("text/plain"), "grant_type=authorization_code", not_form),
            (Some("multipart/form-data; boundary=x"), "--x--", not_form),
            (None, "grant_type=authorization_code", not_form),
        ];
        for (kind, body, description) in cases {
            let request = kind.iter().fold(request(Method::POST, TOKEN), |request, kind| {
                request.header("content-type", *kind)
            });

            let answer = app.send(request.body(Body::from(body)).expect("a request")).await;

            assert_refused(&answer, 400, &oauth("invalid_request", description));
        }
    }

    async fn client_authentication_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let code = granted.code("mcp_read").await;
        for header in [basic(&granted.client_id, "secret"), "nonsense".to_owned()] {
            let answer = form_with(&app, TOKEN, &granted.exchange(&code), &[("authorization", &header)]).await;

            assert_refused(&answer, 401, &oauth(
                "invalid_client",
                "this client has no secret, so it does not authenticate: leave the Authorization header out",
            ));
            assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"grantor\""));
        }
        assert_eq!(granted.exchanged(&code).await.status, 200);
    }

    async fn a_resource_without_consent_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let code = granted.code_of_mcp("mcp_read").await;
        let not_https = "resource must use https; http is allowed only for 127.0.0.1, [::1] and localhost";
        let not_granted = "resource was not granted: use one from the authorization request";
        let cases = [
            ("https://other.example", not_granted),
            ("https://mcp.example", not_granted),
            ("urn:x", not_https),
            ("https://mcp.example/v1#part", "resource has a fragment: remove the # and what follows it"),
        ];
        for (resource, description) in cases {
            let exchange = [granted.exchange(&code), vec![("resource", resource)]].concat();

            let answer = form(&app, TOKEN, &exchange).await;

            assert_refused(&answer, 400, &oauth("invalid_target", description));
        }
        assert_eq!(granted.exchanged(&code).await.status, 200, "the code is not used up");
    }

    async fn a_resource_first_named_at_the_exchange_is_refused_and_the_code_stays_valid(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let code = granted.code("mcp_read").await;
        let exchange = [granted.exchange(&code), vec![("resource", MCP)]].concat();

        let refused = form(&app, TOKEN, &exchange).await;

        assert_refused(&refused, 400, &oauth(
            "invalid_target", "the authorization request had no resource: send resource there too, or omit it here",
        ));
        assert_eq!(granted.exchanged(&code).await.status, 200, "the code is not used up");
    }

    async fn an_exchange_is_refused_while_user_role_or_client_forbid_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let code = granted.code("org_authorized_apps_write").await;
        let changes = [
            ("UPDATE users SET disabled_at = 1", "UPDATE users SET disabled_at = NULL"),
            ("UPDATE org_clients SET disabled_at = 1", "UPDATE org_clients SET disabled_at = NULL"),
            ("UPDATE memberships SET role = 'read_only'", "UPDATE memberships SET role = 'admin'"),
        ];
        for (change, back) in changes {
            app.execute(change).await;
            assert_refused(&granted.exchanged(&code).await, 400, &invalid_code());
            app.execute(back).await;
        }

        assert_eq!(granted.exchanged(&code).await.status, 200, "no refusal used the code up");
    }

    async fn an_exchange_returns_only_the_scopes_that_the_role_still_permits(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let code = granted.code("mcp_read org_authorized_apps_write").await;
        app.execute("UPDATE memberships SET role = 'read_only'").await;

        let answer = granted.exchanged(&code).await;

        assert_eq!((answer.status.as_u16(), &answer.json()["scope"]), (200, &json!("mcp_read")), "{}", answer.text);
    }

    async fn a_code_ends_with_its_grant(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let by = AuditActor::COMMAND_LINE;
        let client_id = ClientId::parse(&granted.client_id).expect("an id");

        let code = granted.code("mcp_read").await;
        disable_client(app.context(), granted.org_id(), client_id, None, &by).await.expect("is disabled");
        let of_a_disabled_client = granted.exchanged(&code).await;
        enable_client(app.context(), granted.org_id(), client_id, &by).await.expect("is enabled");
        let of_an_enabled_one = granted.exchanged(&code).await;
        let code = granted.code("mcp_read").await;
        disable_user::disable_user(app.context(), &app.app.callers, &granted.user.email, &by).await.expect("is disabled");
        let of_a_disabled_user = granted.exchanged(&code).await;

        for answer in [of_a_disabled_client, of_an_enabled_one, of_a_disabled_user] {
            assert_refused(&answer, 400, &invalid_code());
        }
    }

    async fn a_concurrent_second_use_ends_the_tokens_of_the_first(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let granted = Granted::new(&app).await;
        let there = granted.on(&replica);
        for _ in 0..20 {
            let code = granted.code_of_mcp("mcp_read").await;

            let (one, other) = tokio::join!(granted.exchanged(&code), there.exchanged(&code));

            let tokens = Tokens::of(if one.status == 200 { &one } else { &other });
            assert!(!granted.is_active(&tokens.access).await);
        }
    }
}
