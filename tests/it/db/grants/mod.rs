//! Grants of users.

mod races;

use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::db::grants::affected::AffectedGrants;
use grantor::db::grants::{Grant, NewGrant, affected};
use grantor::db::{families, grants};
use grantor::rules::id::GrantId;

use crate::db::fixtures::{after, client_id, org_id, user_id};
use crate::db::grant_fixtures::{
    Parties, consent, end, family, family_id, grant, grant_id, insert_code, insert_family,
    is_alive, new_code, new_family, people_and_clients, redeem, scopes, take_scopes,
};
use crate::support::{START, TestApp};

async fn find(db: &Db, (org, client, user): Parties) -> Option<Grant> {
    grants::find(db, org_id(org), client_id(client), user_id(user)).await.expect("is readable")
}

/// Ada authorized clients One and Two, Eve client One, all in Acme. Ada also authorized client One
/// in Umbra.
async fn four_grants(db: &Db) -> [GrantId; 4] {
    people_and_clients(db).await;
    [
        consent(db, 1, (1, 1, 1), "mcp_read openid", START).await,
        consent(db, 2, (1, 2, 1), "mcp_read", START).await,
        consent(db, 3, (1, 1, 2), "openid", START).await,
        consent(db, 4, (2, 1, 1), "mcp_read", START).await,
    ]
}

async fn lock_live(db: &Db, id: GrantId) -> bool {
    let mut tx = db.begin().await.expect("begins");
    let live = grants::lock_live(&mut tx, id, after(77)).await.expect("succeeds");
    tx.commit().await.expect("commits");
    live
}

/// The active grants of client One in Acme with any of the scopes, and the effect of removing the
/// scopes.
async fn with_any(db: &Db, names: &str) -> (Vec<GrantId>, AffectedGrants) {
    let mut tx = db.begin().await.expect("begins");
    let found = grants::ids::with_any_scope(&mut tx, org_id(1), client_id(1), &scopes(names)).await;
    tx.commit().await.expect("commits");
    let affected = affected::find(db, org_id(1), client_id(1), &scopes(names)).await;
    let ids = found.expect("is readable").into_iter().map(|(id, _)| id).collect();
    (ids, affected.expect("is readable"))
}

