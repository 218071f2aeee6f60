//! Organizations.

mod authorized_clients;
mod memberships;
mod org_clients;

use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::db::orgs;
use grantor::db::orgs::Org;
use grantor::rules::scope::ScopeSet;

use crate::db::fixtures::{after, org_id};
use crate::support::TestApp;

fn org(number: u64, name: &str) -> Org {
    let number_of_seconds = i64::try_from(number).expect("a small number");
    let created_at = after(number_of_seconds);
    Org { id: org_id(number), name: name.to_owned(), default_client_scopes: None, created_at }
}

async fn insert(db: &Db, org: &Org) -> Result<(), DbError> {
    orgs::insert(db, org.id, &org.name, org.created_at).await
}

on_both! {
    async fn an_organization_is_found_by_its_id_or_name(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (org(1, "Acme"), org(2, "Umbra"));
        insert(app.db(), &acme).await.expect("is inserted");
        insert(app.db(), &umbra).await.expect("is inserted");

        assert_eq!(orgs::find(app.db(), acme.id).await.expect("is readable"), Some(acme.clone()));
        assert_eq!(orgs::find_by_name(app.db(), "Umbra").await.expect("is readable"), Some(umbra));
        assert_eq!(orgs::find_by_name(app.db(), "acme").await.expect("is readable"), None);
        assert_eq!(orgs::find(app.db(), org_id(3)).await.expect("is readable"), None);
    }

    async fn organizations_are_listed_by_name(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (zulu, acme) = (org(1, "Zulu"), org(2, "Acme"));
        insert(app.db(), &zulu).await.expect("is inserted");
        insert(app.db(), &acme).await.expect("is inserted");

        assert_eq!(orgs::list(app.db()).await.expect("is readable"), [acme, zulu]);
    }

    async fn the_name_of_an_organization_is_unique(engine: Engine) {
        let app = TestApp::start(engine).await;
        insert(app.db(), &org(1, "Acme")).await.expect("is inserted");

        let refused = insert(app.db(), &org(2, "Acme")).await.expect_err("is refused");

        assert!(matches!(refused, DbError::Duplicate), "{refused:?}");
    }

    async fn missing_and_empty_default_scopes_are_distinguished(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = org(1, "Acme");
        insert(app.db(), &acme).await.expect("is inserted");
        let some: ScopeSet = ScopeSet::parse("openid metrics_read").expect("scopes");

        for scopes in [Some(ScopeSet::default()), Some(some), None] {
            orgs::update_default_client_scopes(app.db(), acme.id, scopes.as_ref()).await.expect("is updated");

            let expected = Org { default_client_scopes: scopes, ..acme.clone() };
            assert_eq!(orgs::find(app.db(), acme.id).await.expect("is readable"), Some(expected));
        }
    }

    async fn locking_returns_the_organization_and_changes_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = org(1, "Acme");
        insert(app.db(), &acme).await.expect("is inserted");
        let mut tx = app.db().begin().await.expect("begins");

        let locked = orgs::lock(&mut tx, acme.id).await.expect("is locked");
        let missing = orgs::lock(&mut tx, org_id(2)).await.expect("is readable");
        tx.commit().await.expect("commits");

        assert_eq!((locked, missing), (Some(acme.clone()), None));
        assert_eq!(orgs::list(app.db()).await.expect("is readable"), [acme]);
    }
}
