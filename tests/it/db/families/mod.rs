//! Families of refresh tokens.

mod refreshes;

use futures_util::future::join_all;
use grantor::db::engine::Db;
use grantor::db::engine::decisions::Decision;
use grantor::db::engine::error::DbError;
use grantor::db::families::queues::{Attempt, FamilyQueues};
use grantor::db::families::redemptions;
use grantor::db::families::rotations;
use grantor::db::families::rotations::Rotation;
use grantor::db::families::uses;
use grantor::db::families::{Family, ForRefresh, Liveness};
use grantor::db::orgs::org_clients;
use grantor::db::{families, orgs, users};
use grantor::rules::client::disabled_reason::Disabling;
use grantor::rules::id::GrantId;
use grantor::rules::identity::permission::Role;
use grantor::rules::scope::ScopeToken;
use grantor::rules::scope::scopes_restriction::ScopesRestriction;
use grantor::rules::scope::standing::Standing;
use grantor::rules::timestamp::Timestamp;

use crate::db::fixtures::{after, client_id, org_id, user_id};
use crate::db::grant_fixtures::{
    consent, digest, end, family, family_id, grant, grant_id, insert_family, is_alive, new_family,
    people_and_clients, scopes, take_scopes,
};
use crate::support::{START, TestApp};

const DAY: i64 = 86_400;

/// A family of Ada in Acme for client One.
async fn one_family(db: &Db, forget_at: Option<Timestamp>) -> GrantId {
    people_and_clients(db).await;
    let id = consent(db, 1, (1, 1, 1), "mcp_read openid", START).await;
    insert_family(db, &new_family(1, id), forget_at).await;
    id
}

/// A rotation from the state that was just read.
fn rotation(from: &Family, token: &str, at: Timestamp, forget_at: Option<Timestamp>) -> Rotation {
    Rotation {
        id: from.id,
        from_sequence: from.sequence,
        scopes: from.scopes.clone(),
        key_id: "second".to_owned(),
        new_digest: digest(token),
        now: at,
        forget_at,
    }
}

async fn rotate(
    db: &Db,
    from: &Family,
    token: &str,
    at: Timestamp,
    forget_at: Option<Timestamp>,
) -> bool {
    rotations::rotate(db, &rotation(from, token, at, forget_at)).await.expect("runs")
}

async fn read(db: &Db) -> Family {
    family(db, 1).await.expect("is there")
}

/// Inserts the families 1 to 4 of one grant.
async fn four_families(db: &Db) -> [Family; 4] {
    let id = one_family(db, None).await;
    for number in 2..=4 {
        insert_family(db, &new_family(number, id), None).await;
    }
    [1, 2, 3, 4].map(|number| new_family(number, id))
}

async fn rotate_in_batch(queues: &FamilyQueues, rotation: Rotation) -> Result<bool, DbError> {
    let decided = queues
        .decide_refresh(rotation.id, Attempt::First, |_| Decision::Swap(rotation, ()))
        .await?;
    Ok(decided.is_some())
}

async fn read_in_batch(queues: &FamilyQueues, number: u64) -> Option<ForRefresh> {
    let read = queues.decide_refresh(family_id(number), Attempt::First, Decision::Keep);
    read.await.expect("is readable").expect("nothing to store")
}

#[tokio::test]
async fn a_batch_skips_a_row_locked_by_another_transaction() {
    let app = TestApp::start(crate::support::Engine::Postgres).await;
    let [held, free, ..] = four_families(app.db()).await;
    let queues = FamilyQueues::start(app.db().clone());
    let mut tx = app.db().begin().await.expect("begins");
    assert!(
        families::revocations::revoke(&mut tx, held.id, START, after(DAY)).await.expect("runs")
    );

    let (held, free) = tokio::join!(
        rotate_in_batch(&queues, rotation(&held, "new", after(10), None)),
        rotate_in_batch(&queues, rotation(&free, "new", after(10), None)),
    );

    assert_eq!((held.expect("runs"), free.expect("runs")), (false, true));
    tx.roll_back().await.expect("is rolled back");
}