on_both! {
    async fn a_consent_is_read_as_it_was_written(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;

        let id = consent(app.db(), 1, (1, 1, 2), "openid mcp_read", after(5)).await;

        let expected = Grant {
            id: grant_id(1),
            org_id: org_id(1),
            client_id: client_id(1),
            user_id: user_id(2),
            scopes: scopes("mcp_read openid"),
            consented_at: after(5),
            created_at: after(5),
            modified_at: after(5),
            last_used_at: None,
            revoked_at: None,
        };
        assert_eq!(id, grant_id(1));
        assert_eq!(find(app.db(), (1, 1, 2)).await, Some(expected.clone()));
        assert_eq!(grants::find_by_id(app.db(), id).await.expect("is readable"), Some(expected));
        assert_eq!(find(app.db(), (1, 1, 1)).await, None);
        assert_eq!(grants::find_by_id(app.db(), grant_id(9)).await.expect("is readable"), None);
    }

    async fn another_consent_extends_an_active_grant(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let first = consent(app.db(), 1, (1, 1, 1), "openid mcp_read", START).await;

        let again = consent(app.db(), 2, (1, 1, 1), "mcp_read mcp_write", after(9)).await;

        let expected = Grant { consented_at: after(9), modified_at: after(9), scopes: scopes("mcp_read mcp_write openid"),
            ..grant(app.db(), first).await };
        assert_eq!((again, grant(app.db(), first).await), (first, expected));
        assert_eq!(grant(app.db(), first).await.created_at, START);
    }

    async fn an_empty_consent_is_a_grant_without_scopes(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;

        let id = consent(app.db(), 1, (1, 1, 1), "", START).await;

        assert_eq!(grant(app.db(), id).await.scopes, scopes(""));
    }

    async fn a_consent_after_a_revocation_starts_a_new_grant(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid mcp_read", START).await;
        end(app.db(), &[id], after(5)).await;
        let ended = grant(app.db(), id).await;
        assert_eq!((ended.revoked_at, ended.modified_at, ended.scopes), (Some(after(5)), after(5), scopes("mcp_read openid")));

        let again = consent(app.db(), 2, (1, 1, 1), "mcp_write", after(9)).await;

        let anew = grant(app.db(), id).await;
        assert_eq!((again, anew.revoked_at, anew.scopes), (id, None, scopes("mcp_write")));
    }

    async fn a_grant_requires_a_member_and_an_authorized_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        for (org, client, user) in [(2, 1, 1), (1, 1, 3), (1, 2, 1)] {
            let openid = scopes("openid");
            let new = NewGrant {
                id: grant_id(2),
                org_id: org_id(org),
                client_id: client_id(client),
                user_id: user_id(user),
                scopes: &openid,
                consent_digest: [7; 32],
                now: START,
            };
            let mut tx = app.db().begin().await.expect("begins");
            let refused = grants::upsert(&mut tx, &new).await;
            tx.roll_back().await.expect("rolls back");

            assert!(matches!(refused, Err(DbError::Reference)), "{refused:?}");
        }
    }

    async fn concurrent_consents_create_one_grant_with_all_scopes(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;

        let (one, other) = tokio::join!(
            consent(app.db(), 1, (1, 1, 1), "mcp_read", START),
            consent(app.db(), 2, (1, 1, 1), "mcp_write", START),
        );

        assert_eq!(one, other);
        assert_eq!(grant(app.db(), one).await.scopes, scopes("mcp_read mcp_write"));
    }

    async fn an_active_grant_can_be_ended_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let [id, ..] = four_grants(app.db()).await;

        assert!(lock_live(app.db(), id).await);
        assert_eq!(grant(app.db(), id).await.modified_at, after(77));
        end(app.db(), &[id], after(80)).await;
        assert!(!lock_live(app.db(), id).await);
        assert!(!lock_live(app.db(), grant_id(9)).await);
        assert_eq!(grant(app.db(), id).await.modified_at, after(80));
    }

    async fn a_user_sees_their_own_active_grants(engine: Engine) {
        let app = TestApp::start(engine).await;
        let [in_acme, two, _, in_umbra] = four_grants(app.db()).await;
        let of_ada = async || {
            let listed = grants::list_of_user(app.db(), user_id(1)).await.expect("is readable");
            listed.into_iter().map(|own| (own.grant.id, own.client_name, own.org_name)).collect::<Vec<_>>()
        };
        let line = |id, client: &str, org: &str| (id, client.to_owned(), org.to_owned());

        let all = [line(in_acme, "One", "Acme"), line(in_umbra, "One", "Umbra"), line(two, "Two", "Acme")];
        assert_eq!(of_ada().await, all);
        end(app.db(), &[in_acme], after(5)).await;
        assert_eq!(of_ada().await, all[1..]);
        let own = grants::list_of_user(app.db(), user_id(1)).await.expect("is readable").remove(0);
        assert_eq!(own.grant.scopes, scopes("mcp_read"));
    }

    async fn other_users_of_the_organization_are_counted_up_to_a_limit(engine: Engine) {
        let app = TestApp::start(engine).await;
        let [.., of_eve, _] = four_grants(app.db()).await;
        let others = async |(org, client, user): Parties, most| {
            grants::count_others(app.db(), org_id(org), client_id(client), user_id(user), most).await.expect("counts")
        };

        assert_eq!((others((1, 1, 1), 9).await, others((1, 1, 9), 9).await, others((1, 1, 9), 1).await), (1, 2, 1));
        assert_eq!((others((1, 2, 1), 9).await, others((2, 1, 1), 9).await), (0, 0));
        end(app.db(), &[of_eve], after(5)).await;
        assert_eq!(others((1, 1, 1), 9).await, 0);
    }

    async fn grants_are_listed_by_organization_user_or_client_or_all(engine: Engine) {
        let app = TestApp::start(engine).await;
        let [one, two, three, four] = four_grants(app.db()).await;
        end(app.db(), &[one], after(5)).await;
        let list = async |org: Option<u64>, user: Option<u64>, client: Option<u64>, most| {
            let (org, user, client) = (org.map(org_id), user.map(user_id), client.map(client_id));
            let listed = grants::list(app.db(), org, user, client, most).await.expect("is readable");
            listed.into_iter().map(|listed| listed.grant.id).collect::<Vec<_>>()
        };

        assert_eq!(list(None, None, None, 10).await, [four, three, two, one]);
        assert_eq!(list(None, None, None, 3).await, [four, three, two]);
        assert_eq!(list(Some(1), None, None, 10).await, [three, two, one]);
        assert_eq!(list(None, Some(2), None, 10).await, [three]);
        assert_eq!(list(None, None, Some(2), 10).await, [two]);
        assert_eq!(list(Some(1), Some(1), Some(1), 10).await, [one]);
        assert_eq!(list(Some(2), Some(2), None, 10).await, []);
        let listed = grants::list(app.db(), Some(org_id(2)), None, None, 1).await.expect("is readable").remove(0);
        let names = (listed.client_name.as_str(), listed.email.as_str(), listed.org_name.as_str());
        assert_eq!((listed.grant, names), (grant(app.db(), four).await, ("One", "ada@mail.example", "Umbra")));
    }

    async fn grants_with_a_removed_scope_are_found_and_counted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let [ada, _, eve, _] = four_grants(app.db()).await;
        let affected = |grants, without_other_scopes, names: &str, people: &[&str]| AffectedGrants {
            grants,
            users: grants,
            without_other_scopes,
            scopes: scopes(names),
            people: people.iter().map(|email| (*email).to_owned()).collect(),
        };
        let (ada_only, eve_only) = (&["ada@mail.example"], &["eve@mail.example"]);
        let both = &["ada@mail.example", "eve@mail.example"];

        assert_eq!(with_any(app.db(), "mcp_read").await, (vec![ada], affected(1, 0, "mcp_read", ada_only)));
        assert_eq!(with_any(app.db(), "openid").await, (vec![ada, eve], affected(2, 1, "openid", both)));
        let all = affected(2, 2, "mcp_read openid", both);
        assert_eq!(with_any(app.db(), "mcp_read mcp_write openid").await, (vec![ada, eve], all));
        assert_eq!(with_any(app.db(), "mcp_write").await, (vec![], AffectedGrants::default()));
        assert_eq!(with_any(app.db(), "").await, (vec![], AffectedGrants::default()));
        end(app.db(), &[ada], after(5)).await;
        assert_eq!(with_any(app.db(), "mcp_read openid").await, (vec![eve], affected(1, 1, "openid", eve_only)));
    }

    async fn only_active_grants_of_a_client_or_user_are_found(engine: Engine) {
        let app = TestApp::start(engine).await;
        let [ada, two, eve, in_umbra] = four_grants(app.db()).await;
        let of_client = async || {
            let mut tx = app.db().begin().await.expect("begins");
            let ids = grants::ids::of_client(&mut tx, org_id(1), client_id(1)).await.expect("is readable");
            tx.commit().await.expect("commits");
            ids
        };
        let of_user = async |org| {
            let mut tx = app.db().begin().await.expect("begins");
            let ids = grants::ids::of_user(&mut tx, user_id(1), org).await.expect("is readable");
            tx.commit().await.expect("commits");
            ids
        };

        assert_eq!(of_client().await, [ada, eve]);
        assert_eq!(of_user(None).await, [ada, two, in_umbra]);
        assert_eq!(of_user(Some(org_id(1))).await, [ada, two]);
        end(app.db(), &[ada, in_umbra], after(5)).await;
        assert_eq!(of_client().await, [eve]);
        assert_eq!(of_user(None).await, [two]);
    }

    async fn ending_a_grant_ends_only_its_families_and_codes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let [one, two, three, _] = four_grants(app.db()).await;
        for (number, id) in [(1, one), (2, one), (3, two), (4, three)] {
            insert_family(app.db(), &new_family(number, id), None).await;
        }
        families::revocations::revoke(app.db(), family_id(2), after(1), after(2)).await.expect("is revoked");
        insert_code(app.db(), "of one", &new_code(one)).await;
        insert_code(app.db(), "of three", &new_code(three)).await;

        end(app.db(), &[one, two], after(5)).await;
        end(app.db(), &[one], after(6)).await;
        end(app.db(), &[], after(7)).await;

        let revoked_at = async |number| family(app.db(), number).await.and_then(|family| family.revoked_at);
        assert_eq!((revoked_at(1).await, revoked_at(2).await), (Some(after(5)), Some(after(1))));
        assert_eq!((revoked_at(3).await, revoked_at(4).await), (Some(after(5)), None));
        assert_eq!(grant(app.db(), one).await.revoked_at, Some(after(5)), "the first time stays");
        assert_eq!(grant(app.db(), three).await.revoked_at, None);
        assert_eq!(redeem(app.db(), "of one", 9).await, None);
        assert!(redeem(app.db(), "of three", 9).await.is_some());
        let day_30 = after(5 + families::REVOKED_RETENTION + 86_400);
        assert_eq!(families::forget(app.db(), day_30, 10).await.expect("succeeds"), 1, "the one that ended early");
        assert_eq!(families::forget(app.db(), day_30.plus(1), 10).await.expect("succeeds"), 2);
    }

    async fn ended_families_stay_ended_after_a_new_consent(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        insert_family(app.db(), &new_family(1, id), None).await;
        insert_code(app.db(), "unused", &new_code(id)).await;
        insert_code(app.db(), "used", &new_code(id)).await;
        redeem(app.db(), "used", 1).await.expect("is redeemed");
        end(app.db(), &[id], after(5)).await;

        consent(app.db(), 2, (1, 1, 1), "openid", after(6)).await;

        assert!(lock_live(app.db(), id).await, "the grant is active");
        assert!(!is_alive(app.db(), 1).await);
        assert_eq!(redeem(app.db(), "unused", 2).await, None);
        assert_eq!(redeem(app.db(), "used", 2).await, None);
    }

    async fn removing_scopes_changes_grants_and_families_and_voids_codes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let [one, two, three, _] = four_grants(app.db()).await;
        for (number, id) in [(1, one), (2, one), (3, two), (4, three)] {
            insert_family(app.db(), &new_family(number, id), None).await;
        }
        families::revocations::revoke(app.db(), family_id(2), after(1), after(2)).await.expect("is revoked");
        insert_code(app.db(), "of one", &new_code(one)).await;
        insert_code(app.db(), "of three", &new_code(three)).await;

        take_scopes(app.db(), &[one, two], "mcp_read mcp_write").await;

        let held = async |id| grant(app.db(), id).await.scopes;
        assert_eq!((held(one).await, held(two).await, held(three).await), (scopes("openid"), scopes(""), scopes("openid")));
        let carried = async |number| family(app.db(), number).await.expect("is there").scopes;
        let both = scopes("mcp_read openid");
        assert_eq!((carried(1).await, carried(3).await), (scopes("openid"), scopes("openid")));
        assert_eq!((carried(2).await, carried(4).await), (both.clone(), both));
        assert!(is_alive(app.db(), 1).await && is_alive(app.db(), 3).await);
        assert_eq!((grant(app.db(), one).await.modified_at, grant(app.db(), three).await.modified_at), (after(500), START));
        assert_eq!(redeem(app.db(), "of one", 9).await, None);
        assert!(redeem(app.db(), "of three", 9).await.is_some());
    }
}
