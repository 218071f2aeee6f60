//! Sessions of signed-in browsers.

use std::net::{IpAddr, Ipv6Addr};

use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::db::users;
use grantor::db::users::sessions;
use grantor::db::users::sessions::{NewSession, Session};
use grantor::rules::id::SessionId;
use grantor::rules::timestamp::Timestamp;

use crate::db::fixtures::{after, user_id, uuid};
use crate::db::grant_fixtures::{digest, people_and_clients};
use crate::support::{START, TestApp};

fn session_id(number: u64) -> SessionId {
    SessionId(uuid(number))
}

fn new(number: u64, user: u64, now: Timestamp) -> NewSession<'static> {
    NewSession {
        id: session_id(number),
        digest: digest(&format!("cookie {number}")),
        user_id: user_id(user),
        now,
        user_agent: "Browser \u{fc}/1",
        address: Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    }
}

/// Ada is user 1, Eve is user 2.
async fn begin(db: &Db, session: &NewSession<'_>) -> Result<bool, DbError> {
    let hash = if session.user_id == user_id(1) { "hash of ada" } else { "hash of eve" };
    sessions::insert_if_password_is(db, session, hash).await
}

async fn sign_in(db: &Db, number: u64, user: u64, now: Timestamp) {
    assert!(begin(db, &new(number, user, now)).await.expect("is inserted"));
}

async fn numbers(db: &Db, user: u64) -> Vec<SessionId> {
    let listed = sessions::list(db, user_id(user)).await.expect("is readable");
    listed.into_iter().map(|session| session.id).collect()
}

