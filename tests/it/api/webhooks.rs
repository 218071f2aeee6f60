//! `/api/v1/integration/webhooks/configuration/webhooks`: where events are sent.

use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::future::join_all;
use grantor::actions::{LoadedWebhook, load_webhook};
use grantor::db::audit_events;
use grantor::db::webhooks::{self, Webhook};
use grantor::oauth::OrgId;
use grantor::oauth::event::Event;
use grantor::oauth::permission::Role;
use grantor::oauth::webhook_template::Values;
use serde_json::{Value, json};

use crate::db::by_hand::execute;
use crate::support::errors::strings;
use crate::support::{Answer, Bearer, Engine, TestApp, TestOperator};

const PATH: &str = "/api/v1/integration/webhooks/configuration/webhooks";
const VARIABLES: &str = "/api/v1/integration/webhooks/configuration/custom-variables";
const UNLIMITED: [(&str, &str); 2] = [("limits.operator_per_minute", "0"), ("limits.requests_per_minute", "0")];

fn path(name: &str) -> String {
    format!("{PATH}/{name}")
}

/// A name and a URL, which is what has to be sent.
fn least(name: &str) -> Value {
    json!({"name": name, "url": "https://hooks.example/services/T0"})
}

/// What is answered about it, but for its signing secret.
fn shown(name: &str) -> Value {
    json!({
        "name": name, "url": "https://hooks.example/services/T0", "encode_as": "json", "payload": null,
        "custom_headers": null, "auth_method_id": null, "events": null,
    })
}

fn with(mut document: Value, member: &str, value: impl Into<Value>) -> Value {
    document[member] = value.into();
    document
}

fn unknown() -> Value {
    strings("this organization has no webhook of this name")
}

fn taken() -> Value {
    strings("another webhook of this organization has this name: choose another one")
}

/// The secret of an answer, and the answer without it.
fn without_secret(answer: &Answer) -> (String, Value) {
    let mut document = answer.json();
    let secret = document.as_object_mut().expect("an object").remove("signing_secret").expect("a signing secret");
    (secret.as_str().expect("text").to_owned(), document)
}

/// Makes one and returns its signing secret.
async fn created(operator: &TestOperator<'_>, body: &Value) -> String {
    let answer = operator.post(PATH, body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    without_secret(&answer).0
}

/// Each organisation has one, with the id of the organisation.
async fn auth_methods(app: &TestApp, engine: Engine) {
    let sqlite =
        "INSERT INTO auth_methods (id, org_id, name, access_token_url, client_id, client_secret_sealed, key_id,
                                            secret_origin, created_at, modified_at)
                  SELECT id, id, 'CRM', 'https://crm.example/token', 'grantor', x'00', 'k', 'https://crm.example', 1, 1 FROM orgs";
    let postgres =
        "INSERT INTO auth_methods (id, org_id, name, access_token_url, client_id, client_secret_sealed, key_id,
                                              secret_origin, created_at, modified_at)
                    SELECT id, id, 'CRM', 'https://crm.example/token', 'grantor', '\\x00', 'k', 'https://crm.example', 1, 1 FROM orgs";
    execute(app, engine, sqlite, postgres).await;
}

async fn stored(operator: &TestOperator<'_>, name: &str) -> Webhook {
    webhooks::find(operator.app.db(), operator.org_id, name).await.expect("is readable").expect("is there")
}

async fn loaded(operator: &TestOperator<'_>, name: &str) -> LoadedWebhook {
    let app = operator.app;
    let id = stored(operator, name).await.id;
    load_webhook(app.context(), &app.app.issuer.ring, id).await.expect("is readable").expect("is there")
}

async fn signing_secrets(operator: &TestOperator<'_>, name: &str) -> Vec<String> {
    loaded(operator, name).await.signing_secrets.iter().map(|secret| secret.expose().to_owned()).collect()
}

/// The record of webhooks: what was done, before and after.
async fn recorded(app: &TestApp, org_id: OrgId) -> Vec<(String, Option<Value>, Option<Value>)> {
    let events = audit_events::list(app.db(), org_id, 100).await.expect("is readable");
    let events = events.into_iter().filter(|event| event.subject.starts_with("webhook:"));
    events.map(|event| (event.action, event.before, event.after)).collect()
}

