//! Changing the role of a member and ending a membership affect one organization only.

use std::time::Duration;

use axum::http::Method;
use grantor::actions::audit::AuditActor;
use grantor::actions::authorize::offer_scopes;
use grantor::actions::keys::create_key;
use grantor::actions::orgs::create_org;
use grantor::actions::orgs::rename_org;
use grantor::actions::users::create_user;
use grantor::actions::users::create_user::NewMember;
use grantor::actions::users::disable_user;
use grantor::actions::users::membership::{MemberName, MembershipError};
use grantor::actions::users::remove_member::{Removed, remove_member};
use grantor::actions::users::set_role;
use grantor::actions::users::set_role::NewRole;
use grantor::db::audit_events::AuditEvent;
use grantor::db::orgs::memberships;
use grantor::db::users;
use grantor::rules::id::OrgId;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::flow::{Form, McpClient};
use crate::support::granted::{Granted, asks};
use crate::support::{Bearer, TestApp, TestOperator, listed, request};

const BY: AuditActor = AuditActor::COMMAND_LINE;
const EVE: &str = "eve@mail.example";
const REDIRECT: &str = "https://app.example/cb";
const CLIENTS: &str = "/api/v2/org_authorized_clients";
const WRITES: &str = "org_authorized_apps_write";

async fn set_role(
    app: &TestApp,
    org_id: OrgId,
    email: &str,
    role: Role,
) -> Result<(), MembershipError> {
    let new = NewRole { org_id, member: MemberName::Email(email), role };
    set_role::set_role(app.context(), &app.app.callers, new, &BY).await.map(drop)
}

async fn remove(app: &TestApp, org_id: OrgId, email: &str) -> Result<Removed, MembershipError> {
    remove_member(app.context(), &app.app.callers, org_id, MemberName::Email(email), &BY).await
}

/// Ends only the membership. Keys, grants and tokens are kept.
async fn end_membership(app: &TestApp, org_id: OrgId, email: &str) {
    let user = users::find_by_email(app.db(), email).await.expect("is readable").expect("is there");
    let mut tx = app.db().begin().await.expect("begins");
    memberships::end(&mut tx, org_id, user.id, app.context().clock.now()).await.expect("is ended");
    tx.commit().await.expect("commits");
    app.app.callers.clear();
}

async fn events(app: &TestApp, org_id: OrgId) -> Vec<AuditEvent> {
    listed::audit_events(app.db(), org_id, 100).await.expect("is readable")
}

/// The action of the latest event, and the values before and after.
async fn last_event(app: &TestApp, org_id: OrgId) -> (String, Option<Value>, Option<Value>) {
    let event = events(app, org_id).await.pop().expect("an event");
    (event.action, event.before, event.after)
}

/// Whether the management API accepts the keys.
async fn may_call(operator: &TestOperator<'_>) -> bool {
    operator.get(CLIENTS).await.status == 200
}

async fn userinfo(app: &TestApp, token: &str) -> u16 {
    let get = request(Method::GET, "/oauth2/v1/userinfo")
        .header("authorization", format!("Bearer {token}"));
    app.ask(get).await.status.as_u16()
}

