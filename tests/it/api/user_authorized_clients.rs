//! `/api/v2/user_authorized_clients`: members see and end their own authorizations.

use grantor::actions::audit::AuditActor;
use grantor::actions::clients::disable_client::disable_client;
use grantor::actions::grants::revoke_grant::revoke_grant;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::errors::json_api;
use crate::support::{Answer, Bearer, TestApp, TestOperator};

const PATH: &str = "/api/v2/user_authorized_clients";
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
const START: &str = "2026-01-02T03:04:05Z";
const BY: AuditActor = AuditActor::COMMAND_LINE;

async fn given<'a>(person: &TestOperator<'a>, client_name: &str, scopes: &str) -> Bearer<'a> {
    Bearer::of(person, &person.app.registered(client_name).await, scopes, &[]).await
}

fn resource(bearer: &Bearer<'_>, scopes: &[&str], disabled: bool, org_disabled: bool) -> Value {
    let scopes: Vec<Value> =
        scopes.iter().map(|name| json!({"id": name, "type": "scopes"})).collect();
    json!({
        "id": bearer.grant_id,
        "type": "user_authorized_clients",
        "attributes": {
            "created_at": START,
            "modified_at": START,
            "last_exercised": null,
            "disabled": disabled,
            "org_disabled": org_disabled,
        },
        "relationships": {
            "oauth2_client": {"data": {"id": bearer.client_id, "type": "oauth2_clients"}},
            "scopes": {"data": scopes},
            "user": {"data": {"id": bearer.user_id, "type": "users"}},
        },
    })
}

fn page(data: &[Value], total: u64, filtered: u64) -> Value {
    json!({"data": data, "meta": {"page": {"total_count": total, "total_filtered_count": filtered}}})
}

fn is_none_of_theirs(answer: &Answer) {
    answer.is(404, &json_api(404, "Not Found", "you have no such authorization"));
    assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
}

on_both! {
    async fn members_see_their_own_authorizations_in_this_organization_only(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let reader = acme.colleague("reader@acme.example", Role::ReadOnly).await;
        reader.get(PATH).await.is(200, &page(&[], 0, 0));
        let own = given(&reader, "App", "mcp_read openid").await;
        given(&acme, "App", "openid").await;
        given(&umbra, "App", "openid").await;

        let listed = reader.get(PATH).await;
        let shown = reader.get(&format!("{PATH}/{}", own.grant_id)).await;

        let resource = resource(&own, &["mcp_read", "openid"], false, false);
        listed.is(200, &page(std::slice::from_ref(&resource), 1, 1));
        assert_eq!(listed.header("content-type"), Some("application/vnd.api+json"));
        shown.is(200, &json!({"data": resource}));
    }

    async fn the_list_can_be_filtered_and_paged_and_shows_what_ended(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let (kept, ended) = (given(&acme, "A Reader", "openid").await, given(&acme, "A 100% writer", "openid").await);
        let disabled = given(&acme, "Other", "openid").await;
        revoke_grant(app.context(), ended.grant_id, |_| true, &BY).await.expect("ends");
        disable_client(app.context(), acme.org_id, disabled.client_id, None, &BY).await.expect("is disabled");
        let ask = async |query: &str| acme.get(&format!("{PATH}?{query}")).await;
        let of = |bearer, ended, org_disabled| resource(bearer, &["openid"], ended, org_disabled);
        let all = [of(&kept, false, false), of(&ended, true, false), of(&disabled, true, true)];

        ask("").await.is(200, &page(&all, 3, 3));
        ask("filter=READ").await.is(200, &page(&all[..1], 3, 1));
        ask("filter=%25").await.is(200, &page(&all[1..2], 3, 1));
        ask("filter[disabled]=true").await.is(200, &page(&all[1..], 3, 2));
        ask("filter[disabled]=false&filter=writer").await.is(200, &page(&[], 3, 0));
        ask("page[size]=2&page[number]=1").await.is(200, &page(&all[2..], 3, 3));
        for (query, parameter) in [
            ("page[size]=0", "page[size]"),
            ("filter[disabled]=1", "filter[disabled]"),
            ("include=users", "include"),
        ] {
            let refused = ask(query).await;
            assert_eq!(refused.status, 400, "{query}");
            assert_eq!(refused.json()["errors"][0]["source"], json!({"parameter": parameter}), "{query}");
        }
    }

    async fn the_clients_are_included_on_request(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let own = given(&acme, "App", "openid").await;

        let listed = acme.get(&format!("{PATH}?include=oauth2_client,oauth2_client.app")).await;
        let shown = acme.get(&format!("{PATH}/{}?include=oauth2_client", own.grant_id)).await;

        let included = json!([{
            "id": own.client_id,
            "type": "oauth2_clients",
            "attributes": {"name": "App", "redirect_uris": ["https://example.com/callback"]},
            "relationships": {"scopes": {"data": []}},
        }]);
        assert_eq!((&listed.json()["included"], &shown.json()["included"]), (&included, &included));
        assert_eq!(acme.get(PATH).await.json().get("included"), None);
    }

    async fn an_authorization_is_ended_by_its_id_or_by_its_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let colleague = acme.colleague("ada@acme.example", Role::ReadOnly).await;
        let (first, second) = (given(&colleague, "One", "openid").await, given(&colleague, "Two", "openid").await);
        let of_others = given(&acme, "Two", "openid").await;

        for path in [format!("{PATH}/{}", first.grant_id), format!("{PATH}/client/{}", second.client_id)] {
            for _ in 0..2 {
                let ended = colleague.delete(&path).await;
                assert_eq!((ended.status.as_u16(), ended.text.as_str()), (204, ""), "{path}");
            }
        }

        assert!(!first.lives().await && !second.lives().await && of_others.lives().await);
    }

    async fn the_authorizations_of_others_look_like_unknown_ones(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let colleague = acme.colleague("ada@acme.example", Role::Standard).await;
        let (theirs, elsewhere) = (given(&colleague, "App", "openid").await, given(&umbra, "App", "openid").await);
        let (grants, clients) = ([theirs.grant_id, elsewhere.grant_id], [theirs.client_id, elsewhere.client_id]);
        let unknown = [NOBODY.to_owned(), "x".to_owned()];

        for id in grants.map(|id| id.to_string()).iter().chain(&unknown) {
            is_none_of_theirs(&acme.get(&format!("{PATH}/{id}")).await);
            is_none_of_theirs(&acme.delete(&format!("{PATH}/{id}")).await);
        }
        for id in clients.map(|id| id.to_string()).iter().chain(&unknown) {
            is_none_of_theirs(&acme.delete(&format!("{PATH}/client/{id}")).await);
        }
        assert!(theirs.lives().await && elsewhere.lives().await);
    }

    async fn a_token_needs_the_scope_built_in_features(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let with_scope = given(&acme, "One", "built_in_features").await;
        let without = given(&acme, "Two", "org_authorized_apps_read org_authorized_apps_write").await;

        assert_eq!(with_scope.get(PATH).await.json()["meta"]["page"]["total_count"], 2);
        let detail =
            "the access token lacks the scope built_in_features: have its user authorize the client for it";
        without.get(PATH).await.is(403, &json_api(403, "Forbidden", detail));
        assert_eq!(with_scope.delete(&format!("{PATH}/{}", without.grant_id)).await.status, 204);
        assert_eq!(without.get(PATH).await.status, 401);
    }
}
