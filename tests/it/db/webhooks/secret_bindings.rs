//! Stored records of the users who set and bound the secrets of webhooks.

use std::collections::{BTreeMap, BTreeSet};

use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::db::webhooks::secret_bindings;
use grantor::db::webhooks::secret_bindings::BoundRow;
use grantor::rules::id::{AuthMethodId, UserId, VariableId};
use grantor::rules::webhook::secret_binding::{Record, SecretBinding, Window};
use grantor::sealing::KeyRing;

use crate::db::fixtures::{after, org_id, user_id, uuid};
use crate::db::webhook_fixtures::{insert_auth_method, insert_variable, two_orgs};
use crate::support::{Engine, TestApp};

const A: &str = "https://a.example";
const B: &str = "https://b.example";

/// The record that [`start`] stores.
fn rows() -> [BoundRow; 2] {
    [BoundRow::Variable(VariableId(uuid(1))), BoundRow::AuthMethod(AuthMethodId(uuid(2)))]
}

/// A variable and an auth method of organization 1.
async fn start(engine: Engine) -> TestApp {
    let (app, ring) = (TestApp::start(engine).await, KeyRing::development());
    two_orgs(app.db()).await;
    insert_variable(&app, &ring, 1, org_id(1)).await;
    insert_auth_method(app.db(), &ring, 2, org_id(1)).await;
    app
}

fn users(users: &[Option<UserId>]) -> BTreeSet<Option<UserId>> {
    users.iter().copied().collect()
}

/// The command line and user 7 set the value. User 8, who bound the other origin, did not.
fn binding() -> SecretBinding {
    let bound_by = BTreeMap::from([
        (A.to_owned(), users(&[None, Some(user_id(8))])),
        (B.to_owned(), users(&[Some(user_id(8))])),
    ]);
    let record = Record { bound_by, sent_by: users(&[None, Some(user_id(7))]) };
    SecretBinding { record, open: Some(Window { until: after(60), to: Some(user_id(7)) }) }
}

/// The results of each query for organization 1, after asserting that another organization gets
/// nothing.
async fn read(db: &Db, row: BoundRow) -> Result<Vec<SecretBinding>, DbError> {
    let mut found = Vec::new();
    for org in [org_id(1), org_id(2)] {
        match row {
            BoundRow::Variable(_) => {
                let names = BTreeSet::from(["VARIABLE_1", "OTHER"]);
                let of_variables = secret_bindings::find_for_variables(db, org, &names).await?;
                found.extend(of_variables.into_values().filter_map(|(_, binding)| binding));
                let named = secret_bindings::list_named(db, org, &names).await?;
                found.extend(named.into_iter().filter_map(|(_, binding)| binding));
            }
            BoundRow::AuthMethod(id) => {
                found.extend(secret_bindings::find_for_auth_method(db, org, id).await?.flatten());
                let whole = secret_bindings::find_auth_method(db, org, id).await?;
                found.extend(whole.and_then(|(_, binding)| binding));
            }
        }
    }
    Ok(found)
}

async fn is_read(app: &TestApp, expected: &SecretBinding) {
    for row in rows() {
        let found = read(app.db(), row).await.expect("is readable");
        assert_eq!(found, [expected.clone(), expected.clone()], "{row:?}");
    }
}

async fn write(app: &TestApp, binding: &SecretBinding) {
    for row in rows() {
        secret_bindings::set(app.db(), row, binding).await.expect("is written");
    }
}

on_both! {
    async fn a_binding_is_read_as_it_was_written(engine: Engine) {
        let app = start(engine).await;
        for row in rows() {
            assert_eq!(read(app.db(), row).await.expect("is readable"), [], "{row:?}");
        }

        for binding in [binding(), SecretBinding { open: None, ..binding() }, SecretBinding::in_use(BTreeSet::new())] {
            write(&app, &binding).await;

            is_read(&app, &binding).await;
        }
    }

    async fn an_auth_method_is_read_together_with_its_binding(engine: Engine) {
        let app = start(engine).await;
        let other = insert_auth_method(app.db(), &KeyRing::development(), 3, org_id(1)).await;
        write(&app, &binding()).await;

        let found = secret_bindings::find_auth_method(app.db(), org_id(1), other.id).await.expect("is readable");
        let id = AuthMethodId(uuid(2));
        let (method, bound) =
            secret_bindings::find_auth_method(app.db(), org_id(1), id).await.expect("is readable").expect("is there");

        assert_eq!(found, Some((other, None)));
        assert_eq!((method.id, bound), (id, Some(binding())));
    }

    async fn origins_written_by_an_older_release_have_unknown_users(engine: Engine) {
        let app = start(engine).await;
        write(&app, &SecretBinding { open: None, ..binding() }).await;

        app.execute("UPDATE webhook_variables SET binding_record = NULL; UPDATE auth_methods SET binding_record = NULL")
            .await;
        is_read(&app, &SecretBinding::in_use(BTreeSet::from([A.to_owned()]))).await;

        write(&app, &SecretBinding { open: None, ..binding() }).await;
        app.execute(
            r#"UPDATE webhook_variables SET bound_origins = '["https://a.example", "https://c.example"]';
               UPDATE auth_methods SET bound_origins = '["https://a.example", "https://c.example"]'"#,
        )
        .await;
        is_read(&app, &SecretBinding::in_use(BTreeSet::from([A.to_owned(), "https://c.example".to_owned()]))).await;
    }

    async fn an_invalid_record_is_corrupt(engine: Engine) {
        let app = start(engine).await;
        write(&app, &binding()).await;
        app.execute(
            r#"UPDATE webhook_variables SET binding_record = '{"sent_by": 7}';
               UPDATE auth_methods SET binding_record = '{"sent_by": 7}'"#,
        )
        .await;

        for (row, expected) in rows().into_iter().zip(["webhook_variables", "auth_methods"]) {
            let refused = read(app.db(), row).await.expect_err("is corrupt");
            let DbError::Corrupt { table, column, .. } = refused else { panic!("{refused:?}") };
            assert_eq!((table, column), (expected, "binding_record"));
        }
    }
}
