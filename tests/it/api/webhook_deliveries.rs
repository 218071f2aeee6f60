//! `/api/v1/integration/webhooks/configuration/webhooks/{webhook_name}/deliveries`: past
//! deliveries, and sending them again.

use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::errors::strings;
use crate::support::outbox::{self, Lane, insert_delivery, insert_webhook, webhook_id};
use crate::support::{Answer, Bearer, START, TestApp, TestOperator, listed};

const PATH: &str = "/api/v1/integration/webhooks/configuration/webhooks";
const NAME: &str = "Webhook%201";

fn path(name: &str, rest: &str) -> String {
    format!("{PATH}/{name}/deliveries{rest}")
}

fn event_id(number: u64) -> Uuid {
    Uuid::from_u64_pair(9, number)
}

fn client_id(number: u64) -> Uuid {
    Uuid::from_u64_pair(3, number)
}

/// An operator with the webhook `Webhook 1` and five events: 1 and 4 are waiting, 2 was delivered,
/// 3 and 5 are parked. The first three are about one client, 4 is about no client, and 5 is about
/// another one.
async fn stage(app: &TestApp) -> TestOperator<'_> {
    let operator = app.operator("Acme").await;
    insert_webhook(app, 1, operator.org_id, None).await;
    let all = [
        (1, client_id(1), "waiting"),
        (2, client_id(1), "delivered"),
        (3, client_id(1), "parked"),
        (4, Uuid::nil(), "waiting"),
        (5, client_id(2), "parked"),
    ];
    for (number, client_id, state) in all {
        insert_delivery(app, webhook_id(1), client_id, event_id(number), state).await;
    }
    operator
}

fn shown(number: u64) -> Value {
    let waits = json!({"attempts": 0, "attempted_at": null, "status": null, "failure": null, "finished_at": null});
    let over = |status: u16, failure: Value| {
        json!({"attempts": 1, "attempted_at": START.to_rfc3339(), "status": status, "failure": failure,
               "finished_at": START.to_rfc3339()})
    };
    let (client_id, state, attempt) = match number {
        1 => (Some(client_id(1)), "waiting", waits),
        2 => (Some(client_id(1)), "delivered", over(204, Value::Null)),
        3 => (Some(client_id(1)), "parked", over(500, json!("the receiver returned 500"))),
        4 => (None, "waiting", waits),
        _ => (Some(client_id(2)), "parked", over(500, json!("the receiver returned 500"))),
    };
    let mut attributes = json!({
        "event": "grant.given", "client_id": client_id, "occurred_at": START.to_rfc3339(), "state": state,
    });
    for (name, value) in attempt.as_object().expect("an object") {
        attributes[name] = value.clone();
    }
    json!({"id": event_id(number), "type": "webhook_deliveries", "attributes": attributes})
}

fn page(numbers: &[u64]) -> Value {
    json!({"data": numbers.iter().copied().map(shown).collect::<Vec<_>>()})
}

fn replayed(number: u64) -> Value {
    json!({"meta": {"replayed": number}})
}

fn no_webhook() -> Value {
    strings("this organization has no webhook with this name")
}

fn nothing_parked() -> Value {
    strings("this webhook has no parked delivery with this id")
}

async fn states(app: &TestApp) -> Vec<String> {
    outbox::deliveries(app).await.into_iter().map(|delivery| delivery.state).collect()
}

/// The URL of a path of this API.
async fn each(operator: &TestOperator<'_>, name: &str) -> [Answer; 3] {
    let one = format!("/{}/replay", event_id(3));
    [
        operator.get(&path(name, "")).await,
        operator.post(&path(name, "/replay"), &json!({})).await,
        operator.post(&path(name, &one), &json!({})).await,
    ]
}

