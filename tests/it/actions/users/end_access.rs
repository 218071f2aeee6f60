//! What ends with a user's access, with their password, and by expiry.

use std::time::Duration;

use grantor::actions::audit::AuditActor;
use grantor::actions::sign_in::set_password;
use grantor::actions::sign_in::set_password::{KeptSession, NewPassword};
use grantor::actions::upkeep::forget_expired;
use grantor::actions::upkeep::forget_expired::Forgotten;
use grantor::actions::users::create_user;
use grantor::actions::users::create_user::NewMember;
use grantor::actions::users::disable_user;
use grantor::db::authorizations::codes::AuthorizationCode;
use grantor::db::authorizations::requests::NewPendingRequest;
use grantor::db::authorizations::{codes, requests};
use grantor::db::families::Family;
use grantor::db::families::redemptions;
use grantor::db::grants::NewGrant;
use grantor::db::orgs::org_clients;
use grantor::db::users::sessions;
use grantor::db::users::sessions::NewSession;
use grantor::db::{families, grants, users};
use grantor::rules::client::ClientId;
use grantor::rules::id::{FamilyId, GrantId, OrgId, SessionId, UserId};
use grantor::rules::identity::permission::Role;
use grantor::rules::scope::ScopeSet;
use grantor::rules::secret::{Digest, Secret};
use grantor::rules::timestamp::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::support::granted::asks;
use crate::support::{START, TestApp, listed};

const BY: AuditActor = AuditActor::COMMAND_LINE;
const EVE: &str = "eve@mail.example";

fn uuid(number: u64) -> Uuid {
    Uuid::from_u64_pair(0, number)
}

async fn user_id(app: &TestApp, email: &str) -> UserId {
    users::find_by_email(app.db(), email).await.expect("is readable").expect("is there").id
}

/// A grant with a family of tokens and a code that expires in a minute.
async fn granted(
    app: &TestApp,
    number: u64,
    org_id: OrgId,
    user_id: UserId,
    forget_at: Option<Timestamp>,
) {
    let client_id = ClientId::parse(&app.registered("App").await).expect("an id");
    let (now, scopes) = (app.context().clock.now(), ScopeSet::parse("openid").expect("scopes"));
    let grant_id = GrantId(uuid(number));
    let digest = Digest::of(&format!("code {number}"));
    let new = NewGrant {
        id: grant_id,
        org_id,
        client_id,
        user_id,
        scopes: &scopes,
        consent_digest: [0; 32],
        now,
    };
    let code = AuthorizationCode {
        grant_id,
        client_id,
        redirect_uri: Some("https://example.com/callback".to_owned()),
        code_challenge: None,
        scopes: scopes.clone(),
        resources: Vec::new(),
        nonce: None,
        signed_in_at: now,
        expires_at: now.plus(60),
        may_refresh: true,
    };
    let family = Family {
        id: FamilyId(uuid(number)),
        grant_id,
        org_id,
        client_id,
        user_id,
        scopes: scopes.clone(),
        resources: Vec::new(),
        signed_in_at: now,
        created_at: now,
        key_id: "key".to_owned(),
        sequence: 0,
        current_digest: None,
        previous_digest: None,
        rotated_at: now,
        ends_at: None,
        revoked_at: None,
    };
    let mut tx = app.db().begin().await.expect("begins");
    org_clients::lock(&mut tx, org_id, client_id, now).await.expect("is locked");
    grants::upsert(&mut tx, &new).await.expect("is stored");
    codes::insert(&mut tx, digest, &code).await.expect("is inserted");
    redemptions::insert(&mut tx, &family, forget_at).await.expect("is inserted");
    tx.commit().await.expect("commits");
}

async fn signed_in(app: &TestApp, number: u64, user_id: UserId) -> SessionId {
    let id = SessionId(uuid(number));
    let digest = Digest::of(&format!("cookie {number}"));
    let now = app.context().clock.now();
    let new = NewSession { id, digest, user_id, now, user_agent: "Browser", address: None };
    let hash = users::find_password_hash(app.db(), user_id)
        .await
        .expect("is readable")
        .expect("a password");
    assert!(sessions::insert_if_password_is(app.db(), &new, &hash).await.expect("is inserted"));
    id
}

async fn sessions_of(app: &TestApp, user_id: UserId) -> Vec<SessionId> {
    let listed = sessions::list(app.db(), user_id).await.expect("is readable");
    listed.into_iter().map(|session| session.id).collect()
}

async fn is_alive(app: &TestApp, number: u64) -> bool {
    let found =
        families::find_liveness(app.db(), FamilyId(uuid(number))).await.expect("is readable");
    found.is_some_and(|found| found.revoked_at.is_none())
}

async fn last_event(app: &TestApp, org_id: OrgId) -> (String, serde_json::Value) {
    let event = listed::audit_events(app.db(), org_id, 1).await.expect("is readable").remove(0);
    (event.action, event.after.expect("has a value"))
}

