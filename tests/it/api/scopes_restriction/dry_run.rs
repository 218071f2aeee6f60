//! `?dry_run=true` previews a change, and `?if_digest=` applies it only to the previewed state.

use grantor::rules::scope::{ScopeSet, ScopeToken};
use serde_json::{Value, json};

use crate::support::errors::{json_api, no_such_client};
use crate::support::{
    Answer, TestApp, TestOperator, listed, restricted, restriction_path, unrestricted, upsert,
};

const NOBODY: &str = "72b68208-36a6-11f0-b21b-da7ad0900002";

async fn previewed(operator: &TestOperator<'_>, client_id: &str, upsert: &Value) -> Answer {
    operator.post(&format!("{}?dry_run=true", restriction_path(client_id)), upsert).await
}

async fn digest(operator: &TestOperator<'_>, client_id: &str) -> String {
    let preview = previewed(operator, client_id, &upsert(&["openid"], &[])).await;
    preview.json()["meta"]["digest"].as_str().expect("a digest").to_owned()
}

fn if_digest(client_id: &str, digest: &str) -> String {
    format!("{}?if_digest={digest}", restriction_path(client_id))
}

fn moved() -> Value {
    json_api(
        409,
        "Conflict",
        "the restriction has changed since the preview with this digest: preview it again",
    )
}

fn bad_parameter(name: &str, detail: &str) -> Value {
    json!({"errors": [{"status": "400", "title": "Bad Request", "detail": detail, "source": {"parameter": name}}]})
}