on_both! {
    async fn deliveries_are_listed_newest_first_by_state_and_in_pages(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = stage(&app).await;
        let before = |number: u64| format!("?page_size=2&before={}", event_id(number));
        let cases: [(String, &[u64]); 11] = [
            (String::new(), &[5, 4, 3, 2, 1]),
            ("?state=waiting".to_owned(), &[4, 1]),
            ("?state=delivered".to_owned(), &[2]),
            ("?state=parked".to_owned(), &[5, 3]),
            ("?state=&page_size=&before=".to_owned(), &[5, 4, 3, 2, 1]),
            ("?page_size=1000".to_owned(), &[5, 4, 3, 2, 1]),
            ("?page_size=2".to_owned(), &[5, 4]),
            (before(4), &[3, 2]),
            (before(2), &[1]),
            (before(1), &[]),
            (format!("?state=parked&before={}&something=else", event_id(4)), &[3]),
        ];
        for (query, expected) in cases {
            let answer = operator.get(&path(NAME, &query)).await;

            answer.is(200, &page(expected));
            assert_eq!(answer.header("content-type"), Some("application/json"), "{query}");
        }
    }

    async fn an_invalid_parameter_is_named(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = stage(&app).await;
        let (state, size) = ("state must be waiting, delivered or parked", "page_size must be a whole number from 1 to 1000");
        let cases = [
            ("state=Parked", state),
            ("page_size=0", size),
            ("page_size=1001", size),
            ("page_size=-1", size),
            ("page_size=ten", size),
            ("before=5", "before must be the id of a delivery"),
        ];
        for (query, detail) in cases {
            operator.get(&path(NAME, &format!("?{query}"))).await.is(400, &strings(detail));
        }
        let twice = operator.get(&path(NAME, "?state=parked&state=waiting")).await;
        assert_eq!(twice.status, 400, "{}", twice.text);
    }

    async fn a_parked_delivery_can_be_sent_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = stage(&app).await;
        let one = |id: &str| path(NAME, &format!("/{id}/replay"));
        let parked = event_id(3).to_string();

        operator.post(&one(&parked), &json!({})).await.is(202, &replayed(1));

        assert_eq!(states(&app).await, ["waiting", "delivered", "waiting", "waiting", "parked"]);
        let lane = Lane { webhook_id: webhook_id(1), client_id: client_id(1), due_at: Some(START.seconds()), version: 1 };
        assert_eq!(outbox::lanes(&app).await, [lane]);
        let others = [parked, event_id(1).to_string(), event_id(2).to_string(), event_id(6).to_string(), "5".to_owned()];
        for id in others {
            operator.post(&one(&id), &json!({})).await.is(404, &nothing_parked());
        }
        assert_eq!(states(&app).await, ["waiting", "delivered", "waiting", "waiting", "parked"]);
    }

    async fn all_parked_deliveries_can_be_sent_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = stage(&app).await;
        insert_webhook(&app, 2, operator.org_id, None).await;
        insert_delivery(&app, webhook_id(2), client_id(1), event_id(6), "parked").await;

        operator.post(&path(NAME, "/replay"), &json!({})).await.is(202, &replayed(2));
        operator.post(&path(NAME, "/replay"), &json!({})).await.is(202, &replayed(0));

        assert_eq!(states(&app).await, ["waiting", "delivered", "waiting", "waiting", "waiting", "parked"]);
        let lanes: Vec<Uuid> = outbox::lanes(&app).await.into_iter().map(|lane| lane.client_id).collect();
        assert_eq!(lanes, [client_id(1), client_id(2)]);
    }

    async fn a_redelivery_is_recorded_if_something_was_sent(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = stage(&app).await;
        let one = path(NAME, &format!("/{}/replay", event_id(5)));
        operator.post(&one, &json!({})).await;
        operator.post(&one, &json!({})).await;
        operator.post(&path(NAME, "/replay"), &json!({})).await;
        operator.post(&path(NAME, "/replay"), &json!({})).await;

        let events = listed::audit_events(app.db(), operator.org_id, 100).await.expect("is readable");
        let mut recorded: Vec<_> = events.into_iter().filter(|event| event.action == "webhook.replayed").collect();
        recorded.sort_by_key(|event| event.id);
        let after: Vec<Option<Value>> = recorded.iter().map(|event| event.after.clone()).collect();
        let expected = [event_id(5).to_string().into(), Value::Null].map(|event| Some(json!({"deliveries": 1, "event": event})));
        assert_eq!(after, expected);
        let subject = format!("webhook:{}", webhook_id(1));
        assert!(recorded.iter().all(|event| event.subject == subject && event.actor.starts_with("user:")), "{recorded:?}");
    }

    async fn a_webhook_of_another_organization_is_not_found(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = stage(&app).await;
        let initech = app.operator("Initech").await;

        for answer in each(&initech, NAME).await.iter().chain(&each(&acme, "Nothing").await) {
            answer.is(404, &no_webhook());
        }
        for name in ["%00", "%FF", "Webhook%201%0A"] {
            for answer in each(&acme, name).await {
                answer.is(404, &strings("there is nothing at this path"));
            }
        }
        assert_eq!(states(&app).await, ["waiting", "delivered", "parked", "waiting", "parked"]);
    }

    async fn deliveries_require_the_manage_integrations_permission(engine: Engine) {
        let app = TestApp::start(engine).await;
        let admin = stage(&app).await;
        let standard = admin.colleague("ada@acme.example", Role::Standard).await;
        let reader = admin.colleague("grace@acme.example", Role::ReadOnly).await;
        let lacks = strings(
            "the role of this user lacks the permission manage_integrations: ask a member of the \
             organization whose role has it",
        );

        for answer in each(&reader, NAME).await.iter().chain(&each(&reader, "Nothing").await) {
            answer.is(403, &lacks);
        }
        let one = format!("/{}/replay", event_id(3));
        let anonymous = [
            app.get(&path(NAME, "")).await,
            app.post(&path(NAME, "/replay"), &json!({})).await,
            app.post(&path(NAME, &one), &json!({})).await,
        ];
        for answer in anonymous {
            answer.is(401, &strings("Unauthorized"));
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"grantor\""));
        }
        assert_eq!(states(&app).await, ["waiting", "delivered", "parked", "waiting", "parked"]);
        standard.get(&path(NAME, "")).await.is(200, &page(&[5, 4, 3, 2, 1]));
    }

    async fn a_token_needs_the_scope(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = stage(&app).await;
        let console = app.registered("A console").await;
        let with_scope = Bearer::of(&operator, &console, "manage_integrations", &[]).await;

        with_scope.get(&path(NAME, "?state=delivered")).await.is(200, &page(&[2]));
        with_scope.post(&path(NAME, "/replay"), &json!({})).await.is(202, &replayed(2));

        let without = Bearer::of(&operator, &console, "org_authorized_apps_write", &[]).await;
        let lacks = "the access token lacks the scope manage_integrations: have its user authorize the client for it";
        without.get(&path(NAME, "")).await.is(403, &strings(lacks));
    }

    async fn other_methods_are_refused_with_allow(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = stage(&app).await;

        let of_list = operator.post(&path(NAME, ""), &json!({})).await;
        let of_replay = operator.get(&path(NAME, "/replay")).await;

        assert_eq!((of_list.status.as_u16(), of_list.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
        assert_eq!((of_replay.status.as_u16(), of_replay.header("allow")), (405, Some("POST, OPTIONS")));
    }
}
