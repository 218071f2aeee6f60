//! Every change records an audit event with its actor, target, and the values before and after.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use grantor::actions::audit::{Actor, AuditActor};
use grantor::actions::clients::scopes_restriction;
use grantor::actions::clients::scopes_restriction::NewRestriction;
use grantor::actions::keys::revoke_key;
use grantor::actions::orgs::bootstrap;
use grantor::actions::sign_in::set_password;
use grantor::actions::users::create_user;
use grantor::actions::users::create_user::NewMember;
use grantor::actions::users::disable_user;
use grantor::db::audit_events::AuditEvent;
use grantor::rules::audit::catalog::AUDIT_EVENTS;
use grantor::rules::client::ClientId;
use grantor::rules::id::OrgId;
use grantor::rules::identity::permission::Role;
use grantor::rules::scope::ScopeSet;
use grantor::rules::scope::scopes_restriction::ScopesRestriction;
use grantor::rules::secret::Secret;
use serde_json::{Value, json};

use crate::support::{START, TestApp, TestOperator, listed};

const COMMAND_LINE: AuditActor = AuditActor::COMMAND_LINE;

/// Action, target, and the values before and after.
type Recorded = (String, String, Option<Value>, Option<Value>);

async fn events(app: &TestApp, org_id: OrgId) -> Vec<AuditEvent> {
    let events = listed::audit_events(app.db(), org_id, 100).await.expect("is readable");
    events.iter().for_each(assert_documented);
    events
}

/// Asserts that the catalog lists the event and all of its members.
fn assert_documented(event: &AuditEvent) {
    let kind = AUDIT_EVENTS.iter().find(|kind| kind.name == event.action);
    let kind =
        kind.unwrap_or_else(|| panic!("{} is not in the catalog of audit events", event.action));
    let objects = event.before.iter().chain(&event.after).filter_map(Value::as_object);
    for member in objects.flat_map(|object| object.keys()) {
        assert!(
            kind.members.contains(&member.as_str()),
            "the catalog lacks the member {member} of {}",
            event.action
        );
    }
}

/// The events that `change` adds to the audit trail of an organization.
async fn events_of(app: &TestApp, org_id: OrgId, change: impl AsyncFnOnce()) -> Vec<Recorded> {
    let before = events(app, org_id).await.len();
    change().await;
    let recorded = |event: AuditEvent| (event.action, event.subject, event.before, event.after);
    events(app, org_id).await.into_iter().skip(before).map(recorded).collect()
}

fn recorded(action: &str, subject: String, before: Option<Value>, after: Value) -> Recorded {
    (action.to_owned(), subject, before, Some(after))
}

async fn client(app: &TestApp) -> ClientId {
    ClientId::parse(&app.registered("A client").await).expect("an id")
}

fn restriction(app: &TestApp, oidc: &[&str], permission: &[&str]) -> ScopesRestriction {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    ScopesRestriction::parse(&names(oidc), &names(permission), &app.app.catalog)
        .expect("known scopes")
}

async fn restrict(
    operator: &TestOperator<'_>,
    client_id: ClientId,
    restriction: &ScopesRestriction,
) {
    let app = operator.app;
    let rules = app.app.restriction_rules(client_id);
    let new = NewRestriction {
        org_id: operator.org_id,
        client_id,
        restriction: Some(restriction),
        rules,
    };
    scopes_restriction::restrict_scopes(app.context(), new, None, &COMMAND_LINE)
        .await
        .expect("is restricted");
}

