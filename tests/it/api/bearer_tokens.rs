//! Operators with an access token: it allows what both its scopes and its user's role permit.

use std::time::Duration;

use axum::http::Method;
use grantor::actions::audit::AuditActor;
use grantor::actions::clients::disable_client::disable_client;
use grantor::actions::tokens::revoke_family;
use grantor::actions::tokens::revoke_family::RevocationReason;
use grantor::actions::users::disable_user;
use grantor::rules::identity::permission::Role;
use serde_json::json;

use crate::support::errors::{json_api, no_such_client};
use crate::support::flow::McpClient;
use crate::support::{
    Answer, Bearer, TestApp, listed, restricted, restriction_path, unrestricted, upsert,
};

const READ: &str = "org_authorized_apps_read";
const WRITE: &str = "org_authorized_apps_write";
const LIST: &str = "/api/v2/org_authorized_clients";

fn is_unauthorized(answer: &Answer) {
    answer.is(401, &json!({"errors": ["Unauthorized"]}));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"grantor\""));
}

fn lacks_scope(answer: &Answer, scope: &str) {
    let detail = format!(
        "the access token lacks the scope {scope}: have its user authorize the client for it"
    );
    answer.is(403, &json_api(403, "Forbidden", &detail));
    assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
}

fn lacks_permission(answer: &Answer, permission: &str) {
    let detail = format!(
        "the role of this user lacks the permission {permission}: ask a member of the \
         organization whose role has it"
    );
    answer.is(403, &json_api(403, "Forbidden", &detail));
}

