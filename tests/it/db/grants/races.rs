//! Concurrent ends, exchanges and consents of one grant: the second one sees the result of the
//! first, and none of them deadlocks.

use std::pin::pin;
use std::time::Duration;

use grantor::db::authorizations::codes;
use grantor::db::engine::Db;
use grantor::db::families::redemptions;
use grantor::db::families::redemptions::Redemption;
use grantor::db::{grants, users};
use grantor::rules::id::GrantId;

use crate::db::fixtures::{after, user_id};
use crate::db::grant_fixtures::{
    consent, digest, end, family, grant, insert_code, insert_family, is_alive, new_code,
    new_family, people_and_clients, redeem, take_scopes,
};
use crate::support::{START, TestApp, after_delay, until_blocked};

/// Exchanges a code like the token endpoint: locks the code, the grant and the family. Returns
/// whether a family was created.
async fn exchange(db: &Db, text: &str, number: u64) -> bool {
    let Some(found) = codes::find(db, digest(text)).await.expect("is readable") else {
        return false;
    };
    let family = new_family(number, found.code.grant_id);
    redemptions::begin(db, &Redemption { code: digest(text), family, forget_at: None })
        .await
        .expect("runs")
}

async fn one_grant(db: &Db) -> GrantId {
    people_and_clients(db).await;
    consent(db, 1, (1, 1, 1), "mcp_read openid", START).await
}

on_both! {
    async fn ending_a_grant_waits_for_a_running_exchange(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_grant(app.db()).await;
        insert_family(app.db(), &new_family(1, id), None).await;
        let mut tx = app.db().begin().await.expect("begins");
        assert!(grants::lock_live(&mut tx, id, after(1)).await.expect("succeeds"));
        let mut ending = pin!(end(app.db(), std::slice::from_ref(&id), after(2)));
        until_blocked(&app, ending.as_mut()).await;

        redemptions::insert(&mut tx, &new_family(2, id), None).await.expect("is inserted");
        tx.commit().await.expect("commits");
        ending.await;

        assert!(!is_alive(app.db(), 1).await && !is_alive(app.db(), 2).await);
        assert_eq!(grant(app.db(), id).await.revoked_at, Some(after(2)));
    }

    async fn ending_a_grant_voids_the_code_of_a_concurrent_consent(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_grant(app.db()).await;
        let mut tx = app.db().begin().await.expect("begins");
        assert!(grants::lock_live(&mut tx, id, after(1)).await.expect("succeeds"));
        let mut ending = pin!(end(app.db(), std::slice::from_ref(&id), after(2)));
        until_blocked(&app, ending.as_mut()).await;
        codes::insert(&mut tx, digest("code"), &new_code(id)).await.expect("is inserted");
        tx.commit().await.expect("commits");
        ending.await;

        assert_eq!(consent(app.db(), 1, (1, 1, 1), "openid", after(3)).await, id);
        assert_eq!(redeem(app.db(), "code", 1).await, None);
    }

    async fn an_exchange_during_the_end_of_its_grant_leaves_no_active_family(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_grant(app.db()).await;
        for round in 0..20 {
            let text = format!("code {round}");
            insert_code(app.db(), &text, &new_code(id)).await;

            let exchanging = after_delay(Duration::from_micros(200 * round), exchange(app.db(), &text, round));
            let (exchanged, ()) = tokio::join!(exchanging, end(app.db(), std::slice::from_ref(&id), after(2)));

            assert_eq!(family(app.db(), round).await.is_some(), exchanged);
            assert!(!is_alive(app.db(), round).await);
            assert_eq!(consent(app.db(), 1, (1, 1, 1), "openid", after(3)).await, id);
            assert_eq!(redeem(app.db(), &text, 99).await, None, "its code is gone");
        }
    }

    async fn a_narrowing_during_an_exchange_leaves_no_family_with_removed_scopes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_grant(app.db()).await;
        for round in 0..20 {
            let text = format!("code {round}");
            insert_code(app.db(), &text, &new_code(id)).await;

            let exchanging = after_delay(Duration::from_micros(200 * round), exchange(app.db(), &text, round));
            let (exchanged, ()) = tokio::join!(exchanging, take_scopes(app.db(), std::slice::from_ref(&id), "mcp_read"));

            let family = family(app.db(), round).await;
            assert_eq!(family.is_some(), exchanged);
            assert!(family.is_none_or(|family| !family.scopes.contains("mcp_read")));
        }
    }

    async fn a_consent_happens_entirely_before_or_after_a_concurrent_end(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = one_grant(app.db()).await;
        for round in 0..20 {
            let text = format!("code {round}");
            let consenting = async {
                consent(app.db(), 1, (1, 1, 1), "openid", after(1)).await;
                insert_code(app.db(), &text, &new_code(id)).await;
            };
            tokio::join!(consenting, end(app.db(), std::slice::from_ref(&id), after(2)));

            let lives = grant(app.db(), id).await.revoked_at.is_none();
            assert!(lives || !exchange(app.db(), &text, round).await, "what is revoked is exchanged for nothing");
        }
    }

    async fn concurrent_ends_of_the_same_grants_are_serialized(engine: Engine) {
        let app = TestApp::start(engine).await;
        let first = one_grant(app.db()).await;
        let mut ids = vec![first];
        for (number, parties) in [(2, (1, 2, 1)), (3, (1, 1, 2)), (4, (2, 1, 1))] {
            ids.push(consent(app.db(), number, parties, "openid", START).await);
        }
        let reversed: Vec<_> = ids.iter().rev().copied().collect();
        for (round, id) in ids.iter().enumerate() {
            insert_code(app.db(), &format!("code {round}"), &new_code(*id)).await;
        }

        tokio::join!(end(app.db(), &ids, after(1)), end(app.db(), &reversed, after(2)));

        for id in ids {
            assert!(grant(app.db(), id).await.revoked_at.is_some());
        }
    }

    async fn a_user_cannot_be_disabled_during_a_consent(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let mut tx = app.db().begin().await.expect("begins");
        assert!(users::lock_enabled(&mut tx, user_id(1)).await.expect("succeeds"));
        let mut disabling = pin!(users::disable(app.db(), user_id(1), after(1)));
        until_blocked(&app, disabling.as_mut()).await;
        tx.commit().await.expect("commits");
        assert!(disabling.await.expect("is disabled"));

        let mut tx = app.db().begin().await.expect("begins");
        assert!(!users::lock_enabled(&mut tx, user_id(1)).await.expect("succeeds"));
        assert!(!users::lock_enabled(&mut tx, user_id(9)).await.expect("succeeds"));
        assert!(users::lock_enabled(&mut tx, user_id(2)).await.expect("succeeds"));
        tx.commit().await.expect("commits");
    }
}
