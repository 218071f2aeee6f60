//! `/api/v2/integration/webhooks/configuration/auth-method`.

use axum::body::Body;
use axum::http::Method;
use grantor::actions::webhooks::auth_method_secret::open_client_secret;
use grantor::db::audit_events;
use grantor::db::audit_events::AuditEvent;
use grantor::db::webhooks::auth_methods;
use grantor::rules::id::AuthMethodId;
use grantor::rules::identity::permission::Role;
use grantor::rules::webhook::auth_method::AuthMethodMistake;
use grantor::rules::webhook::receiver_url;
use grantor::secret::hex;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::db::by_hand::execute;
use crate::db::webhook_by_hand::{copy_of_the_database, insert_webhook};
use crate::support::errors::strings;
use crate::support::{Answer, Bearer, TestApp, TestOperator};

const LIST: &str = "/api/v2/integration/webhooks/configuration/auth-method";
const WITH_CREDENTIALS: &str =
    "/api/v2/integration/webhooks/configuration/auth-method?include=oauth2-client-credentials";
const CREDENTIALS: &str = "/api/v2/integration/webhooks/configuration/auth-method/oauth2-client-credentials";
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

/// `whole` with one member put, or taken out where it is `None`.
fn whole_with(member: &str, value: Option<Value>) -> Value {
    let mut attributes = whole("A method");
    match value {
        Some(value) => attributes[member] = value,
        None => drop(attributes.as_object_mut().expect("an object").remove(member)),
    }
    request(attributes)
}

/// What is told of a method that has these attributes.
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

/// An error of this group: whole, as plain strings, and without the secret.
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

/// The secret as it would be sent to the authorization server.
async fn secret_of(operator: &TestOperator<'_>, id: &str) -> String {
    let (app, id) = (operator.app, AuthMethodId(Uuid::parse_str(id).expect("an id")));
    let method = auth_methods::find(app.db(), operator.org_id, id).await.expect("is readable").expect("is there");
    open_client_secret(&app.app.issuer.ring, &method).expect("opens").expose().to_owned()
}

/// 998 of the one that there is.
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
    let all = audit_events::list(operator.app.db(), operator.org_id, 100).await.expect("are listed");
    all.into_iter().filter(|event| event.action.starts_with("auth_method.")).collect()
}

