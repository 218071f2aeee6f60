//! Names of webhooks: in paths, per organization, and their number.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{PATH, UNLIMITED, created, least, path, shown, taken, unknown, with};
use crate::support::TestApp;
use crate::support::errors::strings;

on_both! {
    async fn a_percent_encoded_name_is_found(engine: Engine) {
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

    async fn an_unknown_name_is_not_found(engine: Engine) {
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

    async fn a_webhook_belongs_to_its_organization_only(engine: Engine) {
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

    async fn a_name_is_unique_in_an_organization(engine: Engine) {
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

    async fn concurrent_creations_with_one_name_create_one(engine: Engine) {
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

    async fn an_organization_has_at_most_a_hundred_webhooks(engine: Engine) {
        let app = TestApp::with(engine, &UNLIMITED).await;
        let (operator, initech) = (app.operator("Acme").await, app.operator("Initech").await);
        for number in 0..97 {
            created(&operator, &least(&format!("{number}"))).await;
        }
        let bodies: Vec<Value> = (97..103).map(|number| least(&format!("{number}"))).collect();

        let answers = join_all(bodies.iter().map(|body| operator.post(PATH, body))).await;

        let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 201).collect();
        let enough = "this organization already has 100 webhooks, the maximum: delete one first";
        assert_eq!(refused.len(), 3, "{answers:?}");
        refused.iter().for_each(|answer| answer.is(409, &strings(enough)));
        operator.post(PATH, &least("0")).await.is(409, &taken());
        created(&initech, &least("0")).await;
        operator.delete(&path("0")).await;
        created(&operator, &least("0")).await;
    }
}
