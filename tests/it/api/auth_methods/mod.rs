//! `/api/v2/integration/webhooks/configuration/auth-method`.

mod access;
mod refusals;

use axum::body::Body;
use axum::http::Method;
use grantor::actions::webhooks::auth_method_secret::open_client_secret;
use grantor::db::audit_events::AuditEvent;
use grantor::db::webhooks::auth_methods;
use grantor::rules::id::AuthMethodId;
use grantor::rules::identity::permission::Role;
use grantor::rules::secret::hex;
use grantor::rules::webhook::auth_method::AuthMethodMistake;
use grantor::rules::webhook::receiver_url;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::db::fixtures::execute;
use crate::db::webhook_fixtures::{copy_of_the_database, insert_webhook};
use crate::support::errors::strings;
use crate::support::{Answer, Bearer, TestApp, TestOperator, listed};

const LIST: &str = "/api/v2/integration/webhooks/configuration/auth-method";
const WITH_CREDENTIALS: &str =
    "/api/v2/integration/webhooks/configuration/auth-method?include=oauth2-client-credentials";
const CREDENTIALS: &str =
    "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials";
const TYPE: &str = "webhooks-auth-method-oauth2-client-credentials";
const SECRET: &str = "gehe!m-5ecret-of-a-client";
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

fn path(id: &str) -> String {
    format!("{CREDENTIALS}/{id}")
}

fn whole(name: &str) -> Value {
    json!({
        "name": name,
        "access_token_url": "https://auth.example/token",
        "client_id": "a client",
        "client_secret": SECRET,
        "audience": "https://api.example",
        "scope": "read write",
    })
}

fn request(attributes: Value) -> Value {
    json!({"data": {"type": TYPE, "attributes": attributes}})
}

/// `whole` with one member set, or removed if the value is `None`.
fn whole_with(member: &str, value: Option<Value>) -> Value {
    let mut attributes = whole("A method");
    match value {
        Some(value) => attributes[member] = value,
        None => drop(attributes.as_object_mut().expect("an object").remove(member)),
    }
    request(attributes)
}

/// The response for a method with these attributes.
fn resource(id: &str, attributes: &Value) -> Value {
    let member = |name: &str| attributes.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "id": id,
        "type": TYPE,
        "attributes": {
            "name": member("name"),
            "access_token_url": member("access_token_url"),
            "client_id": member("client_id"),
            "audience": member("audience"),
            "scope": member("scope"),
            "protocol": "oauth2-client-credentials",
        },
    })
}

fn listed(id: &str) -> Value {
    json!({
        "id": id,
        "type": "webhooks-auth-method",
        "attributes": {"protocol": "oauth2-client-credentials"},
        "relationships": {"oauth2-client-credentials": {"data": {"id": id, "type": TYPE}}},
    })
}

fn no_such_method() -> Value {
    strings("there is no auth method with this id")
}

fn name_taken() -> Value {
    strings("another auth method of this organization has this name: choose another name")
}

/// Asserts a complete error of this group: plain strings, without the secret.
fn refuses(answer: &Answer, status: u16, body: &Value) {
    answer.is(status, body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(!answer.text.contains(SECRET));
}

async fn created(operator: &TestOperator<'_>, name: &str) -> String {
    let answer = operator.post(CREDENTIALS, &request(whole(name))).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["data"]["id"].as_str().expect("an id").to_owned()
}

/// The opened secret, as it is sent to the authorization server.
async fn secret_of(operator: &TestOperator<'_>, id: &str) -> String {
    let (app, id) = (operator.app, AuthMethodId(Uuid::parse_str(id).expect("an id")));
    let method = auth_methods::find(app.db(), operator.org_id, id)
        .await
        .expect("is readable")
        .expect("is there");
    open_client_secret(&app.app.issuer.ring, &method).expect("opens").expose().to_owned()
}

/// Adds 998 copies of the existing method.
macro_rules! copies {
    ($new_id:literal) => {
        concat!(
            "INSERT INTO auth_methods (id, org_id, name, access_token_url, client_id, client_secret_sealed, key_id,
                                       secret_origin, created_at, modified_at)
             SELECT ",
            $new_id,
            ", org_id, 'copy ' || n.n, access_token_url, client_id, client_secret_sealed, key_id, secret_origin, 1, 1
               FROM auth_methods, (WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 998)
                                   SELECT n FROM n) AS n"
        )
    };
}

async fn events(operator: &TestOperator<'_>) -> Vec<AuditEvent> {
    let all =
        listed::audit_events(operator.app.db(), operator.org_id, 100).await.expect("are listed");
    all.into_iter().filter(|event| event.action.starts_with("auth_method.")).collect()
}

