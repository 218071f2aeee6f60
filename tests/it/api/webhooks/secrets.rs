//! Secrets are returned once, sealed in the database, and opened for deliveries.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use grantor::actions::webhooks::load_webhook::load_webhook;
use grantor::db::webhooks;
use grantor::rules::webhook::template::Values;
use serde_json::json;

use super::{
    PATH, VARIABLES, created, least, loaded, path, recorded, shown, signing_secrets, stored, with,
    without_secret,
};
use crate::support::TestApp;
use crate::support::errors::strings;

on_both! {
    async fn the_signing_secret_is_returned_only_when_it_is_new(engine: Engine) {
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

    async fn a_replaced_secret_signs_for_a_day_and_older_ones_do_not(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let rotate = async || {
            without_secret(&operator.put(&path("CRM"), &json!({"rotate_signing_secret": true})).await).0
        };
        let first = created(&operator, &least("CRM")).await;
        assert_eq!(signing_secrets(&operator, "CRM").await, [first.as_str()]);

        let second = rotate().await;
        app.clock.advance(Duration::from_secs(60 * 60));
        let third = rotate().await;

        assert_eq!(signing_secrets(&operator, "CRM").await, [third.as_str(), second.as_str()]);
        app.clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
        // A change seals all values again without changing them.
        assert_eq!(operator.put(&path("CRM"), &json!({"encode_as": "form"})).await.status, 200);
        assert_eq!(signing_secrets(&operator, "CRM").await, [third.as_str(), second.as_str()]);
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(signing_secrets(&operator, "CRM").await, [third.as_str()]);
        assert_eq!(operator.put(&path("CRM"), &json!({"encode_as": "json"})).await.status, 200);
        assert_eq!(stored(&operator, "CRM").await.former_secret, None);
        assert_eq!(signing_secrets(&operator, "CRM").await, [third]);
    }

    async fn the_table_contains_no_secret(engine: Engine) {
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

    async fn a_sealed_secret_cannot_be_moved_to_another_webhook(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        created(&operator, &with(least("One"), "custom_headers", "{\"X-A\": \"a\"}")).await;
        created(&operator, &least("Two")).await;
        let mut two = stored(&operator, "Two").await;
        two.custom_headers = stored(&operator, "One").await.custom_headers;
        assert!(webhooks::update(app.db(), &two).await.expect("is written"));

        let answer = operator.get(&path("Two")).await;

        answer.is(500, &strings("internal server error; the operator can find the cause by the \
                                 X-Request-Id"));
        assert_eq!(operator.delete(&path("Two")).await.status, 200);
    }

    async fn loading_a_webhook_opens_its_secrets_and_parses_its_templates(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, initech) = (app.operator("Acme").await, app.operator("Initech").await);
        let body = json!({
            "name": "CRM", "url": "https://hooks.example", "payload": "{\"key\": \"$KEY\", \"id\": \"$ID\"}",
            "custom_headers": "{\"X-Key\": \"Key $KEY\"}",
        });
        for (operator, name, value) in [(&operator, "KEY", "hunter2"), (&operator, "URL", "u"), (&initech, "KEY", "theirs")] {
            let variable = json!({"name": name, "value": value, "is_secret": name == "KEY"});
            assert_eq!(operator.post(VARIABLES, &variable).await.status, 201);
        }
        let secret = created(&operator, &body).await;

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

    async fn a_deleted_webhook_is_not_loaded(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        created(&operator, &least("CRM")).await;
        let id = stored(&operator, "CRM").await.id;
        operator.delete(&path("CRM")).await;

        let loaded = load_webhook(app.context(), id).await.expect("is readable");

        assert!(loaded.is_none());
    }

    async fn a_change_seals_everything_with_the_newest_key(engine: Engine) {
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
}
