//! Chains of refresh tokens.

use futures_util::future::join_all;
use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::db::families::queues::FamilyQueues;
use grantor::db::families::redemptions;
use grantor::db::families::rotations;
use grantor::db::families::rotations::Rotation;
use grantor::db::families::uses;
use grantor::db::families::{Family, Liveness};
use grantor::db::orgs::org_clients;
use grantor::db::{families, orgs, users};
use grantor::rules::id::GrantId;
use grantor::rules::identity::permission::Role;
use grantor::rules::scope::ScopeToken;
use grantor::rules::scope::restriction::ScopesRestriction;
use grantor::rules::scope::standing::Standing;
use grantor::rules::timestamp::Timestamp;

use super::by_hand::{after, client_id, org_id, user_id};
use super::grant_by_hand::{
    consent, digest, end, family, family_id, grant, grant_id, insert_family, is_alive, new_family, people_and_clients,
    scopes, take_scopes,
};
use crate::support::{START, TestApp};

const DAY: i64 = 86_400;

/// A family of Ada's in Acme for client One.
async fn one_family(db: &Db, forget_at: Option<Timestamp>) -> GrantId {
    people_and_clients(db).await;
    let id = consent(db, 1, (1, 1, 1), "mcp_read openid", START).await;
    insert_family(db, &new_family(1, id), forget_at).await;
    id
}

/// A rotation from the state that was read.
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

async fn rotate(db: &Db, from: &Family, token: &str, at: Timestamp, forget_at: Option<Timestamp>) -> bool {
    rotations::rotate(db, &rotation(from, token, at, forget_at)).await.expect("runs")
}

async fn read(db: &Db) -> Family {
    family(db, 1).await.expect("is there")
}

/// Families 1 to 4 of one grant.
async fn four_families(db: &Db) -> [Family; 4] {
    let id = one_family(db, None).await;
    for number in 2..=4 {
        insert_family(db, &new_family(number, id), None).await;
    }
    [1, 2, 3, 4].map(|number| new_family(number, id))
}

async fn rotate_in_batch(queues: &FamilyQueues, rotation: Rotation) -> Result<bool, DbError> {
    queues.find_for_refresh(rotation.id).await?.store.swap(rotation).await
}

#[tokio::test]
async fn a_batch_passes_over_a_row_that_another_transaction_holds() {
    let app = TestApp::start(crate::support::Engine::Postgres).await;
    let [held, free, ..] = four_families(app.db()).await;
    let queues = FamilyQueues::start(app.db().clone());
    let mut tx = app.db().begin().await.expect("begins");
    assert!(families::revoke(&mut tx, held.id, START, after(DAY)).await.expect("runs"));

    let (held, free) = tokio::join!(
        rotate_in_batch(&queues, rotation(&held, "new", after(10), None)),
        rotate_in_batch(&queues, rotation(&free, "new", after(10), None)),
    );

    assert_eq!((held.expect("runs"), free.expect("runs")), (false, true));
    tx.roll_back().await.expect("is rolled back");
}

