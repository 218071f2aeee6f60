//! `GET /oauth2/v1/jwks`.

use std::time::Duration;

use axum::http::Method;
use grantor::actions::audit::AuditActor;
use grantor::actions::signing_keys::rotate;
use grantor::actions::signing_keys::rotate::TakeOver;
use grantor::rules::token::jwk::Jwk;
use serde_json::{Value, json};

use crate::support::{Engine, TestApp, request};

const PATH: &str = "/oauth2/v1/jwks";

fn members(key: &Value) -> Vec<&str> {
    key.as_object().expect("a key").keys().map(String::as_str).collect()
}

on_both! {
    async fn the_key_set_contains_only_the_public_key(engine: Engine) {
        let cases = [
            ("ES256", ["alg", "crv", "kid", "kty", "use", "x", "y"].as_slice()),
            ("EdDSA", ["alg", "crv", "kid", "kty", "use", "x"].as_slice()),
            ("RS256", ["alg", "e", "kid", "kty", "n", "use"].as_slice()),
        ];
        for (algorithm, expected) in cases {
            let app = TestApp::with(engine, &[("tokens.signing_algorithm", algorithm)]).await;

            let answer = app.get(PATH).await;

            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.header("cache-control"), Some("public, max-age=60"));
            let keys = answer.json()["keys"].as_array().expect("a list").clone();
            let [key] = keys.as_slice() else { panic!("{keys:?}") };
            assert_eq!((members(key), &key["alg"], &key["use"]), (expected.to_vec(), &json!(algorithm), &json!("sig")));
            let jwk: Jwk = serde_json::from_value(key.clone()).expect("a JWK");
            assert_eq!(key["kid"], jwk.thumbprint());
        }
    }

    async fn the_next_and_the_previous_key_are_in_the_set(engine: Engine) {
        let app = TestApp::start(engine).await;
        let first = app.get(PATH).await.json()["keys"][0].clone();
        let algorithm = app.app.signing_rules().algorithm;

        let made = rotate::rotate_signing_keys(app.context(), algorithm, TakeOver::Published, &AuditActor::SERVER);
        let second = made.await.expect("a new key").id;
        app.app.issuer.signing.reload().await.expect("is readable");
        let waiting = app.get(PATH).await.json();
        app.clock.advance(Duration::from_secs(601));
        app.app.issuer.signing.reload().await.expect("is readable");
        let retired = app.get(PATH).await.json();

        assert_eq!(waiting["keys"][0], first);
        assert_eq!(waiting["keys"][1]["kid"], second);
        assert_eq!(retired, waiting);
    }
}

#[tokio::test]
async fn head_and_options_work_and_any_origin_can_read_the_set() {
    let app = TestApp::start(Engine::Sqlite).await;
    let send = |method| app.ask(request(method, PATH));

    let (get, head, options) =
        (send(Method::GET).await, send(Method::HEAD).await, send(Method::OPTIONS).await);

    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), Some(get.text.len().to_string().as_str()));
    assert_eq!(
        (options.status.as_u16(), options.header("allow")),
        (204, Some("GET, HEAD, OPTIONS"))
    );
    assert_eq!(get.header("access-control-allow-origin"), Some("*"));
}
