//! `POST /api/v2/oauth2/register`: refused requests, their errors, and that they store nothing.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::Method;
use futures_util::stream;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::{Answer, Engine, TestApp, listed, request};

const PATH: &str = "/api/v2/oauth2/register";
const NO_LIMITS: &[(&str, &str)] = &[
    ("limits.register_per_minute", "0"),
    ("limits.register_per_second_total", "0"),
    ("limits.requests_per_minute", "0"),
];

const NOT_JSON: &str = "the body is not valid JSON: send one JSON object and nothing else";
const NOT_AN_OBJECT: &str =
    "the body is not a JSON object: send the metadata as members of one object";
const LONE_SURROGATE: &str =
    "the body escapes half of a surrogate pair: escape both halves or write the character itself";

async fn assert_nothing_is_stored(app: &TestApp) {
    let stored = listed::clients(app.db(), "", 10).await.expect("is readable");
    assert!(stored.is_empty(), "{stored:?}");
}

fn assert_refused(answer: &Answer, error: &str, description: &str, case: &str) {
    let expected = json!({"error": error, "error_description": description});
    assert_eq!((answer.status.as_u16(), answer.json()), (400, expected), "{case}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{case}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{case}");
}

fn post(headers: &[(&str, &str)], body: impl Into<Body>) -> Request {
    let mut post = request(Method::POST, PATH);
    for (name, value) in headers {
        post = post.header(*name, *value);
    }
    post.body(body.into()).expect("a request")
}

fn good_body() -> String {
    json!({"client_name": "App", "redirect_uris": ["https://app.example/callback"]}).to_string()
}

/// A valid body with these members; `null` removes one.
fn good_body_with(members: Value) -> Value {
    let mut body: Value = good_body().parse().expect("JSON");
    let (Some(object), Value::Object(members)) = (body.as_object_mut(), members) else {
        panic!("objects")
    };
    object.extend(members);
    body
}

