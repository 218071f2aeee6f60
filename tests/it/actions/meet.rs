//! Changes of one organization that meet in the database: each waits for the others, and none of them in a ring.

use std::pin::pin;

use grantor::actions::audit::AuditActor;
use grantor::actions::orgs::default_client_scopes;
use grantor::actions::webhooks::create_webhook;
use grantor::actions::webhooks::delete_webhook;
use grantor::actions::webhooks::update_webhook;
use grantor::db::orgs;
use grantor::rules::scope::ScopeSet;
use grantor::rules::webhook::{Encoding, NewWebhook, WebhookChange};

use crate::support::{Engine, TestApp, TestOperator, until_kept_waiting};

const BY: AuditActor = AuditActor::COMMAND_LINE;
const ROUNDS: usize = 40;

/// By turns narrower and wider, so that there is news for the webhooks each time.
async fn set_defaults(app: &TestApp, operator: &TestOperator<'_>, round: usize) -> Result<(), String> {
    let scopes = ScopeSet::from_spaced(["openid", "openid mcp_read"][round % 2]).expect("scopes");
    let (config, catalog) = (&app.app.config, &app.app.catalog);
    let set = default_client_scopes::set_default_client_scopes(
        app.context(),
        operator.org_id,
        Some(&scopes),
        config,
        catalog,
        &BY,
    );
    set.await.map(drop).map_err(|error| format!("the defaults: {error:?}"))
}

async fn create(app: &TestApp, operator: &TestOperator<'_>, name: &str) {
    let new = NewWebhook {
        name: name.to_owned(),
        url: "https://hooks.example".to_owned(),
        encode_as: Encoding::Json,
        payload: None,
        custom_headers: None,
        auth_method_id: None,
        event_kinds: None,
    };
    let made = create_webhook::create_webhook(app.context(), &app.app.issuer.ring, operator.org_id, &new, &BY).await;
    made.expect("is made");
}

async fn rename(app: &TestApp, operator: &TestOperator<'_>, from: &str, to: &str) -> Result<(), String> {
    let change = WebhookChange { name: Some(to.to_owned()), ..WebhookChange::default() };
    let changed =
        update_webhook::update_webhook(app.context(), &app.app.issuer.ring, operator.org_id, from, &change, &BY).await;
    changed.map(drop).map_err(|error| format!("the change: {error:?}"))
}

/// Those that nobody has taken at this moment. On SQLite nobody takes a row: one transaction writes at a time.
async fn free_webhooks(app: &TestApp, engine: Engine) -> i64 {
    let sql = match engine {
        Engine::Sqlite => "SELECT count(*) FROM webhooks",
        Engine::Postgres => "SELECT count(*) FROM (SELECT FROM webhooks FOR UPDATE SKIP LOCKED) AS free",
    };
    let counted = on_connection!(&app.target.location, |conn| sqlx::query_scalar(sql).fetch_one(conn).await);
    counted.expect("are counted")
}

on_both! {
    async fn a_webhook_is_changed_and_deleted_while_its_organization_changes_and_nobody_fails(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let replica = app.replica().await;
        for round in 0..ROUNDS {
            let (first, second) = (format!("first {round}"), format!("second {round}"));
            create(&app, &operator, &first).await;
            let (here, there) = tokio::join!(set_defaults(&app, &operator, 2 * round), rename(&replica, &operator, &first, &second));
            assert_eq!((here, there), (Ok(()), Ok(())), "round {round}");
            let delete = async || {
                let deleted = delete_webhook::delete_webhook(replica.context(), operator.org_id, &second, &BY).await;
                deleted.map_err(|error| format!("the end: {error:?}"))
            };
            let (here, there) = tokio::join!(set_defaults(&app, &operator, 2 * round + 1), delete());
            assert_eq!((here, there), (Ok(()), Ok(())), "round {round}");
        }
    }

    async fn what_an_organization_has_is_taken_after_the_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        create(&app, &operator, "first").await;
        let replica = app.replica().await;
        let mut tx = app.db().begin().await.expect("begins");
        orgs::lock(&mut tx, operator.org_id).await.expect("is taken");
        let mut renaming = pin!(rename(&replica, &operator, "first", "second"));
        until_kept_waiting(&app, renaming.as_mut()).await;

        assert_eq!(free_webhooks(&app, engine).await, 1, "it has taken nothing yet");
        tx.roll_back().await.expect("rolls back");
        assert_eq!(renaming.await, Ok(()));
    }
}