on_both! {
    async fn disabling_a_user_ends_their_grants_tokens_codes_and_sessions(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        acme.colleague(EVE, Role::Standard).await;
        umbra.colleague(EVE, Role::Standard).await;
        let (eve, other) = (user_id(&app, EVE).await, user_id(&app, &acme.email).await);
        granted(&app, 1, acme.org_id, eve, None).await;
        granted(&app, 2, umbra.org_id, eve, None).await;
        granted(&app, 3, acme.org_id, other, None).await;
        signed_in(&app, 1, eve).await;
        signed_in(&app, 2, eve).await;
        let others = signed_in(&app, 3, other).await;

        disable_user::disable_user(app.context(), &app.app.callers, EVE, &BY).await.expect("is disabled");

        assert!(!is_alive(&app, 1).await && !is_alive(&app, 2).await && is_alive(&app, 3).await);
        let listed = grants::list(app.db(), None, None, None, 10).await.expect("is readable");
        let ended: Vec<_> = listed.iter().map(|listed| (listed.grant.user_id == eve, listed.grant.revoked_at)).collect();
        assert_eq!(ended, [(false, None), (true, Some(START)), (true, Some(START))]);
        assert_eq!((sessions_of(&app, eve).await, sessions_of(&app, other).await), (vec![], vec![others]));
        let recorded = json!({"disabled_at": START, "grants_ended": 1, "sessions_ended": 2});
        for org_id in [acme.org_id, umbra.org_id] {
            assert_eq!(last_event(&app, org_id).await, ("user.disabled".to_owned(), recorded.clone()));
        }
    }

    async fn a_password_change_signs_out_every_other_browser(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        acme.colleague(EVE, Role::Standard).await;
        let (eve, other) = (user_id(&app, EVE).await, user_id(&app, &acme.email).await);
        granted(&app, 1, acme.org_id, eve, None).await;
        let mine = signed_in(&app, 1, eve).await;
        signed_in(&app, 2, eve).await;
        let others = signed_in(&app, 3, other).await;
        let set = async |password: &str, keep: Option<SessionId>| {
            let known_browser = Digest::of("the next cookie");
            let keep = keep.map(|session: SessionId| KeptSession { session, browser: None, known_browser });
            let new = NewPassword { keep, ..NewPassword::chosen(Secret::new(password.to_owned())) };
            set_password::set_password(app.context(), EVE, new, &BY).await
        };

        set("short", None).await.expect_err("is refused");
        assert_eq!(sessions_of(&app, eve).await.len(), 2);
        set("correct horse", Some(mine)).await.expect("is set");
        assert_eq!(sessions_of(&app, eve).await, [mine]);
        let recorded = json!({"made_by_server": false, "sessions_ended": 1, "grants_ended": 0});
        assert_eq!(last_event(&app, acme.org_id).await, ("user.password_set".to_owned(), recorded));
        set("battery staple", None).await.expect("is set");

        assert_eq!((sessions_of(&app, eve).await, sessions_of(&app, other).await), (vec![], vec![others]));
        assert!(is_alive(&app, 1).await, "what was authorized goes on");
    }

    async fn a_new_user_gets_the_given_name_and_an_existing_user_keeps_theirs(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        for (org_id, name) in [(acme.org_id, " Eve L\u{f6}v "), (umbra.org_id, "Somebody else")] {
            let name = Some(name);
            create_user::create_user(app.context(), org_id, NewMember { name, ..NewMember::new(EVE, Role::Standard) }, &BY).await.expect("joins");
        }

        let eve = users::find_by_email(app.db(), EVE).await.expect("is readable").expect("is there");
        assert_eq!(eve.name.as_deref(), Some("Eve L\u{f6}v"));
    }

    async fn expired_rows_are_deleted_and_others_are_kept(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let user_id = user_id(&app, &acme.email).await;
        granted(&app, 1, acme.org_id, user_id, Some(START)).await;
        signed_in(&app, 1, user_id).await;
        let client_id = ClientId::parse(&app.registered("App").await).expect("an id");
        let request = asks("openid", &[]);
        let pending = NewPendingRequest {
            digest: Digest::of("handle"),
            browser_digest: Digest::of("browser"),
            client_id,
            request: &request,
            session_id: None,
            created_at: START,
            expires_at: START.plus(600),
        };
        requests::insert(app.db(), &pending).await.expect("is inserted");
        let at = async |seconds: i64| {
            let passed = app.context().clock.now().seconds_since(START);
            app.clock.advance(Duration::from_secs(u64::try_from(seconds - passed).expect("time goes on")));
            forget_expired::forget_expired(app.context()).await.expect("succeeds")
        };
        let nothing = Forgotten::default();
        const DAY: i64 = 86_400;

        assert_eq!(at(599).await, nothing);
        assert_eq!(at(600).await, Forgotten { requests: 1, ..nothing });
        // A code is kept for ten minutes after it expires.
        assert_eq!(at(660).await, nothing);
        assert_eq!(at(661).await, Forgotten { codes: 1, ..nothing });
        assert_eq!(at(8 * 3_600).await, nothing);
        assert_eq!(at(8 * 3_600 + 1).await, Forgotten { sessions: 1, ..nothing });
        assert_eq!(at(DAY).await, nothing);
        assert_eq!(at(DAY + 1).await, Forgotten { families: 1, ..nothing });
    }
}