on_both! {
    async fn a_body_that_is_not_a_json_object_is_refused(engine: Engine) {
        let app = TestApp::with(engine, NO_LIMITS).await;
        let deep = format!("{{\"client_name\":{}{}}}", "[".repeat(32), "]".repeat(32));
        let good = good_body();
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (b"".to_vec(), NOT_JSON),
            (b"not json".to_vec(), NOT_JSON),
            (b"client_name=App&redirect_uris=https://app.example/callback".to_vec(), NOT_JSON),
            (b"{\"client_name\":".to_vec(), NOT_JSON),
            (format!("{good} x").into_bytes(), NOT_JSON),
            (format!("{good}{good}").into_bytes(), NOT_JSON),
            (format!("{good}\0").into_bytes(), NOT_JSON),
            (format!("\0{good}").into_bytes(), NOT_JSON),
            (good.replace("App", "A\0pp").into_bytes(), NOT_JSON),
            (good.replace("\"App\"", "1e999").into_bytes(), NOT_JSON),
            (b"null".to_vec(), NOT_AN_OBJECT),
            (b"[]".to_vec(), NOT_AN_OBJECT),
            (format!("[{good}]").into_bytes(), NOT_AN_OBJECT),
            (b"\"text\"".to_vec(), NOT_AN_OBJECT),
            (format!("\u{FEFF}{good}").into_bytes(), "the body begins with a byte order mark: remove it"),
            (b"{\"client_name\":\"\xff\"}".to_vec(), "the body is not UTF-8: encode it as UTF-8"),
            (good.replace("App", "A\\ud800pp").into_bytes(), LONE_SURROGATE),
            (good.replace("App", "A\\udc00\\ud800pp").into_bytes(), LONE_SURROGATE),
            (deep.into_bytes(), "the body is nested deeper than 32 levels: flatten it"),
            (
                good.replace("{\"client_name\"", "{\"client_name\":\"B\",\"client_name\"").into_bytes(),
                "the body contains client_name more than once: send it once",
            ),
            (
                good.replace("{\"client_name\"", "{\"client_n\\u0061me\":null,\"client_name\"").into_bytes(),
                "the body contains client_name more than once: send it once",
            ),
        ];

        for (body, description) in cases {
            let case = String::from_utf8_lossy(&body).into_owned();
            let answer = app.post_text(PATH, body).await;

            assert_refused(&answer, "invalid_request", description, &case);
        }
        assert_nothing_is_stored(&app).await;
    }

    async fn invalid_metadata_is_refused(engine: Engine) {
        let app = TestApp::with(engine, NO_LIMITS).await;
        let uri = "https://app.example/callback";
        let cases = [
            (json!({"client_name": null}), "client_name is missing: it is required"),
            (json!({"client_name": 7}), "client_name is not a string: send a JSON string"),
            (json!({"client_name": " "}), "client_name is blank: use at least one visible character"),
            (json!({"client_name": "a\u{0}b"}), "client_name contains a control character: remove it"),
            (json!({"client_name": "a\nb"}), "client_name contains a control character: remove it"),
            (json!({"client_name": "a\u{202E}b"}), "client_name contains an invisible formatting character: remove it"),
            (json!({"client_name": "x".repeat(1001)}), "client_name is longer than 1000 characters: shorten it"),
            (json!({"redirect_uris": null}), "redirect_uris is missing: it is required"),
            (json!({"redirect_uris": uri}), "redirect_uris is not a list: send a JSON list of strings"),
            (json!({"redirect_uris": {"0": uri}}), "redirect_uris is not a list: send a JSON list of strings"),
            (json!({"redirect_uris": []}), "redirect_uris is an empty list: send at least one value"),
            (json!({"redirect_uris": [uri, 7]}), "redirect_uris[1] is not a string: send a JSON string"),
            (json!({"redirect_uris": [""]}), "redirect_uris[0] is empty: send the full URI"),
            (
                json!({"redirect_uris": ["/callback"]}),
                "redirect_uris[0] is not an absolute URI: start it with a scheme, such as https://",
            ),
            (
                json!({"redirect_uris": [uri, "https://app.example/#x"]}),
                "redirect_uris[1] has a fragment: remove the # and what follows it",
            ),
            (
                json!({"redirect_uris": ["http://app.example/"]}),
                "redirect_uris[0] must use https; http is allowed only for 127.0.0.1, [::1] and localhost",
            ),
            (
                json!({"redirect_uris": ["javascript:alert(1)"]}),
                "redirect_uris[0] uses a reserved scheme: use https, or a scheme of your app, such as \
                 com.example.app:/callback",
            ),
            (
                json!({"redirect_uris": ["https://me@app.example/"]}),
                "redirect_uris[0] contains user information: remove the @ and everything before it",
            ),
            (
                json!({"redirect_uris": ["https://*.app.example/"]}),
                "redirect_uris[0] has a wildcard in its host: register each URI separately",
            ),
            (
                json!({"redirect_uris": ["https://app.example/a\u{0}b"]}),
                "redirect_uris[0] contains a character that is not allowed in a URI: percent-encode it",
            ),
            (json!({"redirect_uris": vec![uri; 21]}), "redirect_uris has more than 20 items: register fewer"),
            (
                json!({"redirect_uris": (0..5).map(|n| format!("https://app.example/{n}/{}", "x".repeat(1_900))).collect::<Vec<_>>()}),
                "the metadata takes more than 8192 bytes: shorten its values or register fewer redirect URIs",
            ),
            (json!({"grant_types": "authorization_code"}), "grant_types is not a list: send a JSON list of strings"),
            (json!({"grant_types": []}), "grant_types is an empty list: send at least one value"),
            (
                json!({"grant_types": ["authorization_code", "implicit"]}),
                "grant_types[1] is not supported: use authorization_code and refresh_token",
            ),
            (json!({"grant_types": ["refresh_token"]}), "grant_types does not contain authorization_code: add it"),
            (json!({"response_types": ["token"]}), "response_types[0] is not supported: use code"),
            (json!({"response_types": ["code", null]}), "response_types[1] is not a string: send a JSON string"),
            (
                json!({"token_endpoint_auth_method": "private_key_jwt"}),
                "token_endpoint_auth_method is not supported: use none, since registered clients are public",
            ),
            (json!({"scope": ["openid"]}), "scope is not a string: send a JSON string"),
            (json!({"scope": "a".repeat(1001)}), "scope is longer than 1000 characters: list fewer scopes"),
            (
                json!({"client_uri": "example.com"}),
                "client_uri is not an absolute URI: start it with a scheme, such as https://",
            ),
            (json!({"policy_uri": "ftp://example.com"}), "policy_uri is not a web address: use https"),
            (json!({"tos_uri": false}), "tos_uri is not a string: send a JSON string"),
            (json!({"logo_uri": "http://example.com/a.png"}), "logo_uri does not use https: use https"),
            (
                json!({"jwks_uri": "https://127.0.0.1/"}),
                "jwks_uri names an address that is not on the public internet: use a public host",
            ),
            (
                json!({"jwks_uri": "https://a.example/", "jwks": {}}),
                "jwks_uri conflicts with jwks: send only one of the two",
            ),
        ];

        for (members, description) in cases {
            let body = good_body_with(members);

            let answer = app.post(PATH, &body).await;

            assert_refused(&answer, "invalid_client_metadata", description, &body.to_string());
        }
        assert_nothing_is_stored(&app).await;
    }

    async fn a_body_with_a_content_length_that_is_too_large_is_refused_unread(engine: Engine) {
        let app = TestApp::start(engine).await;
        let headers = [("content-type", "application/json"), ("content-length", "65537")];

        let answer = app.send(post(&headers, good_body())).await;

        answer.is(413, &json!({
            "error": "invalid_request",
            "error_description": "the body is larger than 65536 bytes",
        }));
        assert_nothing_is_stored(&app).await;
    }

    async fn a_chunked_body_that_is_too_large_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let chunk = Bytes::from(vec![b' '; 16_384]);
        let chunks = [chunk.clone(), chunk.clone(), chunk.clone(), chunk, Bytes::from_static(b" ")];
        let body = Body::from_stream(stream::iter(chunks.map(Ok::<_, std::io::Error>)));

        let answer = app.send(post(&[("content-type", "application/json")], body)).await;

        answer.is(413, &json!({
            "error": "invalid_request",
            "error_description": "the body is larger than 65536 bytes",
        }));
        assert_nothing_is_stored(&app).await;
    }

    async fn an_incomplete_body_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let pieces = [Ok(Bytes::from(good_body())), Err(std::io::Error::other("gone"))];

        let answer =
            app.send(post(&[("content-type", "application/json")], Body::from_stream(stream::iter(pieces)))).await;

        assert_refused(&answer, "invalid_request", "the body is incomplete", "");
        assert_nothing_is_stored(&app).await;
    }

    async fn a_body_of_another_media_type_is_refused_unread(engine: Engine) {
        let app = TestApp::start(engine).await;
        let kind = "the body is not sent as JSON: set the header Content-Type: application/json";
        let cases: [(&[(&str, &str)], &str); 7] = [
            (&[], kind),
            (&[("content-type", "")], kind),
            (&[("content-type", "text/plain")], kind),
            (&[("content-type", "application/x-www-form-urlencoded")], kind),
            (&[("content-type", "application/json-patch+json")], kind),
            (&[("content-type", "multipart/form-data; boundary=application/json")], kind),
            (
                &[("content-type", "application/json"), ("content-encoding", "gzip")],
                "the body is compressed: send it without Content-Encoding",
            ),
        ];

        for (headers, description) in cases {
            let answer = app.send(post(headers, good_body())).await;

            let expected = json!({"error": "invalid_request", "error_description": description});
            assert_eq!((answer.status.as_u16(), answer.json()), (415, expected), "{headers:?}");
        }
        assert_nothing_is_stored(&app).await;
    }

    async fn refusals_are_counted_by_their_code(engine: Engine) {
        let app = TestApp::start(engine).await;

        app.post(PATH, &json!({})).await;
        app.post(PATH, &json!([])).await;

        let text = app.app.metrics.to_text();
        for line in [
            "grantor_registrations_total{outcome=\"invalid_client_metadata\",dedup=\"none\"} 1",
            "grantor_registrations_total{outcome=\"invalid_request\",dedup=\"none\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing from\n{text}");
        }
    }
}

