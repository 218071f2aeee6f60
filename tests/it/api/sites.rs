//! `GET /api/v2/oauth2/.well-known/sites`.

use serde_json::json;

use crate::support::{Engine, TestApp};

const PATH: &str = "/api/v2/oauth2/.well-known/sites";

#[tokio::test]
async fn the_sites_are_listed_in_the_order_of_the_settings() {
    let settings =
        [("sites.environment", "staging"), ("sites.hosts", "b.example.com,a.example.com")];
    let app = TestApp::with(Engine::Sqlite, &settings).await;

    let answer = app.get(PATH).await;

    let hosts = ["b.example.com", "a.example.com"];
    answer.is(
        200,
        &json!({"data": {"id": "staging", "type": "env", "attributes": {"sites": hosts}}}),
    );
    assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
}

#[tokio::test]
async fn without_hosts_the_list_is_empty() {
    let app = TestApp::with(Engine::Sqlite, &[("sites.hosts", "[]")]).await;

    let answer = app.get(PATH).await;

    answer.is(200, &json!({"data": {"id": "prod", "type": "env", "attributes": {"sites": []}}}));
    assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
}

#[tokio::test]
async fn the_default_sites_are_the_eight_of_the_compatible_api() {
    let app = TestApp::start(Engine::Sqlite).await;

    let answer = app.get(PATH).await;

    answer.is(
        200,
        &json!({"data": {"id": "prod", "type": "env", "attributes": {"sites": [
            "app.datadoghq.com", "app.datadoghq.eu", "us5.datadoghq.com", "us3.datadoghq.com",
            "ap1.datadoghq.com", "ap2.datadoghq.com", "app.ddog-gov.com", "us2.ddog-gov.com",
        ]}}}),
    );
}

#[tokio::test]
async fn credentials_are_neither_required_nor_checked() {
    let app = TestApp::start(Engine::Sqlite).await;
    let request = crate::support::request(axum::http::Method::GET, PATH)
        .header("DD-API-KEY", "nonsense")
        .header("DD-APPLICATION-KEY", "nonsense")
        .header("Authorization", "Bearer");

    let answer = app.ask(request).await;

    assert_eq!(answer.status, 200);
}
