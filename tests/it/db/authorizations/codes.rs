//! Authorization codes.

use futures_util::future::join_all;
use grantor::db::authorizations::codes;
use grantor::db::authorizations::codes::AuthorizationCode;
use grantor::db::engine::decisions::Decision;
use grantor::db::engine::error::DbError;
use grantor::db::families::queues::{Attempt, FamilyQueues};
use grantor::db::families::redemptions::Redemption;
use grantor::rules::authorization::pkce::CodeChallenge;
use grantor::rules::identity::permission::Role;
use grantor::rules::scope::standing::Standing;
use grantor::rules::timestamp::Timestamp;

use crate::db::fixtures::{after, org_id, user_id};
use crate::db::grant_fixtures::{
    consent, digest, end, family, family_id, family_of_code, grant_id, insert_code, new_code,
    new_family, people_and_clients, redeem,
};
use crate::support::{START, TestApp};

on_both! {
    async fn a_code_can_be_redeemed_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        let challenge = CodeChallenge::from_stored("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned());
        let with_all =
            AuthorizationCode { code_challenge: Some(challenge), nonce: Some("n\u{f6}".to_owned()), ..new_code(id) };
        insert_code(app.db(), "one", &with_all).await;
        insert_code(app.db(), "two", &new_code(id)).await;
        let family_of = async |text| family_of_code(app.db(), text).await;

        assert_eq!(family_of("one").await, None);
        assert_eq!(redeem(app.db(), "one", 1).await, Some(with_all));
        assert_eq!(redeem(app.db(), "one", 2).await, None);
        assert_eq!((family_of("one").await, family_of("two").await), (Some(family_id(1)), None));
        assert_eq!(redeem(app.db(), "two", 2).await, Some(new_code(id)));
    }

    async fn a_code_is_read_with_everything_its_exchange_needs(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        insert_code(app.db(), "code", &new_code(id)).await;
        let queues = FamilyQueues::start(app.db().clone());

        let find = async |code| {
            let read = queues.decide_exchange(digest(code), Attempt::First, Decision::Keep);
            read.await.expect("is readable").expect("nothing to store")
        };
        let (found, unknown) = (find("code").await.expect("is there"), find("unknown").await);

        assert_eq!((&found.code, found.org_id, found.user.id), (&new_code(id), org_id(1), user_id(1)));
        assert_eq!((found.family_id, unknown), (None, None));
        assert_eq!(found.standing, Standing { role: Some(Role::Admin), ..Standing::default() });
        app.execute("UPDATE org_clients SET disabled_at = 7").await;
        let alone = codes::find(app.db(), digest("code")).await.expect("is readable").expect("is there");
        assert_eq!(alone.standing.client_disabled_at, Some(Timestamp::from_seconds(7)));
    }

    async fn exchanges_in_one_batch_succeed_or_fail_individually(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let (live, ended) = (
            consent(app.db(), 1, (1, 1, 1), "openid", START).await,
            consent(app.db(), 2, (1, 1, 2), "openid", START).await,
        );
        for text in ["free", "used", "twice"] {
            insert_code(app.db(), text, &new_code(live)).await;
        }
        redeem(app.db(), "used", 50).await.expect("is redeemed");
        end(app.db(), &[ended], after(1)).await;
        insert_code(app.db(), "of an ended grant", &new_code(ended)).await;
        let queues = FamilyQueues::start(app.db().clone());
        let redemption = |text, number, grant| Redemption {
            code: digest(text),
            family: new_family(number, grant),
            forget_at: Some(after(99)),
        };
        let all = [
            redemption("free", 1, live),
            redemption("used", 2, live),
            redemption("of an ended grant", 3, ended),
            redemption("unknown", 4, live),
            redemption("twice", 5, live),
            redemption("twice", 6, live),
        ];

        let redeem = |redemption: Redemption| {
            queues.decide_exchange(redemption.code, Attempt::First, |_| Decision::Swap(redemption, ()))
        };
        let begun = join_all(all.map(redeem)).await;

        let begun: Vec<_> = begun.into_iter().map(|outcome| outcome.expect("runs").is_some()).collect();
        assert_eq!(begun[..4], [true, false, false, false]);
        assert_ne!(begun[4], begun[5], "a code is redeemed once");
        assert_eq!(family(app.db(), 1).await, Some(new_family(1, live)));
        assert_eq!(family_of_code(app.db(), "twice").await, Some(family_id(if begun[4] { 5 } else { 6 })));
        assert_eq!(family_of_code(app.db(), "of an ended grant").await, None);
        for number in [2, 3, 4, if begun[4] { 6 } else { 5 }] {
            assert_eq!(family(app.db(), number).await, None, "{number}");
        }
    }

    async fn only_one_of_two_concurrent_exchanges_succeeds(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        for round in 0..10 {
            let text = format!("code {round}");
            insert_code(app.db(), &text, &new_code(id)).await;

            let (one, other) =
                tokio::join!(redeem(app.db(), &text, 2 * round), redeem(app.db(), &text, 2 * round + 1));

            assert_ne!(one.is_some(), other.is_some());
            let family = family_id(2 * round + u64::from(other.is_some()));
            assert_eq!(family_of_code(app.db(), &text).await, Some(family));
        }
    }

    async fn an_exchange_that_is_rolled_back_does_not_use_the_code(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        insert_code(app.db(), "code", &new_code(id)).await;
        let mut tx = app.db().begin().await.expect("begins");
        assert!(codes::redeem(&mut tx, digest("code"), family_id(1)).await.expect("runs"));
        tx.roll_back().await.expect("rolls back");

        assert!(redeem(app.db(), "code", 2).await.is_some());
    }

    async fn a_code_requires_its_grant_and_is_issued_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        insert_code(app.db(), "code", &new_code(id)).await;
        let insert = async |text, code: &AuthorizationCode| {
            let mut tx = app.db().begin().await.expect("begins");
            let outcome = codes::insert(&mut tx, digest(text), code).await;
            tx.roll_back().await.expect("rolls back");
            outcome
        };

        let twice = insert("code", &new_code(id)).await;
        let nobodys = insert("another", &new_code(grant_id(9))).await;

        assert!(matches!(twice, Err(DbError::Duplicate)), "{twice:?}");
        assert!(matches!(nobodys, Err(DbError::Reference)), "{nobodys:?}");
    }

    async fn expired_codes_are_deleted_in_batches(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        for (text, ends) in [("a", 10), ("b", 20), ("c", 29), ("d", 30)] {
            insert_code(app.db(), text, &AuthorizationCode { expires_at: after(ends), ..new_code(id) }).await;
        }
        redeem(app.db(), "b", 1).await.expect("is redeemed");
        let expire = async || codes::delete_expired(app.db(), after(30), 2).await.expect("succeeds");

        assert_eq!((expire().await, expire().await, expire().await), (2, 1, 0));
        assert!(redeem(app.db(), "d", 2).await.is_some());
    }
}
