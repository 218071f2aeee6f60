//! Decisions of an organization about a client.

use grantor::db::clients::registrations;
use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::db::orgs;
use grantor::db::orgs::org_clients;
use grantor::rules::client::ClientId;
use grantor::rules::id::OrgId;
use grantor::rules::scope::ScopeToken;
use grantor::rules::scope::scopes_restriction::ScopesRestriction;

use crate::db::fixtures::{client_id, new_client, org_id};
use crate::support::{START, TestApp};

fn restriction(oidc: &[&str], permission: &[&str]) -> ScopesRestriction {
    let tokens = |names: &[&str]| {
        names.iter().map(|name| ScopeToken::parse(name).expect("a scope")).collect::<Vec<_>>()
    };
    ScopesRestriction::from_stored(tokens(oidc), tokens(permission))
}

/// Two organizations and two clients without restrictions.
async fn organizations_and_clients(db: &Db) {
    orgs::insert(db, org_id(1), "Acme", START).await.expect("is inserted");
    orgs::insert(db, org_id(2), "Umbra", START).await.expect("is inserted");
    registrations::insert_new(db, &[new_client(1, "One"), new_client(2, "Two")])
        .await
        .expect("are inserted");
}

async fn set(db: &Db, org_id: OrgId, client_id: ClientId, restriction: Option<&ScopesRestriction>) {
    let mut tx = db.begin().await.expect("begins");
    org_clients::lock(&mut tx, org_id, client_id, START).await.expect("is locked");
    org_clients::update_restriction(&mut tx, org_id, client_id, restriction)
        .await
        .expect("is updated");
    tx.commit().await.expect("commits");
}

async fn find(db: &Db, org: u64, client: u64) -> Option<Option<ScopesRestriction>> {
    org_clients::find_restriction(db, org_id(org), client_id(client)).await.expect("is readable")
}

on_both! {
    async fn an_unknown_client_and_a_missing_restriction_are_distinguished(engine: Engine) {
        let app = TestApp::start(engine).await;
        organizations_and_clients(app.db()).await;

        assert_eq!(find(app.db(), 1, 1).await, Some(None));
        assert_eq!(find(app.db(), 1, 9).await, None);
    }

    async fn missing_empty_and_filled_lists_are_distinguished(engine: Engine) {
        let app = TestApp::start(engine).await;
        organizations_and_clients(app.db()).await;
        let states = [
            Some(restriction(&[], &[])),
            None,
            Some(restriction(&["profile", "openid"], &["mcp_write", "dashboards_read"])),
            Some(restriction(&["openid"], &[])),
            Some(restriction(&[], &["dashboards_read"])),
            None,
        ];

        for state in states {
            set(app.db(), org_id(1), client_id(1), state.as_ref()).await;

            assert_eq!(find(app.db(), 1, 1).await, Some(state));
        }
    }

    async fn a_restriction_applies_to_one_client_in_one_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        organizations_and_clients(app.db()).await;

        set(app.db(), org_id(1), client_id(1), Some(&restriction(&["openid"], &[]))).await;

        assert_eq!(find(app.db(), 1, 1).await, Some(Some(restriction(&["openid"], &[]))));
        assert_eq!(find(app.db(), 2, 1).await, Some(None));
        assert_eq!(find(app.db(), 1, 2).await, Some(None));
    }

    async fn locking_returns_the_current_restriction(engine: Engine) {
        let app = TestApp::start(engine).await;
        organizations_and_clients(app.db()).await;
        set(app.db(), org_id(1), client_id(1), Some(&restriction(&[], &["mcp_read"]))).await;
        let mut tx = app.db().begin().await.expect("begins");

        let decided = org_clients::lock(&mut tx, org_id(1), client_id(1), START).await.expect("is locked");
        let undecided = org_clients::lock(&mut tx, org_id(2), client_id(1), START).await.expect("is locked");

        tx.roll_back().await.expect("rolls back");
        assert_eq!((decided, undecided), (Some(restriction(&[], &["mcp_read"])), None));
    }

    async fn an_unknown_client_cannot_be_locked(engine: Engine) {
        let app = TestApp::start(engine).await;
        organizations_and_clients(app.db()).await;
        let mut tx = app.db().begin().await.expect("begins");

        let refused = org_clients::lock(&mut tx, org_id(1), client_id(9), START).await;

        tx.roll_back().await.expect("rolls back");
        assert!(matches!(refused, Err(DbError::Reference)), "{refused:?}");
    }
}
