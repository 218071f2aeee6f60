//! `GET`: null means no restriction, and empty lists allow nothing.

use axum::http::Method;
use serde_json::json;

use crate::support::errors::no_such_client;
use crate::support::{TestApp, restricted, restriction_path, unrestricted};

/// The id of an unknown client.
const NOBODY: &str = "72b68208-36a6-11f0-b21b-da7ad0900002";

on_both! {
    async fn an_unrestricted_client_reads_as_null(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);

        let answer = operator.get(&restriction_path(&client_id)).await;

        answer.is(200, &json!({"data": {
            "id": client_id,
            "type": "scopes_restriction",
            "attributes": {"required_permission_scopes": null, "scopes_restriction": null},
        }}));
        assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }

    async fn a_restricted_client_reads_as_its_lists(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        operator.restrict(&client_id, &["openid", "email"], &["dashboards_read", "metrics_read"]).await;

        let answer = operator.get(&restriction_path(&client_id)).await;

        answer.is(200, &json!({"data": {
            "id": client_id,
            "type": "scopes_restriction",
            "attributes": {
                "required_permission_scopes": null,
                "scopes_restriction": {
                    "oidc_scopes": ["openid", "email"],
                    "permission_scopes": ["dashboards_read", "metrics_read"],
                },
            },
        }}));
        assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
    }

    async fn a_client_without_allowed_scopes_reads_as_empty_lists(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        operator.restrict(&client_id, &[], &[]).await;

        let answer = operator.get(&restriction_path(&client_id)).await;

        answer.is(200, &restricted(&client_id, &[], &[]));
    }

    async fn a_client_that_does_not_exist_is_not_found(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;

        let answer = operator.get(&restriction_path(NOBODY)).await;

        answer.is(404, &no_such_client());
        assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
    }

    async fn an_upper_case_id_names_the_same_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);

        let answer = operator.get(&restriction_path(&client_id.to_uppercase())).await;

        answer.is(200, &unrestricted(&client_id));
    }

    async fn every_other_spelling_of_an_id_is_refused_by_every_method(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let refusal = json!({"errors": [{
            "status": "400",
            "title": "Bad Request",
            "detail": "client_uuid is not a UUID: 36 characters such as 72b68208-36a6-11f0-b21b-da7ad0900002",
            "source": {"parameter": "client_uuid"},
        }]});
        let spellings = [
            client_id.replace('-', ""),
            format!("%7B{client_id}%7D"),
            format!("urn:uuid:{client_id}"),
            format!("%20{client_id}"),
            format!("{client_id};v=1"),
            "%ff".to_owned(),
            "1".to_owned(),
        ];
        for (spelling, method) in spellings.iter().flat_map(|text| ["GET", "POST", "DELETE"].map(|method| (text, method))) {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let request = operator.request(method, &restriction_path(spelling));

            let answer = app.ask(request).await;

            answer.is(400, &refusal);
            assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
        }
    }
}
