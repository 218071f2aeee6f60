//! The outbox: which webhook gets which event, in which order, and what a rollback removes.

use std::pin::pin;

use grantor::actions::upkeep::forget_expired;
use grantor::db::audit_events::AuditEvent;
use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::db::orgs;
use grantor::db::webhooks::lanes::{ClaimRules, claim};
use grantor::db::webhooks::outbox;
use grantor::db::webhooks::outbox::NewEvent;
use grantor::rules::id::{EventId, OrgId};
use serde_json::json;
use uuid::Uuid;

use crate::db::fixtures::{Holder, after, client_id, execute, org_id, uuid};
use crate::db::grant_fixtures::people_and_clients;
use crate::support::outbox::{Lane, deliveries, insert_webhook, lanes, webhook_id};
use crate::support::{Engine, START, TestApp, listed, until_blocked};

const GIVEN: &str = "grant.given";
const REVOKED: &str = "grant.revoked";

/// Of client One in Acme, by its number.
fn event(number: u64, kind: &'static str) -> NewEvent {
    NewEvent {
        id: EventId(uuid(number)),
        org_id: Some(org_id(1)),
        client_id: Some(client_id(1)),
        kind,
        data: json!({"number": number}).to_string(),
    }
}

fn of_client(number: u64, client: u64) -> NewEvent {
    NewEvent { client_id: Some(client_id(client)), ..event(number, GIVEN) }
}

fn recorded(number: u64, org_id: OrgId) -> AuditEvent {
    AuditEvent {
        id: uuid(number),
        org_id: Some(org_id),
        at: START,
        actor: "server".to_owned(),
        action: "something.done".to_owned(),
        subject: format!("thing:{number}"),
        before: (number == 1).then(|| json!({"a": [1, "\"quoted\" and größer"]})),
        after: (number != 1).then(|| json!({})),
        request_id: (number == 1).then(|| "0123456789abcdef".to_owned()),
        address: (number == 1).then(|| "192.0.2.7".to_owned()),
    }
}

async fn enqueue(db: &Db, recorded: &[AuditEvent], events: &[NewEvent], seconds: i64) {
    let mut tx = db.begin().await.expect("begins");
    outbox::enqueue(&mut tx, recorded, events, after(seconds)).await.expect("is written");
    tx.commit().await.expect("commits");
}

/// Webhook, client and number of each waiting event.
async fn waiting(app: &TestApp) -> Vec<(Uuid, Uuid, u64)> {
    let number = |data: serde_json::Value| data["number"].as_u64().expect("a number");
    let all = deliveries(app).await;
    all.into_iter()
        .map(|delivery| (delivery.webhook_id, delivery.client_id, number(delivery.data())))
        .collect()
}

fn lane(webhook: u64, client: Uuid, due_at: Option<i64>, version: i64) -> Lane {
    Lane {
        webhook_id: webhook_id(webhook),
        client_id: client,
        due_at: due_at.map(|at| after(at).seconds()),
        version,
    }
}

async fn start(engine: Engine) -> TestApp {
    let app = TestApp::start(engine).await;
    people_and_clients(app.db()).await;
    app
}

