//! Memberships of users in organizations.

use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::db::orgs::memberships;
use grantor::db::orgs::memberships::Membership;
use grantor::db::{orgs, users};
use grantor::rules::identity::permission::Role;

use crate::db::fixtures::{after, new_user, org_id, user_id};
use crate::support::{START, TestApp};

/// Ada is a member of Acme and Umbra, Eve of Umbra.
async fn two_organizations(db: &Db) {
    orgs::insert(db, org_id(1), "Umbra", START).await.expect("is inserted");
    orgs::insert(db, org_id(2), "Acme", START).await.expect("is inserted");
    users::insert(db, &new_user(1, "eve@mail.example"), "hash").await.expect("is inserted");
    users::insert(db, &new_user(2, "ada@mail.example"), "hash").await.expect("is inserted");
    memberships::insert(db, org_id(1), user_id(1), Role::ReadOnly, START)
        .await
        .expect("is inserted");
    memberships::insert(db, org_id(1), user_id(2), Role::Standard, START)
        .await
        .expect("is inserted");
    memberships::insert(db, org_id(2), user_id(2), Role::Admin, START).await.expect("is inserted");
}

fn ada(org_name: &str, role: Role) -> Membership {
    let email = "ada@mail.example".to_owned();
    Membership {
        org_name: org_name.to_owned(),
        user_id: user_id(2),
        email,
        role,
        disabled_at: None,
        left_at: None,
    }
}

fn eve() -> Membership {
    let (org_name, email) = ("Umbra".to_owned(), "eve@mail.example".to_owned());
    Membership {
        org_name,
        user_id: user_id(1),
        email,
        role: Role::ReadOnly,
        disabled_at: Some(after(5)),
        left_at: None,
    }
}

on_both! {
    async fn a_user_has_a_role_in_each_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        two_organizations(app.db()).await;

        let role = async |org, user| {
            memberships::find(app.db(), org_id(org), user_id(user)).await.expect("is readable")
        };
        assert_eq!(role(1, 1).await, Some(Role::ReadOnly));
        assert_eq!(role(1, 2).await, Some(Role::Standard));
        assert_eq!(role(2, 2).await, Some(Role::Admin));
        assert_eq!(role(2, 1).await, None);
    }

    async fn members_are_listed_by_organization_and_email(engine: Engine) {
        let app = TestApp::start(engine).await;
        two_organizations(app.db()).await;
        users::disable(app.db(), user_id(1), after(5)).await.expect("is disabled");

        let all = memberships::list(app.db(), None).await.expect("is readable");
        let umbra = memberships::list(app.db(), Some(org_id(1))).await.expect("is readable");
        let nobodys = memberships::list(app.db(), Some(org_id(3))).await.expect("is readable");

        assert_eq!(all, [ada("Acme", Role::Admin), ada("Umbra", Role::Standard), eve()]);
        assert_eq!(umbra, [ada("Umbra", Role::Standard), eve()]);
        assert_eq!(nobodys, []);
    }

    async fn the_organizations_of_a_user_are_listed(engine: Engine) {
        let app = TestApp::start(engine).await;
        two_organizations(app.db()).await;

        assert_eq!(memberships::list_orgs(app.db(), user_id(2)).await.expect("is readable"), [org_id(1), org_id(2)]);
        assert_eq!(memberships::list_orgs(app.db(), user_id(1)).await.expect("is readable"), [org_id(1)]);
        assert_eq!(memberships::list_orgs(app.db(), user_id(3)).await.expect("is readable"), []);
    }

    async fn the_organizations_of_a_user_have_names_and_roles(engine: Engine) {
        let app = TestApp::start(engine).await;
        two_organizations(app.db()).await;
        let of = async |number| memberships::list_of_user(app.db(), user_id(number)).await.expect("is readable");

        let in_acme = (org_id(2), "Acme".to_owned(), Role::Admin);
        assert_eq!(of(2).await, [in_acme, (org_id(1), "Umbra".to_owned(), Role::Standard)]);
        assert_eq!(of(3).await, []);
    }

    async fn a_user_can_join_an_organization_once_until_they_leave(engine: Engine) {
        let app = TestApp::start(engine).await;
        two_organizations(app.db()).await;

        let joins = async |role| {
            memberships::insert(app.db(), org_id(2), user_id(2), role, START).await.expect("is written")
        };
        let role = async || memberships::find(app.db(), org_id(2), user_id(2)).await.expect("is readable");

        assert!(!joins(Role::ReadOnly).await);
        assert_eq!(role().await, Some(Role::Admin), "the role stays");
        let mut tx = app.db().begin().await.expect("begins");
        memberships::end(&mut tx, org_id(2), user_id(2), after(5)).await.expect("is ended");
        tx.commit().await.expect("commits");
        assert_eq!(role().await, None);
        assert!(joins(Role::ReadOnly).await);
        assert_eq!(role().await, Some(Role::ReadOnly));
    }

    async fn a_membership_requires_its_organization_and_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        two_organizations(app.db()).await;

        let no_org = memberships::insert(app.db(), org_id(3), user_id(1), Role::Admin, START).await;
        let no_user = memberships::insert(app.db(), org_id(2), user_id(3), Role::Admin, START).await;

        assert!(matches!(no_org, Err(DbError::Reference)), "{no_org:?}");
        assert!(matches!(no_user, Err(DbError::Reference)), "{no_user:?}");
    }
}
