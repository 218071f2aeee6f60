//! Refused requests change nothing.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::{PATH, created, least, path, shown, signing_secrets, with};
use crate::db::fixtures::auth_method_of_each_org;
use crate::support::TestApp;
use crate::support::errors::strings;

on_both! {
    async fn an_auth_method_must_belong_to_the_same_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, initech) = (app.operator("Acme").await, app.operator("Initech").await);
        auth_method_of_each_org(&app, engine).await;
        let nobody = "0197a3b0-0000-7000-8000-000000000001";
        let refused = strings("auth_method_id is not the id of an auth method of this organization");
        created(&acme, &least("CRM")).await;

        for id in [initech.org_id.to_string(), nobody.to_owned()] {
            acme.post(PATH, &with(least("Another"), "auth_method_id", id.as_str())).await.is(400, &refused);
            acme.put(&path("CRM"), &json!({"auth_method_id": id})).await.is(400, &refused);
        }

        acme.get(PATH).await.is(200, &json!([shown("CRM")]));
    }

    async fn an_authorization_header_and_an_auth_method_exclude_each_other(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        auth_method_of_each_org(&app, engine).await;
        let headers = "{\"authorization\": \"Basic abc\"}";
        let refused = strings(
            "custom_headers has the header \"authorization\", which the auth method also sets: remove one of the two",
        );
        let both = with(with(least("Both"), "custom_headers", headers), "auth_method_id", operator.org_id.to_string());
        created(&operator, &with(least("Headers"), "custom_headers", headers)).await;
        created(&operator, &with(least("Method"), "auth_method_id", operator.org_id.to_string())).await;

        operator.post(PATH, &both).await.is(400, &refused);
        operator.put(&path("Headers"), &json!({"auth_method_id": operator.org_id})).await.is(400, &refused);
        operator.put(&path("Method"), &json!({"custom_headers": headers})).await.is(400, &refused);
        let moved = json!({"auth_method_id": operator.org_id, "custom_headers": null});
        assert_eq!(operator.put(&path("Headers"), &moved).await.status, 200);
    }

    async fn a_refused_change_changes_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let secret = created(&operator, &least("CRM")).await;
        let cases = [
            (json!({"encode_as": "form", "url": "http://hooks.example"}), "url does not use https: use https"),
            (json!({"rotate_signing_secret": true, "events": []}),
                "events is empty: name at least one event, or send null for all events"),
            (json!({"encode_as": "form", "name": null}), "name must be a string"),
        ];
        for (change, detail) in cases {
            operator.put(&path("CRM"), &change).await.is(400, &strings(detail));
            operator.post(PATH, &with(with(least("New"), "x", 1), "payload", 7)).await.is(400, &strings("payload must be a string"));
        }
        operator.get(PATH).await.is(200, &json!([shown("CRM")]));
        assert_eq!(signing_secrets(&operator, "CRM").await, [secret]);
    }

    async fn a_receiver_must_be_public_or_allowed_by_the_settings(engine: Engine) {
        let strict = TestApp::start(engine).await;
        let operator = strict.operator("Acme").await;
        let open = strict.replica_with(&[
            ("webhooks.allow_loopback", "true"),
            ("outgoing.allow_networks", "[\"10.0.0.0/8\"]"),
        ]).await;
        let elsewhere = operator.on(&open);
        for (number, (url, detail)) in [
            ("http://127.0.0.1:8000/hook", "url does not use https: use https"),
            ("https://localhost/hook",
                "url leads to a loopback address, which this server does not call: use a host on the public internet"),
            ("https://10.1.2.3/hook",
                "url leads to an address of a private network, which this server does not call: use a host on the public internet"),
        ].into_iter().enumerate() {
            let body = json!({"name": format!("{number}"), "url": url});

            operator.post(PATH, &body).await.is(400, &strings(detail));
            created(&elsewhere, &body).await;
        }
        let metadata = json!({"name": "m", "url": "https://169.254.169.254/latest"});
        assert_eq!(elsewhere.post(PATH, &metadata).await.status, 400);
    }

    async fn a_body_that_is_not_an_object_is_refused_with_an_explanation(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        created(&operator, &least("CRM")).await;
        let not_json = "the body is not valid JSON: send one JSON object and nothing else";
        let no_object = "the body is not a JSON object, or it repeats a member";
        let cases = [
            ("", not_json),
            ("{", not_json),
            ("[]", no_object),
            ("null", no_object),
            (r#"{"name": "a", "name": "b"}"#, no_object),
            ("\u{feff}{}", "the body begins with a byte order mark: remove it"),
        ];
        for (body, detail) in cases {
            for (method, path) in [(Method::POST, PATH.to_owned()), (Method::PUT, path("CRM"))] {
                let request = operator.request(method, &path).header("content-type", "application/json");
                let answer = app.send(request.body(Body::from(body)).expect("a request")).await;

                answer.is(400, &strings(detail));
                assert_eq!(answer.header("content-type"), Some("application/json"));
            }
        }
        let as_a_form = operator.request(Method::POST, PATH).header("content-type", "text/plain");
        let answer = app.send(as_a_form.body(Body::from(least("x").to_string())).expect("a request")).await;
        answer.is(415, &strings("the body is not sent as JSON: set the header Content-Type: application/json"));
        let large = with(least("x"), "payload", "x".repeat(70_000));
        operator.post(PATH, &large).await.is(413, &strings("the body is larger than 65536 bytes"));
    }
}
