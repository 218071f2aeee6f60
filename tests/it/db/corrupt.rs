//! Rows that this program would not have written: an error that names where, never a guess.

use grantor::db::{DbError, clients, memberships, org_clients, orgs};

use super::by_hand::{client_id, execute, new_client, org_id};
use crate::support::{START, TestApp};

fn place(error: DbError) -> (&'static str, &'static str) {
    assert!(!error.is_transient());
    match error {
        DbError::Corrupt { table, column, .. } => (table, column),
        other => panic!("{other:?}"),
    }
}

on_both! {
    async fn metadata_that_is_no_clients(engine: Engine) {
        let app = TestApp::start(engine).await;
        clients::insert_new(app.db(), &[new_client(1, "App")]).await.expect("is inserted");
        app.execute(r#"UPDATE clients SET metadata = '{"client_name": 7}'"#).await;

        let found = clients::find(app.db(), client_id(1)).await.expect_err("is corrupt");
        let listed = clients::list(app.db(), "", 10).await.expect_err("is corrupt");

        assert_eq!((place(found), place(listed)), (("clients", "metadata"), ("clients", "metadata")));
    }

    async fn a_digest_of_another_length(engine: Engine) {
        let app = TestApp::start(engine).await;
        clients::insert_new(app.db(), &[new_client(1, "App")]).await.expect("is inserted");
        execute(&app, engine, "UPDATE clients SET digest = X'00'", r"UPDATE clients SET digest = '\x00'").await;

        let listed = clients::list_sightings(app.db(), &[client_id(1)]).await.expect_err("is corrupt");

        assert_eq!(place(listed), ("clients", "digest"));
    }

    async fn default_scopes_that_are_no_scopes(engine: Engine) {
        let app = TestApp::start(engine).await;
        orgs::insert(app.db(), org_id(1), "Acme", START).await.expect("is inserted");
        app.execute(r#"UPDATE orgs SET default_client_scopes = '["two words"]'"#).await;

        let found = orgs::find(app.db(), org_id(1)).await.expect_err("is corrupt");

        assert_eq!(place(found), ("orgs", "default_client_scopes"));
    }

    async fn a_restriction_of_what_are_no_scopes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        clients::insert_new(app.db(), &[new_client(1, "App")]).await.expect("is inserted");
        operator.restrict(&client_id(1).to_string(), &[], &[]).await;

        app.execute(r#"UPDATE org_clients SET scopes_restriction = '{"oidc_scopes": ["two words"], "permission_scopes": []}'"#)
            .await;
        let no_scope =
            org_clients::find_restriction(app.db(), operator.org_id, client_id(1)).await.expect_err("is corrupt");
        app.execute(r#"UPDATE org_clients SET scopes_restriction = '{"oidc_scopes": []}'"#).await;
        let half =
            org_clients::find_restriction(app.db(), operator.org_id, client_id(1)).await.expect_err("is corrupt");

        assert_eq!(place(no_scope), ("org_clients", "scopes_restriction"));
        assert_eq!(place(half), ("org_clients", "scopes_restriction"));
    }

    async fn a_role_that_there_is_not(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        execute(
            &app,
            engine,
            "PRAGMA ignore_check_constraints = ON; UPDATE memberships SET role = 'emperor'",
            "ALTER TABLE memberships DROP CONSTRAINT memberships_role_check; UPDATE memberships SET role = 'emperor'",
        )
        .await;

        let listed = memberships::list(app.db(), Some(operator.org_id)).await.expect_err("is corrupt");
        let keys = (&operator.keys.api_key, &operator.keys.application_key);
        let named = app.app.operators.find(app.db(), keys.0, keys.1).await.expect_err("is corrupt");

        assert_eq!((place(listed), place(named)), (("memberships", "role"), ("memberships", "role")));
    }
}
