//! `POST` creates or replaces a restriction and returns it.

use serde_json::json;

use crate::support::errors::{json_api_at, no_such_client};
use crate::support::{TestApp, restricted, restriction_path, upsert};

const NOBODY: &str = "72b68208-36a6-11f0-b21b-da7ad0900002";

on_both! {
    async fn a_first_restriction_returns_200_and_the_new_state(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);

        let answer = operator.restrict(&client_id, &["openid"], &["dashboards_read"]).await;

        answer.is(200, &restricted(&client_id, &["openid"], &["dashboards_read"]));
        assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }

    async fn a_second_restriction_replaces_the_first(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        operator.restrict(&client_id, &["openid", "email"], &["dashboards_read"]).await;

        let answer = operator.restrict(&client_id, &["profile"], &["metrics_read"]).await;

        answer.is(200, &restricted(&client_id, &["profile"], &["metrics_read"]));
        operator.get(&restriction_path(&client_id)).await
            .is(200, &restricted(&client_id, &["profile"], &["metrics_read"]));
    }

    async fn lists_are_returned_in_their_order_without_duplicates(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let sent = ["metrics_read", "dashboards_read", "metrics_read", "api_keys_read", "dashboards_read"];
        let kept = restricted(&client_id, &["profile", "openid"], &["metrics_read", "dashboards_read", "api_keys_read"]);

        let answer = operator.restrict(&client_id, &["profile", "openid", "profile"], &sent).await;

        answer.is(200, &kept);
        operator.get(&restriction_path(&client_id)).await.is(200, &kept);
    }

    async fn an_omitted_list_is_empty(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        operator.restrict(&client_id, &["openid"], &["dashboards_read"]).await;
        let only_oidc = json!({"data": {
            "type": "upsert_scopes_restriction",
            "attributes": {"oidc_scopes": ["email"]},
        }});

        let answer = operator.post(&restriction_path(&client_id), &only_oidc).await;

        answer.is(200, &restricted(&client_id, &["email"], &[]));
    }

    async fn omitted_attributes_are_two_empty_lists(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let nothing = json!({"data": {"type": "upsert_scopes_restriction"}});

        let answer = operator.post(&restriction_path(&client_id), &nothing).await;

        answer.is(200, &restricted(&client_id, &[], &[]));
        operator.get(&restriction_path(&client_id)).await.is(200, &restricted(&client_id, &[], &[]));
    }

    async fn a_client_that_does_not_exist_cannot_be_restricted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;

        let answer = operator.restrict(NOBODY, &["openid"], &[]).await;

        answer.is(404, &no_such_client());
    }

    async fn five_hundred_items_are_accepted_and_one_more_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);

        let most = operator.restrict(&client_id, &["openid"], &["mcp_read"; 500]).await;
        let more = operator.restrict(&client_id, &[], &["mcp_read"; 501]).await;

        most.is(200, &restricted(&client_id, &["openid"], &["mcp_read"]));
        more.is(400, &json_api_at(
            "/data/attributes/permission_scopes",
            "permission_scopes has 501 items; at most 500 are allowed",
        ));
        operator.get(&restriction_path(&client_id)).await.is(200, &restricted(&client_id, &["openid"], &["mcp_read"]));
    }

    async fn an_invalid_scope_is_refused_with_its_location(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        operator.restrict(&client_id, &["openid"], &["mcp_read"]).await;
        let cases: [(&[&str], &[&str], &str, &str); 7] = [
            (
                &["openid", "address"], &[],
                "/data/attributes/oidc_scopes/1",
                "oidc_scopes[1] \"address\" is not in the scope catalog; see `scopes.toml` of this server",
            ),
            (
                &[], &["mcp_read", "mcp_red"],
                "/data/attributes/permission_scopes/1",
                "permission_scopes[1] \"mcp_red\" is not in the scope catalog; see `scopes.toml` of this server",
            ),
            (
                &["OpenID"], &[],
                "/data/attributes/oidc_scopes/0",
                "oidc_scopes[0] \"OpenID\" is not in the scope catalog; see `scopes.toml` of this server",
            ),
            (
                &[""], &[],
                "/data/attributes/oidc_scopes/0",
                "oidc_scopes[0] is not in the scope catalog; see `scopes.toml` of this server",
            ),
            (
                &["two \"words\"\r\n"], &[],
                "/data/attributes/oidc_scopes/0",
                "oidc_scopes[0] is not in the scope catalog; see `scopes.toml` of this server",
            ),
            (
                &["mcp_read"], &[],
                "/data/attributes/oidc_scopes/0",
                "oidc_scopes[0] \"mcp_read\" is a permission scope and belongs in permission_scopes",
            ),
            (
                &[], &["openid"],
                "/data/attributes/permission_scopes/0",
                "permission_scopes[0] \"openid\" is an OpenID Connect scope and belongs in oidc_scopes",
            ),
        ];
        for (oidc_scopes, permission_scopes, pointer, detail) in cases {
            let answer = operator.restrict(&client_id, oidc_scopes, permission_scopes).await;

            answer.is(400, &json_api_at(pointer, detail));
            assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
        }
        operator.get(&restriction_path(&client_id)).await.is(200, &restricted(&client_id, &["openid"], &["mcp_read"]));
    }

    async fn a_refused_first_restriction_stores_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);

        let answer = operator.post(&restriction_path(&client_id), &upsert(&["openid"], &["nonsense"])).await;

        assert_eq!(answer.status, 400);
        operator.get(&restriction_path(&client_id)).await.is(200, &crate::support::unrestricted(&client_id));
    }
}