on_both! {
    async fn a_new_role_applies_immediately_and_on_replicas_within_five_seconds(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let acme = app.operator("Acme").await;
        let eve = acme.colleague(EVE, Role::Admin).await;
        let client_id = app.registered("App").await;
        let disable = format!("{CLIENTS}/{}", Bearer::of(&eve, &client_id, WRITES, &[]).await.authorized_id);
        let token = Bearer::of(&eve, &app.registered("Another").await, WRITES, &[]).await;
        let with_keys = async |app: &TestApp| app.ask(eve.request(Method::DELETE, &disable)).await.status.as_u16();
        let with_token = async |app: &TestApp| app.ask(token.request(Method::DELETE, &disable)).await.status.as_u16();
        assert_eq!((with_keys(&replica).await, eve.on(&replica).get(CLIENTS).await.status.as_u16()), (204, 200));

        set_role(&app, acme.org_id, EVE, Role::ReadOnly).await.expect("is set");

        assert_eq!((with_keys(&app).await, with_token(&app).await, with_token(&replica).await), (403, 403, 403));
        assert!(app.app.find_live(token.token.expose()).await.expect("is readable").is_some_and(|it| it.scopes.is_empty()));
        replica.clock.advance(Duration::from_secs(5));
        assert_eq!(with_keys(&replica).await, 403);
        let changed = ("member.role_changed".to_owned(), Some(json!({"role": "admin"})), Some(json!({"role": "read_only"})));
        assert_eq!(last_event(&app, acme.org_id).await, changed);
        let count = events(&app, acme.org_id).await.len();
        set_role(&app, acme.org_id, EVE, Role::ReadOnly).await.expect("is fine");
        assert_eq!(events(&app, acme.org_id).await.len(), count, "the same role again changes nothing");
    }

    async fn a_demotion_applies_at_the_next_refresh_introspection_and_authorization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = Granted::new(&app).await;
        let eve = acme.another_user(EVE).await;
        set_role(&app, acme.org_id(), EVE, Role::Admin).await.expect("is set");
        let tokens = eve.tokens(&format!("openid {WRITES}")).await;
        assert_eq!(eve.introspected(&tokens.access).await["scope"], format!("openid {WRITES}"));

        set_role(&app, acme.org_id(), EVE, Role::Standard).await.expect("is set");

        assert_eq!(eve.introspected(&tokens.access).await["scope"], "openid");
        let refreshed = eve.refreshed(&tokens.refresh).await;
        assert_eq!((refreshed.status.as_u16(), &refreshed.json()["scope"]), (200, &json!("openid")));
        let request = asks(&format!("openid {WRITES}"), &[]);
        let offer = eve.offer(&eve.waiting(&request).await).await.expect("is offered");
        assert_eq!(offer.scopes.all().to_string(), "openid");
        set_role(&app, acme.org_id(), EVE, Role::Admin).await.expect("is set");
        assert_eq!(eve.introspected(&tokens.access).await["scope"], format!("openid {WRITES}"));
    }

    async fn a_user_who_leaves_loses_only_the_keys_and_grants_of_that_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = Granted::new(&app).await;
        let umbra = app.operator("Umbra").await;
        let eve = acme.another_user(EVE).await;
        let eve_in_umbra = umbra.colleague(EVE, Role::Standard).await;
        let (tokens, code) = (eve.tokens("openid").await, eve.code_of_mcp("openid").await);
        let in_umbra = Bearer::of(&eve_in_umbra, &eve.client_id, "openid", &[]).await;
        let others = acme.tokens("openid").await;

        let removed = remove(&app, acme.org_id(), EVE).await.expect("is removed");

        assert_eq!((removed.grants, removed.application_keys), (1, 1));
        assert!(!eve.is_active(&tokens.access).await && !may_call(&eve.operator).await);
        assert_eq!(eve.refreshed(&tokens.refresh).await.json()["error"], "invalid_grant");
        assert_eq!(eve.exchanged(&code).await.json()["error"], "invalid_grant");
        assert_eq!(userinfo(&app, &tokens.access).await, 401);
        assert!(in_umbra.lives().await && may_call(&eve_in_umbra).await && acme.is_active(&others.access).await);
        let user = users::find_by_email(app.db(), EVE).await.expect("is readable").expect("is there");
        assert_eq!(user.disabled_at, None);
        let recorded: Vec<String> = events(&app, acme.org_id()).await.into_iter().rev().take(3).map(|it| it.action).collect();
        assert_eq!(recorded, ["member.left", "application_key.revoked", "grant.revoked"]);
        let left = ("member.left".to_owned(), Some(json!({"email": EVE, "role": "standard"})),
            Some(json!({"grants_ended": 1, "application_keys_revoked": 1})));
        assert_eq!(last_event(&app, acme.org_id()).await, left);
        let again = remove(&app, acme.org_id(), EVE).await;
        assert!(matches!(&again, Err(MembershipError::NotAMember(email)) if email == EVE), "{again:?}");
    }

    async fn a_user_who_joins_again_gets_the_new_role_and_nothing_that_ended(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = Granted::new(&app).await;
        let eve = acme.another_user(EVE).await;
        let tokens = eve.tokens("openid").await;
        remove(&app, acme.org_id(), EVE).await.expect("is removed");
        let refused = create_key::create_key(app.context(), acme.org_id(), EVE, &BY).await;
        assert!(matches!(refused, Err(create_key::CreateKeyError::NoSuchUser(_))), "{refused:?}");

        let join = async || create_user::create_user(app.context(), acme.org_id(), NewMember::new(EVE, Role::ReadOnly), &BY).await;
        join().await.expect("joins again");
        let twice = join().await;

        let role = memberships::find(app.db(), acme.org_id(), eve.user.id).await.expect("is readable");
        assert_eq!(role, Some(Role::ReadOnly));
        assert!(!may_call(&eve.operator).await && !eve.is_active(&tokens.access).await);
        assert!(matches!(twice, Err(create_user::CreateUserError::Exists(_))), "{twice:?}");
        let joined = ("member.joined".to_owned(), None, Some(json!({"email": EVE, "role": "read_only"})));
        assert_eq!(last_event(&app, acme.org_id()).await, joined);
        eve.tokens("openid").await;
    }

    async fn keys_and_grants_from_between_two_memberships_never_work(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = Granted::new(&app).await;
        let eve = acme.another_user(EVE).await;
        let tokens = eve.tokens("openid").await;
        // Simulates a server of an older version, which ignores the end of a membership.
        end_membership(&app, acme.org_id(), EVE).await;

        create_user::create_user(app.context(), acme.org_id(), NewMember::new(EVE, Role::Standard), &BY).await.expect("joins");

        assert!(!may_call(&eve.operator).await && !eve.is_active(&tokens.access).await);
        assert_eq!(eve.refreshed(&tokens.refresh).await.json()["error"], "invalid_grant");
        let recorded: Vec<String> = events(&app, acme.org_id()).await.into_iter().rev().take(3).map(|it| it.action).collect();
        assert_eq!(recorded, ["member.joined", "application_key.revoked", "grant.revoked"]);
        eve.tokens("openid").await;
    }

    async fn an_ended_membership_does_not_count_anywhere(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = Granted::new(&app).await;
        let eve = acme.another_user(EVE).await;
        let tokens = eve.tokens(&format!("openid {}", "org_authorized_apps_read")).await;
        let for_this_server = Bearer::of(&eve.operator, &eve.client_id, "org_authorized_apps_read", &[]).await;
        let request = asks("openid", &[]);
        let waiting = eve.waiting(&request).await;
        assert_eq!(for_this_server.get(CLIENTS).await.status, 200);

        end_membership(&app, acme.org_id(), EVE).await;

        assert!(!may_call(&eve.operator).await, "keys");
        assert_eq!(for_this_server.get(CLIENTS).await.status, 401, "tokens for this server");
        assert!(!eve.is_active(&tokens.access).await, "introspection");
        assert_eq!(userinfo(&app, &tokens.access).await, 401, "user information");
        assert_eq!(eve.refreshed(&tokens.refresh).await.json()["error"], "invalid_grant", "refreshing");
        assert!(matches!(eve.offer(&waiting).await, Err(offer_scopes::OfferError::NotAMember)), "consent");
        let db = app.db();
        assert_eq!(memberships::find(db, acme.org_id(), eve.user.id).await.expect("is readable"), None);
        assert_eq!(memberships::list_orgs(db, eve.user.id).await.expect("is readable"), []);
        assert_eq!(memberships::list_of_user(db, eve.user.id).await.expect("is readable"), []);
        let key = create_key::create_key(app.context(), acme.org_id(), EVE, &BY).await;
        assert!(matches!(key, Err(create_key::CreateKeyError::NoSuchUser(_))), "new keys");
    }

    async fn a_session_cannot_act_in_an_organization_that_its_user_left(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let mut eve = acme.person(EVE, Role::Standard).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let consent = eve.opens_consent(&client.url(&[])).await;
        remove(&app, acme.org_id, EVE).await.expect("is removed");

        let approved = eve.submit(&Form::approving(&consent)).await;

        assert_eq!(approved.status, 403, "{}", approved.text);
        assert_eq!(eve.open("/account").await.status, 200, "the account and its session stay");
        umbra.adds_member(&eve, Role::Standard).await;
        let page = eve.opens_consent(&client.url(&[])).await;
        assert!(page.text.contains("Umbra") && !page.text.contains("Acme"), "{}", page.text);
        client.code(&eve.submit(&Form::approving(&page)).await);
    }

    async fn the_last_active_administrator_cannot_be_demoted_or_removed(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        acme.colleague(EVE, Role::Admin).await;
        disable_user::disable_user(app.context(), &app.app.callers, EVE, &BY).await.expect("is disabled");

        let demoted = set_role(&app, acme.org_id, &acme.email, Role::Standard).await;
        let removed = remove(&app, acme.org_id, &acme.email).await;

        assert!(matches!(&demoted, Err(MembershipError::LastAdministrator(email)) if *email == acme.email), "{demoted:?}");
        assert!(matches!(&removed, Err(MembershipError::LastAdministrator(_))), "{removed:?}");
        assert!(may_call(&acme).await);
        disable_user::enable_user(app.context(), &app.app.callers, EVE, &BY).await.expect("is enabled");
        set_role(&app, acme.org_id, &acme.email, Role::Standard).await.expect("is set");
    }

    async fn concurrent_demotions_and_removals_leave_one_administrator(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let acme = app.operator("Acme").await;
        acme.colleague(EVE, Role::Admin).await;
        for round in 0..10 {
            let (one, other) = tokio::join!(
                set_role(&app, acme.org_id, &acme.email, Role::Standard),
                async {
                    match round % 2 {
                        0 => set_role(&replica, acme.org_id, EVE, Role::ReadOnly).await,
                        _ => remove(&replica, acme.org_id, EVE).await.map(drop),
                    }
                },
            );

            let administrators = memberships::list_active_administrators(app.db(), acme.org_id).await.expect("is readable");
            assert_eq!(administrators.len(), 1, "{round}: {one:?} {other:?}");
            assert!(one.is_ok() != other.is_ok(), "{round}: {one:?} {other:?}");
            if other.is_ok() && round % 2 == 1 {
                create_user::create_user(app.context(), acme.org_id, NewMember::new(EVE, Role::Admin), &BY).await.expect("joins");
            }
            for email in [acme.email.as_str(), EVE] {
                set_role(&app, acme.org_id, email, Role::Admin).await.expect("is set");
            }
        }
    }

    async fn a_user_who_leaves_meanwhile_grants_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let acme = Granted::new(&app).await;
        let eve = acme.another_user(EVE).await;
        for round in 0..10 {
            let request = asks("openid", &[]);
            let waiting = eve.waiting(&request).await;
            let offer = eve.offer(&waiting).await.expect("is offered");
            let ticked = offer.scopes.all();

            let (approved, removed) = tokio::join!(
                eve.answer(&waiting, Some((&offer, &ticked))),
                remove(&replica, acme.org_id(), EVE),
            );

            removed.expect("is removed");
            if let Ok(code) = approved {
                assert_eq!(eve.exchanged(&code).await.json()["error"], "invalid_grant", "{round}");
            }
            let live = grantor::db::grants::list_of_user(app.db(), eve.user.id).await.expect("is readable");
            assert_eq!(live.len(), 0, "{round}");
            create_user::create_user(app.context(), acme.org_id(), NewMember::new(EVE, Role::Standard), &BY).await.expect("joins");
        }
    }

    async fn an_organization_can_be_renamed_to_a_free_name(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        app.operator("Umbra").await;
        let org = grantor::db::orgs::find(app.db(), acme.org_id).await.expect("is readable").expect("is there");
        let rename = async |name: &str| rename_org::rename_org(app.context(), &org, name, &BY).await;

        assert_eq!(rename(" Acme Ltd ").await.expect("is renamed"), "Acme Ltd");

        let renamed = ("org.renamed".to_owned(), Some(json!({"name": "Acme"})), Some(json!({"name": "Acme Ltd"})));
        assert_eq!(last_event(&app, acme.org_id).await, renamed);
        let taken = rename("Umbra").await;
        assert!(matches!(&taken, Err(create_org::CreateOrgError::Exists(name)) if name == "Umbra"), "{taken:?}");
        assert!(matches!(rename(" ").await, Err(create_org::CreateOrgError::Name)));
        let count = events(&app, acme.org_id).await.len();
        rename("Acme Ltd").await.expect("is fine");
        assert_eq!(events(&app, acme.org_id).await.len(), count, "the same name again changes nothing");
    }

    async fn an_event_with_an_old_name_is_returned_with_the_current_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        app.execute("UPDATE audit_events SET action = 'user.joined' WHERE action = 'member.joined'").await;
        app.execute("UPDATE audit_events SET action = 'key.revoked' WHERE action = 'api_key.created'").await;

        let actions: Vec<String> = events(&app, acme.org_id).await.into_iter().map(|event| event.action).collect();

        assert_eq!(actions, ["org.created", "member.joined", "api_key.revoked", "application_key.created"]);
    }
}