/// Any JSON at all, small.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Plausible values, so that many of the objects pass the first checks.
fn something_usual() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<String>().prop_map(Value::from),
        "[ -~]{1,40}".prop_map(Value::from),
        prop::sample::select(vec![
            "none",
            "client_secret_post",
            "openid",
            "https://example.com/x",
            ""
        ])
        .prop_map(Value::from),
        prop::sample::subsequence(
            vec!["authorization_code", "refresh_token", "code", "implicit"],
            0..4
        )
        .prop_map(Value::from),
        prop::collection::vec(
            "(https?|cursor|data)://(localhost|127[.]0[.]0[.]1|a[.]b)(:[0-9]{1,5})?/[ -~]{0,8}",
            1..4
        )
        .prop_map(Value::from),
    ]
}

fn metadata() -> impl Strategy<Value = Value> {
    let names = vec![
        "client_name",
        "redirect_uris",
        "grant_types",
        "response_types",
        "token_endpoint_auth_method",
        "scope",
        "client_uri",
        "logo_uri",
        "policy_uri",
        "tos_uri",
        "jwks_uri",
        "jwks",
        "software_id",
    ];
    let value = prop_oneof![1 => anything(), 2 => something_usual()];
    let members = prop::collection::hash_map(prop::sample::select(names), value, 0..6);
    let from_good = any::<bool>();
    (members, from_good).prop_map(|(members, from_good)| {
        let mut body: Value =
            if from_good { good_body().parse().expect("JSON") } else { json!({}) };
        for (name, value) in members {
            body[name] = value;
        }
        body
    })
}

#[test]
fn every_object_is_registered_or_refused() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let app = runtime.block_on(TestApp::with(Engine::Sqlite, NO_LIMITS));
    let mut runner = TestRunner::new(Config::with_cases(200));

    runner
        .run(&metadata(), |body| {
            let answer = runtime.block_on(app.post(PATH, &body));
            let status = answer.status.as_u16();
            prop_assert!(status == 201 || status == 400, "{status} {}", answer.text);
            prop_assert_eq!(answer.json()["client_id"].is_string(), status == 201);
            prop_assert_eq!(answer.json()["error_description"].is_string(), status == 400);
            Ok(())
        })
        .expect("every object is answered");
}
