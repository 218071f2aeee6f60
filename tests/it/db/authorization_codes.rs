//! Authorization codes.

use grantor::db::DbError;
use grantor::db::authorization_codes::{self, AuthorizationCode};
use grantor::oauth::pkce::CodeChallenge;

use super::by_hand::{after, client_id};
use super::grant_by_hand::{consent, digest, family_id, grant_id, insert_code, new_code, people_and_clients, redeem};
use crate::support::{START, TestApp};

on_both! {
    async fn a_code_is_redeemed_once_as_it_was_issued(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        let challenge = CodeChallenge::from_stored("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned());
        let with_all =
            AuthorizationCode { code_challenge: Some(challenge), nonce: Some("n\u{f6}".to_owned()), ..new_code(id) };
        insert_code(app.db(), "one", &with_all).await;
        insert_code(app.db(), "two", &new_code(id)).await;
        let family_of = async |text| {
            authorization_codes::find_family_of_used(app.db(), digest(text), client_id(1)).await.expect("is readable")
        };

        assert_eq!(family_of("one").await, None);
        assert_eq!(redeem(app.db(), "one", 1, START).await, Some(with_all));
        assert_eq!(redeem(app.db(), "one", 2, START).await, None);
        assert_eq!((family_of("one").await, family_of("two").await), (Some(family_id(1)), None));
        let strangers =
            authorization_codes::find_family_of_used(app.db(), digest("one"), client_id(2)).await.expect("is readable");
        assert_eq!(strangers, None);
        assert_eq!(redeem(app.db(), "two", 2, START).await, Some(new_code(id)));
    }

    async fn a_code_is_good_for_its_client_until_it_ends(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        insert_code(app.db(), "code", &new_code(id)).await;
        insert_code(app.db(), "another's", &AuthorizationCode { client_id: client_id(2), ..new_code(id) }).await;

        assert_eq!(redeem(app.db(), "another's", 1, START).await, None);
        assert_eq!(redeem(app.db(), "unheard of", 1, START).await, None);
        assert_eq!(redeem(app.db(), "code", 1, after(60)).await, None);
        assert!(redeem(app.db(), "code", 1, after(59)).await.is_some());
    }

    async fn of_two_exchanges_of_one_code_at_once_one_succeeds(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        for round in 0..10 {
            let text = format!("code {round}");
            insert_code(app.db(), &text, &new_code(id)).await;

            let (one, other) =
                tokio::join!(redeem(app.db(), &text, 2 * round, START), redeem(app.db(), &text, 2 * round + 1, START));

            assert_ne!(one.is_some(), other.is_some());
            let family = family_id(2 * round + u64::from(other.is_some()));
            let began = authorization_codes::find_family_of_used(app.db(), digest(&text), client_id(1)).await;
            assert_eq!(began.expect("is readable"), Some(family));
        }
    }

    async fn an_exchange_that_is_rolled_back_has_used_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        insert_code(app.db(), "code", &new_code(id)).await;
        let mut tx = app.db().begin().await.expect("begins");
        let code = authorization_codes::redeem(&mut tx, digest("code"), client_id(1), family_id(1), START).await;
        assert!(code.expect("is asked").is_some());
        tx.roll_back().await.expect("rolls back");

        assert!(redeem(app.db(), "code", 2, START).await.is_some());
    }

    async fn a_code_needs_its_grant_and_is_issued_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        insert_code(app.db(), "code", &new_code(id)).await;
        let insert = async |text, code: &AuthorizationCode| {
            let mut tx = app.db().begin().await.expect("begins");
            let outcome = authorization_codes::insert(&mut tx, digest(text), code).await;
            tx.roll_back().await.expect("rolls back");
            outcome
        };

        let twice = insert("code", &new_code(id)).await;
        let nobodys = insert("another", &new_code(grant_id(9))).await;

        assert!(matches!(twice, Err(DbError::Duplicate)), "{twice:?}");
        assert!(matches!(nobodys, Err(DbError::Reference)), "{nobodys:?}");
    }

    async fn codes_go_in_batches_used_or_not(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        for (text, ends) in [("a", 10), ("b", 20), ("c", 29), ("d", 30)] {
            insert_code(app.db(), text, &AuthorizationCode { expires_at: after(ends), ..new_code(id) }).await;
        }
        redeem(app.db(), "b", 1, START).await.expect("is redeemed");
        let expire = async || authorization_codes::delete_expired(app.db(), after(30), 2).await.expect("is asked");

        assert_eq!((expire().await, expire().await, expire().await), (2, 1, 0));
        assert!(redeem(app.db(), "d", 2, START).await.is_some());
    }
}
