//! `/api/v1/integration/webhooks/configuration/custom-variables`: variables for webhook templates.

use futures_util::future::join_all;
use grantor::actions::webhooks::load_webhook::load_webhook;
use grantor::db::webhooks;
use grantor::db::webhooks::variables;
use grantor::db::webhooks::variables::Variable;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::errors::strings;
use crate::support::{Bearer, TestApp, TestOperator, listed};

const PATH: &str = "/api/v1/integration/webhooks/configuration/custom-variables";
const UNLIMITED: [(&str, &str); 2] =
    [("limits.operator_per_minute", "0"), ("limits.requests_per_minute", "0")];

fn path(name: &str) -> String {
    format!("{PATH}/{name}")
}

fn open(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value, "is_secret": false})
}

fn secret(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value, "is_secret": true})
}

/// The response for a secret variable.
fn hidden(name: &str) -> Value {
    json!({"name": name, "is_secret": true})
}

fn unknown() -> Value {
    strings("this organization has no custom variable with this name")
}

fn taken() -> Value {
    strings("another custom variable of this organization has this name: choose another one")
}

async fn stored(operator: &TestOperator<'_>, name: &str) -> Variable {
    variables::find(operator.app.db(), operator.org_id, name)
        .await
        .expect("is readable")
        .expect("is there")
}

/// The value that a template gets, secret or not.
async fn value_of(operator: &TestOperator<'_>, name: &str) -> Value {
    let app = operator.app;
    let payload = json!({"value": format!("${name}")}).to_string();
    let body = json!({"name": name, "url": "https://hooks.example", "payload": payload});
    operator.post("/api/v1/integration/webhooks/configuration/webhooks", &body).await;
    let webhook = webhooks::find(app.db(), operator.org_id, name)
        .await
        .expect("is readable")
        .expect("is there");
    let loaded = load_webhook(app.context(), webhook.id).await.expect("is readable");
    loaded.expect("is there").variables[name].clone()
}