on_both! {
    async fn a_dry_run_returns_the_added_and_removed_scopes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        operator.restrict(&client_id, &["openid", "email"], &["mcp_read", "teams_read"]).await;

        let answer = previewed(&operator, &client_id, &upsert(&["openid", "profile"], &["mcp_write", "mcp_read"])).await;

        let mut expected = restricted(&client_id, &["openid", "profile"], &["mcp_write", "mcp_read"]);
        expected["meta"] = json!({
            "dry_run": true,
            "scopes_added": ["mcp_write", "profile"],
            "scopes_removed": ["email", "teams_read"],
            "grants": 0,
            "ended": 0,
            "users": 0,
            "last_token_ends_at": null,
            "digest": answer.json()["meta"]["digest"],
        });
        answer.is(200, &expected);
        assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
    }

    async fn a_dry_run_stores_and_records_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let events = listed::audit_events(app.db(), operator.org_id, 10).await.expect("are listed");

        previewed(&operator, &client_id, &upsert(&[], &[])).await;

        operator.get(&restriction_path(&client_id)).await.is(200, &unrestricted(&client_id));
        let after = listed::audit_events(app.db(), operator.org_id, 10).await.expect("are listed");
        assert_eq!(after, events);
    }

    async fn a_first_restriction_removes_every_scope_that_it_does_not_list(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let mut others: Vec<&str> = app.app.catalog.iter().map(|scope| ScopeToken::as_str(&scope.name)).collect();
        others.retain(|name| !["openid", "mcp_read"].contains(name));
        others.sort_unstable();

        let answer = previewed(&operator, &client_id, &upsert(&["openid"], &["mcp_read"])).await;

        let meta = &answer.json()["meta"];
        assert_eq!((&meta["scopes_added"], &meta["scopes_removed"]), (&json!([]), &json!(others)));
    }

    async fn a_first_restriction_removes_only_scopes_that_the_default_allows(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let defaults = ScopeSet::parse("openid email mcp_read").expect("scopes");
        app.set_default_scopes(operator.org_id, Some(&defaults)).await.expect("is set");

        let answer = previewed(&operator, &client_id, &upsert(&["openid"], &["teams_read"])).await;

        let meta = &answer.json()["meta"];
        assert_eq!(
            (&meta["scopes_added"], &meta["scopes_removed"]),
            (&json!(["teams_read"]), &json!(["email", "mcp_read"])),
        );
        operator.get(&restriction_path(&client_id)).await.is(200, &unrestricted(&client_id));
    }

    async fn a_dry_run_checks_like_the_change_itself(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);

        let unknown_client = previewed(&operator, NOBODY, &upsert(&["openid"], &[])).await;
        let unknown_scope = previewed(&operator, &client_id, &upsert(&["nonsense"], &[])).await;

        unknown_client.is(404, &no_such_client());
        assert_eq!(unknown_scope.status, 400);
    }

    async fn a_change_with_the_current_digest_succeeds(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        for name in ["openid", "email"] {
            let returned = digest(&operator, &client_id).await;
            let written = if name == "email" { returned.to_uppercase() } else { returned };

            let answer = operator.post(&if_digest(&client_id, &written), &upsert(&[name], &[])).await;

            answer.is(200, &restricted(&client_id, &[name], &[]));
            operator.get(&restriction_path(&client_id)).await.is(200, &restricted(&client_id, &[name], &[]));
        }
    }

    async fn a_change_with_an_old_digest_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let digest = digest(&operator, &client_id).await;
        operator.restrict(&client_id, &["email"], &["mcp_read"]).await;

        let answer = operator.post(&if_digest(&client_id, &digest), &upsert(&["openid"], &[])).await;

        answer.is(409, &moved());
        operator.get(&restriction_path(&client_id)).await.is(200, &restricted(&client_id, &["email"], &["mcp_read"]));
    }

    async fn a_change_of_the_default_scopes_changes_the_digest(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let digest = digest(&operator, &client_id).await;
        let only_email: ScopeSet = [ScopeToken::parse("email").expect("a scope")].into_iter().collect();
        app.set_default_scopes(operator.org_id, Some(&only_email)).await.expect("are set");

        let answer = operator.post(&if_digest(&client_id, &digest), &upsert(&["openid"], &[])).await;

        answer.is(409, &moved());
        operator.get(&restriction_path(&client_id)).await.is(200, &unrestricted(&client_id));
    }

    async fn empty_lists_and_no_restriction_have_different_digests(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let of_none = digest(&operator, &client_id).await;
        operator.restrict(&client_id, &[], &[]).await;

        let answer = operator.post(&if_digest(&client_id, &of_none), &upsert(&["openid"], &[])).await;

        answer.is(409, &moved());
    }

    async fn a_digest_is_valid_only_for_its_organization_and_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbrella) = (app.operator("Acme").await, app.operator("Umbrella").await);
        let (one, other) = (app.registered("One client").await, app.registered("Another client").await);
        let digest = digest(&acme, &one).await;

        let other_client = acme.post(&if_digest(&other, &digest), &upsert(&[], &[])).await;
        let other_org = umbrella.post(&if_digest(&one, &digest), &upsert(&[], &[])).await;

        other_client.is(409, &moved());
        other_org.is(409, &moved());
    }

    async fn invalid_parameters_are_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let twice = format!("if_digest={0}&if_digest={0}", digest(&operator, &client_id).await);
        let cases = [
            ("dry_run=yes", "dry_run", "dry_run must be true or false"),
            ("dry_run", "dry_run", "dry_run must be true or false"),
            ("if_digest=", "if_digest", "if_digest must be a digest returned by a dry run"),
            ("if_digest=abc", "if_digest", "if_digest must be a digest returned by a dry run"),
            ("dry_run=true&dry_run=false", "dry_run", "dry_run is given more than once"),
            ("dry_run=true&dry%5Frun=true", "dry_run", "dry_run is given more than once"),
            (&twice, "if_digest", "if_digest is given more than once"),
        ];
        for (query, parameter, detail) in cases {
            let path = format!("{}?{query}", restriction_path(&client_id));

            let answer = operator.post(&path, &upsert(&[], &[])).await;

            answer.is(400, &bad_parameter(parameter, detail));
        }
        operator.get(&restriction_path(&client_id)).await.is(200, &unrestricted(&client_id));
    }

    async fn a_parameter_name_may_be_percent_encoded(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let path = restriction_path(&client_id);
        let digest = digest(&operator, &client_id).await;
        operator.restrict(&client_id, &["openid"], &[]).await;

        let looked = operator.post(&format!("{path}?dry%5Frun=true"), &upsert(&[], &[])).await;
        let compared = operator.post(&format!("{path}?%69f%5fdigest={digest}"), &upsert(&[], &[])).await;

        assert_eq!(looked.json()["meta"]["dry_run"], json!(true));
        compared.is(409, &moved());
        operator.get(&path).await.is(200, &restricted(&client_id, &["openid"], &[]));
    }

    async fn deleting_a_restriction_with_dry_run_or_a_digest_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
        let path = restriction_path(&client_id);
        let digest = digest(&operator, &client_id).await;
        operator.restrict(&client_id, &["openid"], &[]).await;

        let tried = operator.delete(&format!("{path}?dry_run=true")).await;
        let compared = operator.delete(&if_digest(&client_id, &digest)).await;

        tried.is(400, &bad_parameter("dry_run", "dry_run is allowed only with POST"));
        compared.is(400, &bad_parameter("if_digest", "if_digest is allowed only with POST"));
        operator.get(&path).await.is(200, &restricted(&client_id, &["openid"], &[]));
    }
}
