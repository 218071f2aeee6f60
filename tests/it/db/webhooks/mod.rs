//! Stored webhooks and their variables.

mod auth_methods;
mod deliveries;
mod outbox;
mod secret_bindings;

use grantor::db::engine::error::DbError;
use grantor::db::webhooks::variables::Variable;
use grantor::db::webhooks::{Webhook, variables};
use grantor::db::{orgs, webhooks};
use grantor::rules::id::{AuthMethodId, OrgId, VariableId, WebhookId};
use grantor::rules::webhook::Encoding;

use crate::db::fixtures::{after, auth_method_of_each_org, org_id, uuid};
use crate::support::outbox::{deliveries, lanes};
use crate::support::{Engine, TestApp};

/// Organizations 1 and 2, each with an auth method that has the id of its organization.
async fn start(engine: Engine) -> TestApp {
    let app = TestApp::start(engine).await;
    for number in [1, 2] {
        orgs::insert(app.db(), org_id(number), &format!("Org {number}"), after(0))
            .await
            .expect("is inserted");
    }
    auth_method_of_each_org(&app, engine).await;
    app
}

fn least(number: u64, org_id: OrgId, name: &str) -> Webhook {
    Webhook {
        id: WebhookId(uuid(number)),
        org_id,
        name: name.to_owned(),
        url: "https://hooks.example".to_owned(),
        encode_as: Encoding::Json,
        payload: None,
        custom_headers: None,
        auth_method_id: None,
        event_kinds: None,
        signing_secret: vec![1, 0, 255],
        former_secret: None,
        key_id: "k".to_owned(),
        created_at: after(1),
        modified_at: after(2),
    }
}

fn full(number: u64, name: &str) -> Webhook {
    Webhook {
        encode_as: Encoding::Form,
        payload: Some("{\"a\": \"Gr\u{f6}\u{df}e\"}".to_owned()),
        custom_headers: Some(vec![0, 1, 2]),
        auth_method_id: Some(AuthMethodId(uuid(1))),
        event_kinds: Some(vec!["grant.given".to_owned(), "grant.revoked".to_owned()]),
        former_secret: Some((vec![9, 0], after(100))),
        ..least(number, org_id(1), name)
    }
}

fn variable(number: u64, org_id: OrgId, name: &str) -> Variable {
    Variable {
        id: VariableId(uuid(number)),
        org_id,
        name: name.to_owned(),
        is_secret: number.is_multiple_of(2),
        value: vec![0, 255, 1],
        key_id: "k".to_owned(),
        created_at: after(1),
        modified_at: after(2),
    }
}

