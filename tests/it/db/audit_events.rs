//! The audit trail.

use grantor::db::audit_events::{AuditEvent, AuditFilter};
use grantor::db::engine::error::DbError;
use grantor::db::{audit_events, orgs};
use grantor::rules::audit::action::StoredAction;
use serde_json::json;
use uuid::Uuid;

use crate::db::fixtures::{after, org_id, uuid};
use crate::support::{START, TestApp, listed};

fn event(number: u64, org: u64) -> AuditEvent {
    AuditEvent {
        id: uuid(number),
        org_id: Some(org_id(org)),
        at: after(7),
        actor: "user:1 application_key:2".to_owned(),
        action: "scopes_restriction.set".to_owned(),
        subject: "client:3".to_owned(),
        before: Some(json!({"scopes_restriction": null})),
        after: Some(
            json!({"scopes_restriction": {"oidc_scopes": [], "permission_scopes": ["ü \u{1F600}"]}}),
        ),
        request_id: Some("0123456789abcdef".to_owned()),
        address: Some("2001:db8::1".to_owned()),
    }
}

on_both! {
    async fn an_event_is_read_as_it_was_written(engine: Engine) {
        let app = TestApp::start(engine).await;
        orgs::insert(app.db(), org_id(1), "Acme", START).await.expect("is inserted");
        let bare = AuditEvent { before: None, after: None, request_id: None, address: None, ..event(2, 1) };
        audit_events::insert(app.db(), &event(1, 1)).await.expect("is inserted");
        audit_events::insert(app.db(), &bare).await.expect("is inserted");

        let listed = listed::audit_events(app.db(), org_id(1), 10).await.expect("is readable");

        assert_eq!(listed, [event(1, 1), bare]);
    }

    async fn the_newest_events_of_one_organization_are_listed_oldest_first(engine: Engine) {
        let app = TestApp::start(engine).await;
        orgs::insert(app.db(), org_id(1), "Acme", START).await.expect("is inserted");
        orgs::insert(app.db(), org_id(2), "Umbra", START).await.expect("is inserted");
        for event in [event(3, 1), event(1, 1), event(4, 2), event(2, 1)] {
            audit_events::insert(app.db(), &event).await.expect("is inserted");
        }

        let listed = listed::audit_events(app.db(), org_id(1), 2).await.expect("is readable");

        assert_eq!(listed, [event(2, 1), event(3, 1)]);
    }

    async fn an_event_without_an_organization_is_listed_in_none(engine: Engine) {
        let app = TestApp::start(engine).await;
        orgs::insert(app.db(), org_id(1), "Acme", START).await.expect("is inserted");
        let outside = AuditEvent { org_id: None, ..event(1, 1) };

        audit_events::insert(app.db(), &outside).await.expect("is inserted");

        assert_eq!(listed::audit_events(app.db(), org_id(1), 10).await.expect("is readable"), []);
    }

    async fn an_event_requires_an_existing_organization(engine: Engine) {
        let app = TestApp::start(engine).await;

        let refused = audit_events::insert(app.db(), &event(1, 9)).await;

        assert!(matches!(refused, Err(DbError::Reference)), "{refused:?}");
    }

    async fn a_search_finds_events_by_organization_actor_name_and_time(engine: Engine) {
        let app = TestApp::start(engine).await;
        orgs::insert(app.db(), org_id(1), "Acme", START).await.expect("is inserted");
        orgs::insert(app.db(), org_id(2), "Umbra", START).await.expect("is inserted");
        let at = |number: u64, org: Option<u64>, actor: &str, action: &str, seconds: i64| AuditEvent {
            id: Uuid::from_u128((u128::try_from(after(seconds).seconds()).expect("is after 1970") * 1000) << 80 | u128::from(number)),
            org_id: org.map(org_id),
            at: after(seconds),
            actor: actor.to_owned(),
            action: action.to_owned(),
            ..event(number, 1)
        };
        let days = 86_400;
        let one = at(1, Some(1), "user:1 application_key:2", "key.revoked", 0);
        let two = at(2, Some(2), "user:12", "key.revoked", 3 * days);
        let three = at(3, Some(1), "user:1", "client.disabled", 3 * days + 1);
        let four = at(4, None, "command_line", "signing_key.created", 3 * days + 2);
        for event in [&one, &two, &three, &four] {
            audit_events::insert(app.db(), event).await.expect("is inserted");
        }
        let found = async |filter: AuditFilter<'_>| -> Vec<AuditEvent> {
            let listed = audit_events::search(app.db(), &filter).await.expect("is readable");
            listed.into_iter().map(|listed| listed.event).filter(|event| event.actor != "server").collect()
        };
        let all = || AuditFilter { limit: 10, ..AuditFilter::default() };

        assert_eq!(found(all()).await, [four.clone(), three.clone(), two.clone(), one.clone()]);
        assert_eq!(found(AuditFilter { limit: 1, ..all() }).await, [four]);
        assert_eq!(found(AuditFilter { org_id: Some(org_id(1)), ..all() }).await, [three.clone(), one.clone()]);
        assert_eq!(found(AuditFilter { actor: Some("user:1"), ..all() }).await, [three.clone(), one.clone()]);
        assert_eq!(found(AuditFilter { actions: &[StoredAction::named("key.revoked")], ..all() }).await, [two.clone(), one]);
        let late = AuditFilter { since: Some(after(3 * days)), actions: &[StoredAction::named("key.revoked"), StoredAction::named("client.disabled")], ..all() };
        assert_eq!(found(late).await, [three, two]);
        let mut named = audit_events::search(app.db(), &all()).await.expect("is readable");
        named.retain(|listed| listed.event.actor != "server");
        let names: Vec<_> = named.iter().map(|listed| listed.org_name.as_deref()).collect();
        assert_eq!(names, [None, Some("Acme"), Some("Umbra"), Some("Acme")]);
    }
}
