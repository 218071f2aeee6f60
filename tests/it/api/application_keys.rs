//! `/api/v2/current_user/application_keys`: the caller's own application keys.

use axum::http::Method;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::errors::strings;
use crate::support::{Answer, Bearer, TestApp, TestOperator, listed, request};

const PATH: &str = "/api/v2/current_user/application_keys";
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
const START: &str = "2026-01-02T03:04:05Z";

fn body(attributes: Value) -> Value {
    json!({"data": {"type": "application_keys", "attributes": attributes}})
}

fn change(id: &str, attributes: Value) -> Value {
    json!({"data": {"id": id, "type": "application_keys", "attributes": attributes}})
}

/// A new key of a person: its id and the key.
struct Made {
    id: String,
    key: String,
}

async fn made(person: &TestOperator<'_>, attributes: Value) -> Made {
    let answer = person.post(PATH, &body(attributes)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let data = answer.json()["data"].clone();
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    Made { id: text(&data["id"]), key: text(&data["attributes"]["key"]) }
}

/// A request with the organization's API key and another application key.
async fn by_key(person: &TestOperator<'_>, key: &str, path: &str) -> Answer {
    let builder = request(Method::GET, path).header("dd-api-key", person.keys.api_key.expose());
    person.app.ask(builder.header("dd-application-key", key)).await
}

fn names(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let document = answer.json();
    let keys = document["data"].as_array().expect("a list").iter();
    keys.map(|key| key["attributes"]["name"].as_str().expect("a name").to_owned()).collect()
}

on_both! {
    async fn a_key_is_shown_once_and_works(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let ada = acme.colleague("ada@acme.example", Role::Standard).await;

        let answer = ada.post(PATH, &body(json!({"name": "Laptop"}))).await;

        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let document = answer.json();
        let id = document["data"]["id"].as_str().expect("an id");
        let key = document["data"]["attributes"]["key"].as_str().expect("a key");
        assert!(key.len() == 40 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
        let mut expected = json!({"data": {
            "id": id,
            "type": "application_keys",
            "attributes": {
                "created_at": START,
                "last4": &key[36..],
                "name": "Laptop",
                "scopes": null,
                "last_used_at": null,
            },
            "relationships": {"owned_by": document["data"]["relationships"]["owned_by"]},
        }});
        ada.get(&format!("{PATH}/{id}")).await.is(200, &expected);
        expected["data"]["attributes"]["key"] = json!(key);
        answer.is(201, &expected);
        assert_eq!(names(&by_key(&ada, key, PATH).await), ["Application key", "Laptop"]);
    }

    async fn a_key_with_scopes_may_do_only_that(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let limited = made(&acme, json!({"name": "Reader", "scopes": ["org_authorized_apps_read", "user_app_keys"]})).await;

        assert_eq!(by_key(&acme, &limited.key, "/api/v2/org_authorized_clients").await.status, 200);
        let refused = by_key(&acme, &limited.key, "/api/v2/api_keys").await;
        assert_eq!(refused.status, 403, "{}", refused.text);
        assert!(refused.text.contains("api_keys_read"), "{}", refused.text);

        let post = async |attributes: Value| {
            let builder = request(Method::POST, PATH)
                .header("dd-api-key", acme.keys.api_key.expose())
                .header("dd-application-key", &limited.key);
            app.ask_with(builder, &body(attributes)).await
        };
        let more = "this request was sent with a key that is limited to scopes: send a list of some of these scopes";
        post(json!({"name": "More"})).await.is(403, &strings(more));
        post(json!({"name": "More", "scopes": ["api_keys_read"]})).await.is(403, &strings(more));
        assert_eq!(post(json!({"name": "Same", "scopes": ["user_app_keys"]})).await.status, 201);
    }

    async fn a_limit_can_be_changed_and_removed(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let key = made(&acme, json!({"name": "Reader", "scopes": ["user_app_keys"]})).await;
        let path = format!("{PATH}/{}", key.id);
        assert_eq!(by_key(&acme, &key.key, "/api/v2/api_keys").await.status, 403);

        let changed = acme.patch(&path, &change(&key.id, json!({"name": "All", "scopes": null}))).await;

        assert_eq!(changed.status, 200, "{}", changed.text);
        assert_eq!(changed.json()["data"]["attributes"]["name"], "All");
        assert_eq!(by_key(&acme, &key.key, "/api/v2/api_keys").await.status, 200);
        acme.patch(&path, &change(&key.id, json!({"name": "All"}))).await.is(422, &strings("nothing would change"));
        acme.patch(&path, &change(NOBODY, json!({}))).await.is(422, &strings("data.id is not the id in the path"));
        acme.patch(&path, &body(json!({"name": "X"}))).await.is(400, &strings("data.id is missing"));
    }

    async fn keys_of_others_do_not_exist(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let ada = acme.colleague("ada@acme.example", Role::Admin).await;
        let key = made(&acme, json!({"name": "Mine"})).await;
        let unknown = strings("Application key not found");
        for stranger in [&ada, &umbra] {
            for id in [key.id.as_str(), NOBODY, "not-a-uuid"] {
                let path = format!("{PATH}/{id}");
                stranger.get(&path).await.is(404, &unknown);
                stranger.delete(&path).await.is(404, &unknown);
            }
            let path = format!("{PATH}/{}", key.id);
            stranger.patch(&path, &change(&key.id, json!({"name": "X"}))).await.is(404, &unknown);
        }
        assert_eq!(names(&ada.get(PATH).await), ["Application key"]);
    }

    async fn a_deleted_key_stops_working(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let key = made(&acme, json!({"name": "Old"})).await;
        assert_eq!(by_key(&acme, &key.key, PATH).await.status, 200);
        let path = format!("{PATH}/{}", key.id);

        assert_eq!(acme.delete(&path).await.status, 204);

        by_key(&acme, &key.key, PATH).await.is(403, &strings("Forbidden"));
        acme.delete(&path).await.is(404, &strings("Application key not found"));
    }

    async fn a_wrong_body_is_refused_with_its_reason(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        for (attributes, detail) in [
            (json!({}), "name is missing"),
            (json!({"name": ""}), "name is empty: use 1 to 255 characters"),
            (json!({"name": "a", "scopes": "openid"}), "scopes is neither a list of strings nor null"),
            (
                json!({"name": "a", "scopes": ["openid", "no_such"]}),
                "scopes[1] is not in the catalog of this server: correct the name or leave it out",
            ),
            (json!({"name": "a", "last4": "b"}), "an attribute is unknown: there are only name and scopes"),
        ] {
            acme.post(PATH, &body(attributes)).await.is(400, &strings(detail));
        }
        for query in ["sort=modified_at", "page[size]=101", "include=created_by"] {
            assert_eq!(acme.get(&format!("{PATH}?{query}")).await.status, 400, "{query}");
        }
    }

    async fn a_user_has_a_limited_number_of_keys(engine: Engine) {
        let app = TestApp::with(engine, &[("keys.per_user", "2")]).await;
        let acme = app.operator("Acme").await;
        made(&acme, json!({"name": "Second"})).await;
        let detail = "you already have 2 application keys, the maximum: delete one that is not used";
        acme.post(PATH, &body(json!({"name": "Third"}))).await.is(409, &strings(detail));
        let meta = acme.get(&format!("{PATH}?filter=second")).await.json()["meta"].clone();
        assert_eq!(meta, json!({"max_allowed_per_user": 2, "page": {"total_filtered_count": 1}}));
    }

    async fn a_token_reads_keys_but_creates_none(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let bearer = Bearer::of(&acme, &app.registered("App").await, "openid user_app_keys", &[]).await;
        assert_eq!(names(&bearer.get(PATH).await), ["Application key"]);
        let refused = strings("an access token may not manage keys: use an API key and an application key");
        bearer.post(PATH, &body(json!({"name": "X"}))).await.is(403, &refused);
        bearer.delete(&format!("{PATH}/{}", acme.keys.application_key_id)).await.is(403, &refused);
    }

    async fn every_change_is_in_the_audit_trail(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let key = made(&acme, json!({"name": "Laptop"})).await;
        acme.patch(&format!("{PATH}/{}", key.id), &change(&key.id, json!({"scopes": ["openid"]}))).await;
        acme.delete(&format!("{PATH}/{}", key.id)).await;

        let events = listed::audit_events(app.db(), acme.org_id, 100).await.expect("is readable");
        let prefix = format!("application_key:{}", key.id);
        let about = events.iter().filter(|event| event.subject.starts_with(&prefix));

        let actions: Vec<_> = about.map(|event| event.action.as_str()).collect();
        assert_eq!(actions, ["application_key.created", "application_key.changed", "application_key.revoked"]);
        assert!(!format!("{events:?}").contains(&key.key));
    }
}
