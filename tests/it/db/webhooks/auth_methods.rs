//! Methods to get access tokens for the receivers of webhooks.

use grantor::actions::webhooks::auth_method_secret::open_client_secret;
use grantor::db::engine::error::DbError;
use grantor::db::webhooks::auth_methods;
use grantor::db::webhooks::auth_methods::{AuthMethod, SealedSecret};
use grantor::rules::id::AuthMethodId;
use grantor::sealing::{KeyRing, SealError};

use crate::db::fixtures::{after, org_id, uuid};
use crate::db::webhook_fixtures::{
    auth_method, insert_auth_method, insert_webhook, plain, two_orgs,
};
use crate::support::TestApp;

async fn find(app: &TestApp, org: u64, id: AuthMethodId) -> Option<AuthMethod> {
    auth_methods::find(app.db(), org_id(org), id).await.expect("is readable")
}

on_both! {
    async fn a_method_is_read_as_written_and_only_by_its_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        two_orgs(app.db()).await;
        let (ring, acme, umbra) = (KeyRing::development(), org_id(1), org_id(2));
        let method = auth_method(&ring, 1, acme, "b \u{df}");
        let bare = AuthMethod { audience: None, scope: Some("a b".to_owned()), ..auth_method(&ring, 2, acme, "a") };
        for method in [&method, &bare] {
            auth_methods::insert(app.db(), method).await.expect("is inserted");
        }

        assert_eq!(find(&app, 1, method.id).await, Some(method.clone()));
        assert_eq!(find(&app, 1, bare.id).await, Some(bare.clone()));
        assert_eq!((find(&app, 2, method.id).await, find(&app, 1, AuthMethodId(uuid(9))).await), (None, None));
        assert_eq!(auth_methods::list(app.db(), acme).await.expect("is readable"), [bare, method]);
        assert_eq!(auth_methods::list(app.db(), umbra).await.expect("is readable"), []);
        let count = async |org| auth_methods::count_of_org(app.db(), org).await.expect("is readable");
        assert_eq!((count(acme).await, count(umbra).await), (2, 0));
    }

    async fn the_name_of_a_method_is_unique_in_an_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        two_orgs(app.db()).await;
        let ring = KeyRing::development();
        let (first, second) = (auth_method(&ring, 1, org_id(1), "same"), auth_method(&ring, 2, org_id(1), "same"));
        auth_methods::insert(app.db(), &first).await.expect("is inserted");

        let taken = auth_methods::insert(app.db(), &second).await;
        let elsewhere = auth_methods::insert(app.db(), &auth_method(&ring, 3, org_id(2), "same")).await;
        auth_methods::insert(app.db(), &AuthMethod { name: "Same".to_owned(), ..second.clone() }).await.expect("differs");
        let renamed = auth_methods::update(app.db(), &second).await;

        assert!(matches!(taken, Err(DbError::Duplicate)), "{taken:?}");
        assert!(elsewhere.is_ok(), "{elsewhere:?}");
        assert!(matches!(renamed, Err(DbError::Duplicate)), "{renamed:?}");
    }

    async fn an_update_changes_every_column_except_ids_and_creation_and_only_in_its_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        two_orgs(app.db()).await;
        let before = insert_auth_method(app.db(), &KeyRing::development(), 1, org_id(1)).await;
        let after = AuthMethod {
            name: "another".to_owned(),
            access_token_url: "https://other.example".to_owned(),
            client_id: "other".to_owned(),
            client_secret: SealedSecret { bytes: b"sealed".to_vec(), key_id: "other".to_owned() },
            secret_origin: "https://other.example".to_owned(),
            audience: None,
            scope: Some("read".to_owned()),
            modified_at: after(9),
            ..before.clone()
        };

        let foreign = auth_methods::update(app.db(), &AuthMethod { org_id: org_id(2), ..after.clone() }).await;
        let untouched = find(&app, 1, before.id).await;
        let changed = auth_methods::update(app.db(), &after).await;

        assert_eq!((foreign.ok(), untouched, changed.ok()), (Some(false), Some(before.clone()), Some(true)));
        let mut tx = app.db().begin().await.expect("begins");
        let locked = auth_methods::lock(&mut tx, org_id(1), before.id).await.expect("is readable");
        assert_eq!(auth_methods::lock(&mut tx, org_id(2), before.id).await.expect("is readable"), None);
        tx.commit().await.expect("commits");
        assert_eq!(locked, Some(after));
    }

    async fn a_method_is_deleted_once_only_by_its_organization_and_not_while_in_use(engine: Engine) {
        let app = TestApp::start(engine).await;
        two_orgs(app.db()).await;
        let ring = KeyRing::development();
        let (used, free) = (insert_auth_method(app.db(), &ring, 1, org_id(1)).await, insert_auth_method(app.db(), &ring, 2, org_id(1)).await);
        insert_webhook(&app, &ring, 12, org_id(1), Some(used.id), false).await;
        insert_webhook(&app, &ring, 11, org_id(1), Some(used.id), false).await;
        let delete = async |org, id| auth_methods::delete(app.db(), org_id(org), id).await;

        let in_use = delete(1, used.id).await;

        assert!(matches!(in_use, Err(DbError::Reference)), "{in_use:?}");
        assert_eq!(auth_methods::list_webhooks(app.db(), used.id).await.expect("is readable"), ["webhook 11", "webhook 12"]);
        assert_eq!(auth_methods::list_webhooks(app.db(), free.id).await.expect("is readable"), Vec::<String>::new());
        assert_eq!(delete(2, free.id).await.ok(), Some(false));
        assert_eq!((delete(1, free.id).await.ok(), delete(1, free.id).await.ok()), (Some(true), Some(false)));
        assert_eq!(auth_methods::list(app.db(), org_id(1)).await.expect("is readable"), [used]);
    }

    async fn a_secret_moved_to_another_method_or_organization_cannot_be_opened(engine: Engine) {
        let app = TestApp::start(engine).await;
        two_orgs(app.db()).await;
        let ring = KeyRing::development();
        let one = insert_auth_method(app.db(), &ring, 1, org_id(1)).await;
        let two = insert_auth_method(app.db(), &ring, 2, org_id(1)).await;
        let three = insert_auth_method(app.db(), &ring, 3, org_id(1)).await;
        let opened = async |org, method: &AuthMethod| {
            let found = find(&app, org, method.id).await.expect("is there");
            open_client_secret(&ring, &found).map(|secret| secret.expose().to_owned())
        };
        assert_eq!(opened(1, &two).await, Ok(plain("auth_methods", "client_secret_sealed", two.id.0)));

        app.execute(
            "UPDATE auth_methods SET client_secret_sealed =
                (SELECT client_secret_sealed FROM auth_methods WHERE name = 'method 1') WHERE name = 'method 2';
             UPDATE auth_methods SET org_id = (SELECT id FROM orgs WHERE name = 'Umbra') WHERE name = 'method 3'",
        )
        .await;

        assert!(opened(1, &one).await.is_ok());
        assert_eq!(opened(1, &two).await, Err(SealError::Damaged));
        assert_eq!(opened(2, &three).await, Err(SealError::Damaged));
    }
}
