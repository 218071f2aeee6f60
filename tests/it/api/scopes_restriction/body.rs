//! Accepted and refused bodies of an upsert.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use crate::support::errors::{json_api, json_api_at};
use crate::support::{
    Answer, TestApp, TestOperator, restricted, restriction_path, unrestricted, upsert,
};

async fn post_text(
    operator: &TestOperator<'_>,
    client_id: &str,
    content_type: &str,
    body: impl Into<Body>,
) -> Answer {
    let request = operator
        .request(Method::POST, &restriction_path(client_id))
        .header("content-type", content_type);
    operator.app.send(request.body(body.into()).expect("a request")).await
}

const SHAPE: &str = "the body is not {\"data\": {\"type\": \"upsert_scopes_restriction\", \"attributes\": {\"oidc_scopes\": \
                     [...], \"permission_scopes\": [...]}}} with each member at most once";

on_both! {
    async fn a_body_with_another_shape_is_refused_with_the_location_of_the_error(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        operator.restrict(&client_id, &["openid"], &["mcp_read"]).await;
        let cases = [
            ("[]", "", SHAPE),
            ("null", "", SHAPE),
            (r#"{"data":[]}"#, "", SHAPE),
            (r#"{"data":{"type":"upsert_scopes_restriction","attributes":null}}"#, "", SHAPE),
            (r#"{"data":{"type":"upsert_scopes_restriction","attributes":{"oidc_scopes":[],"oidc_scopes":[]}}}"#, "", SHAPE),
            ("{}", "/data", "data is missing"),
            (r#"{"data":{}}"#, "/data/type", "data.type is not upsert_scopes_restriction"),
            (r#"{"data":{"type":"scopes_restriction"}}"#, "/data/type", "data.type is not upsert_scopes_restriction"),
            (r#"{"data":{"type":7}}"#, "/data/type", "data.type is not upsert_scopes_restriction"),
            (
                r#"{"data":{"type":"upsert_scopes_restriction","attributes":{"oidc_scopes":"openid"}}}"#,
                "/data/attributes/oidc_scopes", "oidc_scopes is not a list of strings",
            ),
            (
                r#"{"data":{"type":"upsert_scopes_restriction","attributes":{"oidc_scopes":null}}}"#,
                "/data/attributes/oidc_scopes", "oidc_scopes is not a list of strings",
            ),
            (
                r#"{"data":{"type":"upsert_scopes_restriction","attributes":{"permission_scopes":["mcp_read",1]}}}"#,
                "/data/attributes/permission_scopes", "permission_scopes is not a list of strings",
            ),
        ];
        for (body, pointer, detail) in cases {
            let answer = post_text(&operator, &client_id, "application/json", body).await;

            answer.is(400, &json_api_at(pointer, detail));
        }
        operator.get(&restriction_path(&client_id)).await.is(200, &restricted(&client_id, &["openid"], &["mcp_read"]));
    }

    async fn text_that_is_not_json_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        for body in ["", "{", "{\"data\":", "\u{feff}{}", "{} {}"] {
            let answer = post_text(&operator, &client_id, "application/json", body).await;

            let detail = answer.json()["errors"][0]["detail"].clone();
            answer.is(400, &json_api_at("", detail.as_str().expect("a detail")));
        }
        operator.get(&restriction_path(&client_id)).await.is(200, &unrestricted(&client_id));
    }

    async fn unknown_members_are_ignored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let body = json!({"jsonapi": {"version": "1.1"}, "data": {
            "id": "something else",
            "type": "upsert_scopes_restriction",
            "attributes": {"oidc_scopes": ["openid"], "permission_scopes": [], "required_permission_scopes": ["mcp_read"]},
        }});

        let answer = operator.post(&restriction_path(&client_id), &body).await;

        answer.is(200, &restricted(&client_id, &["openid"], &[]));
    }

    async fn both_json_media_types_are_accepted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        for content_type in [
            "application/json", "application/vnd.api+json", "Application/JSON; charset=utf-8", "application/json;x=y",
        ] {
            let body = upsert(&["openid"], &[]).to_string();

            let answer = post_text(&operator, &client_id, content_type, body).await;

            answer.is(200, &restricted(&client_id, &["openid"], &[]));
        }
    }

    async fn other_media_types_are_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let refusal = "the body is not sent as JSON: set the header Content-Type: application/json";
        for content_type in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""] {
            let body = upsert(&["openid"], &[]).to_string();

            let answer = post_text(&operator, &client_id, content_type, body).await;

            answer.is(415, &json_api(415, "Unsupported Media Type", refusal));
        }
        operator.get(&restriction_path(&client_id)).await.is(200, &unrestricted(&client_id));
    }

    async fn a_compressed_body_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let request = operator.request(Method::POST, &restriction_path(&client_id))
            .header("content-type", "application/json")
            .header("content-encoding", "gzip");

        let answer = app.send(request.body(Body::from("{}")).expect("a request")).await;

        let refusal = "the body is compressed: send it without Content-Encoding";
        answer.is(415, &json_api(415, "Unsupported Media Type", refusal));
    }

    async fn a_body_over_the_limit_is_refused_with_and_without_a_content_length(engine: Engine) {
        let app = TestApp::with(engine, &[("http.max_body_bytes", "1000")]).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let padded = |length: usize| format!("{:<length$}", upsert(&["openid"], &[]).to_string());
        let refusal = json_api(413, "Payload Too Large", "the body is larger than 1000 bytes");
        let streamed = Body::from_stream(futures_util::stream::iter([
            Ok::<_, std::convert::Infallible>(padded(600)), Ok(" ".repeat(401)),
        ]));

        let fits = post_text(&operator, &client_id, "application/json", padded(1000)).await;
        let announced = post_text(&operator, &client_id, "application/json", padded(1001)).await;
        let unannounced = post_text(&operator, &client_id, "application/json", streamed).await;

        fits.is(200, &restricted(&client_id, &["openid"], &[]));
        announced.is(413, &refusal);
        unannounced.is(413, &refusal);
    }
}
