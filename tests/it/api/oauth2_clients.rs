//! `/api/v2/oauth2_clients`: an organization creates, changes and deletes clients with a secret.

use std::time::Duration;

use axum::http::Method;
use grantor::rules::client::client_secret::is_well_formed;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::errors::json_api;
use crate::support::private_client::{OWN_CLIENTS, PrivateClient, body};
use crate::support::{Answer, Bearer, TestApp, TestOperator, listed};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
const START: &str = "2026-01-02T03:04:05Z";

fn attributes() -> Value {
    json!({
        "name": "Pager",
        "redirect_uris": ["https://pager.example/cb", "http://127.0.0.1/cb"],
        "onboarding_url": "https://pager.example/start",
        "description": "On-call alerts",
        "scopes": ["mcp_read", "openid"],
    })
}

async fn created(operator: &TestOperator<'_>, attributes: Value) -> String {
    let answer = operator.post(OWN_CLIENTS, &body(attributes)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["data"]["id"].as_str().expect("an id").to_owned()
}

fn change(id: &str, attributes: Value) -> Value {
    json!({"data": {"id": id, "type": "oauth2_clients", "attributes": attributes}})
}

fn secret_of(answer: &Answer) -> Value {
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", answer.text);
    answer.json()["data"]["attributes"].clone()
}

fn is_refused(answer: &Answer, status: u16, detail: &str, pointer: &str) {
    let title = if status == 403 { "Forbidden" } else { "Bad Request" };
    let mut error = json_api(status, title, detail);
    error["errors"][0]["source"] = json!({"pointer": pointer});
    answer.is(status, &error);
}

async fn actions(operator: &TestOperator<'_>) -> Vec<String> {
    let events = listed::audit_events(operator.app.db(), operator.org_id, 100).await;
    let events = events.expect("is readable").into_iter().map(|event| event.action);
    events.filter(|action| action.starts_with("client.")).collect()
}

on_both! {
    async fn a_client_is_created_and_read_back_whole(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let member = acme.colleague("ada@acme.example", Role::Standard).await;

        let answer = member.post(OWN_CLIENTS, &body(attributes())).await;

        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (201, Some("application/vnd.api+json")));
        let created = answer.json();
        let id = created["data"]["id"].as_str().expect("an id").to_owned();
        let by = created["data"]["relationships"]["created_by"].clone();
        assert_eq!(created, json!({"data": {
            "id": id,
            "type": "oauth2_clients",
            "attributes": {
                "kind": "private",
                "state": "private",
                "name": "Pager",
                "description": "On-call alerts",
                "onboarding_url": "https://pager.example/start",
                "redirect_uris": ["https://pager.example/cb", "http://127.0.0.1/cb"],
                "scopes": ["mcp_read", "openid"],
                "revision": 1,
                "listed": false,
                "created_at": START,
                "modified_at": START,
                "published_at": null,
                "client_secret": null,
            },
            "relationships": {
                "org": {"data": {"id": acme.org_id, "type": "orgs"}},
                "created_by": by,
                "private_client": {"data": {"id": id, "type": "oauth2_clients"}},
                "published_client": {"data": null},
                "open_version": {"data": null},
            },
        }}));
        assert_eq!(by["data"]["type"], "users");
        acme.get(&format!("{OWN_CLIENTS}/{id}")).await.is(200, &created);
        assert_eq!(actions(&acme).await, ["client.created"]);
    }

    async fn clients_are_listed_newest_first_and_only_those_of_the_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let mut ids = Vec::new();
        for name in ["One", "Two", "Three"] {
            ids.push(created(&acme, json!({"name": name, "redirect_uris": ["https://a.example/cb"]})).await);
        }
        ids.reverse();
        created(&umbra, attributes()).await;
        let ask = async |query: &str| {
            let answer = acme.get(&format!("{OWN_CLIENTS}?{query}")).await.json();
            let found: Vec<String> = answer["data"].as_array().expect("a list").iter()
                .map(|client| client["id"].as_str().expect("an id").to_owned()).collect();
            (found, answer["meta"]["page"].clone())
        };
        let counts = |filtered| json!({"total_count": 3, "total_filtered_count": filtered});

        assert_eq!(ask("").await, (ids.clone(), counts(3)));
        assert_eq!(ask("page[size]=2&page[number]=1").await, (ids[2..].to_vec(), counts(3)));
        assert_eq!(ask("filter=TW").await, (ids[1..2].to_vec(), counts(1)));
    }

    async fn an_edit_changes_what_is_named_and_counts(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = created(&acme, attributes()).await;
        let path = format!("{OWN_CLIENTS}/{id}");
        app.clock.advance(Duration::from_secs(60));

        let edited = acme.patch(&path, &change(&id, json!({"description": null, "scopes": []}))).await;
        let same = acme.patch(&path, &change(&id, json!({"name": "Pager"}))).await;
        let other = acme.patch(&path, &change(NOBODY, json!({"name": "Other"}))).await;

        assert_eq!(edited.status, 200, "{}", edited.text);
        let shown = edited.json()["data"]["attributes"].clone();
        assert_eq!(
            [&shown["revision"], &shown["description"], &shown["scopes"], &shown["name"], &shown["modified_at"]],
            [&json!(2), &Value::Null, &json!([]), &json!("Pager"), &json!("2026-01-02T03:05:05Z")],
        );
        assert_eq!((same.status.as_u16(), other.status.as_u16()), (422, 422), "{} {}", same.text, other.text);
        let events = listed::audit_events(app.db(), acme.org_id, 100).await.expect("is readable");
        let changed = events.iter().find(|event| event.action == "client.changed").expect("is there");
        assert_eq!(changed.before, Some(json!({"description": "On-call alerts", "scopes": ["mcp_read", "openid"]})));
        assert_eq!(changed.after, Some(json!({"description": null, "scopes": []})));
    }

    async fn attributes_that_cannot_be_used_are_refused_with_their_place(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let with = |member: &str, value: Value| {
            let mut attributes = attributes();
            attributes[member] = value;
            body(attributes)
        };
        let two_hosts = json!(["https://a.example/cb", "https://b.example/cb"]);
        let cases = [
            (with("redirect_uris", two_hosts), 400, "all redirect URIs of a client are on one host", "/data/attributes/redirect_uris/1"),
            (with("scopes", json!(["nonsense"])), 400, "the scope is not in the catalog: its operator can add it", "/data/attributes/scopes/0"),
            (with("scopes", json!(["api_keys_write"])), 403, "api_keys_write is for approved partners: the operator of this server approves them", "/data/attributes/scopes/0"),
            (with("logo", json!("x")), 400, "there is no such attribute", "/data/attributes/logo"),
            (body(json!({"redirect_uris": ["https://a.example/cb"]})), 400, "name is missing", "/data/attributes/name"),
        ];
        for (body, status, detail, pointer) in cases {
            is_refused(&acme.post(OWN_CLIENTS, &body).await, status, detail, pointer);
        }
        let wrong_type = json!({"data": {"type": "clients", "attributes": attributes()}});
        is_refused(&acme.post(OWN_CLIENTS, &wrong_type).await, 400, "data.type is not oauth2_clients", "/data/type");
    }

    async fn an_organization_has_a_limited_number_of_clients(engine: Engine) {
        let app = TestApp::with(engine, &[("partners.clients_per_organization", "1")]).await;
        let acme = app.operator("Acme").await;
        let id = created(&acme, attributes()).await;

        let refused = acme.post(OWN_CLIENTS, &body(attributes())).await;
        acme.delete(&format!("{OWN_CLIENTS}/{id}")).await;
        created(&acme, attributes()).await;

        let detail = "this organization already has 1 clients, the maximum: delete one that is not used";
        refused.is(409, &json_api(409, "Conflict", detail));
    }

    async fn members_without_the_permission_tokens_and_strangers_are_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let standard = acme.colleague("ada@acme.example", Role::Standard).await;
        let reader = acme.colleague("eve@acme.example", Role::ReadOnly).await;
        let id = created(&acme, attributes()).await;
        let path = format!("{OWN_CLIENTS}/{id}");
        let bearer = Bearer::of(&acme, &app.registered("App").await, "manage_integrations", &[]).await;

        assert_eq!(reader.get(OWN_CLIENTS).await.status, 403);
        assert_eq!(standard.delete(&path).await.status, 403);
        let keys_only = "an access token may not manage clients: use an API key and an application key";
        bearer.get(OWN_CLIENTS).await.is(403, &json_api(403, "Forbidden", keys_only));
        let unknown = json_api(404, "Not Found", "this organization has no client with this id");
        for path in [path.clone(), format!("{OWN_CLIENTS}/{NOBODY}"), format!("{OWN_CLIENTS}/x")] {
            umbra.get(&path).await.is(404, &unknown);
            umbra.delete(&path).await.is(404, &unknown);
            umbra.get(&format!("{path}/scopes")).await.is(404, &unknown);
            umbra.post(&format!("{path}/client_secret"), &json!({})).await.is(404, &unknown);
            umbra.delete(&format!("{path}/client_secret/{NOBODY}")).await.is(404, &unknown);
        }
        acme.get("/api/v2/oauth2_clients/x").await.is(404, &unknown);
        assert_eq!(acme.get(&path).await.status, 200);
    }

    async fn the_scopes_of_the_catalog_are_listed_with_those_of_the_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = created(&acme, attributes()).await;

        let found = acme.get(&format!("{OWN_CLIENTS}/{id}/scopes?filter=MCP")).await.json();
        let private = acme.get(&format!("{OWN_CLIENTS}/{id}/scopes?filter=api_keys_write")).await.json();

        let names: Vec<&str> = found["data"].as_array().expect("a list").iter()
            .map(|scope| scope["id"].as_str().expect("a name")).collect();
        assert_eq!(names, ["mcp_read", "mcp_write"]);
        let requested = |index: usize| &found["data"][index]["attributes"]["requested"];
        assert_eq!((requested(0), requested(1)), (&json!(true), &json!(false)));
        let attributes = &private["data"][0]["attributes"];
        assert_eq!((&attributes["private"], &attributes["allowed"]), (&json!(true), &json!(false)));
    }

    async fn a_secret_is_shown_once_and_replaced_with_or_without_an_overlap(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = created(&acme, attributes()).await;
        let path = format!("{OWN_CLIENTS}/{id}");
        let again = format!("{path}/client_secret/regenerate");
        let regenerate = |attributes: Value| json!({"data": {"type": "client_secrets", "attributes": attributes}});
        let none_yet = acme.post(&again, &regenerate(json!({}))).await;

        let first = acme.post(&format!("{path}/client_secret"), &json!({})).await;
        let twice = acme.post(&format!("{path}/client_secret"), &json!({})).await;
        let second = acme.post(&again, &regenerate(json!({"overlap_until": "2026-01-03T03:04:05Z"}))).await;
        let shown = acme.get(&path).await.json()["data"]["attributes"]["client_secret"].clone();
        let third = app.ask(acme.request(Method::POST, &again)).await;

        none_yet.is(409, &json_api(409, "Conflict", "this client has no secret yet: create one"));
        twice.is(409, &json_api(409, "Conflict", "this client has a secret already: regenerate it"));
        let (one, two, three) = (secret_of(&first), secret_of(&second), secret_of(&third));
        for secret in [&one, &two, &three] {
            assert!(is_well_formed(secret["client_secret"].as_str().expect("a secret")), "{secret}");
        }
        assert_eq!((one["previous"].clone(), three["previous"].clone()), (Value::Null, Value::Null));
        let previous = json!({"id": first.json()["data"]["id"], "last4": one["last4"], "expires_at": "2026-01-03T03:04:05Z"});
        assert_eq!(two["previous"], previous);
        assert_eq!(shown["previous"], previous);
        assert_eq!(shown["id"], second.json()["data"]["id"]);
        let read = acme.get(&path).await.text;
        assert!(!read.contains("gcs_"), "{read}");
        for attributes in [json!({"overlap_until": "2026-01-02T03:04:05Z"}), json!({"overlap_until": "2026-02-02T03:04:05Z"}), json!({"overlap_until": "soon"})] {
            let refused = acme.post(&again, &regenerate(attributes)).await;
            assert_eq!(refused.json()["errors"][0]["source"], json!({"pointer": "/data/attributes/overlap_until"}), "{}", refused.text);
        }
        assert_eq!(actions(&acme).await, [
            "client.created", "client.secret_generated", "client.secret_regenerated", "client.secret_regenerated",
        ]);
    }

    async fn only_the_previous_secret_can_be_ended(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = PrivateClient::of(&acme, &["openid"]).await;
        let overlap = json!({"data": {"type": "client_secrets", "attributes": {"overlap_until": "2026-01-03T00:00:00Z"}}});
        let made = acme.post(&format!("{}/client_secret/regenerate", client.path()), &overlap).await.json();
        let current = made["data"]["id"].as_str().expect("an id");
        let previous = made["data"]["attributes"]["previous"]["id"].as_str().expect("an id");
        let end = async |id: &str| acme.delete(&format!("{}/client_secret/{id}", client.path())).await;

        end(current).await.is(409, &json_api(409, "Conflict", "this is the current secret: regenerate it instead"));
        assert_eq!(end(previous).await.status, 204);
        end(previous).await.is(404, &json_api(404, "Not Found", "this client has no such secret"));

        let shown = acme.get(&client.path()).await.json();
        assert_eq!(shown["data"]["attributes"]["client_secret"]["previous"], Value::Null);
    }

    async fn of_two_first_secrets_at_once_one_is_made(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let path = format!("{OWN_CLIENTS}/{}/client_secret", created(&acme, attributes()).await);

        let body = json!({});
        let (one, other) = tokio::join!(acme.post(&path, &body), acme.post(&path, &body));

        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
    }
}
