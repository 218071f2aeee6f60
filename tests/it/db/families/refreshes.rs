//! Rotations of refresh tokens, which are compare-and-swaps.

use super::*;

on_both! {
    async fn rotations_in_one_batch_succeed_or_fail_individually(engine: Engine) {
        let app = TestApp::start(engine).await;
        let [first, second, third, fourth] = four_families(app.db()).await;
        let queues = FamilyQueues::start(app.db().clone());
        families::revocations::revoke(app.db(), fourth.id, after(1), after(DAY)).await.expect("is revoked");
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

    async fn a_rotation_replaces_the_tokens(engine: Engine) {
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

    async fn only_one_of_two_concurrent_rotations_succeeds(engine: Engine) {
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

    async fn a_family_revoked_ended_or_narrowed_meanwhile_is_not_rotated(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_family(app.db(), None).await;
        for number in [2, 3] {
            insert_family(app.db(), &new_family(number, id), None).await;
        }
        let from = [read(app.db()).await, new_family(2, id), new_family(3, id)];

        families::revocations::revoke(app.db(), family_id(1), after(1), after(2)).await.expect("is revoked");
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

    async fn a_rotation_does_not_restore_removed_scopes(engine: Engine) {
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
}