on_both! {
    async fn an_event_records_its_actor_time_and_address(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let keys = (&acme.keys.api_key, &acme.keys.application_key);
        let found = app.app.callers.find(app.db(), keys.0, keys.1).await.expect("is readable");
        let operator = found.expect("is named").caller;
        app.clock.advance(Duration::from_secs(60));
        let by = AuditActor {
            actor: Actor::ApiCaller(operator),
            request_id: Some("0123456789abcdef".to_owned()),
            address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        };

        let eve = create_user::create_user(app.context(), acme.org_id, NewMember::new("eve@acme.example", Role::ReadOnly), &by)
            .await
            .expect("joins");

        let event = events(&app, acme.org_id).await.pop().expect("an event");
        let expected = AuditEvent {
            id: event.id,
            org_id: Some(acme.org_id),
            at: START.plus(60),
            actor: format!("user:{} application_key:{}", operator.user_id, acme.keys.application_key_id),
            action: "member.joined".to_owned(),
            subject: format!("user:{}", eve.id),
            before: None,
            after: Some(json!({"email": "eve@acme.example", "role": "read_only"})),
            request_id: Some("0123456789abcdef".to_owned()),
            address: Some("192.0.2.7".to_owned()),
        };
        assert_eq!(event, expected);
    }

    async fn a_bootstrap_records_four_events_in_order(engine: Engine) {
        let app = TestApp::start(engine).await;

        let made =
            bootstrap::bootstrap(app.context(), "Acme", "ada@acme.example", None, &COMMAND_LINE).await.expect("is made");

        let listed = events(&app, made.org_id).await;
        assert!(listed.iter().all(|event| event.actor == "command_line" && event.at == START));
        assert!(listed.iter().all(|event| event.request_id.is_none() && event.address.is_none()));
        let listed: Vec<Recorded> =
            listed.into_iter().map(|event| (event.action, event.subject, event.before, event.after)).collect();
        let user = format!("user:{}", made.user.id);
        assert_eq!(listed, [
            recorded("org.created", format!("org:{}", made.org_id), None, json!({"name": "Acme"})),
            recorded("member.joined", user.clone(), None, json!({"email": "ada@acme.example", "role": "admin"})),
            recorded("api_key.created", format!("api_key:{}", made.keys.api_key_id), None, json!({"name": "API key"})),
            recorded(
                "application_key.created",
                format!("application_key:{} {user}", made.keys.application_key_id),
                None,
                json!({"name": "Application key", "scopes": null}),
            ),
        ]);
    }

    async fn a_restriction_event_has_the_values_before_and_after(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client_id) = (app.operator("Acme").await, client(&app).await);
        let subject = format!("client:{client_id}");
        let nothing = json!({"scopes_restriction": null});
        let first = json!({"scopes_restriction": {"oidc_scopes": ["openid"], "permission_scopes": []}});
        let second = json!({"scopes_restriction": {"oidc_scopes": [], "permission_scopes": ["mcp_read"]}});

        let openid = restriction(&app, &["openid"], &[]);
        let set = events_of(&app, acme.org_id, async || restrict(&acme, client_id, &openid).await).await;
        assert_eq!(set, [recorded("scopes_restriction.set", subject.clone(), Some(nothing.clone()), first.clone())]);

        let mcp_read = restriction(&app, &[], &["mcp_read"]);
        let set = events_of(&app, acme.org_id, async || restrict(&acme, client_id, &mcp_read).await).await;
        assert_eq!(set, [recorded("scopes_restriction.set", subject.clone(), Some(first), second.clone())]);

        let lift = async || {
            let rules = app.app.restriction_rules(client_id);
            let lifted = scopes_restriction::lift_restriction(app.context(), rules, acme.org_id, client_id, &COMMAND_LINE).await;
            lifted.expect("is lifted");
        };
        let lifted = events_of(&app, acme.org_id, lift).await;
        assert_eq!(lifted, [recorded("scopes_restriction.lifted", subject, Some(second), nothing)]);
        assert_eq!(events_of(&app, acme.org_id, lift).await, [], "deleting a missing restriction changes nothing");
    }

    async fn a_preview_or_a_refusal_records_no_event(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client_id) = (app.operator("Acme").await, client(&app).await);
        let wanted = restriction(&app, &["openid"], &[]);
        let rules = app.app.restriction_rules(client_id);
        let new = NewRestriction { org_id: acme.org_id, client_id, restriction: Some(&wanted), rules };

        let events = events_of(&app, acme.org_id, async || {
            let context = app.context();
            scopes_restriction::preview_restriction(context, new).await.expect("is shown");
            scopes_restriction::restrict_scopes(context, new, Some("moved"), &COMMAND_LINE)
                .await
                .expect_err("is refused");
        })
        .await;

        assert_eq!(events, []);
    }

    async fn a_default_scopes_event_has_the_values_before_and_after(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let scopes = ScopeSet::parse("openid mcp_read").expect("scopes");
        let set = async |scopes: Option<&ScopeSet>| {
            app.set_default_scopes(acme.org_id, scopes).await.expect("is set");
        };

        let bound = events_of(&app, acme.org_id, async || set(Some(&scopes)).await).await;
        let lifted = events_of(&app, acme.org_id, async || set(None).await).await;

        let (action, subject) = ("org.default_client_scopes_set", format!("org:{}", acme.org_id));
        let none = json!({"default_client_scopes": null});
        let some = json!({"default_client_scopes": ["mcp_read", "openid"]});
        assert_eq!(bound, [recorded(action, subject.clone(), Some(none.clone()), some.clone())]);
        assert_eq!(lifted, [recorded(action, subject, Some(some), none)]);
    }

    async fn changes_to_a_user_are_recorded_in_each_of_their_organizations(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        acme.colleague("eve@mail.example", Role::Standard).await;
        umbra.colleague("eve@mail.example", Role::Standard).await;
        let eve = grantor::db::users::find_by_email(app.db(), "eve@mail.example").await.expect("is readable");
        let subject = format!("user:{}", eve.expect("is there").id);
        let disable = async || {
            disable_user::disable_user(app.context(), &app.app.callers, "eve@mail.example", &COMMAND_LINE)
                .await
                .expect("is disabled");
        };
        let set_password = async || {
            let new = set_password::NewPassword::chosen(Secret::new("correct horse battery".to_owned()));
            set_password::set_password(app.context(), "eve@mail.example", new, &COMMAND_LINE).await.expect("is set");
        };

        let before = events(&app, umbra.org_id).await.len();
        let password = events_of(&app, acme.org_id, set_password).await;
        let disabled = events_of(&app, acme.org_id, disable).await;
        let again = events_of(&app, acme.org_id, disable).await;

        let now = json!({"disabled_at": START.seconds(), "grants_ended": 0, "sessions_ended": 0});
        assert_eq!(password, [recorded("user.password_set", subject.clone(), None, json!({"made_by_server": false, "sessions_ended": 0, "grants_ended": 0}))]);
        assert_eq!(disabled, [recorded("user.disabled", subject, None, now)]);
        assert_eq!(again, [], "disabling twice changes nothing");
        let in_umbra = events(&app, umbra.org_id).await.into_iter().skip(before).map(|event| event.action);
        assert_eq!(in_umbra.collect::<Vec<_>>(), ["user.password_set", "user.disabled"]);
    }

    async fn revoking_a_key_records_its_kind(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let revoke = async |id| {
            revoke_key::revoke_key(app.context(), &app.app.callers, id, &COMMAND_LINE).await.expect("is revoked");
        };

        let application_key = events_of(&app, acme.org_id, async || revoke(acme.keys.application_key_id).await).await;
        let api_key = events_of(&app, acme.org_id, async || revoke(acme.keys.api_key_id).await).await;

        let now = json!({"revoked_at": START.seconds()});
        let subject = format!("application_key:{}", acme.keys.application_key_id);
        assert_eq!(application_key, [recorded("application_key.revoked", subject, None, now.clone())]);
        assert_eq!(api_key, [recorded("api_key.revoked", format!("api_key:{}", acme.keys.api_key_id), None, now)]);
    }

    async fn no_event_contains_a_secret(engine: Engine) {
        let app = TestApp::start(engine).await;
        let made =
            bootstrap::bootstrap(app.context(), "Acme", "ada@acme.example", None, &COMMAND_LINE).await.expect("is made");

        let recorded = format!("{:?}", events(&app, made.org_id).await);

        let password = made.user.password.expect("was made");
        for secret in [&made.keys.api_key, &made.keys.application_key, &password] {
            assert!(!recorded.contains(secret.expose()));
        }
    }
}
