//! Creating, reading, changing and deleting a webhook, and the audit events.

use futures_util::future::join_all;
use grantor::rules::webhook::event::Event;
use serde_json::json;

use super::{
    PATH, created, least, path, recorded, shown, signing_secrets, unknown, with, without_secret,
};
use crate::db::fixtures::auth_method_of_each_org;
use crate::support::TestApp;

on_both! {
    async fn a_webhook_can_be_created_read_listed_changed_and_deleted(engine: Engine) {
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

    async fn all_members_are_returned_as_sent(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        auth_method_of_each_org(&app, engine).await;
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

    async fn a_change_sets_the_given_members_and_null_clears_them(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        auth_method_of_each_org(&app, engine).await;
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

    async fn every_change_is_recorded_without_secrets(engine: Engine) {
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

        let attributes = |name: &str, host: &str| {
            json!({"name": name, "host": host, "encode_as": "json", "auth_method_id": null, "events": null})
        };
        let (before, after) = (attributes("CRM", "hooks.example"), attributes("Renamed", "other.example:8443"));
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

    async fn concurrent_changes_are_all_kept(engine: Engine) {
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
