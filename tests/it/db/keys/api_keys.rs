//! API keys.

use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::db::keys::api_keys;
use grantor::db::keys::listed_key::ListedKey;
use grantor::db::orgs;
use grantor::rules::secret::Secret;
use grantor::rules::timestamp::Timestamp;

use crate::db::fixtures::{after, key_id, org_id};
use crate::support::{START, TestApp};

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn shown(number: u64, last_four: &str, revoked_at: Option<Timestamp>) -> ListedKey {
    ListedKey {
        id: key_id(number),
        email: None,
        last_four: last_four.to_owned(),
        created_at: START,
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
        api_keys::insert(app.db(), key_id(2), org_id(1), &secret("key-two2"), START).await.expect("is inserted");
        api_keys::insert(app.db(), key_id(1), org_id(1), &secret("key-one1"), START).await.expect("is inserted");
        api_keys::insert(app.db(), key_id(3), org_id(2), &secret("key-3333"), START).await.expect("is inserted");

        let listed = api_keys::list(app.db(), org_id(1)).await.expect("is readable");

        assert_eq!(listed, [shown(1, "one1", None), shown(2, "two2", None)]);
    }

    async fn revoking_a_key_returns_its_owner_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        acme_and_umbra(app.db()).await;
        api_keys::insert(app.db(), key_id(1), org_id(2), &secret("key-one1"), START).await.expect("is inserted");

        let first = api_keys::revoke(app.db(), key_id(1), after(10)).await.expect("is revoked");
        let again = api_keys::revoke(app.db(), key_id(1), after(20)).await.expect("succeeds");
        let none = api_keys::revoke(app.db(), key_id(9), after(20)).await.expect("succeeds");

        assert_eq!((first, again, none), (Some(org_id(2)), None, None));
        let listed = api_keys::list(app.db(), org_id(2)).await.expect("is readable");
        assert_eq!(listed, [shown(1, "one1", Some(after(10)))]);
    }

    async fn two_keys_cannot_have_the_same_secret(engine: Engine) {
        let app = TestApp::start(engine).await;
        acme_and_umbra(app.db()).await;
        api_keys::insert(app.db(), key_id(1), org_id(1), &secret("key-one1"), START).await.expect("is inserted");

        let refused = api_keys::insert(app.db(), key_id(2), org_id(2), &secret("key-one1"), START).await;

        assert!(matches!(refused, Err(DbError::Duplicate)), "{refused:?}");
    }

    async fn a_key_requires_an_existing_organization(engine: Engine) {
        let app = TestApp::start(engine).await;

        let refused = api_keys::insert(app.db(), key_id(1), org_id(9), &secret("key-one1"), START).await;

        assert!(matches!(refused, Err(DbError::Reference)), "{refused:?}");
    }
}
