//! `GET /openapi.json`: the document matches the router.

use std::collections::BTreeSet;

use grantor::http;
use serde_json::{Value, json};

use crate::support::{Engine, TestApp};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let members = item.as_object().expect("a path item").iter();
        let operations = members.filter(|(method, _)| METHODS.contains(&method.as_str()));
        operations.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn an_operation_refuses_requests_without_credentials_if_the_document_requires_them() {
    let app = TestApp::start(Engine::Sqlite).await;
    let document = http::openapi_document("http://127.0.0.1:8080");
    for (path, method, operation) in operations(&document) {
        let security = operation["security"].as_array().expect("a security requirement");
        // An empty object means that the credentials can also be in the body.
        if security.contains(&json!({})) {
            continue;
        }
        let method =
            axum::http::Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
        let request = crate::support::request(method.clone(), &path.replace(['{', '}'], "x"));

        let answer = app.ask(request).await;

        assert_eq!(
            answer.status == 401,
            !security.is_empty(),
            "{method} {path}: {}",
            answer.status
        );
    }
}

#[tokio::test]
async fn the_router_serves_every_route_of_the_document() {
    let app = TestApp::start(Engine::Sqlite).await;
    let document = http::openapi_document("http://127.0.0.1:8080");
    for (path, method, _) in operations(&document) {
        let method =
            axum::http::Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
        let request = crate::support::request(method.clone(), &path.replace(['{', '}'], "x"));

        let answer = app.ask(request).await;

        assert!(
            ![404, 405].contains(&answer.status.as_u16()),
            "{method} {path}: {}",
            answer.status
        );
    }
}

#[test]
fn every_reference_resolves() {
    let document = http::openapi_document("http://127.0.0.1:8080");
    let mut found = Vec::new();

    references(&document, &mut found);

    let dangling: Vec<_> = found
        .iter()
        .filter(|reference| {
            reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer)).is_none()
        })
        .collect();
    assert!(found.len() > 10, "{found:?}");
    assert_eq!(dangling, Vec::<&&str>::new());
}

#[test]
fn every_operation_has_a_unique_id_and_responses() {
    let document = http::openapi_document("http://127.0.0.1:8080");
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let name = operation["operationId"].as_str().expect("an operationId");

        assert!(names.insert(name), "{name} stands twice");
        assert!(operation["summary"].is_string(), "{method} {path}");
        assert!(operation["responses"]["429"].is_object(), "{method} {path}");
    }
}

#[test]
fn the_document_uses_openapi_3_1() {
    let document = http::openapi_document("http://127.0.0.1:8080");

    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test]
async fn the_server_is_the_public_url_as_configured() {
    let app =
        TestApp::with(Engine::Sqlite, &[("http.public_url", "https://auth.example.com:8443")])
            .await;

    let answer = app.get("/openapi.json").await;

    assert_eq!(answer.json()["servers"], json!([{"url": "https://auth.example.com:8443"}]));
    answer.is(200, &http::openapi_document("https://auth.example.com:8443"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}
