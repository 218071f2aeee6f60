//! Looking up the operator of a pair of keys, and how long the result is cached.

use std::time::Duration;

use grantor::actions::audit::AuditActor;
use grantor::actions::keys::create_key::NewKeys;
use grantor::actions::keys::revoke_key;
use grantor::db::engine::error::DbError;
use grantor::db::keys::callers;
use grantor::rules::identity::api_caller::{ApiCaller, Credential};
use grantor::rules::identity::permission::Role;
use grantor::rules::secret::Secret;

use crate::support::{TestApp, TestOperator};

/// Within this time every replica sees a revocation.
const PROMISED: Duration = Duration::from_secs(5);

async fn ask(
    app: &TestApp,
    api_key: &Secret,
    application_key: &Secret,
) -> Result<Option<ApiCaller>, DbError> {
    let found = app.app.callers.find(app.db(), api_key, application_key).await?;
    Ok(found.map(|found| found.caller))
}

async fn named_on(app: &TestApp, keys: &NewKeys) -> Option<ApiCaller> {
    ask(app, &keys.api_key, &keys.application_key).await.expect("is readable")
}

fn role_of(operator: Option<ApiCaller>) -> Option<Role> {
    operator.map(|operator| operator.role)
}

async fn revoke(operator: &TestOperator<'_>) {
    let (app, id) = (operator.app, operator.keys.application_key_id);
    revoke_key::revoke_key(app.context(), &app.app.callers, id, &AuditActor::COMMAND_LINE)
        .await
        .expect("is revoked");
}

on_both! {
    async fn two_keys_of_one_organization_identify_the_operator(engine: Engine) {
        let app = TestApp::start(engine).await;
        let admin = app.operator("Acme").await;
        let reader = admin.colleague("reader@acme.example", Role::ReadOnly).await;

        let found = named_on(&app, &reader.keys).await.expect("is named");

        assert_eq!((found.org_id, found.role), (admin.org_id, Role::ReadOnly));
        assert_eq!(found.credential, Credential::Keys(reader.keys.application_key_id));
        let shared = ask(&app, &admin.keys.api_key, &reader.keys.application_key).await.expect("is readable");
        assert_eq!(shared, Some(found), "the API key names only the organization");
    }

    async fn keys_of_different_organizations_identify_no_operator(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let unknown = Secret::new("0".repeat(32));
        let cases = [
            (&acme.keys.api_key, &umbra.keys.application_key),
            (&umbra.keys.api_key, &acme.keys.application_key),
            (&acme.keys.application_key, &acme.keys.api_key),
            (&acme.keys.api_key, &acme.keys.api_key),
            (&unknown, &acme.keys.application_key),
            (&acme.keys.api_key, &unknown),
        ];

        for (api_key, application_key) in cases {
            assert_eq!(ask(&app, api_key, application_key).await.expect("is readable"), None);
        }
    }

    async fn cached_keys_are_not_looked_up_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        let (first, stranger) = (named_on(&app, &operator.keys).await, Secret::new("stranger".to_owned()));
        ask(&app, &stranger, &stranger).await.expect("is readable");
        app.db().close().await;

        app.clock.advance(Duration::from_millis(3_999));
        assert_eq!(named_on(&app, &operator.keys).await, first);
        assert_eq!(ask(&app, &stranger, &stranger).await.expect("is remembered"), None);

        app.clock.advance(Duration::from_millis(1));
        let asked = ask(&app, &operator.keys.api_key, &operator.keys.application_key).await;
        assert!(matches!(asked, Err(DbError::Unavailable(_))), "{asked:?}");
    }

    async fn a_database_failure_is_not_cached(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        app.execute("ALTER TABLE users RENAME TO users_away").await;
        let failed = ask(&app, &operator.keys.api_key, &operator.keys.application_key).await;
        app.execute("ALTER TABLE users_away RENAME TO users").await;

        let found = named_on(&app, &operator.keys).await;

        assert!(failed.is_err(), "{failed:?}");
        assert_eq!(role_of(found), Some(Role::Admin));
    }

    async fn a_revoked_key_stops_working_immediately_on_the_replica_that_revoked_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        assert_eq!(role_of(named_on(&app, &operator.keys).await), Some(Role::Admin));

        revoke(&operator).await;

        assert_eq!(named_on(&app, &operator.keys).await, None);
    }

    async fn a_revoked_key_stops_working_on_other_replicas_within_five_seconds(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, replica) = (app.operator("Acme").await, app.replica().await);
        assert_eq!(role_of(named_on(&replica, &operator.keys).await), Some(Role::Admin));

        revoke(&operator).await;
        replica.clock.advance(PROMISED);

        assert_eq!(named_on(&replica, &operator.keys).await, None);
    }

    async fn a_revoked_api_key_affects_only_its_users(engine: Engine) {
        let app = TestApp::start(engine).await;
        let admin = app.operator("Acme").await;
        let reader = admin.colleague("reader@acme.example", Role::ReadOnly).await;
        let id = admin.keys.api_key_id;

        revoke_key::revoke_key(app.context(), &app.app.callers, id, &AuditActor::COMMAND_LINE).await.expect("is revoked");

        let with_revoked = ask(&app, &admin.keys.api_key, &reader.keys.application_key).await.expect("is readable");
        assert_eq!(with_revoked, None);
        assert_eq!(role_of(named_on(&app, &reader.keys).await), Some(Role::ReadOnly));
    }

    async fn a_changed_role_applies_within_five_seconds(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        named_on(&app, &operator.keys).await;

        app.execute("UPDATE memberships SET role = 'read_only'").await;
        app.clock.advance(PROMISED);

        assert_eq!(role_of(named_on(&app, &operator.keys).await), Some(Role::ReadOnly));
    }

    async fn the_cache_agrees_with_the_database(engine: Engine) {
        let app = TestApp::start(engine).await;
        let NewKeys { api_key, application_key, .. } = app.operator("Acme").await.keys;

        let read = callers::find(app.db(), api_key.digest(), application_key.digest()).await.expect("is readable");

        assert_eq!(ask(&app, &api_key, &application_key).await.expect("is readable"), read.clone().map(|found| found.caller));
        assert!(read.is_some());
    }
}