on_both! {
    async fn an_event_is_written_once_per_webhook_of_its_organization(engine: Engine) {
        let app = start(engine).await;
        insert_webhook(&app, 1, org_id(1), None).await;
        insert_webhook(&app, 2, org_id(1), None).await;
        insert_webhook(&app, 3, org_id(2), None).await;

        enqueue(app.db(), &[], &[event(1, GIVEN)], 5).await;

        let written = deliveries(&app).await;
        assert_eq!(written.iter().map(|one| one.webhook_id).collect::<Vec<_>>(), [webhook_id(1), webhook_id(2)]);
        for one in &written {
            assert_eq!((one.client_id, one.event_id, one.kind.as_str()), (uuid(1), uuid(1), GIVEN));
            assert_eq!((one.data.as_str(), one.state.as_str()), (r#"{"number":1}"#, "waiting"));
            assert_eq!((one.occurred_at, one.waiting_since), (after(5).seconds(), after(5).seconds()));
        }
        assert_eq!(lanes(&app).await, [lane(1, uuid(1), Some(5), 1), lane(2, uuid(1), Some(5), 1)]);
    }

    async fn each_webhook_gets_only_the_kinds_it_subscribes_to(engine: Engine) {
        let app = start(engine).await;
        insert_webhook(&app, 1, org_id(1), Some(&[GIVEN])).await;
        insert_webhook(&app, 2, org_id(1), Some(&["restriction.hit", REVOKED])).await;
        insert_webhook(&app, 3, org_id(1), None).await;
        insert_webhook(&app, 4, org_id(1), Some(&[])).await;

        enqueue(app.db(), &[], &[event(1, GIVEN), event(2, REVOKED), event(3, GIVEN)], 0).await;

        let (one, two, three) = (webhook_id(1), webhook_id(2), webhook_id(3));
        let expected = [(one, 1), (three, 1), (two, 2), (three, 2), (one, 3), (three, 3)];
        assert_eq!(waiting(&app).await, expected.map(|(webhook, number)| (webhook, uuid(1), number)));
        assert_eq!(lanes(&app).await.len(), 3);
    }

    async fn an_event_without_subscribers_is_only_audited(engine: Engine) {
        let app = start(engine).await;
        insert_webhook(&app, 1, org_id(2), None).await;
        insert_webhook(&app, 2, org_id(1), Some(&[REVOKED])).await;
        let audit = [recorded(1, org_id(1)), recorded(2, org_id(1))];

        enqueue(app.db(), &audit, &[event(1, GIVEN)], 0).await;

        assert_eq!((deliveries(&app).await, lanes(&app).await), (Vec::new(), Vec::new()));
        assert_eq!(listed::audit_events(app.db(), org_id(1), 10).await.expect("is readable"), audit);
    }

    async fn audit_records_are_written_with_and_without_events(engine: Engine) {
        let app = start(engine).await;
        insert_webhook(&app, 1, org_id(1), None).await;
        let (with, without) = ([recorded(1, org_id(1)), recorded(2, org_id(1))], [recorded(3, org_id(1))]);

        enqueue(app.db(), &with, &[event(1, GIVEN)], 0).await;
        enqueue(app.db(), &without, &[], 0).await;

        let all = listed::audit_events(app.db(), org_id(1), 10).await.expect("is readable");
        assert_eq!(all, [with.as_slice(), &without].concat());
        assert_eq!(waiting(&app).await.len(), 1);
    }

    async fn an_event_without_client_and_organization_goes_to_all_subscribers(engine: Engine) {
        let app = start(engine).await;
        for (number, org, kinds) in [(1, 1, None), (2, 2, None), (3, 2, Some([GIVEN].as_slice()))] {
            insert_webhook(&app, number, org_id(org), kinds).await;
        }
        let of_all = NewEvent { org_id: None, client_id: None, ..event(1, REVOKED) };
        let of_other = NewEvent { org_id: Some(org_id(2)), ..event(2, REVOKED) };

        enqueue(app.db(), &[recorded(1, org_id(1))], &[of_all, of_other], 0).await;

        let mut waiting = waiting(&app).await;
        waiting.sort_by_key(|(webhook, _, number)| (*number, *webhook));
        let nobody = Uuid::nil();
        let expected = [(webhook_id(1), nobody, 1), (webhook_id(2), nobody, 1), (webhook_id(2), uuid(1), 2)];
        assert_eq!(waiting, expected);
        assert_eq!(listed::audit_events(app.db(), org_id(1), 10).await.expect("is readable").len(), 1);
    }

    async fn each_event_increments_the_version_of_a_lane_and_keeps_its_delay(engine: Engine) {
        let app = start(engine).await;
        insert_webhook(&app, 1, org_id(1), None).await;
        enqueue(app.db(), &[], &[of_client(1, 1), of_client(2, 1), of_client(3, 2)], 10).await;
        assert_eq!(lanes(&app).await, [lane(1, uuid(1), Some(10), 1), lane(1, uuid(2), Some(10), 1)]);
        // The first event is delivered, so its lane is empty; the second is retried later.
        let (sqlite, postgres) = (
            "UPDATE delivery_lanes SET due_at = CASE hex(client_id) WHEN '00000000000000000000000000000002' THEN due_at + 990 END",
            "UPDATE delivery_lanes
                SET due_at = CASE client_id WHEN '00000000-0000-0000-0000-000000000002' THEN due_at + 990 END",
        );
        execute(&app, engine, sqlite, postgres).await;

        enqueue(app.db(), &[], &[of_client(4, 1), of_client(5, 2)], 20).await;

        assert_eq!(lanes(&app).await, [lane(1, uuid(1), Some(20), 2), lane(1, uuid(2), Some(1000), 2)]);
    }

    async fn events_of_a_rolled_back_transaction_are_not_stored(engine: Engine) {
        let app = start(engine).await;
        insert_webhook(&app, 1, org_id(1), None).await;

        let mut tx = app.db().begin().await.expect("begins");
        outbox::enqueue(&mut tx, &[recorded(1, org_id(1))], &[event(1, GIVEN)], START).await.expect("is written");
        tx.roll_back().await.expect("rolls back");

        assert_eq!((deliveries(&app).await, lanes(&app).await), (Vec::new(), Vec::new()));
        assert_eq!(listed::audit_events(app.db(), org_id(1), 10).await.expect("is readable"), []);
    }

    async fn a_second_writer_of_a_lane_waits_and_is_ordered_after_the_first(engine: Engine) {
        let app = start(engine).await;
        insert_webhook(&app, 1, org_id(1), None).await;
        let mut tx = app.db().begin().await.expect("begins");
        outbox::enqueue(&mut tx, &[], &[event(1, GIVEN)], START).await.expect("is written");
        let second = [event(2, GIVEN)];
        let mut later = pin!(enqueue(app.db(), &[], &second, 0));
        until_blocked(&app, later.as_mut()).await;
        tx.commit().await.expect("commits");
        later.await;

        assert_eq!(waiting(&app).await.into_iter().map(|(_, _, number)| number).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(lanes(&app).await, [lane(1, uuid(1), Some(0), 2)]);
    }

    async fn writing_events_after_changing_the_organization_does_not_deadlock(engine: Engine) {
        let app = start(engine).await;
        insert_webhook(&app, 1, org_id(1), None).await;
        let mut tx = app.db().begin().await.expect("begins");
        orgs::lock(&mut tx, org_id(1)).await.expect("is locked");
        let (audit, events) = ([recorded(1, org_id(1))], [event(1, GIVEN)]);
        let mut later = pin!(enqueue(app.db(), &audit, &events, 0));
        until_blocked(&app, later.as_mut()).await;

        let telling = async {
            outbox::enqueue(&mut tx, &[recorded(2, org_id(1))], &[event(2, GIVEN)], START).await?;
            tx.commit().await
        };
        let (first, ()): (Result<(), DbError>, ()) = tokio::join!(telling, later);

        first.expect("does not deadlock");
        assert_eq!(waiting(&app).await.into_iter().map(|(_, _, number)| number).collect::<Vec<_>>(), [2, 1]);
    }

    async fn two_writers_for_the_same_clients_do_not_deadlock(engine: Engine) {
        let app = start(engine).await;
        let replica = app.replica().await;
        insert_webhook(&app, 1, org_id(1), None).await;
        insert_webhook(&app, 2, org_id(1), None).await;
        for round in 0..60_u64 {
            let (here, there): (Vec<NewEvent>, Vec<NewEvent>) = (1..9)
                .map(|client| {
                    let number = round * 20 + client;
                    (of_client(number, client), of_client(number + 10, 9 - client))
                })
                .unzip();
            tokio::join!(enqueue(app.db(), &[], &here, 0), enqueue(replica.db(), &[], &there, 0));
        }
        assert_eq!(deliveries(&app).await.len(), 60 * 2 * 8 * 2);
        assert!(lanes(&app).await.iter().all(|lane| lane.version == 120));
    }

    async fn a_webhook_deleted_meanwhile_gets_no_event_and_causes_no_error(engine: Engine) {
        let app = start(engine).await;
        for known in [false, true] {
            insert_webhook(&app, 1, org_id(1), None).await;
            if known {
                enqueue(app.db(), &[], &[event(1, GIVEN)], 0).await;
            }
            let deleting = Holder::deleting_webhooks(&app).await;
            let (audit, events) = ([recorded(1 + u64::from(known), org_id(1))], [event(2, GIVEN)]);

            tokio::join!(enqueue(app.db(), &audit, &events, 0), deleting.commit());

            let nothing = ClaimRules { max_lanes: 10, max_per_webhook: 10, max_per_org: 10, held: &[] };
            let claimed = claim(app.db(), Uuid::nil(), after(1), after(2), nothing).await.expect("succeeds");
            assert_eq!(claimed, [], "nobody sends it");
            forget_expired::forget_deliveries(app.context(), 1_000, None).await.expect("is swept");
            assert_eq!((deliveries(&app).await, lanes(&app).await), (Vec::new(), Vec::new()));
        }
        assert_eq!(listed::audit_events(app.db(), org_id(1), 10).await.expect("is readable").len(), 2);
    }
}

mod a_thousand_events_are_one_statement {
    use super::*;

    #[tokio::test]
    async fn postgres() {
        let app = start(Engine::Postgres).await;
        insert_webhook(&app, 1, org_id(1), None).await;
        let events: Vec<NewEvent> =
            (1..=1000).map(|number| of_client(number, number % 2 + 1)).collect();

        enqueue(app.db(), &[recorded(1, org_id(1))], &events, 0).await;

        let numbers = waiting(&app).await.into_iter().map(|(_, _, number)| number);
        assert_eq!(numbers.collect::<Vec<_>>(), (1..=1000).collect::<Vec<_>>());
        assert_eq!(lanes(&app).await.len(), 2);
    }
}