on_both! {
    async fn a_token_with_the_scopes_restricts_a_client_and_lifts_the_restriction(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client) = (app.operator("Acme").await, app.registered("A client").await);
        let bearer = Bearer::of(&operator, &app.registered("A console").await, &format!("{READ} {WRITE}"), &[]).await;
        let path = restriction_path(&client);

        bearer.post(&path, &upsert(&["openid"], &["mcp_read"])).await.is(200, &restricted(&client, &["openid"], &["mcp_read"]));
        bearer.get(&path).await.is(200, &restricted(&client, &["openid"], &["mcp_read"]));
        assert_eq!(bearer.delete(&path).await.status, 204);
        bearer.get(&path).await.is(200, &unrestricted(&client));
    }

    async fn a_change_by_a_token_is_recorded_with_its_user_and_family(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client) = (app.operator("Acme").await, app.registered("A client").await);
        let bearer = Bearer::of(&operator, &app.registered("A console").await, WRITE, &[]).await;

        assert_eq!(bearer.post(&restriction_path(&client), &upsert(&[], &[])).await.status, 200);

        let event = listed::audit_events(app.db(), operator.org_id, 1).await.expect("is readable").remove(0);
        assert_eq!(event.action, "scopes_restriction.set");
        assert_eq!(event.actor, format!("user:{} family:{}", bearer.user_id, bearer.family_id));
    }

    async fn either_scope_allows_the_list_of_clients_but_only_one_allows_a_single_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let reader = Bearer::of(&operator, &app.registered("A reader").await, READ, &[]).await;
        let integrator = Bearer::of(&operator, &app.registered("An integrator").await, "manage_integrations", &[]).await;
        let one = format!("{LIST}/{}", reader.authorized_id);

        assert_eq!(reader.get(LIST).await.json()["meta"]["page"]["total_count"], 2);
        assert_eq!(integrator.get(LIST).await.json()["meta"]["page"]["total_count"], 2);
        assert_eq!(reader.get(&one).await.status, 200);
        lacks_scope(&integrator.get(&one).await, READ);
        lacks_scope(&reader.delete(&one).await, WRITE);
        assert!(reader.lives().await);
    }

    async fn a_token_without_the_scope_is_forbidden_in_the_error_format_of_the_api(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client) = (app.operator("Acme").await, app.registered("A client").await);
        let bearer = Bearer::of(&operator, &app.registered("A console").await, "openid", &[]).await;
        let path = restriction_path(&client);

        lacks_scope(&bearer.get(&path).await, READ);
        lacks_scope(&bearer.post(&path, &upsert(&[], &[])).await, WRITE);
        lacks_scope(&bearer.delete(&path).await, WRITE);
        lacks_scope(&bearer.get(LIST).await, READ);
        operator.get(&path).await.is(200, &unrestricted(&client));
    }

    async fn a_token_is_forbidden_if_its_user_lacks_the_permission(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client) = (app.operator("Acme").await, app.registered("A client").await);
        let reader = operator.colleague("reader@acme.example", Role::ReadOnly).await;
        let bearer = Bearer::of(&reader, &app.registered("A console").await, &format!("{READ} {WRITE}"), &[]).await;
        let path = restriction_path(&client);

        bearer.get(&path).await.is(200, &unrestricted(&client));
        lacks_permission(&bearer.post(&path, &upsert(&[], &[])).await, WRITE);
        lacks_permission(&bearer.delete(&path).await, WRITE);
        lacks_permission(&bearer.delete(&format!("{LIST}/{}", bearer.authorized_id)).await, WRITE);
        operator.get(&path).await.is(200, &unrestricted(&client));
    }

    async fn a_token_for_a_resource_is_not_a_credential_here(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client) = (app.operator("Acme").await, app.registered("A client").await);
        let console = app.registered("A console").await;
        let bearer = Bearer::of(&operator, &console, &format!("{READ} {WRITE}"), &["https://mcp.example/mcp"]).await;

        is_unauthorized(&bearer.get(&restriction_path(&client)).await);
        is_unauthorized(&bearer.delete(&restriction_path(&client)).await);
        is_unauthorized(&bearer.get(LIST).await);
    }

    async fn a_token_for_this_server_and_a_resource_is_not_a_credential_here(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let both = [app.app.issuer.name.as_str(), "https://mcp.example/mcp"];
        let bearer = Bearer::of(&operator, &app.registered("A console").await, READ, &both).await;

        is_unauthorized(&bearer.get(LIST).await);
    }

    async fn a_token_whose_user_was_not_shown_that_it_reaches_this_server_is_not_a_credential_here(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let bearer = Bearer::of(&operator, &app.registered("A console").await, READ, &[]).await;
        assert_eq!(bearer.get(LIST).await.status, 200);

        // A release without this notice on the page stored it like this.
        app.execute("UPDATE consents SET scopes = NULL").await;

        is_unauthorized(&bearer.get(LIST).await);
        assert!(bearer.lives().await, "for everything else");
    }

    async fn a_token_allows_only_the_scopes_granted_for_this_server(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let bearer = Bearer::of(&operator, &app.registered("A console").await, &format!("{READ} {WRITE}"), &[]).await;
        let one = format!("{LIST}/{}", bearer.authorized_id);

        app.execute("UPDATE consents SET scopes = '[\"org_authorized_apps_read\"]'").await;

        assert_eq!(bearer.get(&one).await.status, 200);
        lacks_scope(&bearer.delete(&one).await, WRITE);
        assert!(bearer.lives().await);
    }

    async fn scopes_granted_for_a_resource_do_not_apply_here_after_a_silent_approval(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut ada = acme.person("ada@mail.example", Role::Admin).await;
        let victim = Bearer::of(&acme, &app.registered("A victim").await, "openid", &[]).await;
        let client = McpClient::registered(&app, &["https://app.example/cb"]).await;
        let scope = ("scope", "org_authorized_apps_read org_authorized_apps_write");
        ada.approves(&client.url(&[scope, ("resource", "https://mcp.example/mcp")])).await;

        let silently = ada.open(&client.url(&[scope, ("prompt", "none")])).await;

        client.is_refused(&silently, "consent_required", "the user has to consent");
        let agreed = ada.approves(&client.url(&[scope])).await;
        let tokens = client.exchange(&client.code(&agreed), &[]).await.json();
        let request = |method, path: &str| {
            let token = tokens["access_token"].as_str().expect("a token");
            crate::support::request(method, path).header("authorization", format!("Bearer {token}"))
        };
        let delete = request(Method::DELETE, &format!("{LIST}/{}", victim.authorized_id));
        assert_eq!(app.ask(delete).await.status, 204, "once that was shown and agreed to");
    }

    async fn a_revoked_token_is_refused_immediately_on_every_replica(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, replica) = (app.operator("Acme").await, app.replica().await);
        let bearer = Bearer::of(&operator, &app.registered("A console").await, READ, &[]).await;
        let elsewhere = || replica.ask(bearer.request(Method::GET, LIST));
        assert_eq!((bearer.get(LIST).await.status, elsewhere().await.status), (200.try_into().expect("a status"), 200.try_into().expect("a status")));

        revoke_family::revoke_family(app.context(), &app.app.issuer, bearer.family_id, RevocationReason::CodeUsedTwice).await.expect("is revoked");

        is_unauthorized(&bearer.get(LIST).await);
        is_unauthorized(&elsewhere().await);
    }

    async fn an_expired_token_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let bearer = Bearer::of(&operator, &app.registered("A console").await, READ, &[]).await;
        assert_eq!(bearer.get(LIST).await.status, 200);

        app.clock.advance(Duration::from_secs(3_600));

        is_unauthorized(&bearer.get(LIST).await);
    }

    async fn tokens_of_disabled_users_and_clients_are_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let colleague = operator.colleague("ada@acme.example", Role::Admin).await;
        let console = app.registered("A console").await;
        let of_colleague = Bearer::of(&colleague, &console, READ, &[]).await;
        let bearer = Bearer::of(&operator, &console, READ, &[]).await;
        let by = AuditActor::COMMAND_LINE;

        disable_user::disable_user(app.context(), &app.app.callers, &colleague.email, &by).await.expect("is disabled");
        is_unauthorized(&of_colleague.get(LIST).await);
        assert_eq!(bearer.get(LIST).await.status, 200);
        disable_client(app.context(), operator.org_id, bearer.client_id, None, &by).await.expect("is disabled");
        is_unauthorized(&bearer.get(LIST).await);
    }

    async fn a_valid_token_is_preferred_to_keys_and_an_invalid_one_is_ignored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client) = (app.operator("Acme").await, app.registered("A client").await);
        let other = app.operator("Umbra").await;
        let bearer = Bearer::of(&other, &app.registered("A console").await, READ, &[]).await;
        let path = restriction_path(&client);
        assert_eq!(operator.restrict(&client, &[], &["mcp_read"]).await.status, 200);
        let ask = async |token: &str| {
            let request = operator.request(Method::GET, &path).header("Authorization", format!("Bearer {token}"));
            app.ask(request).await
        };

        ask("nonsense").await.is(200, &restricted(&client, &[], &["mcp_read"]));
        ask(bearer.token.expose()).await.is(200, &unrestricted(&client));
    }

    async fn a_token_cannot_see_other_organizations(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let console = app.registered("A console").await;
        let bearer = Bearer::of(&acme, &console, &format!("{READ} {WRITE}"), &[]).await;
        let theirs = Bearer::of(&umbra, &console, READ, &[]).await;
        let none = json_api(404, "Not Found", "this organization has no authorized client with \
                                               this id");
        let path = format!("{LIST}/{}", theirs.authorized_id);

        bearer.get(&path).await.is(404, &none);
        bearer.delete(&path).await.is(404, &none);
        bearer.get(&format!("{path}/user_authorized_clients")).await.is(404, &none);
        bearer.delete(&format!("{path}/user/{}", theirs.user_id)).await.is(404, &none);
        let nobody = restriction_path("00000000-0000-4000-8000-000000000000");
        bearer.get(&nobody).await.is(404, &no_such_client());
        assert!(theirs.lives().await);
    }
}
