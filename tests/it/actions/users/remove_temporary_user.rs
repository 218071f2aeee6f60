//! Removing a temporary user deletes everything that belongs to them.

use grantor::actions::audit::AuditActor;
use grantor::actions::users::remove_temporary_user;
use grantor::db::orgs::{memberships, org_clients};
use grantor::db::users::sessions;
use grantor::db::{clients, grants, users};

use crate::db::fixtures::{client_id, org_id, user_id, uuid};
use crate::db::grant_fixtures::{consent, insert_family, is_alive, new_family, people_and_clients};
use crate::support::{START, TestApp, listed};

on_both! {
    async fn removing_a_user_keeps_the_audit_trail_and_the_data_of_others(engine: Engine) {
        let app = TestApp::start(engine).await;
        let db = app.db();
        people_and_clients(db).await;
        let (ada, eve) = (consent(db, 1, (1, 1, 1), "openid", START).await, consent(db, 2, (1, 2, 2), "openid", START).await);
        insert_family(db, &new_family(1, ada), None).await;
        let session = sessions::NewSession {
            id: grantor::rules::id::SessionId(uuid(1)),
            digest: grantor::rules::secret::Digest::of("session"),
            user_id: user_id(1),
            now: START,
            user_agent: "",
            address: None,
        };
        assert!(sessions::insert_if_password_is(db, &session, "hash of ada").await.expect("is inserted"));

        let (org, client, by) = (org_id(1), Some(client_id(1)), AuditActor::COMMAND_LINE);
        remove_temporary_user::remove_temporary_user(app.context(), org, user_id(1), client, &by).await.expect("is removed");

        assert_eq!(users::find(db, user_id(1)).await.expect("is readable"), None);
        assert_eq!(memberships::list_orgs(db, user_id(1)).await.expect("is readable"), []);
        assert!(grants::find_by_id(db, ada).await.expect("is readable").is_none() && !is_alive(db, 1).await);
        assert!(grants::find_by_id(db, eve).await.expect("is readable").is_some());
        assert!(org_clients::find(db, org, client_id(1)).await.expect("is readable").is_none());
        assert!(org_clients::find(db, org, client_id(2)).await.expect("is readable").is_some());
        let recorded = listed::audit_events(db, org, 10).await.expect("is readable");
        assert_eq!(recorded.iter().map(|event| event.action.as_str()).collect::<Vec<_>>(), ["user.removed"]);
    }

    async fn a_client_belongs_to_no_organization_only_if_none_has_a_row_for_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let db = app.db();
        people_and_clients(db).await;
        consent(db, 1, (1, 1, 1), "openid", START).await;
        let mut tx = db.begin().await.expect("begins");
        clients::adopt(&mut tx, client_id(1), START).await.expect("is adopted");
        clients::adopt(&mut tx, client_id(2), START).await.expect("is adopted");
        tx.commit().await.expect("commits");

        for number in [1, 2] {
            clients::abandon(db, client_id(number)).await.expect("succeeds");
        }

        let adopted = async |number| {
            clients::find(db, client_id(number)).await.expect("is readable").expect("is there").adopted_at
        };
        assert_eq!((adopted(1).await, adopted(2).await), (Some(START), None));
        let deleted = org_clients::delete_undecided(db, org_id(1), client_id(1)).await.expect("succeeds");
        assert!(!deleted, "a user granted it something");
    }
}