on_both! {
    async fn a_webhook_is_read_as_written_by_name_id_or_in_a_list(engine: Engine) {
        let app = start(engine).await;
        let (one, two, other) = (full(1, "b"), least(2, org_id(1), "a"), least(3, org_id(2), "b"));
        for webhook in [&one, &two, &other] {
            webhooks::insert(app.db(), webhook).await.expect("is inserted");
        }

        let found = async |org, name| webhooks::find(app.db(), org, name).await.expect("is readable");
        assert_eq!(found(org_id(1), "b").await.as_ref(), Some(&one));
        assert_eq!(found(org_id(2), "b").await.as_ref(), Some(&other));
        assert_eq!(found(org_id(2), "a").await, None);
        assert_eq!(found(org_id(1), "B").await, None);
        assert_eq!(webhooks::find_by_id(app.db(), two.id).await.expect("is readable").as_ref(), Some(&two));
        assert_eq!(webhooks::count(app.db(), org_id(1)).await.expect("is readable"), 2);
        let mut tx = app.db().begin().await.expect("begins");
        assert_eq!(webhooks::lock(&mut tx, org_id(1), "b").await.expect("is readable").as_ref(), Some(&one));
        assert_eq!(webhooks::lock(&mut tx, org_id(2), "a").await.expect("is readable"), None);
        tx.roll_back().await.expect("rolls back");
        assert_eq!(webhooks::list(app.db(), org_id(1)).await.expect("is readable"), [two, one]);
    }

    async fn an_update_writes_every_column_except_owner_and_creation(engine: Engine) {
        let app = start(engine).await;
        let (before, untouched) = (least(1, org_id(1), "a"), least(2, org_id(1), "b"));
        for webhook in [&before, &untouched] {
            webhooks::insert(app.db(), webhook).await.expect("is inserted");
        }
        let changed = Webhook {
            url: "https://other.example".to_owned(),
            signing_secret: vec![7],
            key_id: "new".to_owned(),
            modified_at: after(9),
            ..full(1, "changed")
        };
        for now in [&changed, &before] {
            assert!(webhooks::update(app.db(), now).await.expect("is written"));
            assert_eq!(webhooks::find_by_id(app.db(), now.id).await.expect("is readable").as_ref(), Some(now));
        }
        assert_eq!(webhooks::find_by_id(app.db(), untouched.id).await.expect("is readable"), Some(untouched));
        let of_another = Webhook { org_id: org_id(2), ..changed.clone() };
        assert!(!webhooks::update(app.db(), &of_another).await.expect("succeeds"));
        assert!(!webhooks::update(app.db(), &Webhook { id: WebhookId(uuid(7)), ..changed }).await.expect("succeeds"));
    }

    async fn a_webhook_requires_a_unique_name_and_an_existing_auth_method(engine: Engine) {
        let app = start(engine).await;
        webhooks::insert(app.db(), &least(1, org_id(1), "a")).await.expect("is inserted");
        webhooks::insert(app.db(), &least(2, org_id(1), "b")).await.expect("is inserted");
        let nobodys = Webhook { auth_method_id: Some(AuthMethodId(uuid(7))), ..least(3, org_id(1), "c") };

        let again = webhooks::insert(app.db(), &least(3, org_id(1), "a")).await;
        let renamed = webhooks::update(app.db(), &least(2, org_id(1), "a")).await;
        let unknown = webhooks::insert(app.db(), &nobodys).await;

        assert!(matches!(again, Err(DbError::Duplicate)), "{again:?}");
        assert!(matches!(renamed, Err(DbError::Duplicate)), "{renamed:?}");
        assert!(matches!(unknown, Err(DbError::Reference)), "{unknown:?}");
        let exists = async |org, id| webhooks::auth_method_exists(app.db(), org, AuthMethodId(uuid(id))).await;
        assert!(exists(org_id(1), 1).await.expect("is readable"));
        assert!(!exists(org_id(1), 2).await.expect("is readable"));
        assert!(!exists(org_id(1), 7).await.expect("is readable"));
    }

    async fn a_webhook_is_deleted_once_with_its_waiting_events(engine: Engine) {
        let app = start(engine).await;
        let webhook = least(1, org_id(1), "a");
        webhooks::insert(app.db(), &webhook).await.expect("is inserted");
        app.execute(
            "INSERT INTO delivery_lanes (webhook_id, client_id, due_at, version) SELECT id, id, 1, 1 FROM webhooks;
             INSERT INTO deliveries (webhook_id, client_id, event_id, kind, data, occurred_at, waiting_since)
                 SELECT id, id, id, 'grant.given', '{}', 1, 1 FROM webhooks",
        )
        .await;
        let delete = async |org| {
            let mut tx = app.db().begin().await.expect("begins");
            let deleted = webhooks::delete(&mut tx, org, webhook.id).await.expect("succeeds");
            tx.commit().await.expect("commits");
            deleted
        };

        assert!(!delete(org_id(2)).await);
        assert!(delete(org_id(1)).await);
        assert!(!delete(org_id(1)).await);
        assert_eq!(webhooks::find_by_id(app.db(), webhook.id).await.expect("is readable"), None);
        assert_eq!((deliveries(&app).await, lanes(&app).await), (Vec::new(), Vec::new()));
    }

    async fn a_variable_can_be_read_changed_and_deleted_in_its_organization(engine: Engine) {
        let app = start(engine).await;
        let (one, two, other) = (variable(1, org_id(1), "B"), variable(2, org_id(1), "A"), variable(3, org_id(2), "B"));
        for variable in [&one, &two, &other] {
            variables::insert(app.db(), variable).await.expect("is inserted");
        }
        let again = variables::insert(app.db(), &variable(4, org_id(1), "A")).await;
        assert!(matches!(again, Err(DbError::Duplicate)), "{again:?}");
        let renamed = variables::update(app.db(), &Variable { name: "A".to_owned(), ..one.clone() }).await;
        assert!(matches!(renamed, Err(DbError::Duplicate)), "{renamed:?}");

        let changed = Variable {
            name: "C".to_owned(),
            is_secret: !one.is_secret,
            value: vec![4],
            key_id: "new".to_owned(),
            modified_at: after(9),
            ..one.clone()
        };
        assert!(variables::update(app.db(), &changed).await.expect("is written"));
        assert!(!variables::update(app.db(), &Variable { org_id: org_id(2), ..one.clone() }).await.expect("succeeds"));
        assert_eq!(variables::list(app.db(), org_id(1)).await.expect("is readable"), [two, changed.clone()]);
        assert_eq!(variables::count(app.db(), org_id(1)).await.expect("is readable"), 2);
        let found = async |org, name| variables::find(app.db(), org, name).await.expect("is readable");
        assert_eq!(found(org_id(2), "B").await, Some(other));
        assert_eq!(found(org_id(1), "B").await, None);
        let mut tx = app.db().begin().await.expect("begins");
        let locked = variables::lock(&mut tx, org_id(1), "C").await.expect("is readable");
        tx.roll_back().await.expect("rolls back");
        assert_eq!(locked, Some(changed));
        let delete = async |org| variables::delete(app.db(), org, one.id).await.expect("succeeds");
        assert_eq!((delete(org_id(2)).await, delete(org_id(1)).await, delete(org_id(1)).await), (false, true, false));
    }
}