#[tokio::test]
async fn a_caller_that_does_not_decide_is_left_out_and_delays_nobody_for_long() {
    let app = TestApp::start(crate::support::Engine::Postgres).await;
    let [first, second, third, ..] = four_families(app.db()).await;
    let queues = FamilyQueues::start(app.db().clone());
    let find = async |family: &Family| queues.find_for_refresh(family.id).await.expect("is readable").store;
    let (undecided, also_undecided) = (find(&first).await, find(&second).await);

    let in_time = rotate_in_batch(&queues, rotation(&third, "new", after(10), None)).await;
    let too_late = undecided.swap(rotation(&first, "new", after(10), None)).await;

    assert_eq!((in_time.expect("runs"), too_late.expect("runs")), (true, false));
    drop(also_undecided);
    assert_eq!(family(app.db(), 1).await, Some(first), "a decision that came too late changed nothing");
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

    async fn a_refresh_reads_all_that_decides_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let db = app.db();
        one_family(db, None).await;
        let find = async || families::find_for_refresh(db, family_id(1)).await.expect("is readable").expect("is there");

        assert_eq!(find().await.standing, Standing { role: Some(Role::Admin), ..Standing::default() });

        let restriction = ScopesRestriction::from_stored(vec![], vec![ScopeToken::parse("mcp_read").expect("a scope")]);
        let mut tx = db.begin().await.expect("begins");
        org_clients::lock(&mut tx, org_id(1), client_id(1), START).await.expect("is locked");
        org_clients::update_restriction(&mut tx, org_id(1), client_id(1), Some(&restriction)).await.expect("is updated");
        org_clients::set_disabled(&mut tx, org_id(1), client_id(1), Some(after(3))).await.expect("is disabled");
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
        let batched = FamilyQueues::start(db.clone()).find_for_refresh(family_id(1)).await.expect("is readable");
        assert_eq!(batched.found.expect("is there").standing, expected);
        app.execute("UPDATE memberships SET disabled_at = 7").await;
        assert_eq!(find().await.standing.role, None, "an ended membership does not count");
    }

    async fn families_that_are_read_together_are_each_their_own(engine: Engine) {
        let app = TestApp::start(engine).await;
        four_families(app.db()).await;
        let queues = FamilyQueues::start(app.db().clone());

        let found = join_all([3, 1, 99, 3].map(|number| queues.find_for_refresh(family_id(number)))).await;

        let found: Vec<_> = found.into_iter().map(|found| found.expect("is readable").found.map(|it| it.family.id)).collect();
        assert_eq!(found, [Some(family_id(3)), Some(family_id(1)), None, Some(family_id(3))]);
    }

    async fn rotations_that_wait_together_each_happen_or_not(engine: Engine) {
        let app = TestApp::start(engine).await;
        let [first, second, third, fourth] = four_families(app.db()).await;
        let queues = FamilyQueues::start(app.db().clone());
        families::revoke(app.db(), fourth.id, after(1), after(DAY)).await.expect("is revoked");
        let rotations = [
            rotation(&first, "new", after(10), None),
            rotation(&Family { sequence: 7, ..second.clone() }, "new", after(10), None),
            rotation(&Family { scopes: scopes("openid"), ..second.clone() }, "new", after(10), None),
            rotation(&fourth, "new", after(10), None),
            rotation(&new_family(99, first.grant_id), "new", after(10), None),
            rotation(&third, "one", after(10), None),
            rotation(&third, "other", after(11), None),
        ];

        let happened = join_all(rotations.map(|rotation| rotate_in_batch(&queues, rotation))).await;

        let happened: Vec<_> = happened.into_iter().map(|outcome| outcome.expect("runs")).collect();
        assert_eq!(happened[..5], [true, false, false, false, false]);
        assert_ne!(happened[5], happened[6], "one of two rotations of a family happens");
        let rotated = family(app.db(), 3).await.expect("is there");
        let token = if happened[5] { "one" } else { "other" };
        assert_eq!((rotated.sequence, rotated.current_digest), (1, Some(digest(token))));
        assert_eq!(read(app.db()).await.sequence, 1);
        assert_eq!(family(app.db(), 2).await, Some(second), "a rotation that did not happen changed nothing");
    }

    async fn batches_of_the_same_families_in_opposite_orders_do_not_deadlock(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let id = one_family(app.db(), None).await;
        for number in 2..=40 {
            insert_family(app.db(), &new_family(number, id), None).await;
        }
        let (here, there) = (FamilyQueues::start(app.db().clone()), FamilyQueues::start(replica.db().clone()));
        for round in 0..5 {
            let all = join_all((1..=40).map(|number| family(app.db(), number))).await;
            let up: Vec<_> = all.into_iter().map(|family| rotation(&family.expect("is there"), "new", after(round), None)).collect();
            let down: Vec<_> = up.iter().rev().cloned().collect();

            let (one, other) = tokio::join!(
                join_all(up.into_iter().map(|rotation| rotate_in_batch(&here, rotation))),
                join_all(down.into_iter().map(|rotation| rotate_in_batch(&there, rotation))),
            );

            for (one, other) in one.into_iter().zip(other.into_iter().rev()) {
                assert!(!(one.expect("runs") && other.expect("runs")), "a family is rotated once");
            }
        }
    }

    async fn liveness_tells_whose_family_it_is_and_whether_it_lives(engine: Engine) {
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
        let revoke = async |at| families::revoke(app.db(), family_id(1), at, after(99)).await.expect("is asked");
        assert_eq!((revoke(after(5)).await, revoke(after(6)).await), (true, false));
        assert_eq!(find(1).await, Some(Liveness { revoked_at: Some(after(5)), ..expected }));
    }

    async fn a_rotation_moves_the_tokens_on(engine: Engine) {
        let app = TestApp::start(engine).await;
        one_family(app.db(), None).await;
        let first = read(app.db()).await;

        assert!(rotate(app.db(), &first, "refresh token 1", after(10), None).await);

        let second = read(app.db()).await;
        let expected = Family {
            sequence: 1,
            key_id: "second".to_owned(),
            current_digest: Some(digest("refresh token 1")),
            previous_digest: Some(digest("refresh token 0")),
            rotated_at: after(10),
            ..first.clone()
        };
        assert_eq!(second, expected);
        assert!(!rotate(app.db(), &first, "refresh token x", after(11), None).await, "from an older state");
        assert!(rotate(app.db(), &second, "refresh token 2", after(20), None).await);
        let third = read(app.db()).await;
        assert_eq!((third.sequence, third.previous_digest), (2, Some(digest("refresh token 1"))));
    }

    async fn of_two_rotations_at_once_one_happens(engine: Engine) {
        let app = TestApp::start(engine).await;
        one_family(app.db(), None).await;
        for round in 0..10 {
            let from = read(app.db()).await;

            let (one, other) = tokio::join!(
                rotate(app.db(), &from, "one", after(round), None),
                rotate(app.db(), &from, "other", after(round), None),
            );

            assert_ne!(one, other);
            let now = read(app.db()).await;
            let token = if one { "one" } else { "other" };
            assert_eq!((now.sequence, now.current_digest), (from.sequence + 1, Some(digest(token))));
        }
    }

    async fn nothing_is_rotated_that_was_revoked_ended_or_narrowed_meanwhile(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_family(app.db(), None).await;
        for number in [2, 3] {
            insert_family(app.db(), &new_family(number, id), None).await;
        }
        let from = [read(app.db()).await, new_family(2, id), new_family(3, id)];

        families::revoke(app.db(), family_id(1), after(1), after(2)).await.expect("is revoked");
        assert!(!rotate(app.db(), &from[0], "new", after(3), None).await);
        take_scopes(app.db(), &[id], "mcp_read").await;
        assert!(!rotate(app.db(), &from[1], "new", after(3), None).await);
        let narrowed = family(app.db(), 2).await.expect("is there");
        assert!(rotate(app.db(), &narrowed, "new", after(3), None).await, "decided on what is there now");
        end(app.db(), &[id], after(4)).await;
        let ended = family(app.db(), 3).await.expect("is there");
        assert!(!rotate(app.db(), &ended, "new", after(5), None).await);
        assert_eq!(ended.current_digest, from[2].current_digest);
    }

    async fn a_rotation_against_a_narrowing_keeps_what_was_taken_away(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_family(app.db(), None).await;
        for round in 0..5 {
            let from = read(app.db()).await;

            let (rotated, ()) = tokio::join!(
                rotate(app.db(), &from, "new", after(round), None),
                take_scopes(app.db(), std::slice::from_ref(&id), "mcp_read"),
            );

            let now = read(app.db()).await;
            assert_eq!((now.scopes, now.sequence), (scopes("openid"), from.sequence + u32::from(rotated)));
        }
    }

    async fn the_time_to_be_forgotten_moves_by_more_than_a_day_or_not_at_all(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_family(app.db(), None).await;
        // What is stored, what a rotation asks for, and what is stored then.
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
            let forget = async |at| families::forget(app.db(), after(at), 10).await.expect("is asked");

            // A day later than it says, since it may lag by a day.
            let last_second = expected.map_or(1_000_000 * DAY, |at| at + DAY);
            assert_eq!(forget(last_second).await, 0, "{stored:?} {asked:?}");
            assert_eq!(forget(last_second + 1).await, u64::from(expected.is_some()), "{stored:?} {asked:?}");
        }
    }

    async fn what_is_over_is_forgotten_in_batches_and_the_rest_is_kept(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_family(app.db(), None).await;
        for (number, forget_at) in [(2, 10), (3, 20), (4, 30), (5, 31)] {
            insert_family(app.db(), &new_family(number, id), Some(after(forget_at))).await;
        }
        let forget = async || families::forget(app.db(), after(31 + DAY), 2).await.expect("is asked");

        assert_eq!((forget().await, forget().await, forget().await), (2, 1, 0));
        assert!(is_alive(app.db(), 1).await && is_alive(app.db(), 5).await);
        assert!(!is_alive(app.db(), 2).await && !is_alive(app.db(), 4).await);
    }

    async fn uses_are_noted_for_families_and_for_their_grants(engine: Engine) {
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

    async fn replicas_that_note_the_same_uses_do_not_meet(engine: Engine) {
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

    async fn a_family_needs_its_grant(engine: Engine) {
        let app = TestApp::start(engine).await;
        one_family(app.db(), None).await;
        let mut tx = app.db().begin().await.expect("begins");

        let refused = redemptions::insert(&mut tx, &new_family(2, grant_id(9)), None).await;

        tx.roll_back().await.expect("rolls back");
        assert!(matches!(refused, Err(DbError::Reference)), "{refused:?}");
    }
}