on_both! {
    async fn a_session_is_found_by_its_cookie_with_its_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        sign_in(app.db(), 1, 1, START).await;
        users::disable(app.db(), user_id(1), after(9)).await.expect("is disabled");

        let (session, user, must_choose) = sessions::find(app.db(), digest("cookie 1")).await.expect("is readable").expect("is there");

        let expected = Session {
            id: session_id(1),
            user_id: user_id(1),
            signed_in_at: START,
            last_seen_at: START,
            user_agent: "Browser \u{fc}/1".to_owned(),
            address: Some("::1".to_owned()),
        };
        assert_eq!((session, must_choose), (expected, false));
        assert_eq!(Some(&user), users::find(app.db(), user_id(1)).await.expect("is readable").as_ref());
        assert_eq!((user.name.as_deref(), user.disabled_at), (Some("Ada"), Some(after(9))));
        assert_eq!(sessions::find(app.db(), digest("cookie 2")).await.expect("is readable"), None);
    }

    async fn a_cookie_is_unique_and_a_session_requires_its_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        sign_in(app.db(), 1, 1, START).await;

        let same = NewSession { digest: digest("cookie 1"), ..new(2, 2, START) };
        let twice = begin(app.db(), &same).await;
        let nobodys = begin(app.db(), &new(3, 9, START)).await;

        assert!(matches!(twice, Err(DbError::Duplicate)), "{twice:?}");
        assert!(matches!(nobodys, Ok(false)), "{nobodys:?}");
    }

    async fn a_session_starts_only_if_the_checked_password_is_still_current(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let begins = async |number, user, hash| {
            let new = new(number, user, START);
            sessions::insert_if_password_is(app.db(), &new, hash).await.expect("succeeds")
        };

        assert!(begins(1, 1, "hash of ada").await);
        assert!(!begins(2, 1, "hash of eve").await, "the hash of another user");
        assert!(!begins(3, 9, "hash of ada").await, "an unknown user");
        users::update_password_hash(app.db(), user_id(1), "new hash", None).await.expect("is set");
        assert!(!begins(4, 1, "hash of ada").await, "the former one");
        assert!(begins(5, 1, "new hash").await);
        users::disable(app.db(), user_id(1), START).await.expect("is disabled");
        assert!(!begins(6, 1, "new hash").await, "a disabled user");

        assert_eq!(numbers(app.db(), 1).await, [session_id(5), session_id(1)]);
        let (found, ..) = sessions::find(app.db(), digest("cookie 1")).await.expect("is readable").expect("is there");
        assert_eq!((found.signed_in_at, found.last_seen_at), (START, START));
        assert_eq!((found.user_agent.as_str(), found.address.as_deref()), ("Browser \u{fc}/1", Some("::1")));
    }

    // The statement that ends the sessions has already run and does not see new ones, so signing in
    // has to wait for it.
    async fn no_session_starts_during_a_password_change(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        for round in 1..6 {
            let (old, set) = (format!("hash {round}"), format!("hash {}", round + 1));
            users::update_password_hash(app.db(), user_id(1), &old, None).await.expect("is set");
            let mut tx = app.db().begin().await.expect("begins");
            users::update_password_hash(&mut tx, user_id(1), &set, None).await.expect("is set");
            sessions::delete_all(&mut tx, user_id(1), None).await.expect("succeeds");

            let new = new(round, 1, START);
            let (begun, ()) = tokio::join!(sessions::insert_if_password_is(app.db(), &new, &old), async {
                for _ in 0..20 {
                    users::find(&mut tx, user_id(1)).await.expect("is readable");
                }
                tx.commit().await.expect("commits");
            });

            assert!(!begun.expect("succeeds"), "{round}");
            assert_eq!(numbers(app.db(), 1).await, []);
        }
    }

    async fn the_last_use_never_moves_backward(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        sign_in(app.db(), 1, 1, START).await;
        let seen = async |at| {
            sessions::touch(app.db(), session_id(1), at).await.expect("is touched");
            sessions::list(app.db(), user_id(1)).await.expect("is readable")[0].last_seen_at
        };

        assert_eq!(seen(after(60)).await, after(60));
        assert_eq!(seen(after(30)).await, after(60));
    }

    async fn a_user_sees_their_own_sessions_most_recent_first(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        for (number, user) in [(1, 1), (2, 1), (3, 2)] {
            sign_in(app.db(), number, user, START).await;
        }
        sessions::touch(app.db(), session_id(1), after(5)).await.expect("is touched");

        assert_eq!(numbers(app.db(), 1).await, [session_id(1), session_id(2)]);
        assert_eq!(numbers(app.db(), 2).await, [session_id(3)]);
    }

    async fn a_user_can_end_only_their_own_sessions(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        for (number, user) in [(1, 1), (2, 1), (3, 1), (4, 2)] {
            sign_in(app.db(), number, user, START).await;
        }
        let delete = async |number, user| {
            sessions::delete(app.db(), session_id(number), user_id(user)).await.expect("succeeds")
        };

        assert_eq!((delete(1, 2).await, delete(1, 1).await, delete(1, 1).await), (false, true, false));
        let others = sessions::delete_all(app.db(), user_id(1), Some(session_id(3))).await.expect("succeeds");
        assert_eq!((others, numbers(app.db(), 1).await), (1, vec![session_id(3)]));
        let all = sessions::delete_all(app.db(), user_id(1), None).await.expect("succeeds");
        assert_eq!((all, numbers(app.db(), 1).await, numbers(app.db(), 2).await), (1, vec![], vec![session_id(4)]));
    }

    async fn idle_and_old_sessions_are_deleted_in_batches(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        // The times of the sign-in and of the last use.
        for (number, signed_in, seen) in [(1, 0, 990), (2, 99, 100), (3, 100, 950), (4, 100, 899), (5, 950, 950)] {
            sign_in(app.db(), number, 1, after(signed_in)).await;
            sessions::touch(app.db(), session_id(number), after(seen)).await.expect("is touched");
        }
        let expire = async |most| {
            sessions::delete_expired(app.db(), after(100), after(900), most).await.expect("succeeds")
        };

        assert_eq!((expire(2).await, expire(2).await, expire(2).await), (2, 1, 0));
        assert_eq!(numbers(app.db(), 1).await, [session_id(5), session_id(3)]);
    }
}
