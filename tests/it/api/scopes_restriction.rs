//! `/api/v2/oauth2/clients/{client_uuid}/scopes_restriction`.

use serde_json::json;

use crate::support::{TestApp, restriction_path};

on_both! {
    async fn a_client_that_nobody_restricted_reads_null(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);

        let answer = operator.get(&restriction_path(&client_id)).await;

        answer.is(200, &json!({"data": {
            "id": client_id,
            "type": "scopes_restriction",
            "attributes": {"required_permission_scopes": null, "scopes_restriction": null},
        }}));
        assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
    }
}
