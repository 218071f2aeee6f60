//! `/api/v2/partners`, and the private scopes of partners.

use axum::http::Method;
use grantor::actions::audit::AuditActor;
use grantor::actions::clients::disable_client::disable_client;
use grantor::rules::client::ClientId;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::errors::{json_api, strings};
use crate::support::private_client::{OWN_CLIENTS, PrivateClient, body};
use crate::support::publishing::{complete, make_partner, reviewer, submission};
use crate::support::{Answer, TestApp, TestOperator, listed, request};

const MARKETPLACE: &str = "/api/v2/api_keys/marketplace";

fn partner(operator: &TestOperator<'_>, attributes: Value) -> Value {
    json!({"data": {"id": operator.org_id, "type": "partners", "attributes": attributes}})
}

fn path(operator: &TestOperator<'_>) -> String {
    format!("/api/v2/partners/{}", operator.org_id)
}

async fn marketplace(app: &TestApp, access_token: &str) -> Answer {
    app.ask(
        request(Method::POST, MARKETPLACE)
            .header("authorization", format!("Bearer {access_token}")),
    )
    .await
}

/// The tokens of an administrator for a private client with a private scope.
async fn tokens(client: &PrivateClient<'_>, acme: &TestOperator<'_>) -> Value {
    let mut ada = acme.person("ada@acme.example", Role::Admin).await;
    let url = client.flow.url(&[("code_challenge", ""), ("code_challenge_method", "")]);
    let allowed = ada.approves(&url).await;
    let answer = client.exchange(&client.flow.code(&allowed)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().expect("text")
}

on_both! {
    async fn a_reviewer_approves_changes_and_ends_partners(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let judge = reviewer(&app, "Server").await;
        let path = path(&acme);
        let unknown = json_api(404, "Not Found", "there is no partner with this id");
        acme.get(&path).await.is(404, &unknown);

        let approved = judge.put(&path, &partner(&acme, json!({"private_scopes": ["api_keys_write"], "note": "Contract 7"}))).await;

        let expected = json!({"data": {
            "id": acme.org_id,
            "type": "partners",
            "attributes": {"private_scopes": ["api_keys_write"], "note": "Contract 7", "approved_at": "2026-01-02T03:04:05Z"},
        }});
        approved.is(200, &expected);
        acme.get(&path).await.is(200, &expected);
        judge.get("/api/v2/partners").await.is(200, &json!({
            "data": [expected["data"]],
            "meta": {"page": {"total_count": 1, "total_filtered_count": 1}},
        }));
        let changed = judge.put(&path, &partner(&acme, json!({}))).await;
        assert_eq!(changed.json()["data"]["attributes"]["private_scopes"], json!([]));
        assert_eq!(judge.delete(&path).await.status, 204);
        judge.delete(&path).await.is(404, &unknown);
        let events = listed::audit_events(app.db(), acme.org_id, 100).await.expect("is readable");
        let actions: Vec<_> = events.iter().map(|event| event.action.as_str()).filter(|name| name.starts_with("partner.")).collect();
        assert_eq!(actions, ["partner.approved", "partner.changed", "partner.ended"]);
    }

    async fn others_can_only_see_their_own_partnership(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        make_partner(&acme, "").await;
        let refused = json_api(403, "Forbidden", "only a reviewer of this server may do this: its operator names them with grantor reviewer add");
        for answer in [
            umbra.get(&path(&acme)).await,
            acme.get("/api/v2/partners").await,
            acme.put(&path(&acme), &partner(&acme, json!({"private_scopes": ["api_keys_write"]}))).await,
            acme.delete(&path(&acme)).await,
        ] {
            answer.is(403, &refused);
        }
    }

    async fn a_partner_must_exist_and_have_private_scopes_only(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let judge = reviewer(&app, "Server").await;
        let nobody = "00000000-0000-4000-8000-000000000000";
        let none = json!({"data": {"id": nobody, "type": "partners"}});
        let unknown = json_api(404, "Not Found", "there is no partner with this id");
        judge.put(&format!("/api/v2/partners/{nobody}"), &none).await.is(404, &unknown);
        judge.get("/api/v2/partners/not-a-uuid").await.is(404, &unknown);
        let public = judge.put(&path(&acme), &partner(&acme, json!({"private_scopes": ["openid"]}))).await;
        assert_eq!(public.status, 400);
        assert!(public.text.contains("/data/attributes/private_scopes/0"), "{}", public.text);
        assert_eq!(judge.put(&path(&acme), &none).await.status, 422);
        assert_eq!(judge.put(&path(&acme), &partner(&acme, json!({"x": 1}))).await.status, 400);
    }

    async fn a_private_scope_needs_an_approved_partner_and_ends_with_the_approval(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let judge = reviewer(&app, "Server").await;
        let attributes = json!({"name": "Pager", "redirect_uris": ["https://pager.example/cb"], "scopes": ["api_keys_write"]});
        let refused = acme.post(OWN_CLIENTS, &body(attributes)).await;
        assert_eq!(refused.status, 403);
        assert!(refused.text.contains("api_keys_write is for approved partners: the operator of this server approves them"), "{}", refused.text);
        make_partner(&acme, "api_keys_write").await;

        let client = PrivateClient::of(&acme, &["openid", "api_keys_write"]).await;
        let given = tokens(&client, &acme).await;

        assert_eq!(given["scope"], "api_keys_write openid");
        let scopes = acme.get(&format!("{}/scopes?filter=api_keys_write", client.path())).await.json();
        assert_eq!(scopes["data"][0]["attributes"]["allowed"], true);
        assert_eq!(judge.delete(&path(&acme)).await.status, 204);
        marketplace(&app, text(&given, "access_token")).await.is(403, &strings("Forbidden"));
        assert_eq!(client.refresh(text(&given, "refresh_token")).await.json()["scope"], "openid");
    }

    async fn a_version_with_a_private_scope_needs_a_reason_and_the_approval(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "api_keys_write").await;
        let mut attributes = complete();
        attributes["scopes"] = json!(["api_keys_write"]);
        let id = crate::support::publishing::draft(&acme, attributes).await;
        let submit = format!("{OWN_CLIENTS}/{id}/submit");

        let missing = acme.post(&submit, &submission(json!({}))).await;
        let reasons = json!({"scope_reasons": {"api_keys_write": "It sends metrics."}});
        let submitted = acme.post(&submit, &submission(reasons)).await.json();
        make_partner(&acme, "").await;
        let version = text(&submitted["data"], "id");
        let refused = crate::support::publishing::approve(&judge, version).await;

        missing.is(400, &json_api(400, "Bad Request", "scope_reasons.api_keys_write is missing: say why the client needs this scope"));
        assert_eq!(refused.status, 403, "{}", refused.text);
        let warnings = judge.get(&format!("/api/v2/oauth2_client_reviews/{version}")).await.json()["meta"]["warnings"].clone();
        assert_eq!(warnings, json!(["api_keys_write is a private scope. Reason: It sends metrics.", "this is the first submission of this partner"]));
    }

    async fn a_client_creates_its_api_key_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        make_partner(&acme, "api_keys_write").await;
        let client = PrivateClient::of(&acme, &["openid", "api_keys_write"]).await;
        let given = tokens(&client, &acme).await;
        let access = text(&given, "access_token");

        let made = marketplace(&app, access).await;
        let again = marketplace(&app, access).await;

        assert_eq!((made.status.as_u16(), made.header("cache-control")), (201, Some("no-store")));
        let key = made.json()["data"].clone();
        let attributes = &key["attributes"];
        assert_eq!(attributes["name"], "OAuth Client API Key");
        assert_eq!(attributes["category"], json!(format!("oauth_client:{}", client.flow.id)));
        assert!(key["relationships"]["created_by"]["data"]["id"].is_string(), "{key}");
        again.is(409, &strings("this organization has an API key of this client already: revoke it before another is made"));
        let id = text(&key, "id");
        let by_category = acme.get(&format!("/api/v2/api_keys?filter[category]=oauth_client:{}", client.flow.id)).await.json();
        assert_eq!(by_category["data"][0]["id"], id);
        assert_eq!(acme.delete(&format!("/api/v2/api_keys/{id}")).await.status, 204);
        assert_eq!(marketplace(&app, access).await.status, 201, "after it was revoked, another is made");
    }

    async fn the_key_of_a_client_ends_with_the_client_and_not_with_the_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        make_partner(&acme, "api_keys_write").await;
        let client = PrivateClient::of(&acme, &["openid", "api_keys_write"]).await;
        let given = tokens(&client, &acme).await;
        let key = marketplace(&app, text(&given, "access_token")).await.json();
        let key = text(&key["data"]["attributes"], "key").to_owned();
        let works = async || {
            let builder = request(Method::GET, "/api/v2/api_keys").header("dd-api-key", &key);
            app.ask(builder.header("dd-application-key", acme.keys.application_key.expose())).await.status
        };
        client.post("/oauth2/v1/revoke", &[("token", text(&given, "refresh_token"))]).await;
        assert_eq!(works().await, 200);
        marketplace(&app, text(&given, "access_token")).await.is(401, &strings("Unauthorized"));

        let id = ClientId::parse(&client.flow.id).expect("an id");
        disable_client(app.context(), acme.org_id, id, None, &AuditActor::COMMAND_LINE).await.expect("is disabled");
        app.app.callers.clear();

        assert_eq!(works().await, 403);
    }

    async fn only_a_token_with_the_scope_creates_the_key(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        make_partner(&acme, "api_keys_write").await;
        let client = PrivateClient::of(&acme, &["openid"]).await;
        let given = tokens(&client, &acme).await;

        marketplace(&app, text(&given, "access_token")).await.is(403, &strings("Forbidden"));
        marketplace(&app, text(&given, "refresh_token")).await.is(401, &strings("Unauthorized"));
        acme.post(MARKETPLACE, &json!({})).await.is(403, &strings("Forbidden"));
        app.ask(request(Method::POST, MARKETPLACE)).await.is(401, &strings("Unauthorized"));
    }

    async fn two_requests_at_once_create_one_key(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        make_partner(&acme, "api_keys_write").await;
        let client = PrivateClient::of(&acme, &["openid", "api_keys_write"]).await;
        let given = tokens(&client, &acme).await;
        let access = text(&given, "access_token");

        let (one, other) = tokio::join!(marketplace(&app, access), marketplace(&app, access));

        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
    }
}