on_both! {
    async fn a_webhook_is_made_shown_listed_changed_and_deleted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;

        let made = operator.post(PATH, &least("CRM")).await;
        assert_eq!(made.status, 201);
        assert_eq!(without_secret(&made).1, shown("CRM"));
        assert_eq!((made.header("content-type"), made.header("cache-control")), (Some("application/json"), Some("no-store")));
        created(&operator, &least("Another")).await;

        operator.get(&path("CRM")).await.is(200, &shown("CRM"));
        operator.get(PATH).await.is(200, &json!([shown("Another"), shown("CRM")]));
        let changed = with(shown("CRM"), "encode_as", "form");
        operator.put(&path("CRM"), &json!({"encode_as": "form"})).await.is(200, &changed);
        operator.get(&path("CRM")).await.is(200, &changed);
        let deleted = operator.delete(&path("CRM")).await;
        assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (200, ""));
        operator.get(&path("CRM")).await.is(404, &unknown());
        operator.get(PATH).await.is(200, &json!([shown("Another")]));
    }

    async fn everything_that_is_sent_comes_back_as_it_was_sent(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        auth_methods(&app, engine).await;
        let all = json!({
            "name": "CRM", "url": "https://hooks.example:8443/a?b=$c", "encode_as": "form",
            "payload": " {\"id\" : \"$ID\"}", "custom_headers": "{\"X-Key\": \"$KEY\"} ",
            "auth_method_id": operator.org_id, "events": ["grant.revoked", "grant.given"],
        });

        let made = operator.post(PATH, &all).await;

        assert_eq!((made.status.as_u16(), without_secret(&made).1), (201, all.clone()));
        operator.get(&path("CRM")).await.is(200, &all);
        operator.get(PATH).await.is(200, &json!([all]));
    }

    async fn a_change_changes_what_it_names_and_null_clears(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        auth_methods(&app, engine).await;
        created(&operator, &least("CRM")).await;
        let mut expected = shown("CRM");
        let steps = [
            json!({"url": "https://other.example/"}),
            json!({"payload": "{\"a\": 1}"}),
            json!({"custom_headers": "{\"X-A\": \"a\"}"}),
            json!({"auth_method_id": operator.org_id}),
            json!({"events": [Event::KINDS[0]]}),
            json!({"encode_as": "form"}),
            json!({}),
            json!({"payload": null}),
            json!({"custom_headers": null}),
            json!({"auth_method_id": null}),
            json!({"events": null}),
        ];
        for step in steps {
            for (member, value) in step.as_object().expect("an object") {
                expected[member] = value.clone();
            }

            operator.put(&path("CRM"), &step).await.is(200, &expected);
            operator.get(&path("CRM")).await.is(200, &expected);
        }
    }

    async fn a_name_is_found_as_paths_write_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let names = [
            ("Our CRM", "Our%20CRM"),
            ("100% + more?", "100%25%20%2B%20more%3F"),
            ("a+b", "a+b"),
            ("Gr\u{f6}\u{df}e \u{1f600}", "Gr%C3%B6%C3%9Fe%20%F0%9F%98%80"),
            ("%41", "%2541"),
            ("A", "%41"),
            ("...", "..."),
        ];
        for (name, in_path) in names {
            created(&operator, &least(name)).await;

            operator.get(&path(in_path)).await.is(200, &shown(name));
            let renamed = format!("{name}, renamed");
            operator.put(&path(in_path), &json!({"name": renamed})).await.is(200, &shown(&renamed));
            operator.get(&path(in_path)).await.is(404, &unknown());
            operator.put(&path(&format!("{in_path},%20renamed")), &json!({"name": name})).await.is(200, &shown(name));
            assert_eq!(operator.delete(&path(in_path)).await.status, 200);
        }
    }

    async fn what_names_nothing_is_not_found(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        created(&operator, &least("CRM")).await;
        for name in ["crm", "CRM%20", "%20CRM", "CR", "%25", "CRM%2F", &"x".repeat(2000)] {
            operator.get(&path(name)).await.is(404, &unknown());
            operator.put(&path(name), &json!({})).await.is(404, &unknown());
            operator.delete(&path(name)).await.is(404, &unknown());
        }
        for name in ["CRM%00", "%00", "%FF", "CRM%0A", "CRM/x"] {
            operator.get(&path(name)).await.is(404, &strings("there is nothing at this path"));
        }
        operator.get(&path("CRM")).await.is(200, &shown("CRM"));
    }

    async fn a_webhook_is_of_its_organisation_alone(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, initech) = (app.operator("Acme").await, app.operator("Initech").await);
        created(&acme, &least("CRM")).await;

        initech.get(&path("CRM")).await.is(404, &unknown());
        initech.put(&path("CRM"), &json!({"encode_as": "form"})).await.is(404, &unknown());
        initech.put(&path("CRM"), &json!({"rotate_signing_secret": true})).await.is(404, &unknown());
        initech.delete(&path("CRM")).await.is(404, &unknown());
        initech.get(PATH).await.is(200, &json!([]));
        created(&initech, &with(least("CRM"), "encode_as", "form")).await;
        assert_eq!(initech.delete(&path("CRM")).await.status, 200);

        acme.get(&path("CRM")).await.is(200, &shown("CRM"));
    }

    async fn a_name_is_taken_once_in_an_organisation(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        created(&operator, &least("One")).await;
        created(&operator, &least("Two")).await;

        operator.post(PATH, &least("One")).await.is(409, &taken());
        operator.put(&path("Two"), &json!({"name": "One"})).await.is(409, &taken());
        operator.put(&path("One"), &json!({"name": "One"})).await.is(200, &shown("One"));
        operator.post(PATH, &least("one")).await;

        operator.get(PATH).await.is(200, &json!([shown("One"), shown("Two"), shown("one")]));
    }

    async fn of_many_that_are_made_at_once_with_one_name_there_is_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let other = app.replica().await;
        let operator = app.operator("Acme").await;
        let elsewhere = operator.on(&other);
        let body = least("CRM");

        let (here, there) = tokio::join!(
            join_all((0..3).map(|_| operator.post(PATH, &body))),
            join_all((0..3).map(|_| elsewhere.post(PATH, &body))),
        );

        let mut statuses: Vec<u16> = here.iter().chain(&there).map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409]);
        operator.get(PATH).await.is(200, &json!([shown("CRM")]));
    }

    async fn a_hundred_webhooks_are_enough_however_many_come_at_once(engine: Engine) {
        let app = TestApp::with(engine, &UNLIMITED).await;
        let (operator, initech) = (app.operator("Acme").await, app.operator("Initech").await);
        for number in 0..97 {
            created(&operator, &least(&format!("{number}"))).await;
        }
        let bodies: Vec<Value> = (97..103).map(|number| least(&format!("{number}"))).collect();

        let answers = join_all(bodies.iter().map(|body| operator.post(PATH, body))).await;

        let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 201).collect();
        let enough = "this organization has 100 webhooks, which is as many as it may have: delete one first";
        assert_eq!(refused.len(), 3, "{answers:?}");
        refused.iter().for_each(|answer| answer.is(409, &strings(enough)));
        operator.post(PATH, &least("0")).await.is(409, &taken());
        created(&initech, &least("0")).await;
        operator.delete(&path("0")).await;
        created(&operator, &least("0")).await;
    }

    async fn the_signing_secret_is_told_when_it_is_new_and_never_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;

        let first = created(&operator, &least("CRM")).await;
        let bytes = BASE64_STANDARD.decode(first.strip_prefix("whsec_").expect("the prefix")).expect("base64");
        assert_eq!(bytes.len(), 32);
        assert_ne!(first, created(&operator, &least("Another")).await);
        for answer in [
            operator.get(&path("CRM")).await,
            operator.get(PATH).await,
            operator.put(&path("CRM"), &json!({"encode_as": "form"})).await,
            operator.put(&path("CRM"), &json!({"rotate_signing_secret": false, "encode_as": "json"})).await,
        ] {
            assert_eq!(answer.status, 200);
            assert!(!answer.text.contains("whsec_") && !answer.text.contains("signing_secret"), "{}", answer.text);
        }

        let rotated = operator.put(&path("CRM"), &json!({"rotate_signing_secret": true})).await;
        let (second, document) = without_secret(&rotated);
        assert_eq!((rotated.status.as_u16(), document), (200, shown("CRM")));
        assert_ne!(first, second);
        operator.get(&path("CRM")).await.is(200, &shown("CRM"));
        assert_eq!(signing_secrets(&operator, "CRM").await, [second, first]);
    }

    async fn a_former_secret_signs_for_a_day_and_the_one_before_it_not_at_all(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let rotate = async || {
            without_secret(&operator.put(&path("CRM"), &json!({"rotate_signing_secret": true})).await).0
        };
        let first = created(&operator, &least("CRM")).await;
        assert_eq!(signing_secrets(&operator, "CRM").await, [first.as_str()]);

        let second = rotate().await;
        app.hand.advance(Duration::from_secs(60 * 60));
        let third = rotate().await;

        assert_eq!(signing_secrets(&operator, "CRM").await, [third.as_str(), second.as_str()]);
        app.hand.advance(Duration::from_secs(24 * 60 * 60 - 1));
        // A change in between seals all of it again, and changes nothing about it.
        assert_eq!(operator.put(&path("CRM"), &json!({"encode_as": "form"})).await.status, 200);
        assert_eq!(signing_secrets(&operator, "CRM").await, [third.as_str(), second.as_str()]);
        app.hand.advance(Duration::from_secs(1));
        assert_eq!(signing_secrets(&operator, "CRM").await, [third.as_str()]);
        assert_eq!(operator.put(&path("CRM"), &json!({"encode_as": "json"})).await.status, 200);
        assert_eq!(stored(&operator, "CRM").await.former_secret, None);
        assert_eq!(signing_secrets(&operator, "CRM").await, [third]);
    }

    async fn what_is_secret_is_not_in_the_table(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let body = with(least("CRM"), "custom_headers", "{\"X-Key\": \"hunter2hunter2\"}");
        let first = created(&operator, &body).await;
        let rotated = operator.put(&path("CRM"), &json!({"rotate_signing_secret": true})).await;
        let second = without_secret(&rotated).0;

        let webhook = stored(&operator, "CRM").await;

        let (former, _) = webhook.former_secret.clone().expect("a former secret");
        let sealed = [webhook.custom_headers.clone().expect("headers"), webhook.signing_secret.clone(), former].concat();
        for clear in ["hunter2hunter2", "X-Key", "whsec_", &first, &second] {
            assert!(!sealed.windows(clear.len()).any(|part| part == clear.as_bytes()), "{clear}");
        }
        let record = serde_json::to_string(&recorded(&app, operator.org_id).await).expect("JSON");
        for clear in ["hunter2", "X-Key", "whsec_", "services", &first, &second] {
            assert!(!record.contains(clear), "{clear} in {record}");
        }
    }

    async fn what_is_sealed_cannot_be_moved_to_another_webhook(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        created(&operator, &with(least("One"), "custom_headers", "{\"X-A\": \"a\"}")).await;
        created(&operator, &least("Two")).await;
        let mut two = stored(&operator, "Two").await;
        two.custom_headers = stored(&operator, "One").await.custom_headers;
        assert!(webhooks::update(app.db(), &two).await.expect("is written"));

        let answer = operator.get(&path("Two")).await;

        answer.is(500, &strings("something went wrong inside the server: its operator finds the cause by the X-Request-Id"));
        assert_eq!(operator.delete(&path("Two")).await.status, 200);
    }

    async fn whoever_sends_finds_it_all_opened_and_parsed(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, initech) = (app.operator("Acme").await, app.operator("Initech").await);
        let body = json!({
            "name": "CRM", "url": "https://hooks.example", "payload": "{\"key\": \"$KEY\", \"id\": \"$ID\"}",
            "custom_headers": "{\"X-Key\": \"Key $KEY\"}",
        });
        let secret = created(&operator, &body).await;
        for (operator, name, value) in [(&operator, "KEY", "hunter2"), (&operator, "URL", "u"), (&initech, "KEY", "theirs")] {
            let variable = json!({"name": name, "value": value, "is_secret": name == "KEY"});
            assert_eq!(operator.post(VARIABLES, &variable).await.status, 201);
        }

        let loaded = loaded(&operator, "CRM").await;

        assert_eq!((loaded.webhook.name.as_str(), loaded.org_name.as_str()), ("CRM", "Acme"));
        assert_eq!(loaded.signing_secrets.iter().map(|secret| secret.expose()).collect::<Vec<_>>(), [secret.as_str()]);
        let named = [("KEY".to_owned(), json!("hunter2"))];
        assert_eq!(loaded.variables, Values::from(named), "no more than its templates name");
        let headers = loaded.headers.expect("headers").render(&[&loaded.variables]).expect("are short");
        assert_eq!(headers, [("X-Key".to_owned(), "Key hunter2".to_owned())]);
        let payload = loaded.payload.expect("a payload").render(&[&loaded.variables]).expect("is short");
        assert_eq!(payload, json!({"key": "hunter2", "id": "$ID"}));
    }

    async fn a_webhook_that_is_gone_is_not_loaded(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        created(&operator, &least("CRM")).await;
        let id = stored(&operator, "CRM").await.id;
        operator.delete(&path("CRM")).await;

        let loaded = load_webhook(app.context(), &app.app.issuer.ring, id).await.expect("is readable");

        assert!(loaded.is_none());
    }

    async fn a_change_moves_everything_to_the_newest_key_of_the_ring(engine: Engine) {
        const OLD: &str = "old:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
        const BOTH: &str = "new:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=,old:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
        let app = TestApp::with(engine, &[("secrets.key", OLD)]).await;
        let operator = app.operator("Acme").await;
        let first = created(&operator, &with(least("CRM"), "custom_headers", "{\"X-A\": \"a\"}")).await;
        let renewed = app.replica_with(&[("secrets.key", BOTH)]).await;
        let elsewhere = operator.on(&renewed);
        assert_eq!(stored(&elsewhere, "CRM").await.key_id, "old");

        let rotated = elsewhere.put(&path("CRM"), &json!({"rotate_signing_secret": true})).await;

        let second = without_secret(&rotated).0;
        let webhook = stored(&elsewhere, "CRM").await;
        assert_eq!(webhook.key_id, "new");
        let (former, _) = webhook.former_secret.expect("a former secret");
        for sealed in [&webhook.custom_headers.expect("headers"), &webhook.signing_secret, &former] {
            assert_eq!(&sealed[1..5], b"\x03new");
        }
        assert_eq!(signing_secrets(&elsewhere, "CRM").await, [second, first]);
    }

    async fn an_auth_method_is_of_the_same_organisation(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, initech) = (app.operator("Acme").await, app.operator("Initech").await);
        auth_methods(&app, engine).await;
        let nobody = "0197a3b0-0000-7000-8000-000000000001";
        let refused = strings("auth_method_id is not the id of an auth method of this organization");
        created(&acme, &least("CRM")).await;

        for id in [initech.org_id.to_string(), nobody.to_owned()] {
            acme.post(PATH, &with(least("Another"), "auth_method_id", id.as_str())).await.is(400, &refused);
            acme.put(&path("CRM"), &json!({"auth_method_id": id})).await.is(400, &refused);
        }

        acme.get(PATH).await.is(200, &json!([shown("CRM")]));
    }

    async fn a_header_that_authorizes_and_an_auth_method_exclude_each_other_whichever_comes_first(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        auth_methods(&app, engine).await;
        let headers = "{\"authorization\": \"Basic abc\"}";
        let refused = strings(
            "custom_headers has the header \"authorization\" beside an auth method, which sets it: remove one of the two",
        );
        let both = with(with(least("Both"), "custom_headers", headers), "auth_method_id", operator.org_id.to_string());
        created(&operator, &with(least("Headers"), "custom_headers", headers)).await;
        created(&operator, &with(least("Method"), "auth_method_id", operator.org_id.to_string())).await;

        operator.post(PATH, &both).await.is(400, &refused);
        operator.put(&path("Headers"), &json!({"auth_method_id": operator.org_id})).await.is(400, &refused);
        operator.put(&path("Method"), &json!({"custom_headers": headers})).await.is(400, &refused);
        let moved = json!({"auth_method_id": operator.org_id, "custom_headers": null});
        assert_eq!(operator.put(&path("Headers"), &moved).await.status, 200);
    }

    async fn a_refused_change_changes_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let secret = created(&operator, &least("CRM")).await;
        let cases = [
            (json!({"encode_as": "form", "url": "http://hooks.example"}), "url does not use https: use https"),
            (json!({"rotate_signing_secret": true, "events": []}),
                "events names no kind of event: name one at least, or send null for every kind"),
            (json!({"encode_as": "form", "name": null}), "name is not a string"),
        ];
        for (change, detail) in cases {
            operator.put(&path("CRM"), &change).await.is(400, &strings(detail));
            operator.post(PATH, &with(with(least("New"), "x", 1), "payload", 7)).await.is(400, &strings("payload is not a string"));
        }
        operator.get(PATH).await.is(200, &json!([shown("CRM")]));
        assert_eq!(signing_secrets(&operator, "CRM").await, [secret]);
    }

    async fn a_receiver_is_on_the_public_internet_or_where_the_settings_let_it_be(engine: Engine) {
        let strict = TestApp::start(engine).await;
        let operator = strict.operator("Acme").await;
        let open = strict.replica_with(&[
            ("webhooks.allow_loopback", "true"),
            ("outgoing.allow_networks", "[\"10.0.0.0/8\"]"),
        ]).await;
        let elsewhere = operator.on(&open);
        for (number, (url, detail)) in [
            ("http://127.0.0.1:8000/hook", "url does not use https: use https"),
            ("https://localhost/hook",
                "url leads to a loopback address, which this server does not call: use a host on the public internet"),
            ("https://10.1.2.3/hook",
                "url leads to an address of a private network, which this server does not call: use a host on the public internet"),
        ].into_iter().enumerate() {
            let body = json!({"name": format!("{number}"), "url": url});

            operator.post(PATH, &body).await.is(400, &strings(detail));
            created(&elsewhere, &body).await;
        }
        let metadata = json!({"name": "m", "url": "https://169.254.169.254/latest"});
        assert_eq!(elsewhere.post(PATH, &metadata).await.status, 400);
    }

    async fn a_body_that_is_no_object_is_refused_in_words(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        created(&operator, &least("CRM")).await;
        let not_json = "the body is not valid JSON: send one JSON object and nothing else";
        let no_object = "the body is not a JSON object with each member at most once";
        let cases = [
            ("", not_json),
            ("{", not_json),
            ("[]", no_object),
            ("null", no_object),
            (r#"{"name": "a", "name": "b"}"#, no_object),
            ("\u{feff}{}", "the body begins with a byte order mark: remove it"),
        ];
        for (body, detail) in cases {
            for (method, path) in [(Method::POST, PATH.to_owned()), (Method::PUT, path("CRM"))] {
                let request = operator.request(method, &path).header("content-type", "application/json");
                let answer = app.send(request.body(Body::from(body)).expect("a request")).await;

                answer.is(400, &strings(detail));
                assert_eq!(answer.header("content-type"), Some("application/json"));
            }
        }
        let as_a_form = operator.request(Method::POST, PATH).header("content-type", "text/plain");
        let answer = app.send(as_a_form.body(Body::from(least("x").to_string())).expect("a request")).await;
        answer.is(415, &strings("the body is not sent as JSON: set the header Content-Type: application/json"));
        let large = with(least("x"), "payload", "x".repeat(70_000));
        operator.post(PATH, &large).await.is(413, &strings("the body is larger than 65536 bytes"));
    }

    async fn integrations_are_for_those_who_may_manage_them(engine: Engine) {
        let app = TestApp::start(engine).await;
        let admin = app.operator("Acme").await;
        created(&admin, &least("CRM")).await;
        let standard = admin.colleague("ada@acme.example", Role::Standard).await;
        let reader = admin.colleague("grace@acme.example", Role::ReadOnly).await;
        let lacks = strings(
            "the role of this user lacks the permission manage_integrations: someone with another role in the organisation \
             has to do this",
        );

        standard.get(&path("CRM")).await.is(200, &shown("CRM"));
        created(&standard, &least("Hers")).await;
        reader.get(PATH).await.is(403, &lacks);
        reader.post(PATH, &least("New")).await.is(403, &lacks);
        reader.get(&path("CRM")).await.is(403, &lacks);
        reader.get(&path("nothing")).await.is(403, &lacks);
        reader.put(&path("CRM"), &json!({"encode_as": "form"})).await.is(403, &lacks);
        reader.delete(&path("CRM")).await.is(403, &lacks);
        let refused = app.get(&path("CRM")).await;
        refused.is(401, &strings("Unauthorized"));
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"grantor\""));
        admin.get(&path("CRM")).await.is(200, &shown("CRM"));
    }

    async fn a_token_needs_the_scope_too(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let console = app.registered("A console").await;
        let with_scope = Bearer::of(&operator, &console, "manage_integrations", &[]).await;

        assert_eq!(with_scope.post(PATH, &least("CRM")).await.status, 201);
        with_scope.get(&path("CRM")).await.is(200, &shown("CRM"));

        let without = Bearer::of(&operator, &console, "org_authorized_apps_write", &[]).await;
        let lacks = "the access token lacks the scope manage_integrations: have its user authorize the client for it";
        without.get(&path("CRM")).await.is(403, &strings(lacks));
    }

    async fn other_methods_are_told_which_there_are(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let told = strings("this path does not take this method: the Allow header names those it takes");

        let of_all = operator.delete(PATH).await;
        let of_one = operator.post(&path("CRM"), &json!({})).await;

        of_all.is(405, &told);
        of_one.is(405, &told);
        assert_eq!(of_all.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
        assert_eq!(of_one.header("allow"), Some("GET, HEAD, PUT, DELETE, OPTIONS"));
    }

    async fn every_change_is_recorded_without_what_is_secret_of_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        created(&operator, &with(least("CRM"), "custom_headers", "{\"X-Key\": \"hunter2\"}")).await;
        let change = json!({
            "name": "Renamed", "url": "https://other.example:8443/secret", "payload": "{}", "custom_headers": null,
            "rotate_signing_secret": true,
        });
        operator.put(&path("CRM"), &change).await;
        operator.put(&path("Renamed"), &json!({"name": "Renamed", "payload": "{}"})).await;
        operator.put(&path("Renamed"), &json!({"name": "Refused", "events": []})).await;
        operator.delete(&path("Renamed")).await;

        let told = |name: &str, host: &str| {
            json!({"name": name, "host": host, "encode_as": "json", "auth_method_id": null, "events": null})
        };
        let (before, after) = (told("CRM", "hooks.example"), told("Renamed", "other.example:8443"));
        let mut changed = after.clone();
        for (member, what) in
            [("url", "changed"), ("payload", "changed"), ("custom_headers", "changed"), ("signing_secret", "rotated")]
        {
            changed[member] = json!(what);
        }
        assert_eq!(recorded(&app, operator.org_id).await, [
            ("webhook.created".to_owned(), None, Some(before.clone())),
            ("webhook.changed".to_owned(), Some(before), Some(changed)),
            ("webhook.deleted".to_owned(), Some(after), None),
        ]);
    }

    async fn of_many_changes_at_once_none_is_lost(engine: Engine) {
        let app = TestApp::start(engine).await;
        let other = app.replica().await;
        let operator = app.operator("Acme").await;
        let elsewhere = operator.on(&other);
        for round in 0..5 {
            let name = format!("{round}");
            let (path, first) = (path(&name), created(&operator, &least(&name)).await);
            let changes = [
                json!({"url": "https://other.example/"}),
                json!({"encode_as": "form"}),
                json!({"payload": "{}"}),
                json!({"custom_headers": "{}"}),
                json!({"events": [Event::KINDS[0]]}),
                json!({"rotate_signing_secret": true}),
            ];

            let (here, there) = tokio::join!(
                join_all(changes[..3].iter().map(|change| operator.put(&path, change))),
                join_all(changes[3..].iter().map(|change| elsewhere.put(&path, change))),
            );

            assert!(here.iter().chain(&there).all(|answer| answer.status == 200), "{here:?} {there:?}");
            operator.get(&path).await.is(200, &json!({
                "name": name, "url": "https://other.example/", "encode_as": "form", "payload": "{}",
                "custom_headers": "{}", "auth_method_id": null, "events": [Event::KINDS[0]],
            }));
            let second = without_secret(&there[2]).0;
            assert_eq!(signing_secrets(&operator, &name).await, [second, first]);
        }
    }
}
