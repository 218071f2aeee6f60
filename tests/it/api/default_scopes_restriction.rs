//! `/api/v2/oauth2/default_scopes_restriction`: the scopes of clients without their own
//! restriction.

use axum::http::Method;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::errors::json_api;
use crate::support::granted::Granted;
use crate::support::{
    Answer, Bearer, START, TestApp, TestOperator, listed, request, restricted, unrestricted, upsert,
};

const PATH: &str = "/api/v2/oauth2/default_scopes_restriction";

async fn preview(operator: &TestOperator<'_>, upsert: &Value) -> Value {
    let answer = operator.post(&format!("{PATH}?dry_run=true"), upsert).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["meta"].clone()
}

fn is_moved(answer: &Answer) {
    let detail = "the restriction has changed since the preview with this digest: preview it again";
    answer.is(409, &json_api(409, "Conflict", detail));
}

on_both! {
    async fn a_default_is_set_read_and_removed_with_the_bodies_of_a_restriction(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, other) = (app.operator("Acme").await, app.operator("Umbra").await);
        let org = operator.org_id.to_string();

        operator.get(PATH).await.is(200, &unrestricted(&org));
        let set = operator.post(PATH, &upsert(&["openid", "email"], &["mcp_read"])).await;
        set.is(200, &restricted(&org, &["email", "openid"], &["mcp_read"]));
        assert_eq!(set.header("content-type"), Some("application/vnd.api+json"));
        operator.get(PATH).await.is(200, &restricted(&org, &["email", "openid"], &["mcp_read"]));
        other.get(PATH).await.is(200, &unrestricted(&other.org_id.to_string()));
        operator.post(PATH, &upsert(&[], &[])).await.is(200, &restricted(&org, &[], &[]));
        let removed = [operator.delete(PATH).await, operator.delete(PATH).await];

        assert_eq!(removed.map(|answer| (answer.status.as_u16(), answer.text)), [(204, String::new()), (204, String::new())]);
        operator.get(PATH).await.is(200, &unrestricted(&org));
    }

    async fn a_dry_run_counts_grants_and_users_and_changes_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let operator = &granted.operator;
        let (second_client, second_user) = (granted.another_client("Other").await, granted.another_user("bob@mail.example").await);
        let mut tokens = Vec::new();
        for one in [&granted, &second_client, &second_user] {
            tokens.push(one.tokens("mcp_read email").await);
        }
        let restricted_client = granted.another_client("Restricted").await;
        restricted_client.tokens("mcp_read email").await;
        operator.restrict(&restricted_client.client_id, &["email"], &["mcp_read"]).await;
        let events = listed::audit_events(app.db(), operator.org_id, 100).await.expect("are listed");

        let meta = preview(operator, &upsert(&["openid"], &["mcp_read"])).await;

        let removed = meta["scopes_removed"].as_array().expect("a list");
        assert!(removed.contains(&json!("email")) && !removed.contains(&json!("mcp_read")), "{removed:?}");
        let expected = json!({"dry_run": true, "scopes_added": [], "grants": 3, "users": 2});
        for member in ["dry_run", "scopes_added", "grants", "users"] {
            assert_eq!(meta[member], expected[member], "{member}");
        }
        for tokens in &tokens {
            assert!(granted.is_active(&tokens.access).await);
        }
        operator.get(PATH).await.is(200, &unrestricted(&operator.org_id.to_string()));
        assert_eq!(listed::audit_events(app.db(), operator.org_id, 100).await.expect("are listed"), events);
    }

    async fn a_dry_run_returns_the_ended_grants_and_the_expiry_of_the_last_token(engine: Engine) {
        for (on_narrow, ended) in [("revoke", 2), ("narrow_grants", 1)] {
            let app = TestApp::with(engine, &[("restriction.on_narrow", on_narrow)]).await;
            let granted = Granted::new(&app).await;
            granted.tokens("mcp_read email").await;
            granted.another_client("Other").await.tokens("email").await;
            let effect = |meta: &Value| (meta["ended"].clone(), meta["last_token_ends_at"].clone());

            let removes_email = preview(&granted.operator, &upsert(&[], &["mcp_read"])).await;
            let removes_nothing_in_use = preview(&granted.operator, &upsert(&["email"], &["mcp_read"])).await;

            let end = json!(START.plus(3_600).to_rfc3339());
            assert_eq!(effect(&removes_email), (json!(ended), end), "{on_narrow}");
            assert_eq!(effect(&removes_nothing_in_use), (json!(0), Value::Null), "{on_narrow}");
        }
    }

    async fn a_change_does_what_its_dry_run_predicted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read email").await;
        let wanted = upsert(&["openid"], &["mcp_read"]);
        let meta = preview(&granted.operator, &wanted).await;

        let path = format!("{PATH}?if_digest={}", meta["digest"].as_str().expect("a digest"));
        let answer = granted.operator.post(&path, &wanted).await;

        answer.is(200, &restricted(&granted.org_id().to_string(), &["openid"], &["mcp_read"]));
        assert_eq!((&meta["grants"], granted.is_active(&tokens.access).await), (&json!(1), false));
        let event = listed::audit_events(app.db(), granted.org_id(), 100).await.expect("are listed");
        let event = event.into_iter().find(|event| event.action == "org.default_client_scopes_set").expect("is recorded");
        assert_eq!(event.after, Some(json!({"default_client_scopes": ["mcp_read", "openid"], "grants_narrowed": 1})));
    }

    async fn a_change_with_a_stale_digest_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let wanted = upsert(&["openid"], &[]);
        let of_none = preview(&operator, &wanted).await["digest"].as_str().expect("a digest").to_owned();
        let tied = format!("{PATH}?if_digest={of_none}");
        operator.post(PATH, &upsert(&["email"], &[])).await;

        is_moved(&operator.post(&tied, &wanted).await);
        operator.get(PATH).await.is(200, &restricted(&operator.org_id.to_string(), &["email"], &[]));
        operator.delete(PATH).await;
        assert_eq!(operator.post(&tied, &wanted).await.status, 200, "it is the previewed state again");
        let other = app.operator("Umbra").await;
        is_moved(&other.post(&tied, &wanted).await);
    }

    async fn reading_and_changing_require_different_permissions(engine: Engine) {
        let app = TestApp::start(engine).await;
        let admin = app.operator("Acme").await;
        let reader = admin.colleague("reader@mail.example", Role::ReadOnly).await;
        let standard = admin.colleague("standard@mail.example", Role::Standard).await;

        for member in [&reader, &standard] {
            assert_eq!(member.get(PATH).await.status, 200);
            let detail = "the role of this user lacks the permission org_management: ask a member \
                          of the organization whose role has it";
            member.post(PATH, &upsert(&[], &[])).await.is(403, &json_api(403, "Forbidden", detail));
            member.delete(PATH).await.is(403, &json_api(403, "Forbidden", detail));
        }
        admin.get(PATH).await.is(200, &unrestricted(&admin.org_id.to_string()));
        let anonymous = app.ask(request(Method::GET, PATH)).await;
        anonymous.is(401, &json!({"errors": ["Unauthorized"]}));
    }

    async fn a_token_can_read_but_never_change(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let client = app.registered("A console").await;
        let bearer = Bearer::of(&operator, &client, "org_authorized_apps_read org_management", &[]).await;

        assert_eq!(bearer.get(PATH).await.status, 200);
        let detail = "an access token cannot change this: send DD-API-KEY and DD-APPLICATION-KEY instead";
        let refused = json_api(403, "Forbidden", detail);
        bearer.post(PATH, &upsert(&[], &[])).await.is(403, &refused);
        bearer.post(&format!("{PATH}?dry_run=true"), &upsert(&[], &[])).await.is(403, &refused);
        bearer.delete(PATH).await.is(403, &refused);
        operator.get(PATH).await.is(200, &unrestricted(&operator.org_id.to_string()));
    }

    async fn an_invalid_list_is_refused_with_its_location(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;

        let unknown = operator.post(PATH, &upsert(&[], &["no_such_scope"])).await;
        let on_delete = operator.delete(&format!("{PATH}?dry_run=true")).await;

        assert_eq!(unknown.status, 400);
        assert_eq!(unknown.json()["errors"][0]["source"], json!({"pointer": "/data/attributes/permission_scopes/0"}));
        assert_eq!(on_delete.json()["errors"][0]["detail"], "dry_run is allowed only with POST");
    }
}
