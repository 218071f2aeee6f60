//! API keys.

use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::db::keys::api_keys;
use grantor::db::keys::api_keys::NewApiKey;
use grantor::db::keys::listed_key::ListedKey;
use grantor::db::orgs;
use grantor::rules::identity::key_name::KeyName;
use grantor::rules::secret::Secret;
use grantor::rules::timestamp::Timestamp;

use crate::db::fixtures::{after, key_id, org_id};
use crate::support::{START, TestApp};

async fn insert(db: &Db, number: u64, org: u64, secret: &str) -> Result<(), DbError> {
    let (name, secret) = (&KeyName::of_api_key(), &Secret::new(secret.to_owned()));
    let (id, org_id) = (key_id(number), org_id(org));
    let new = NewApiKey {
        id,
        org_id,
        name,
        secret,
        created_by: None,
        client_id: None,
        created_at: START,
    };
    api_keys::insert(db, new).await
}

fn shown(number: u64, last_four: &str, revoked_at: Option<Timestamp>) -> ListedKey {
    ListedKey {
        id: key_id(number),
        name: "API key".to_owned(),
        email: None,
        last_four: last_four.to_owned(),
        created_at: START,
        last_used_at: None,
        revoked_at,
    }
}

async fn acme_and_umbra(db: &Db) {
    orgs::insert(db, org_id(1), "Acme", START).await.expect("is inserted");
    orgs::insert(db, org_id(2), "Umbra", START).await.expect("is inserted");
}

on_both! {
    async fn keys_are_listed_per_organization_with_their_last_four_characters(engine: Engine) {
        let app = TestApp::start(engine).await;
        acme_and_umbra(app.db()).await;
        insert(app.db(), 2, 1, "key-two2").await.expect("is inserted");
        insert(app.db(), 1, 1, "key-one1").await.expect("is inserted");
        insert(app.db(), 3, 2, "key-3333").await.expect("is inserted");

        let listed = api_keys::list(app.db(), org_id(1)).await.expect("is readable");

        assert_eq!(listed, [shown(1, "one1", None), shown(2, "two2", None)]);
    }

    async fn revoking_a_key_returns_its_owner_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        acme_and_umbra(app.db()).await;
        insert(app.db(), 1, 2, "key-one1").await.expect("is inserted");

        let first = api_keys::revoke(app.db(), key_id(1), after(10)).await.expect("is revoked");
        let again = api_keys::revoke(app.db(), key_id(1), after(20)).await.expect("succeeds");
        let none = api_keys::revoke(app.db(), key_id(9), after(20)).await.expect("succeeds");

        assert_eq!((first.map(|key| key.org_id), again.is_none(), none.is_none()), (Some(org_id(2)), true, true));
        let listed = api_keys::list(app.db(), org_id(2)).await.expect("is readable");
        assert_eq!(listed, [shown(1, "one1", Some(after(10)))]);
    }

    async fn two_keys_cannot_have_the_same_secret(engine: Engine) {
        let app = TestApp::start(engine).await;
        acme_and_umbra(app.db()).await;
        insert(app.db(), 1, 1, "key-one1").await.expect("is inserted");

        let refused = insert(app.db(), 2, 2, "key-one1").await;

        assert!(matches!(refused, Err(DbError::Duplicate)), "{refused:?}");
    }

    async fn a_key_requires_an_existing_organization(engine: Engine) {
        let app = TestApp::start(engine).await;

        let refused = insert(app.db(), 1, 9, "key-one1").await;

        assert!(matches!(refused, Err(DbError::Reference)), "{refused:?}");
    }
}
