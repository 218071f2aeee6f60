//! `POST /api/v2/oauth2/register`: registered metadata and the response. `register_again.rs` has
//! repeated registrations, `register_refusals.rs` the errors.

use std::path::Path;

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{START, TestApp, request};

const PATH: &str = "/api/v2/oauth2/register";

/// The minimal metadata with these additional members.
fn body_with(members: Value) -> Value {
    let mut body = json!({"client_name": "App", "redirect_uris": ["https://app.example/callback"]});
    merge(&mut body, members);
    body
}

/// The response for such a client.
fn answer_with(client_id: &Value, members: Value) -> Value {
    let mut answer = body_with(json!({
        "client_id": client_id,
        "client_id_issued_at": START.seconds(),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }));
    merge(&mut answer, members);
    answer
}

fn merge(object: &mut Value, members: Value) {
    let (Some(object), Value::Object(members)) = (object.as_object_mut(), members) else {
        panic!("objects")
    };
    object.extend(members);
}

struct KnownClient {
    file: String,
    body: Value,
    answer: Value,
}

fn known_clients() -> Vec<KnownClient> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/known_clients");
    let files = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path());
    files
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a file of text");
            let mut known: Value = serde_json::from_str(&text).expect("JSON");
            let file = path.display().to_string();
            KnownClient { file, body: known["body"].take(), answer: known["answer"].take() }
        })
        .collect()
}

on_both! {
    async fn a_registration_returns_all_registered_metadata(engine: Engine) {
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

    async fn every_known_client_gets_the_response_it_expects(engine: Engine) {
        let app = TestApp::start(engine).await;
        let known_clients = known_clients();
        assert!(known_clients.len() >= 18, "the known clients are there");

        for KnownClient { file, body, mut answer } in known_clients {
            let response = app.post(PATH, &body).await;

            merge(&mut answer, json!({
                "client_id": response.json()["client_id"],
                "client_id_issued_at": START.seconds(),
            }));
            assert_eq!((response.status.as_u16(), response.json()), (201, answer), "{file}");
            assert_eq!(response.json()["client_id"].as_str().map(str::len), Some(36), "{file}");
        }
    }

    async fn tolerated_values_are_replaced_in_the_response(engine: Engine) {
        let app = TestApp::start(engine).await;
        let device = "urn:ietf:params:oauth:grant-type:device_code";

        let answer = app.post(PATH, &body_with(json!({
            "token_endpoint_auth_method": "client_secret_post",
            "grant_types": [device, "authorization_code"],
        }))).await;

        answer.is(201, &answer_with(&answer.json()["client_id"], json!({"grant_types": ["authorization_code"]})));
    }

    async fn without_tolerance_both_are_refused(engine: Engine) {
        let app = TestApp::with(engine, &[("registration.tolerate", "[]")]).await;

        let method = app.post(PATH, &body_with(json!({"token_endpoint_auth_method": "client_secret_post"}))).await;
        let grant = app.post(PATH, &body_with(json!({
            "grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
        }))).await;

        method.is(400, &json!({
            "error": "invalid_client_metadata",
            "error_description": "token_endpoint_auth_method is not supported: use none, since registered clients are \
                                  public",
        }));
        grant.is(400, &json!({
            "error": "invalid_client_metadata",
            "error_description": "grant_types[1] is not supported: use authorization_code and refresh_token",
        }));
    }

    async fn an_empty_and_an_omitted_scope_are_the_same_client(engine: Engine) {
        let app = TestApp::start(engine).await;

        let absent = app.post(PATH, &body_with(json!({}))).await;
        let empty = app.post(PATH, &body_with(json!({"scope": ""}))).await;
        let null = app.post(PATH, &body_with(json!({"scope": null}))).await;

        let expected = answer_with(&absent.json()["client_id"], json!({}));
        absent.is(201, &expected);
        empty.is(201, &expected);
        null.is(201, &expected);
    }

    async fn unknown_and_private_scopes_are_omitted(engine: Engine) {
        let app = TestApp::start(engine).await;

        let some = app.post(PATH, &body_with(json!({"scope": "unheard_of openid api_keys_write metrics_read"}))).await;
        let none = app.post(PATH, &body_with(json!({"scope": "unheard_of"}))).await;

        some.is(201, &answer_with(&some.json()["client_id"], json!({"scope": "metrics_read openid"})));
        none.is(201, &answer_with(&none.json()["client_id"], json!({})));
    }

    async fn the_settings_can_list_the_private_use_schemes(engine: Engine) {
        let app = TestApp::with(engine, &[("registration.private_schemes", r#"["cursor"]"#)]).await;
        let listed = body_with(json!({"redirect_uris": ["cursor://app/callback"]}));
        let unlisted = body_with(json!({"redirect_uris": ["https://app.example/cb", "com.example.app:/callback"]}));

        let accepted = app.post(PATH, &listed).await;
        let refused = app.post(PATH, &unlisted).await;

        let uris = json!({"redirect_uris": ["cursor://app/callback"]});
        accepted.is(201, &answer_with(&accepted.json()["client_id"], uris));
        refused.is(400, &json!({
            "error": "invalid_client_metadata",
            "error_description": "redirect_uris[1] uses a private-use scheme that this server does not allow: use \
                                  https, or ask its operator to allow the scheme",
        }));
    }

    async fn unneeded_credentials_are_ignored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let plain = app.post(PATH, &body_with(json!({}))).await;
        let credentials = [
            ("authorization", "Bearer"),
            ("authorization", "Bearer made-up"),
            ("authorization", "Basic dXNlcjpwYXNzd29yZA=="),
            ("dd-api-key", "rubbish"),
            ("dd-application-key", "rubbish"),
            ("cookie", "session=rubbish"),
        ];

        for (name, value) in credentials {
            let post = request(Method::POST, PATH).header("content-type", "application/json").header(name, value);
            let answer = app.send(post.body(Body::from(body_with(json!({})).to_string())).expect("a request")).await;

            assert_eq!((answer.status.as_u16(), answer.json()), (201, plain.json()), "{name}: {value}");
        }
    }

    async fn a_media_type_is_case_insensitive_and_may_have_parameters(engine: Engine) {
        let app = TestApp::start(engine).await;
        let post = request(Method::POST, PATH).header("content-type", "APPLICATION/JSON; charset=utf-8");

        let answer = app.send(post.body(Body::from(body_with(json!({})).to_string())).expect("a request")).await;

        answer.is(201, &answer_with(&answer.json()["client_id"], json!({})));
    }

    async fn a_body_of_exactly_the_maximum_size_is_accepted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let empty = body_with(json!({"padding": ""})).to_string().len();
        let largest = body_with(json!({"padding": "x".repeat(65_536 - empty)})).to_string();
        assert_eq!(largest.len(), 65_536);

        let answer = app.post_text(PATH, largest).await;

        answer.is(201, &answer_with(&answer.json()["client_id"], json!({})));
    }
}
