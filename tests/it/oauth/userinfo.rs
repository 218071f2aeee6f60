//! `GET` and `POST /oauth2/v1/userinfo`.

use std::time::Duration;

use axum::http::Method;
use grantor::actions::audit::AuditActor;
use grantor::actions::users::create_user;
use grantor::actions::users::create_user::NewMember;
use grantor::actions::users::disable_user;
use grantor::rules::identity::permission::Role;
use serde_json::json;

use crate::support::errors::oauth;
use crate::support::granted::{Granted, MCP, MCP_SECRET, Tokens, asks};
use crate::support::{Answer, TestApp, request};

const PATH: &str = "/oauth2/v1/userinfo";

async fn userinfo_with(app: &TestApp, method: Method, authorization: Option<&str>) -> Answer {
    let request = request(method, PATH);
    let request = authorization
        .into_iter()
        .fold(request, |request, value| request.header("authorization", value));
    app.ask(request).await
}

async fn userinfo(app: &TestApp, access_token: &str) -> Answer {
    userinfo_with(app, Method::GET, Some(&format!("Bearer {access_token}"))).await
}

fn assert_invalid(answer: &Answer) {
    answer.is(401, &oauth("invalid_token", "the access token is unknown, expired or revoked"));
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer realm=\"grantor\", error=\"invalid_token\"")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

on_both! {
    async fn the_claims_depend_on_the_scopes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut granted = Granted::new(&app).await;
        let eve = NewMember { name: Some("Eve Example"), ..NewMember::new("eve@mail.example", Role::Standard) };
        let eve = create_user::create_user(app.context(), granted.org_id(), eve, &AuditActor::COMMAND_LINE).await;
        let eve = eve.expect("a user");
        granted.user = grantor::db::users::find(app.db(), eve.id).await.expect("is readable").expect("is there");
        let cases = [
            ("openid", json!({})),
            ("openid profile", json!({"name": "Eve Example", "preferred_username": "eve"})),
            ("openid email mcp_read", json!({"email": "eve@mail.example", "email_verified": true})),
        ];
        for (scope, mut expected) in cases {
            expected["sub"] = json!(eve.id);
            let tokens = Tokens::of(&granted.exchanged(&granted.code(scope).await).await);
            for method in [Method::GET, Method::POST] {
                let answer = userinfo_with(&app, method, Some(&format!("Bearer {}", tokens.access))).await;

                answer.is(200, &expected);
                assert_eq!(answer.header("cache-control"), Some("no-store"));
                assert_eq!(answer.header("content-type"), Some("application/json"));
            }
        }
    }

    async fn a_user_without_a_name_has_no_name_member(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = Tokens::of(&granted.exchanged(&granted.code("openid profile").await).await);

        let answer = userinfo(&app, &tokens.access).await;

        answer.is(200, &json!({"sub": granted.user.id, "preferred_username": "admin"}));
    }

    async fn a_token_for_an_mcp_server_returns_its_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let code = granted.code_for(&asks("openid mcp_read", &[MCP])).await;

        let answer = userinfo(&app, &Tokens::of(&granted.exchanged(&code).await).access).await;

        answer.is(200, &json!({"sub": granted.user.id}));
    }

    async fn a_request_without_a_token_is_challenged(engine: Engine) {
        let app = TestApp::start(engine).await;
        for authorization in [None, Some("Basic eDp5"), Some("Bearer"), Some("Bearer "), Some("x")] {
            for method in [Method::GET, Method::POST] {
                let answer = userinfo_with(&app, method, authorization).await;

                answer.is(401, &oauth("invalid_request", "the access token is missing"));
                assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"grantor\""));
                assert_eq!(answer.header("cache-control"), Some("no-store"));
            }
        }
    }

    async fn an_inactive_token_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let (revoked, expired) = (granted.tokens("openid").await, granted.tokens("openid").await);
        let code = granted.code("openid").await;
        granted.revoked(&revoked.access).await;

        for token in [revoked.access.as_str(), &revoked.refresh, &expired.refresh, &code, "x", "a.b.c", MCP_SECRET] {
            assert_invalid(&userinfo(&app, token).await);
        }
        assert_eq!(userinfo(&app, &expired.access).await.status, 200);
        app.clock.advance(Duration::from_secs(3_600));
        assert_invalid(&userinfo(&app, &expired.access).await);
    }

    async fn a_token_of_a_disabled_user_is_refused_on_every_replica(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("openid").await;
        assert_eq!(userinfo(&replica, &tokens.access).await.status, 200);

        disable_user::disable_user(app.context(), &app.app.callers, &granted.user.email, &AuditActor::COMMAND_LINE)
            .await
            .expect("is disabled");

        assert_invalid(&userinfo(&app, &tokens.access).await);
        assert_invalid(&userinfo(&replica, &tokens.access).await);
    }

    async fn a_token_without_openid_gets_insufficient_scope(engine: Engine) {
        let app = TestApp::with(engine, &[("restriction.on_narrow", "narrow_grants")]).await;
        let granted = Granted::new(&app).await;
        let (without, narrowed) = (granted.tokens("mcp_read").await, granted.tokens("openid mcp_read").await);
        assert_eq!(userinfo(&app, &narrowed.access).await.status, 200);
        granted.operator.restrict(&granted.client_id, &["email"], &["mcp_read"]).await;

        for tokens in [without, narrowed] {
            let answer = userinfo(&app, &tokens.access).await;

            answer.is(403, &oauth("insufficient_scope", "the access token lacks the scope openid"));
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Bearer realm=\"grantor\", error=\"insufficient_scope\", scope=\"openid\""),
            );
        }
    }
}