on_both! {
    async fn a_created_method_is_returned_without_its_secret(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;

        let answer = operator.post(CREDENTIALS, &request(whole("A method"))).await;

        let id = answer.json()["data"]["id"].as_str().expect("an id").to_owned();
        let expected = json!({"data": resource(&id, &whole("A method"))});
        answer.is(201, &expected);
        assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        operator.get(&path(&id)).await.is(200, &expected);
        assert_eq!(operator.get(&path(&id)).await.header("content-type"), Some("application/vnd.api+json"));
        operator.get(&path(&id.to_uppercase())).await.is(200, &expected);
        assert_eq!(secret_of(&operator, &id).await, SECRET);
    }

    async fn optional_members_may_be_omitted_or_null(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        for (name, nothing) in [("absent", None), ("null", Some(Value::Null))] {
            let mut sent = whole(name);
            for member in ["audience", "scope"] {
                match &nothing {
                    None => drop(sent.as_object_mut().expect("an object").remove(member)),
                    Some(null) => sent[member] = null.clone(),
                }
            }

            let answer = operator.post(CREDENTIALS, &request(sent.clone())).await;

            let id = answer.json()["data"]["id"].as_str().expect("an id").to_owned();
            answer.is(201, &json!({"data": resource(&id, &sent)}));
        }
    }

    async fn methods_are_listed_by_name_with_their_credentials_on_request(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, other) = (app.operator("Acme").await, app.operator("Umbra").await);
        let (b, a) = (created(&operator, "b").await, created(&operator, "a").await);
        let included = json!([resource(&a, &whole("a")), resource(&b, &whole("b"))]);

        let alone = operator.get(LIST).await;

        alone.is(200, &json!({"data": [listed(&a), listed(&b)]}));
        assert_eq!(alone.header("content-type"), Some("application/vnd.api+json"));
        operator.get(WITH_CREDENTIALS).await.is(200, &json!({"data": [listed(&a), listed(&b)], "included": included}));
        other.get(LIST).await.is(200, &json!({"data": []}));
        other.get(WITH_CREDENTIALS).await.is(200, &json!({"data": [], "included": []}));
        refuses(
            &operator.get(&format!("{LIST}?include=oauth2-client-credentials,webhooks")).await,
            400,
            &strings("include must be a comma-separated list of these: oauth2-client-credentials"),
        );
    }

    async fn a_change_keeps_omitted_members_and_null_removes_them(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let id = created(&operator, "A method").await;
        let mut expected = whole("A method");
        let steps = [
            json!({}),
            json!({"name": "B\u{f6}"}),
            json!({"name": "B\u{f6}"}),
            json!({"audience": null}),
            json!({"audience": "again", "scope": null}),
            json!({"access_token_url": "https://other.example/t?x=y", "client_id": "c"}),
            json!({"scope": "read"}),
        ];
        for step in steps {
            for (member, value) in step.as_object().expect("an object") {
                expected[member] = value.clone();
            }

            let answer = operator.patch(&path(&id), &request(step)).await;

            answer.is(200, &json!({"data": resource(&id, &expected)}));
            assert_eq!(answer.header("content-type"), Some("application/vnd.api+json"));
            operator.get(&path(&id)).await.is(200, &json!({"data": resource(&id, &expected)}));
        }
        assert_eq!(secret_of(&operator, &id).await, SECRET);
        let changed = operator.patch(&path(&id), &request(json!({"client_secret": "another-5ecret", "access_token_url": "https://other.example/t?x=y"}))).await;
        changed.is(200, &json!({"data": resource(&id, &expected)}));
        assert_eq!(secret_of(&operator, &id).await, "another-5ecret");
    }

    async fn each_change_gets_a_later_time_even_within_a_second(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let id = created(&operator, "A method").await;
        let modified_at = async || {
            auth_methods::list(app.db(), operator.org_id).await.expect("is readable")[0].modified_at.seconds()
        };
        let start = modified_at().await;
        let change = async |attributes| assert_eq!(operator.patch(&path(&id), &request(attributes)).await.status, 200);

        change(json!({"client_secret": "another"})).await;
        let after_first = modified_at().await;
        change(json!({"scope": null})).await;
        let after_second = modified_at().await;
        change(json!({"scope": null, "name": "A method"})).await;

        assert_eq!((after_first - start, after_second - start, modified_at().await - start), (1, 2, 2));
    }

    async fn a_method_can_be_deleted_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let (id, other) = (created(&operator, "one").await, created(&operator, "other").await);

        let deleted = operator.delete(&path(&id)).await;

        assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (204, ""));
        refuses(&operator.delete(&path(&id)).await, 404, &no_such_method());
        refuses(&operator.get(&path(&id)).await, 404, &no_such_method());
        operator.get(LIST).await.is(200, &json!({"data": [listed(&other)]}));
        created(&operator, "one").await;
    }

    async fn a_method_in_use_is_not_deleted_and_the_error_names_the_webhook(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let id = created(&operator, "A method").await;
        let (ring, method_id) = (&app.app.issuer.ring, Some(AuthMethodId(Uuid::parse_str(&id).expect("an id"))));
        let remedy = "give it another auth method or delete it first";

        insert_webhook(&app, ring, 7, operator.org_id, method_id, false).await;
        let by_one = operator.delete(&path(&id)).await;
        insert_webhook(&app, ring, 8, operator.org_id, method_id, false).await;
        let by_two = operator.delete(&path(&id)).await;

        refuses(&by_one, 409, &strings(&format!("the webhook \"webhook 7\" uses this auth method: {remedy}")));
        refuses(&by_two, 409, &strings(&format!("the webhook \"webhook 7\" and 1 more use this auth method: {remedy}")));
        operator.get(LIST).await.is(200, &json!({"data": [listed(&id)]}));
        assert_eq!(events(&operator).await.len(), 1);
    }

    async fn a_name_is_unique_in_an_organization_on_create_and_on_change(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, other) = (app.operator("Acme").await, app.operator("Umbra").await);
        let (one, two) = (created(&operator, "one").await, created(&operator, "two").await);

        refuses(&operator.post(CREDENTIALS, &request(whole("one"))).await, 409, &name_taken());
        refuses(&operator.patch(&path(&two), &request(json!({"name": "one", "scope": null}))).await, 409, &name_taken());
        operator.get(&path(&two)).await.is(200, &json!({"data": resource(&two, &whole("two"))}));
        assert_eq!(operator.patch(&path(&one), &request(json!({"name": "one"}))).await.status, 200);
        created(&other, "one").await;
        assert_eq!(events(&operator).await.len(), 2);
    }

    async fn only_one_of_two_concurrent_requests_creates_a_name(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let operator = app.operator("Acme").await;
        let elsewhere = operator.on(&replica);
        for round in 0..5 {
            let wanted = request(whole(&format!("method {round}")));

            let (here, there) = tokio::join!(operator.post(CREDENTIALS, &wanted), elsewhere.post(CREDENTIALS, &wanted));

            let mut statuses = [here.status.as_u16(), there.status.as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses, [201, 409]);
            refuses(if here.status == 409 { &here } else { &there }, 409, &name_taken());
        }
        assert_eq!(operator.get(LIST).await.json()["data"].as_array().map(Vec::len), Some(5));
    }

    async fn concurrent_changes_of_different_members_are_both_kept(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let operator = app.operator("Acme").await;
        let (id, elsewhere) = (created(&operator, "A method").await, operator.on(&replica));
        for round in 0..5 {
            let (client_id, scope) = (format!("client {round}"), format!("scope {round}"));
            let (one, other) = (request(json!({"client_id": client_id})), request(json!({"scope": scope})));
            let path = path(&id);

            let (here, there) = tokio::join!(operator.patch(&path, &one), elsewhere.patch(&path, &other));

            assert_eq!((here.status.as_u16(), there.status.as_u16()), (200, 200));
            let now = operator.get(&path).await.json()["data"]["attributes"].clone();
            assert_eq!((&now["client_id"], &now["scope"]), (&json!(client_id), &json!(scope)));
        }
    }

    async fn an_organization_has_at_most_a_thousand_methods(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, other) = (app.operator("Acme").await, app.operator("Umbra").await);
        let id = created(&operator, "the first").await;
        execute(&app, engine, copies!("randomblob(16)"), copies!("gen_random_uuid()")).await;

        let last = operator.post(CREDENTIALS, &request(whole("the last"))).await;
        let more = operator.post(CREDENTIALS, &request(whole("one more"))).await;

        assert_eq!(last.status, 201, "{}", last.text);
        refuses(&more, 409, &strings(
            "this organization already has 1000 auth methods, the maximum: delete one that no \
             webhook uses",
        ));
        assert_eq!(operator.patch(&path(&id), &request(json!({"scope": null}))).await.status, 200);
        created(&other, "the first").await;
    }

    async fn the_database_does_not_contain_the_secret(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let id = created(&operator, "Recognisable name").await;
        operator.patch(&path(&id), &request(json!({"client_secret": format!("{SECRET}-2")}))).await;

        let copy = copy_of_the_database(&app).await;

        let holds = |text: &str| copy.windows(text.len()).any(|bytes| bytes == text.as_bytes());
        assert!(holds("Recognisable name"));
        assert!(!holds(SECRET) && !holds(&hex(SECRET.as_bytes())));
        let method = auth_methods::list(app.db(), operator.org_id).await.expect("is readable").remove(0);
        assert!(!format!("{method:?}").contains(SECRET));
        assert_eq!(secret_of(&operator, &id).await, format!("{SECRET}-2"));
    }
}