on_both! {
    async fn a_variable_can_be_created_read_listed_changed_and_deleted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;

        let made = operator.post(PATH, &open("REGION", "eu\n\"1\"")).await;
        made.is(201, &open("REGION", "eu\n\"1\""));
        assert_eq!((made.header("content-type"), made.header("cache-control")), (Some("application/json"), Some("no-store")));
        operator.post(PATH, &secret("KEY", "hunter2")).await.is(201, &hidden("KEY"));

        operator.get(&path("REGION")).await.is(200, &open("REGION", "eu\n\"1\""));
        operator.get(&path("KEY")).await.is(200, &hidden("KEY"));
        operator.get(PATH).await.is(200, &json!([hidden("KEY"), open("REGION", "eu\n\"1\"")]));
        operator.put(&path("REGION"), &json!({"value": ""})).await.is(200, &open("REGION", ""));
        operator.put(&path("REGION"), &json!({"name": "AREA"})).await.is(200, &open("AREA", ""));
        operator.put(&path("AREA"), &json!({})).await.is(200, &open("AREA", ""));
        let deleted = operator.delete(&path("AREA")).await;
        assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (200, ""));
        operator.get(PATH).await.is(200, &json!([hidden("KEY")]));
    }

    async fn the_value_of_a_secret_variable_is_never_returned_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        operator.post(PATH, &secret("KEY", "hunter2")).await.is(201, &hidden("KEY"));
        let stays = strings("is_secret cannot be set to false for the current value: send a new value with it");

        operator.put(&path("KEY"), &json!({"is_secret": false})).await.is(400, &stays);
        operator.put(&path("KEY"), &json!({"is_secret": false, "name": "OTHER"})).await.is(400, &stays);
        operator.put(&path("KEY"), &json!({"value": "hunter3"})).await.is(200, &hidden("KEY"));
        operator.put(&path("KEY"), &json!({"name": "SECRET"})).await.is(200, &hidden("SECRET"));
        operator.put(&path("SECRET"), &json!({"is_secret": true})).await.is(200, &hidden("SECRET"));
        operator.get(PATH).await.is(200, &json!([hidden("SECRET")]));
        operator.put(&path("SECRET"), &json!({"is_secret": false, "value": "new"})).await.is(200, &open("SECRET", "new"));

        operator.put(&path("SECRET"), &json!({"is_secret": true})).await.is(200, &hidden("SECRET"));
        operator.get(&path("SECRET")).await.is(200, &hidden("SECRET"));
    }

    async fn no_value_is_in_the_table_or_the_audit_trail(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        operator.post(PATH, &open("OPEN", "hunter2hunter2")).await;
        operator.post(PATH, &secret("KEY", "hunter2hunter2")).await;
        operator.put(&path("KEY"), &json!({"value": "hunter2hunter3", "name": "NEW_KEY"})).await;
        operator.put(&path("NEW_KEY"), &json!({"name": "NEW_KEY"})).await;

        for variable in [stored(&operator, "OPEN").await, stored(&operator, "NEW_KEY").await] {
            assert!(!variable.value.windows(7).any(|part| part == b"hunter2"), "{}", variable.name);
        }
        operator.delete(&path("NEW_KEY")).await;
        let events = listed::audit_events(app.db(), operator.org_id, 100).await.expect("is readable");
        let events = events.into_iter().filter(|event| event.subject.starts_with("webhook_variable:"));
        let events: Vec<_> = events.map(|event| (event.action, event.before, event.after)).collect();
        let attributes = |name: &str, is_secret: bool| Some(json!({"name": name, "is_secret": is_secret}));
        assert_eq!(events, [
            ("webhook_variable.created".to_owned(), None, attributes("OPEN", false)),
            ("webhook_variable.created".to_owned(), None, attributes("KEY", true)),
            (
                "webhook_variable.changed".to_owned(),
                attributes("KEY", true),
                Some(json!({"name": "NEW_KEY", "is_secret": true, "value": "changed"})),
            ),
            ("webhook_variable.deleted".to_owned(), attributes("NEW_KEY", true), None),
        ]);
    }

    async fn a_sealed_value_cannot_be_moved_to_a_visible_variable(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        operator.post(PATH, &secret("KEY", "hunter2")).await;
        operator.post(PATH, &open("OPEN", "x")).await;
        let mut open = stored(&operator, "OPEN").await;
        open.value = stored(&operator, "KEY").await.value;
        assert!(variables::update(app.db(), &open).await.expect("is written"));

        let answer = operator.get(&path("OPEN")).await;

        answer.is(500, &strings("internal server error; the operator can find the cause by the \
                                 X-Request-Id"));
    }

    async fn a_variable_belongs_to_its_organization_only(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, initech) = (app.operator("Acme").await, app.operator("Initech").await);
        acme.post(PATH, &open("REGION", "eu")).await;

        initech.get(&path("REGION")).await.is(404, &unknown());
        initech.put(&path("REGION"), &json!({"value": "theirs"})).await.is(404, &unknown());
        initech.delete(&path("REGION")).await.is(404, &unknown());
        initech.get(PATH).await.is(200, &json!([]));
        initech.post(PATH, &open("REGION", "us")).await.is(201, &open("REGION", "us"));

        acme.get(&path("REGION")).await.is(200, &open("REGION", "eu"));
        for name in ["region", "REGION%20", "%25", "REGIO", "RE%47ION%2F"] {
            acme.get(&path(name)).await.is(404, &unknown());
        }
        acme.get(&path("RE%47ION")).await.is(200, &open("REGION", "eu"));
        acme.get(&path("REGION%00")).await.is(404, &strings("there is nothing at this path"));
    }

    async fn a_name_is_unique_in_an_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        operator.post(PATH, &open("ONE", "1")).await;
        operator.post(PATH, &open("TWO", "2")).await;

        operator.post(PATH, &open("ONE", "3")).await.is(409, &taken());
        operator.put(&path("TWO"), &json!({"name": "ONE"})).await.is(409, &taken());
        operator.put(&path("ONE"), &json!({"name": "ONE"})).await.is(200, &open("ONE", "1"));

        operator.get(PATH).await.is(200, &json!([open("ONE", "1"), open("TWO", "2")]));
    }

    async fn concurrent_creations_with_one_name_create_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let other = app.replica().await;
        let operator = app.operator("Acme").await;
        let elsewhere = operator.on(&other);
        let body = open("ONE", "1");

        let (here, there) = tokio::join!(
            join_all((0..3).map(|_| operator.post(PATH, &body))),
            join_all((0..3).map(|_| elsewhere.post(PATH, &body))),
        );

        let mut statuses: Vec<u16> = here.iter().chain(&there).map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409]);
    }

    async fn concurrent_changes_are_all_kept(engine: Engine) {
        let app = TestApp::start(engine).await;
        let other = app.replica().await;
        let operator = app.operator("Acme").await;
        let elsewhere = operator.on(&other);
        for round in 0..10 {
            let name = format!("V_{round}");
            operator.post(PATH, &open(&name, "1")).await.is(201, &open(&name, "1"));
            let (path, value, secrecy) = (path(&name), json!({"value": "2"}), json!({"is_secret": true}));

            let (one, two) = tokio::join!(operator.put(&path, &value), elsewhere.put(&path, &secrecy));

            assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200));
            operator.get(&path).await.is(200, &hidden(&name));
            assert_eq!(value_of(&operator, &name).await, json!("2"));
        }
    }

    async fn an_organization_has_at_most_five_hundred_variables(engine: Engine) {
        let app = TestApp::with(engine, &UNLIMITED).await;
        let operator = app.operator("Acme").await;
        for number in 0..500 {
            assert_eq!(operator.post(PATH, &open(&format!("V_{number}"), "")).await.status, 201);
        }
        let enough = "this organization already has 500 custom variables, the maximum: delete one \
                      first";

        operator.post(PATH, &open("ONE_MORE", "")).await.is(409, &strings(enough));
        operator.post(PATH, &open("V_0", "")).await.is(409, &taken());
        operator.delete(&path("V_0")).await;
        operator.post(PATH, &open("ONE_MORE", "")).await.is(201, &open("ONE_MORE", ""));
    }

    async fn an_invalid_variable_is_refused_with_an_explanation(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        operator.post(PATH, &open("ONE", "1")).await;
        let cases = [
            (json!({"name": "a"}), "name must be 1 to 100 characters long and contain only A to Z, 0 to 9 and _"),
            (json!({"name": "ORG_ID"}), "name is reserved for a built-in variable: choose another name"),
            (json!({"name": null}), "name must be a string"),
            (json!({"value": 1}), "value must be a string"),
            (json!({"value": "v".repeat(4097)}), "value is longer than 4096 characters: shorten it"),
            (json!({"is_secret": "true"}), "is_secret must be true or false"),
        ];
        for (wrong, detail) in cases {
            let mut new = open("TWO", "2");
            new.as_object_mut().expect("an object").extend(wrong.as_object().expect("an object").clone());

            operator.post(PATH, &new).await.is(400, &strings(detail));
            operator.put(&path("ONE"), &wrong).await.is(400, &strings(detail));
        }
        for (sent, missing) in [(json!({}), "name"), (json!({"name": "A"}), "value"), (json!({"name": "A", "value": ""}), "is_secret")] {
            operator.post(PATH, &sent).await.is(400, &strings(&format!("{missing} is missing")));
        }
        operator.post(PATH, &json!([])).await.is(400, &strings("the body is not a JSON object, or it repeats a member"));
        operator.get(PATH).await.is(200, &json!([open("ONE", "1")]));
    }

    async fn variables_require_the_manage_integrations_permission(engine: Engine) {
        let app = TestApp::start(engine).await;
        let admin = app.operator("Acme").await;
        let standard = admin.colleague("ada@acme.example", Role::Standard).await;
        let reader = admin.colleague("grace@acme.example", Role::ReadOnly).await;
        let lacks = strings(
            "the role of this user lacks the permission manage_integrations: ask a member of the \
             organization whose role has it",
        );

        standard.post(PATH, &open("ONE", "1")).await.is(201, &open("ONE", "1"));
        reader.get(PATH).await.is(403, &lacks);
        reader.post(PATH, &open("TWO", "2")).await.is(403, &lacks);
        reader.get(&path("ONE")).await.is(403, &lacks);
        reader.put(&path("ONE"), &json!({"value": ""})).await.is(403, &lacks);
        reader.delete(&path("ONE")).await.is(403, &lacks);
        app.get(PATH).await.is(401, &strings("Unauthorized"));
        let console = app.registered("A console").await;
        let bearer = Bearer::of(&admin, &console, "org_authorized_apps_read", &[]).await;
        let needs = "the access token lacks the scope manage_integrations: have its user authorize the client for it";
        bearer.get(PATH).await.is(403, &strings(needs));
        admin.get(PATH).await.is(200, &json!([open("ONE", "1")]));
    }
}
