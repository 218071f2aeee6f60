//! `/api/v2/api_keys`: the API keys of an organization.

use axum::http::Method;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::errors::strings;
use crate::support::{Answer, Bearer, TestApp, TestOperator, listed};

const PATH: &str = "/api/v2/api_keys";
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
const START: &str = "2026-01-02T03:04:05Z";

fn named(name: &str) -> Value {
    json!({"data": {"type": "api_keys", "attributes": {"name": name}}})
}

fn renamed(id: &str, name: &str) -> Value {
    json!({"data": {"id": id, "type": "api_keys", "attributes": {"name": name}}})
}

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).expect("a string")
}

async fn created(operator: &TestOperator<'_>, name: &str) -> String {
    let answer = operator.post(PATH, &named(name)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    text(&answer.json(), "/data/id").to_owned()
}

fn names(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let document = answer.json();
    let keys = document["data"].as_array().expect("a list").iter();
    keys.map(|key| text(key, "/attributes/name").to_owned()).collect()
}

on_both! {
    async fn a_key_is_shown_once_and_works(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;

        let answer = acme.post(PATH, &named("Deploy")).await;

        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let made = answer.json();
        let (id, key) = (text(&made, "/data/id"), text(&made, "/data/attributes/key"));
        assert!(key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
        let by = made["data"]["relationships"]["created_by"].clone();
        let mut expected = json!({"data": {
            "id": id,
            "type": "api_keys",
            "attributes": {
                "created_at": START,
                "modified_at": START,
                "last4": &key[28..],
                "name": "Deploy",
                "date_last_used": null,
            },
            "relationships": {"created_by": by, "modified_by": by},
        }});
        acme.get(&format!("{PATH}/{id}")).await.is(200, &expected);
        expected["data"]["attributes"]["key"] = json!(key);
        answer.is(201, &expected);
        let request = crate::support::request(Method::GET, PATH)
            .header("dd-api-key", key)
            .header("dd-application-key", acme.keys.application_key.expose());
        assert_eq!(names(&app.ask(request).await), ["API key", "Deploy"]);
    }

    async fn the_list_filters_sorts_and_pages(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        for name in ["deploy eu", "Deploy US", "backup_1"] {
            created(&acme, name).await;
        }
        let gone = created(&acme, "gone").await;
        assert_eq!(acme.delete(&format!("{PATH}/{gone}")).await.status, 204);
        let list = async |query: &str| names(&acme.get(&format!("{PATH}?{query}")).await);

        assert_eq!(list("filter=DEPLOY&sort=-name").await.len(), 2);
        assert_eq!(list("filter=_").await, ["backup_1"]);
        assert_eq!(list("filter=%25").await, Vec::<String>::new());
        assert_eq!(list("page[size]=1&page[number]=1&filter=deploy").await.len(), 1);
        assert_eq!(list("filter[category]=oauth_client").await, Vec::<String>::new());
        assert_eq!(list("filter[created_at][start]=2030-01-01T00:00:00Z").await, Vec::<String>::new());
        assert_eq!(list("filter[modified_at][end]=2030-01-01T00:00:00Z").await.len(), 4);
        let page = acme.get(&format!("{PATH}?filter=deploy&page[size]=1&include=created_by,modified_by")).await.json();
        assert_eq!(page["meta"], json!({"max_allowed": 200, "page": {"total_filtered_count": 2}}));
        assert_eq!(text(&page, "/included/0/type"), "users");
        assert_eq!(page["included"].as_array().map(Vec::len), Some(1), "each user once");
        for (query, detail) in [
            ("sort=id", "sort must be one of these, with a leading - for descending order: name, created_at, modified_at, last4"),
            ("include=owned_by", "include must be a comma-separated list of these: created_by, modified_by"),
            ("filter[created_at][start]=x", "filter[created_at][start]: the start must be a time such as 2026-11-30T08:00:00Z"),
        ] {
            acme.get(&format!("{PATH}?{query}")).await.is(400, &strings(detail));
        }
    }

    async fn a_key_is_renamed(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = created(&acme, "Deploy").await;
        let path = format!("{PATH}/{id}");

        let answer = acme.patch(&path, &renamed(&id, "Release")).await;

        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(text(&answer.json(), "/data/attributes/name"), "Release");
        assert_eq!(answer.json()["data"]["attributes"].get("key"), None);
        acme.patch(&path, &renamed(&id, "Release")).await.is(422, &strings("nothing would change"));
        acme.patch(&path, &renamed(NOBODY, "X")).await.is(422, &strings("data.id is not the id in the path"));
        acme.patch(&path, &named("X")).await.is(400, &strings("data.id is missing"));
    }

    async fn a_wrong_body_is_refused_with_its_reason(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let attributes = |attributes: Value| json!({"data": {"type": "api_keys", "attributes": attributes}});
        for (body, detail) in [
            (attributes(json!({})), "name is missing"),
            (attributes(json!({"name": ""})), "name is empty: use 1 to 255 characters"),
            (attributes(json!({"name": "x".repeat(256)})), "name is longer than 255 characters: shorten it"),
            (attributes(json!({"name": "a\nb"})), "name contains a control character: remove it"),
            (attributes(json!({"name": 1})), "name is not a string"),
            (attributes(json!({"name": "a", "key": "b"})), "an attribute is unknown: name is the only one"),
        ] {
            acme.post(PATH, &body).await.is(400, &strings(detail));
        }
        assert_eq!(names(&acme.get(PATH).await), ["API key"], "nothing was created");
        let longest = "ä".repeat(255);
        assert_eq!(acme.post(PATH, &named(&longest)).await.status, 201);
    }

    async fn a_deleted_key_stops_working_and_is_unknown(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let made = acme.post(PATH, &named("Deploy")).await.json();
        let (id, key) = (text(&made, "/data/id"), text(&made, "/data/attributes/key"));
        let by_it = |method, path: &str| {
            let request = crate::support::request(method, path).header("dd-api-key", key);
            app.ask(request.header("dd-application-key", acme.keys.application_key.expose()))
        };
        let path = format!("{PATH}/{id}");
        by_it(Method::DELETE, &path)
            .await
            .is(403, &strings("this request was sent with this key: delete it with another one"));

        assert_eq!(acme.delete(&path).await.status, 204);

        by_it(Method::GET, PATH).await.is(403, &strings("Forbidden"));
        let unknown = strings("API key not found");
        acme.delete(&path).await.is(404, &unknown);
        acme.get(&path).await.is(404, &unknown);
        acme.patch(&path, &renamed(id, "X")).await.is(404, &unknown);
    }

    async fn keys_of_others_do_not_exist(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let id = created(&acme, "Deploy").await;
        let unknown = strings("API key not found");
        for id in [id.as_str(), NOBODY, "not-a-uuid"] {
            let path = format!("{PATH}/{id}");
            umbra.get(&path).await.is(404, &unknown);
            umbra.patch(&path, &renamed(id, "X")).await.is(404, &unknown);
            umbra.delete(&path).await.is(404, &unknown);
        }
        assert_eq!(names(&umbra.get(PATH).await), ["API key"]);
    }

    async fn each_method_needs_its_permission_and_writes_need_keys(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let reader = acme.colleague("reader@acme.example", Role::ReadOnly).await;
        let standard = acme.colleague("dev@acme.example", Role::Standard).await;
        let path = format!("{PATH}/{}", acme.keys.api_key_id);
        for answer in [
            reader.get(PATH).await,
            reader.post(PATH, &named("X")).await,
            reader.patch(&path, &renamed(&acme.keys.api_key_id.to_string(), "X")).await,
            standard.delete(&path).await,
        ] {
            assert_eq!(answer.status, 403, "{}", answer.text);
        }
        let bearer = Bearer::of(&acme, &app.registered("App").await, "openid api_keys_read api_keys_delete", &[]).await;
        assert_eq!(names(&bearer.get(PATH).await).len(), 3, "one for each colleague");
        let refused = strings("an access token may not manage keys: use an API key and an application key");
        bearer.post(PATH, &named("X")).await.is(403, &refused);
        bearer.patch(&path, &renamed(NOBODY, "X")).await.is(403, &refused);
        bearer.delete(&path).await.is(403, &refused);
    }

    async fn an_organization_has_a_limited_number_of_keys(engine: Engine) {
        let app = TestApp::with(engine, &[("keys.per_organization", "2")]).await;
        let acme = app.operator("Acme").await;
        created(&acme, "Second").await;
        let detail = "this organization already has 2 API keys, the maximum: delete one that is not used";
        acme.post(PATH, &named("Third")).await.is(409, &strings(detail));
    }

    async fn two_requests_for_the_last_place_create_one_key(engine: Engine) {
        let app = TestApp::with(engine, &[("keys.per_organization", "2")]).await;
        let acme = app.operator("Acme").await;
        let (one, two) = (named("One"), named("Two"));

        let (first, second) = tokio::join!(acme.post(PATH, &one), acme.post(PATH, &two));

        let mut statuses = [first.status.as_u16(), second.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
    }

    async fn every_change_is_in_the_audit_trail_without_the_key(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let made = acme.post(PATH, &named("Deploy")).await.json();
        let (id, key) = (text(&made, "/data/id"), text(&made, "/data/attributes/key"));
        acme.patch(&format!("{PATH}/{id}"), &renamed(id, "Release")).await;
        acme.delete(&format!("{PATH}/{id}")).await;

        let events = listed::audit_events(app.db(), acme.org_id, 100).await.expect("is readable");
        let subject = format!("api_key:{id}");
        let about: Vec<_> = events.iter().filter(|event| event.subject == subject).collect();

        let actions: Vec<_> = about.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(actions, ["api_key.created", "api_key.changed", "api_key.revoked"]);
        assert!(about.iter().all(|event| event.actor.starts_with("user:")), "{about:?}");
        assert!(!format!("{events:?}").contains(key));
    }

    async fn the_last_use_is_stored_to_the_minute(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let path = format!("{PATH}/{}", acme.keys.api_key_id);
        assert_eq!(acme.get(&path).await.json()["data"]["attributes"]["date_last_used"], Value::Null);

        grantor::sweeper::sweep(&app.app).await;

        let used = acme.get(&path).await.json();
        assert_eq!(used["data"]["attributes"]["date_last_used"], "2026-01-02T03:04:00Z");
    }
}
