//! Application keys.

use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::db::keys::application_keys;
use grantor::db::keys::application_keys::{KeyOwner, NewApplicationKey};
use grantor::db::keys::listed_key::ListedKey;
use grantor::db::orgs::memberships;
use grantor::db::{orgs, users};
use grantor::rules::id::OrgId;
use grantor::rules::identity::key_name::KeyName;
use grantor::rules::identity::permission::Role;
use grantor::rules::secret::Secret;
use grantor::rules::timestamp::Timestamp;

use crate::db::fixtures::{after, key_id, new_user, org_id, user_id};
use crate::support::{START, TestApp};

/// Inserts a key of Ada's.
async fn insert(db: &Db, number: u64, org_id: OrgId, secret: &str) -> Result<(), DbError> {
    let owner = KeyOwner { org_id, user_id: user_id(1) };
    let (name, secret) = (&KeyName::of_application_key(), &Secret::new(secret.to_owned()));
    let id = key_id(number);
    let new = NewApplicationKey { id, owner, name, secret, scopes: None, created_at: START };
    application_keys::insert(db, new).await
}

/// A key of Ada's.
fn shown(number: u64, last_four: &str, revoked_at: Option<Timestamp>) -> ListedKey {
    let (email, last_four) = (Some("ada@acme.example".to_owned()), last_four.to_owned());
    let name = "Application key".to_owned();
    let id = key_id(number);
    ListedKey { id, name, email, last_four, created_at: START, last_used_at: None, revoked_at }
}

/// Ada is a member of Acme. Umbra has no members.
async fn ada_in_acme(db: &Db) {
    orgs::insert(db, org_id(1), "Acme", START).await.expect("is inserted");
    orgs::insert(db, org_id(2), "Umbra", START).await.expect("is inserted");
    users::insert(db, &new_user(1, "ada@acme.example"), "hash").await.expect("is inserted");
    memberships::insert(db, org_id(1), user_id(1), Role::Admin, START).await.expect("is inserted");
}

on_both! {
    async fn keys_are_listed_with_their_owner_and_last_four_characters(engine: Engine) {
        let app = TestApp::start(engine).await;
        ada_in_acme(app.db()).await;
        insert(app.db(), 2, org_id(1), "key-two2").await.expect("is inserted");
        insert(app.db(), 1, org_id(1), "key-one1").await.expect("is inserted");

        let of_acme = application_keys::list(app.db(), org_id(1)).await.expect("is readable");
        let of_umbra = application_keys::list(app.db(), org_id(2)).await.expect("is readable");

        assert_eq!(of_acme, [shown(1, "one1", None), shown(2, "two2", None)]);
        assert_eq!(of_umbra, []);
    }

    async fn revoking_a_key_returns_its_owner_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        ada_in_acme(app.db()).await;
        insert(app.db(), 1, org_id(1), "key-one1").await.expect("is inserted");

        let first = application_keys::revoke(app.db(), key_id(1), after(10)).await.expect("is revoked");
        let again = application_keys::revoke(app.db(), key_id(1), after(20)).await.expect("succeeds");

        assert_eq!((first.map(|key| key.org_id), again.is_none()), (Some(org_id(1)), true));
        let listed = application_keys::list(app.db(), org_id(1)).await.expect("is readable");
        assert_eq!(listed, [shown(1, "one1", Some(after(10)))]);
    }

    async fn a_key_requires_a_member_of_its_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        ada_in_acme(app.db()).await;

        let refused = insert(app.db(), 1, org_id(2), "key-one1").await;

        assert!(matches!(refused, Err(DbError::Reference)), "{refused:?}");
    }

    async fn two_keys_cannot_have_the_same_secret(engine: Engine) {
        let app = TestApp::start(engine).await;
        ada_in_acme(app.db()).await;
        insert(app.db(), 1, org_id(1), "key-one1").await.expect("is inserted");

        let refused = insert(app.db(), 2, org_id(1), "key-one1").await;

        assert!(matches!(refused, Err(DbError::Duplicate)), "{refused:?}");
    }
}
