//! Concurrent changes of one organization do not deadlock.

use std::pin::pin;

use grantor::actions::audit::AuditActor;
use grantor::actions::webhooks::create_webhook;
use grantor::actions::webhooks::delete_webhook;
use grantor::actions::webhooks::update_webhook;
use grantor::db::orgs;
use grantor::rules::scope::ScopeSet;
use grantor::rules::webhook::{Encoding, NewWebhook, WebhookChange};

use crate::support::{Engine, TestApp, TestOperator, until_blocked};

const BY: AuditActor = AuditActor::COMMAND_LINE;
const ROUNDS: usize = 40;

/// Alternates between narrower and wider, so that every change causes events.
async fn set_defaults(
    app: &TestApp,
    operator: &TestOperator<'_>,
    round: usize,
) -> Result<(), String> {
    let scopes = ScopeSet::parse(["openid", "openid mcp_read"][round % 2]).expect("scopes");
    let set = app.set_default_scopes(operator.org_id, Some(&scopes)).await;
    set.map(drop).map_err(|error| format!("the defaults: {error:?}"))
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
    let made = create_webhook::create_webhook(app.context(), operator.org_id, &new, &BY).await;
    made.expect("is made");
}

async fn rename(
    app: &TestApp,
    operator: &TestOperator<'_>,
    from: &str,
    to: &str,
) -> Result<(), String> {
    let change = WebhookChange { name: Some(to.to_owned()), ..WebhookChange::default() };
    let changed =
        update_webhook::update_webhook(app.context(), operator.org_id, from, &change, &BY).await;
    changed.map(drop).map_err(|error| format!("the change: {error:?}"))
}

/// The webhooks whose rows are not locked. SQLite has no row locks, only one writer at a time.
async fn free_webhooks(app: &TestApp, engine: Engine) -> i64 {
    let sql = match engine {
        Engine::Sqlite => "SELECT count(*) FROM webhooks",
        Engine::Postgres => {
            "SELECT count(*) FROM (SELECT FROM webhooks FOR UPDATE SKIP LOCKED) AS free"
        }
    };
    let counted =
        on_connection!(&app.target.location, |conn| sqlx::query_scalar(sql).fetch_one(conn).await);
    counted.expect("are counted")
}

on_both! {
    async fn changes_of_a_webhook_and_its_organization_do_not_deadlock(engine: Engine) {
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

    async fn an_organization_is_locked_before_its_rows(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        create(&app, &operator, "first").await;
        let replica = app.replica().await;
        let mut tx = app.db().begin().await.expect("begins");
        orgs::lock(&mut tx, operator.org_id).await.expect("is taken");
        let mut renaming = pin!(rename(&replica, &operator, "first", "second"));
        until_blocked(&app, renaming.as_mut()).await;

        assert_eq!(free_webhooks(&app, engine).await, 1, "it has taken nothing yet");
        tx.roll_back().await.expect("rolls back");
        assert_eq!(renaming.await, Ok(()));
    }
}
