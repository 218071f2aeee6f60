//! Pending authorization requests.

use grantor::db::authorizations::requests;
use grantor::db::authorizations::requests::{NewPendingRequest, PendingRequest};
use grantor::db::clients::unused;
use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::rules::authorization::language::Language;
use grantor::rules::authorization::pkce::CodeChallenge;
use grantor::rules::authorization::request::{AuthorizationRequest, Prompt};
use grantor::rules::id::{OrgId, SessionId};
use grantor::rules::timestamp::Timestamp;
use uuid::Uuid;

use crate::db::fixtures::{after, client_id, org_id};
use crate::db::grant_fixtures::{digest, people_and_clients, resource, scopes};
use crate::support::{START, TestApp};

fn request() -> AuthorizationRequest {
    AuthorizationRequest {
        redirect_uri: "http://127.0.0.1:1234/callback".to_owned(),
        redirect_uri_was_sent: true,
        state: Some("st\u{e4}te \"\\ '".to_owned()),
        scope: Some(scopes("mcp_read openid")),
        code_challenge: Some(CodeChallenge::from_stored(
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned(),
        )),
        resources: vec![resource("https://mcp.example/mcp"), resource("https://api.example")],
        nonce: Some("n".to_owned()),
        prompt: Prompt { consent: true, ..Prompt::default() },
        max_age: Some(60),
        login_hint: Some("ada@mail.example".to_owned()),
        org_id: Some(org_id(2)),
        names_site: true,
        ui_locale: Some(Language::German),
    }
}

/// A request of the browser with this number.
async fn insert(db: &Db, number: u64, expires_at: Timestamp) {
    let request = request();
    let new = NewPendingRequest {
        digest: digest(&format!("handle {number}")),
        browser_digest: digest(&format!("browser {number}")),
        client_id: client_id(1),
        request: &request,
        session_id: Some(SessionId(Uuid::from_u128(7))),
        created_at: START,
        expires_at,
    };
    requests::insert(db, &new).await.expect("is inserted");
}

async fn find(db: &Db, handle: u64, browser: u64, now: Timestamp) -> Option<PendingRequest> {
    let (handle, browser) =
        (digest(&format!("handle {handle}")), digest(&format!("browser {browser}")));
    requests::find(db, handle, browser, now).await.expect("is readable")
}

async fn choose(db: &Db, handle: u64, browser: u64, org_id: OrgId) -> bool {
    let (handle, browser) =
        (digest(&format!("handle {handle}")), digest(&format!("browser {browser}")));
    requests::choose_org(db, handle, browser, org_id).await.expect("succeeds")
}

async fn take(db: &Db, handle: u64, browser: u64, now: Timestamp) -> Option<PendingRequest> {
    let (handle, browser) =
        (digest(&format!("handle {handle}")), digest(&format!("browser {browser}")));
    let mut tx = db.begin().await.expect("begins");
    let taken = requests::take(&mut tx, handle, browser, now).await.expect("succeeds");
    tx.commit().await.expect("commits");
    taken
}

async fn delete(db: &Db, handle: u64, browser: u64, now: Timestamp) -> bool {
    let (handle, browser) =
        (digest(&format!("handle {handle}")), digest(&format!("browser {browser}")));
    requests::delete(db, handle, browser, now).await.expect("succeeds")
}

on_both! {
    async fn a_request_is_read_as_it_was_written(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        insert(app.db(), 1, after(600)).await;

        let found = find(app.db(), 1, 1, after(599)).await;

        let expected = PendingRequest {
            client_id: client_id(1),
            request: request(),
            org_id: None,
            session_id: Some(SessionId(Uuid::from_u128(7))),
            created_at: START,
            expires_at: after(600),
        };
        assert_eq!(found, Some(expected));
    }

    async fn a_request_is_found_only_by_its_browser_and_before_it_expires(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        insert(app.db(), 1, after(600)).await;
        insert(app.db(), 2, after(600)).await;

        for (handle, browser, now) in [(1, 2, START), (2, 1, START), (3, 1, START), (1, 1, after(600))] {
            assert_eq!(find(app.db(), handle, browser, now).await, None, "{handle} {browser}");
            assert_eq!(take(app.db(), handle, browser, now).await, None, "{handle} {browser}");
            assert!(!delete(app.db(), handle, browser, now).await, "{handle} {browser}");
        }
        assert!(find(app.db(), 1, 1, START).await.is_some());
    }

    async fn only_the_same_browser_can_choose_the_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        insert(app.db(), 1, after(600)).await;

        assert!(!choose(app.db(), 1, 2, org_id(2)).await);
        assert_eq!(find(app.db(), 1, 1, START).await.and_then(|found| found.org_id), None);
        assert!(choose(app.db(), 1, 1, org_id(2)).await && choose(app.db(), 1, 1, org_id(1)).await);
        assert_eq!(find(app.db(), 1, 1, START).await.and_then(|found| found.org_id), Some(org_id(1)));
    }

    async fn only_one_of_two_concurrent_answers_finds_the_request(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        insert(app.db(), 1, after(600)).await;

        let (one, other) = tokio::join!(take(app.db(), 1, 1, START), take(app.db(), 1, 1, START));

        assert_ne!(one.is_some(), other.is_some());
        assert_eq!(one.or(other).map(|taken| taken.request), Some(request()));
        assert_eq!(find(app.db(), 1, 1, START).await, None);
    }

    async fn a_refused_request_is_deleted_once_and_no_other(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        insert(app.db(), 1, after(600)).await;
        insert(app.db(), 2, after(600)).await;

        assert!(delete(app.db(), 1, 1, after(599)).await && !delete(app.db(), 1, 1, after(599)).await);

        assert_eq!(find(app.db(), 1, 1, START).await, None);
        assert!(find(app.db(), 2, 2, START).await.is_some());
    }

    async fn unanswered_requests_are_deleted_in_batches(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        for (number, ends) in [(1, 10), (2, 20), (3, 30), (4, 31)] {
            insert(app.db(), number, after(ends)).await;
        }
        let expire = async || requests::delete_expired(app.db(), after(30), 2).await.expect("succeeds");

        assert_eq!(requests::count(app.db(), after(30), 10).await.expect("are counted"), 1);
        assert_eq!(requests::count(app.db(), START, 3).await.expect("are counted"), 3);
        assert_eq!((expire().await, expire().await, expire().await), (2, 1, 0));
        assert!(find(app.db(), 4, 4, START).await.is_some());
    }

    async fn a_client_with_a_pending_request_is_not_forgotten_and_a_request_requires_its_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        insert(app.db(), 1, after(600)).await;
        let forget = async || unused::forget(app.db(), after(1), 10).await.expect("succeeds");

        assert_eq!(forget().await, 1, "the client that no request is about");
        assert!(find(app.db(), 1, 1, START).await.is_some());
        requests::delete_expired(app.db(), after(600), 10).await.expect("is deleted");
        assert_eq!(forget().await, 1);
        let request = request();
        let new = NewPendingRequest {
            digest: digest("handle"),
            browser_digest: digest("browser"),
            client_id: client_id(1),
            request: &request,
            session_id: None,
            created_at: START,
            expires_at: after(600),
        };
        let refused = requests::insert(app.db(), &new).await;
        assert!(matches!(refused, Err(DbError::Reference)), "{refused:?}");
    }
}