#[tokio::test]
async fn a_caller_without_a_change_gets_its_answer_from_a_batch_with_changes() {
    let app = TestApp::start(crate::support::Engine::Postgres).await;
    let [first, second, ..] = four_families(app.db()).await;
    let queues = FamilyQueues::start(app.db().clone());

    let (kept, rotated) = tokio::join!(
        queues.decide_refresh(first.id, Attempt::First, |found| Decision::Keep(
            found.map(|found| found.family)
        )),
        rotate_in_batch(&queues, rotation(&second, "new", after(10), None)),
    );

    assert_eq!((kept.expect("runs"), rotated.expect("runs")), (Some(Some(first)), true));
}

on_both! {
    async fn a_family_is_read_as_it_was_inserted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_family(app.db(), None).await;
        let bare = Family {
            resources: vec![],
            scopes: scopes(""),
            current_digest: None,
            previous_digest: Some(digest("before")),
            ends_at: None,
            revoked_at: Some(after(4)),
            sequence: u32::MAX,
            ..new_family(2, id)
        };
        insert_family(app.db(), &bare, None).await;

        assert_eq!((family(app.db(), 1).await, family(app.db(), 2).await), (Some(new_family(1, id)), Some(bare)));
        assert_eq!(family(app.db(), 3).await, None);
    }

    async fn a_refresh_reads_everything_it_needs(engine: Engine) {
        let app = TestApp::start(engine).await;
        let db = app.db();
        one_family(db, None).await;
        let find = async || families::find_for_refresh(db, family_id(1)).await.expect("is readable").expect("is there");

        assert_eq!(find().await.standing, Standing { role: Some(Role::Admin), ..Standing::default() });

        let restriction = ScopesRestriction::from_stored(vec![], vec![ScopeToken::parse("mcp_read").expect("a scope")]);
        let mut tx = db.begin().await.expect("begins");
        org_clients::lock(&mut tx, org_id(1), client_id(1), START).await.expect("is locked");
        org_clients::update_restriction(&mut tx, org_id(1), client_id(1), Some(&restriction)).await.expect("is updated");
        org_clients::set_disabling(&mut tx, org_id(1), client_id(1), &Disabling::disabled(None), after(3)).await.expect("is disabled");
        tx.commit().await.expect("commits");
        orgs::update_default_client_scopes(db, org_id(1), Some(&scopes("openid"))).await.expect("is updated");
        users::disable(db, user_id(1), after(4)).await.expect("is disabled");

        let expected = Standing {
            user_disabled_at: Some(after(4)),
            role: Some(Role::Admin),
            client_disabled_at: Some(after(3)),
            restriction: Some(restriction),
            default_client_scopes: Some(scopes("openid")),
        };
        assert_eq!(find().await.standing, expected);
        let batched = read_in_batch(&FamilyQueues::start(db.clone()), 1).await.expect("is there");
        assert_eq!(batched.standing, expected);
        app.execute("UPDATE memberships SET disabled_at = 7").await;
        assert_eq!(find().await.standing.role, None, "an ended membership does not count");
    }

    async fn families_read_in_one_batch_are_not_mixed_up(engine: Engine) {
        let app = TestApp::start(engine).await;
        four_families(app.db()).await;
        let queues = FamilyQueues::start(app.db().clone());

        let found = join_all([3, 1, 99, 3].map(|number| read_in_batch(&queues, number))).await;

        let found: Vec<_> = found.into_iter().map(|found| found.map(|it| it.family.id)).collect();
        assert_eq!(found, [Some(family_id(3)), Some(family_id(1)), None, Some(family_id(3))]);
    }

    async fn liveness_returns_the_owner_of_a_family_and_whether_it_is_active(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_family(app.db(), None).await;
        let find = async |number| families::find_liveness(app.db(), family_id(number)).await.expect("is readable");

        let expected = Liveness {
            org_id: org_id(1),
            client_id: client_id(1),
            user_id: user_id(1),
            grant_id: id,
            scopes: scopes("mcp_read openid"),
            revoked_at: None,
            role: Some(Role::Admin),
        };
        assert_eq!((find(1).await, find(2).await), (Some(expected.clone()), None));
        let revoke = async |at| families::revocations::revoke(app.db(), family_id(1), at, after(99)).await.expect("succeeds");
        assert_eq!((revoke(after(5)).await, revoke(after(6)).await), (true, false));
        assert_eq!(find(1).await, Some(Liveness { revoked_at: Some(after(5)), ..expected }));
    }

    async fn the_deletion_time_is_updated_only_if_it_moves_by_more_than_a_day(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_family(app.db(), None).await;
        // The stored time, the time that a rotation requests, and the time stored afterward.
        let cases = [
            (Some(10 * DAY), Some(11 * DAY), Some(10 * DAY)),
            (Some(10 * DAY), Some(11 * DAY + 1), Some(11 * DAY + 1)),
            (Some(10 * DAY), Some(9 * DAY), Some(10 * DAY)),
            (Some(10 * DAY), Some(5 * DAY), Some(5 * DAY)),
            (Some(10 * DAY), None, None),
            (None, Some(6 * DAY), Some(6 * DAY)),
            (None, None, None),
        ];
        for ((stored, asked, expected), number) in cases.into_iter().zip(2..) {
            insert_family(app.db(), &new_family(number, id), stored.map(after)).await;
            assert!(rotate(app.db(), &new_family(number, id), "new", START, asked.map(after)).await);
            let forget = async |at| families::forget(app.db(), after(at), 10).await.expect("succeeds");

            // A day after the stored time, which may lag by a day.
            let last_second = expected.map_or(1_000_000 * DAY, |at| at + DAY);
            assert_eq!(forget(last_second).await, 0, "{stored:?} {asked:?}");
            assert_eq!(forget(last_second + 1).await, u64::from(expected.is_some()), "{stored:?} {asked:?}");
        }
    }

    async fn expired_families_are_deleted_in_batches(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_family(app.db(), None).await;
        for (number, forget_at) in [(2, 10), (3, 20), (4, 30), (5, 31)] {
            insert_family(app.db(), &new_family(number, id), Some(after(forget_at))).await;
        }
        let forget = async || families::forget(app.db(), after(31 + DAY), 2).await.expect("succeeds");

        assert_eq!((forget().await, forget().await, forget().await), (2, 1, 0));
        assert!(is_alive(app.db(), 1).await && is_alive(app.db(), 5).await);
        assert!(!is_alive(app.db(), 2).await && !is_alive(app.db(), 4).await);
    }

    async fn last_uses_are_written_for_families_and_their_grants(engine: Engine) {
        let app = TestApp::start(engine).await;
        let one = one_family(app.db(), None).await;
        let other = consent(app.db(), 2, (1, 1, 2), "openid", START).await;
        insert_family(app.db(), &new_family(2, one), None).await;
        insert_family(app.db(), &new_family(3, other), None).await;
        let note = async |uses: &[(u64, i64)]| {
            let uses: Vec<_> = uses.iter().map(|(number, at)| (family_id(*number), after(*at))).collect();
            uses::record_use(app.db(), &uses).await.expect("is noted");
        };
        let used = async |id| grant(app.db(), id).await.last_used_at;

        note(&[]).await;
        assert_eq!((used(one).await, used(other).await), (None, None));
        note(&[(1, 10), (2, 30), (1, 20), (9, 99)]).await;
        assert_eq!((used(one).await, used(other).await), (Some(after(30)), None));
        note(&[(1, 25), (3, 5)]).await;
        assert_eq!((used(one).await, used(other).await), (Some(after(30)), Some(after(5))));
        assert_eq!(grant(app.db(), one).await.modified_at, START, "a use changes nothing");
    }

    async fn replicas_that_write_the_same_last_uses_do_not_deadlock(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_family(app.db(), None).await;
        for number in 2..=50 {
            insert_family(app.db(), &new_family(number, id), None).await;
        }
        let up: Vec<_> = (1..=50).map(|number| (family_id(number), after(1))).collect();
        let down: Vec<_> = up.iter().rev().map(|(id, _)| (*id, after(2))).collect();

        for _ in 0..10 {
            let (one, other) =
                tokio::join!(uses::record_use(app.db(), &up), uses::record_use(app.db(), &down));
            one.and(other).expect("are noted");
        }

        assert_eq!(grant(app.db(), id).await.last_used_at, Some(after(2)));
    }

    async fn a_family_requires_its_grant(engine: Engine) {
        let app = TestApp::start(engine).await;
        one_family(app.db(), None).await;
        let mut tx = app.db().begin().await.expect("begins");

        let refused = redemptions::insert(&mut tx, &new_family(2, grant_id(9)), None).await;

        tx.roll_back().await.expect("rolls back");
        assert!(matches!(refused, Err(DbError::Reference)), "{refused:?}");
    }
}