on_both! {
    async fn a_method_is_created_and_told_whole_but_for_its_secret(engine: Engine) {
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

    async fn what_may_be_left_out_or_null_is_null(engine: Engine) {
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

    async fn methods_are_listed_by_name_with_their_credentials_where_asked_for(engine: Engine) {
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

    async fn a_change_keeps_what_it_does_not_name_and_null_removes(engine: Engine) {
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

    async fn each_change_moves_the_time_of_the_last_one_even_within_a_second(engine: Engine) {
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

    async fn a_method_is_deleted_once(engine: Engine) {
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

    async fn a_method_that_a_webhook_uses_is_not_deleted_and_the_webhook_is_named(engine: Engine) {
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

    async fn a_name_is_one_methods_in_an_organization_when_it_is_made_and_when_it_is_changed(engine: Engine) {
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

    async fn of_two_at_once_with_one_name_one_is_created(engine: Engine) {
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

    async fn of_two_at_once_that_change_different_members_neither_undoes_the_other(engine: Engine) {
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

    async fn an_organization_has_a_thousand_methods_at_most(engine: Engine) {
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

    async fn every_mistake_in_a_body_is_named_and_nothing_is_stored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let id = created(&operator, "kept").await;
        let url = |url: &str| {
            let mistake = receiver_url::parse(url, false).expect_err(url);
            (whole_with("access_token_url", Some(json!(url))), AuthMethodMistake::Url(mistake).to_string())
        };
        let said = |member: &str, value: Option<Value>, detail: &str| (whole_with(member, value), detail.to_owned());
        let required = ["name", "access_token_url", "client_id", "client_secret"];
        let longest = |member: &str| if member == "name" { 100 } else { 2048 };
        let mut missing = Vec::new();
        let mut cases = vec![
            said("audience", Some(json!(7)), "audience is not a string: send a JSON string or null"),
            said("scope", Some(json!("")), "scope is empty: send null for none"),
            said("scope", Some(json!("s".repeat(2049))), "scope is longer than 2048 characters: shorten it"),
            said("name", Some(json!("a\nb")), "name contains a control character, such as a line break: remove it"),
            said("client_secret", Some(json!(format!("{SECRET}\u{0}"))), "client_secret contains a control character, such as a line break: remove it"),
            url("http://auth.example/token"),
            url("http://127.0.0.1:8000/token"),
            url("https://127.0.0.1/token"),
            url("https://localhost/token"),
            url("https://10.0.0.1/token"),
            url("https://169.254.169.254/latest/meta-data"),
            url("https://[::ffff:10.0.0.1]/token"),
            url("https://ada:pw@auth.example/token"),
            url("https://auth.example/token#fragment"),
            url("ftp://auth.example/token"),
            url("auth.example/token"),
        ];
        for member in required {
            missing.push(said(member, None, &format!("{member} is missing: send a string")));
            cases.push(said(member, Some(Value::Null), &format!("{member} is null: send a string, or omit it in a change")));
            cases.push(said(member, Some(json!([SECRET])), &format!("{member} is not a string: send a JSON string")));
            cases.push(said(member, Some(json!("")), &format!("{member} is empty: send at least one character")));
            let too_long = json!("x".repeat(longest(member) + 1));
            cases.push(said(member, Some(too_long), &format!("{member} is longer than {} characters: shorten it", longest(member))));
        }
        for (body, detail) in missing.iter().chain(&cases) {
            refuses(&operator.post(CREDENTIALS, body).await, 400, &strings(detail));
        }
        for (body, detail) in &cases {
            refuses(&operator.patch(&path(&id), body).await, 400, &strings(detail));
        }
        operator.get(WITH_CREDENTIALS).await
            .is(200, &json!({"data": [listed(&id)], "included": [resource(&id, &whole("kept"))]}));
    }

    async fn a_body_of_another_shape_is_refused_and_not_quoted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let id = created(&operator, "kept").await;
        let shape = "the body is not {\"data\": {\"type\": \"webhooks-auth-method-oauth2-client-credentials\", \
                     \"attributes\": {...}}} with each member at most once";
        let twice = format!(r#"{{"data":{{"type":"{TYPE}","attributes":{{"client_secret":"{SECRET}","client_secret":"x"}}}}}}"#);
        let cases = [
            (format!("{{\"{SECRET}"), 400, shape.to_owned()),
            (format!("[\"{SECRET}\"]"), 400, shape.to_owned()),
            (twice, 400, shape.to_owned()),
            ("{}".to_owned(), 400, "data is missing".to_owned()),
            (r#"{"data":{"attributes":{}}}"#.to_owned(), 400, format!("data.type is not {TYPE}")),
            (json!({"data": {"type": TYPE}}).to_string(), 400, "data.attributes is missing".to_owned()),
            ("x".repeat(70_000), 413, "the body is larger than 65536 bytes".to_owned()),
        ];
        for (body, status, detail) in cases {
            for (method, path) in [(Method::POST, CREDENTIALS.to_owned()), (Method::PATCH, path(&id))] {
                let request = operator.request(method, &path).header("content-type", "application/json");
                let answer = app.send(request.body(Body::from(body.clone())).expect("a request")).await;
                refuses(&answer, status, &strings(&detail));
            }
        }
        let form = operator.request(Method::POST, CREDENTIALS).header("content-type", "text/plain");
        let answer = app.send(form.body(Body::from(SECRET)).expect("a request")).await;
        refuses(&answer, 415, &strings("the body is not sent as JSON: set the header Content-Type: application/json"));
    }

    async fn json_api_is_taken_as_the_type_of_a_body_and_unknown_members_are_ignored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let mut body = request(whole("A method"));
        body["data"]["id"] = json!(NOBODY);
        body["data"]["attributes"]["protocol"] = json!("another");

        let request = operator.request(Method::POST, CREDENTIALS).header("content-type", "application/vnd.api+json");
        let answer = app.send(request.body(Body::from(body.to_string())).expect("a request")).await;

        let id = answer.json()["data"]["id"].as_str().expect("an id").to_owned();
        assert_ne!(id, NOBODY);
        answer.is(201, &json!({"data": resource(&id, &whole("A method"))}));
    }

    async fn what_is_another_organizations_or_nobodys_is_not_there(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let theirs = created(&umbra, "A method").await;
        for id in [theirs.as_str(), NOBODY, "nonsense", &theirs.replace('-', ""), &format!("{{{theirs}}}")] {
            let path = path(id).replace(['{', '}'], "%7B");
            refuses(&acme.get(&path).await, 404, &no_such_method());
            refuses(&acme.patch(&path, &request(json!({"name": "mine"}))).await, 404, &no_such_method());
            refuses(&acme.delete(&path).await, 404, &no_such_method());
        }
        umbra.get(&path(&theirs)).await.is(200, &json!({"data": resource(&theirs, &whole("A method"))}));
        acme.get(LIST).await.is(200, &json!({"data": []}));
    }

    async fn only_who_may_manage_integrations_is_let_in_whatever_they_ask(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let id = created(&operator, "A method").await;
        let reader = operator.colleague("reader@acme.example", Role::ReadOnly).await;
        let lacks = strings(
            "the role of this user lacks the permission manage_integrations: ask a member of the \
             organization whose role has it",
        );
        for answer in [
            reader.get(LIST).await,
            reader.get(&path(&id)).await,
            reader.get(&path("nonsense")).await,
            reader.post(CREDENTIALS, &json!("nonsense")).await,
            reader.patch(&path(&id), &json!("nonsense")).await,
            reader.delete(&path(&id)).await,
        ] {
            refuses(&answer, 403, &lacks);
        }
        for anonymous in [app.get(LIST).await, app.get(&path(&id)).await, app.post(CREDENTIALS, &json!({})).await] {
            refuses(&anonymous, 401, &strings("Unauthorized"));
        }
        operator.get(&path(&id)).await.is(200, &json!({"data": resource(&id, &whole("A method"))}));
    }

    async fn unknown_keys_are_forbidden(engine: Engine) {
        let app = TestApp::start(engine).await;
        let request = crate::support::request(Method::GET, LIST)
            .header("DD-API-KEY", "0".repeat(32))
            .header("DD-APPLICATION-KEY", "0".repeat(40));

        refuses(&app.ask(request).await, 403, &strings("Forbidden"));
    }

    async fn a_token_with_the_scope_does_all_five_and_one_without_it_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let console = app.registered("A console").await;
        let bearer = Bearer::of(&operator, &console, "manage_integrations", &[]).await;
        let without = Bearer::of(&operator, &app.registered("Another").await, "org_authorized_apps_write", &[]).await;

        let made = bearer.post(CREDENTIALS, &request(whole("A method"))).await;
        let id = made.json()["data"]["id"].as_str().expect("an id").to_owned();
        made.is(201, &json!({"data": resource(&id, &whole("A method"))}));
        bearer.get(&path(&id)).await.is(200, &json!({"data": resource(&id, &whole("A method"))}));
        bearer.get(LIST).await.is(200, &json!({"data": [listed(&id)]}));
        let renamed = bearer.patch(&path(&id), &request(json!({"name": "Another"}))).await;
        renamed.is(200, &json!({"data": resource(&id, &whole("Another"))}));
        let lacks = strings(
            "the access token lacks the scope manage_integrations: have its user authorize the client for it",
        );
        for answer in [
            without.get(LIST).await,
            without.get(&path(&id)).await,
            without.post(CREDENTIALS, &request(whole("b"))).await,
            without.patch(&path(&id), &request(json!({}))).await,
            without.delete(&path(&id)).await,
        ] {
            refuses(&answer, 403, &lacks);
        }
        assert_eq!(bearer.delete(&path(&id)).await.status, 204);
        let actor = format!("user:{} family:{}", bearer.user_id, bearer.family_id);
        assert!(events(&operator).await.iter().all(|event| event.actor == actor));
    }

    async fn who_asks_too_much_is_told_when_to_come_back(engine: Engine) {
        let app = TestApp::with(engine, &[("limits.operator_per_minute", "1")]).await;
        let operator = app.operator("Acme").await;
        let mut answer = operator.get(LIST).await;
        for _ in 0..20 {
            answer = operator.post(CREDENTIALS, &request(whole("A method"))).await;
        }

        refuses(&answer, 429, &strings("Too many requests"));
        assert!(answer.header("x-ratelimit-reset").is_some());
    }

    async fn every_change_is_on_record_without_the_secret(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let id = created(&operator, "A method").await;
        let change = async |attributes| assert_eq!(operator.patch(&path(&id), &request(attributes)).await.status, 200);
        change(json!({"audience": null, "name": "A method"})).await;
        change(json!({"client_secret": "another-5ecret"})).await;
        change(json!({})).await;
        assert_eq!(operator.delete(&path(&id)).await.status, 204);

        let events = events(&operator).await;

        let mut shown = whole("A method");
        shown.as_object_mut().expect("an object").remove("client_secret");
        let mut without_audience = shown.clone();
        without_audience["audience"] = Value::Null;
        let told: Vec<_> = events.iter().map(|event| (event.action.as_str(), event.before.clone(), event.after.clone())).collect();
        assert_eq!(told, [
            ("auth_method.created", None, Some(shown.clone())),
            ("auth_method.changed", Some(json!({"audience": "https://api.example"})), Some(json!({"audience": null}))),
            ("auth_method.changed", Some(json!({})), Some(json!({"client_secret": "changed"}))),
            ("auth_method.deleted", Some(without_audience), None),
        ]);
        assert!(events.iter().all(|event| event.subject == format!("auth_method:{id}")));
        assert!(!format!("{events:?}").contains("5ecret"));
    }

    async fn a_copy_of_the_database_does_not_hold_the_secret(engine: Engine) {
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

    async fn loopback_is_for_whoever_sets_it(engine: Engine) {
        let app = TestApp::with(engine, &[("webhooks.allow_loopback", "true")]).await;
        let operator = app.operator("Acme").await;
        for url in ["http://127.0.0.1:9000/token", "https://localhost/token"] {
            let mut sent = whole(url);
            sent["access_token_url"] = json!(url);

            let answer = operator.post(CREDENTIALS, &request(sent.clone())).await;

            let id = answer.json()["data"]["id"].as_str().expect("an id").to_owned();
            answer.is(201, &json!({"data": resource(&id, &sent)}));
        }
        let private = operator.post(CREDENTIALS, &whole_with("access_token_url", Some(json!("https://10.0.0.1/")))).await;
        assert_eq!(private.status, 400, "{}", private.text);
    }
}
