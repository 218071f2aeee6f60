//! Users in one organization or several, with and without passwords and keys.

use grantor::actions::audit::AuditActor;
use grantor::actions::keys::create_key;
use grantor::actions::keys::create_key::{CreateKeyError, NewKeys};
use grantor::actions::keys::revoke_key;
use grantor::actions::keys::revoke_key::RevokeKeyError;
use grantor::actions::sign_in::set_password;
use grantor::actions::sign_in::set_password::NewPassword;
use grantor::actions::sign_in::{SignInAttempt, SignInError, sign_in};
use grantor::actions::users::create_user;
use grantor::actions::users::create_user::CreateUserError;
use grantor::actions::users::create_user::NewMember;
use grantor::actions::users::disable_user;
use grantor::actions::users::disable_user::UserError;
use grantor::db::orgs::memberships;
use grantor::db::users;
use grantor::db::users::sessions;
use grantor::passwords::hash::password_matches;
use grantor::rules::id::KeyId;
use grantor::rules::identity::api_caller::ApiCaller;
use grantor::rules::identity::password::PasswordError;
use grantor::rules::identity::permission::Role;
use grantor::rules::secret::Secret;

use crate::support::{Engine, START, TestApp};

const BY: AuditActor = AuditActor::COMMAND_LINE;
const EVE: &str = "eve@mail.example";
const ROUNDS: u32 = 10;

fn secret(text: &str) -> Option<Secret> {
    Some(Secret::new(text.to_owned()))
}

fn chosen(text: &str) -> NewPassword {
    NewPassword::chosen(Secret::new(text.to_owned()))
}

async fn named(app: &TestApp, keys: &NewKeys) -> Option<ApiCaller> {
    let found = app.app.callers.find(app.db(), &keys.api_key, &keys.application_key).await;
    found.expect("is readable").map(|found| found.caller)
}

/// The stored password hash of a user.
async fn password_hash(app: &TestApp, email: &str) -> String {
    let user = users::find_by_email(app.db(), email).await.expect("is readable").expect("is there");
    users::find_password_hash(app.db(), user.id).await.expect("is readable").expect("is there")
}

/// The first two of three transactions that create a member or keys fail with a conflict. A
/// sequence counts them, because a rollback does not reset it. SQLite has one writer at a time, so
/// it has no such conflicts.
const TWO_OF_THREE_MEET_ANOTHER: &str = "
    CREATE SEQUENCE attempts;
    CREATE FUNCTION meet_another() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('attempts') % 3 <> 0 THEN
            RAISE EXCEPTION 'another transaction was in the way' USING ERRCODE = 'deadlock_detected';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER meet_another BEFORE INSERT ON memberships FOR EACH ROW EXECUTE FUNCTION meet_another();
    CREATE TRIGGER meet_another BEFORE INSERT ON application_keys FOR EACH ROW EXECUTE FUNCTION meet_another()";

/// SQLite has one writer at a time, so there nobody meets another one.
#[tokio::test]
async fn creating_a_member_and_keys_is_retried_after_two_conflicts() {
    let app = TestApp::start(Engine::Postgres).await;
    let acme = app.operator("Acme").await;
    app.execute(TWO_OF_THREE_MEET_ANOTHER).await;

    let made = create_user::create_user(
        app.context(),
        acme.org_id,
        NewMember::new(EVE, Role::Standard),
        &BY,
    )
    .await;
    let keys = create_key::create_key(app.context(), acme.org_id, EVE, &BY).await;

    let password = made.expect("joins").password.expect("was made");
    assert!(password_matches(&password, &password_hash(&app, EVE).await));
    assert!(named(&app, &keys.expect("are created")).await.is_some());
}

on_both! {
    async fn a_user_in_two_organizations_has_a_role_in_each(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let join = async |org_id, email, role, password| {
            create_user::create_user(app.context(), org_id, NewMember { email, name: None, role, password }, &BY).await
        };

        let first = join(acme.org_id, EVE, Role::Standard, secret("correct horse")).await.expect("joins");
        let second = join(umbra.org_id, " EVE@mail.example", Role::ReadOnly, None).await.expect("joins");

        assert_eq!((first.id, first.email.as_str()), (second.id, EVE));
        assert!(first.password.is_none() && second.password.is_none(), "no password was made");
        assert!(password_matches(&Secret::new("correct horse".to_owned()), &password_hash(&app, EVE).await));
        let role = async |org_id| memberships::find(app.db(), org_id, first.id).await.expect("is readable");
        assert_eq!((role(acme.org_id).await, role(umbra.org_id).await), (Some(Role::Standard), Some(Role::ReadOnly)));
    }

    async fn a_user_cannot_join_twice_and_joining_does_not_change_their_password(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        acme.colleague(EVE, Role::Standard).await;
        let hash = password_hash(&app, EVE).await;

        let twice = create_user::create_user(app.context(), acme.org_id, NewMember::new(EVE, Role::Admin), &BY).await;
        let password = secret("another password");
        let second = create_user::create_user(app.context(), umbra.org_id, NewMember { password, ..NewMember::new(EVE, Role::Admin) }, &BY).await;

        assert!(matches!(&twice, Err(CreateUserError::Exists(email)) if email == EVE), "{twice:?}");
        assert!(matches!(&second, Err(CreateUserError::HasPassword(email)) if email == EVE), "{second:?}");
        assert_eq!(password_hash(&app, EVE).await, hash);
        let members = memberships::list(app.db(), None).await.expect("is readable");
        let eves: Vec<_> = members.iter().filter(|member| member.email == EVE).map(|member| member.role).collect();
        assert_eq!(eves, [Role::Standard]);
    }

    async fn disabling_a_user_disables_their_keys_in_every_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let in_acme = acme.colleague(EVE, Role::Standard).await;
        let in_umbra = umbra.colleague(EVE, Role::Admin).await;
        assert!(named(&app, &in_acme.keys).await.is_some() && named(&app, &in_umbra.keys).await.is_some());

        disable_user::disable_user(app.context(), &app.app.callers, "EVE@mail.example", &BY).await.expect("is disabled");

        assert_eq!((named(&app, &in_acme.keys).await, named(&app, &in_umbra.keys).await), (None, None));
        assert!(named(&app, &acme.keys).await.is_some(), "other users are not affected");
        let eve = users::find_by_email(app.db(), EVE).await.expect("is readable").expect("is there");
        assert_eq!(eve.disabled_at, Some(START));
    }

    async fn an_enabled_user_has_their_earlier_keys_and_roles_and_can_sign_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let eve = acme.colleague(EVE, Role::Standard).await;
        set_password::set_password(app.context(), EVE, chosen("correct horse"), &BY).await.expect("is set");
        let attempt = || SignInAttempt {
            email: EVE,
            password: Secret::new("correct horse".to_owned()),
            user_agent: "",
            address: None,
            replaces: None,
            browser: None,
            is_known: false,
        };
        disable_user::disable_user(app.context(), &app.app.callers, EVE, &BY).await.expect("is disabled");
        let refused = sign_in(app.context(), attempt()).await;

        for _ in 0..2 {
            disable_user::enable_user(app.context(), &app.app.callers, EVE, &BY).await.expect("is enabled");
        }

        assert!(matches!(&refused, Err(SignInError::Refused)), "{refused:?}");
        assert!(named(&app, &eve.keys).await.is_some());
        sign_in(app.context(), attempt()).await.expect("signs in");
        let unknown = disable_user::enable_user(app.context(), &app.app.callers, "nobody@mail.example", &BY).await;
        assert!(matches!(&unknown, Err(UserError::NoSuchUser(_))), "{unknown:?}");
    }

    async fn a_disabled_user_gets_no_new_keys(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        acme.colleague(EVE, Role::Standard).await;
        disable_user::disable_user(app.context(), &app.app.callers, EVE, &BY).await.expect("is disabled");

        let refused = create_key::create_key(app.context(), acme.org_id, EVE, &BY).await;

        assert!(matches!(&refused, Err(CreateKeyError::Disabled(email)) if email == EVE), "{refused:?}");
    }

    async fn disabling_a_user_twice_succeeds_and_an_unknown_user_fails(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.operator("Acme").await.colleague(EVE, Role::Standard).await;
        let disable = async |email| disable_user::disable_user(app.context(), &app.app.callers, email, &BY).await;

        disable(EVE).await.expect("is disabled");
        disable(EVE).await.expect("is fine");
        let unknown = disable("nobody@mail.example").await;
        let garbled = disable("nobody\n").await;

        assert!(matches!(&unknown, Err(UserError::NoSuchUser(_))), "{unknown:?}");
        assert!(matches!(&garbled, Err(UserError::NoSuchUser(name)) if name == "nobody\\n"), "{garbled:?}");
    }

    async fn only_members_get_keys(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);

        let refused = create_key::create_key(app.context(), acme.org_id, &umbra.email, &BY).await;

        assert!(matches!(&refused, Err(CreateKeyError::NoSuchUser(email)) if *email == umbra.email), "{refused:?}");
    }

    async fn a_key_can_be_revoked_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let revoke = async |id: KeyId| revoke_key::revoke_key(app.context(), &app.app.callers, id, &BY).await;
        let id = acme.keys.application_key_id;
        revoke(id).await.expect("is revoked");

        let again = revoke(id).await;

        assert!(matches!(again, Err(RevokeKeyError::NoSuchKey(name)) if name == id), "{again:?}");
        revoke(acme.keys.api_key_id).await.expect("the other key is another one");
    }

    async fn no_session_survives_a_concurrent_password_change(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        app.operator("Acme").await.colleague(EVE, Role::Standard).await;
        let user = users::find_by_email(app.db(), EVE).await.expect("is readable").expect("is there");
        for round in 0..ROUNDS {
            let (old, new) = (format!("phrase of round {round}"), format!("phrase of round {}", round + 1));
            set_password::set_password(app.context(), EVE, chosen(&old), &BY).await.expect("is set");
            let attempt = SignInAttempt {
                email: EVE,
                password: Secret::new(old),
                user_agent: "Browser",
                address: None,
                replaces: None,
                browser: None,
                is_known: false,
            };

            let (signed_in, set) = tokio::join!(
                sign_in(app.context(), attempt),
                set_password::set_password(replica.context(), EVE, chosen(&new), &BY),
            );

            set.expect("is set");
            match signed_in {
                // The old session either ends, or its request is refused because it waited too
                // long.
                Ok(_) | Err(SignInError::Refused) => {}
                Err(SignInError::Db(cause)) => assert!(cause.is_transient(), "{cause}"),
                Err(SignInError::Busy(cause)) => panic!("{cause}"),
            }
            assert_eq!(sessions::list(app.db(), user.id).await.expect("is readable"), [], "{round}");
        }
    }

    async fn a_new_password_replaces_the_old_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.operator("Acme").await.colleague(EVE, Role::Standard).await;
        let set = async |email, new| set_password::set_password(app.context(), email, new, &BY).await;

        let generated = set(EVE, chosen("correct horse")).await.expect("is set");
        assert!(generated.is_none(), "a chosen password is not returned");
        assert!(password_matches(&Secret::new("correct horse".to_owned()), &password_hash(&app, EVE).await));

        let made = set(EVE, NewPassword::default()).await.expect("is set").expect("is shown");
        assert!(password_matches(&made, &password_hash(&app, EVE).await));

        let short = set(EVE, chosen("short")).await;
        assert!(matches!(short, Err(UserError::Weak(PasswordError::TooShort))), "{short:?}");
        assert!(password_matches(&made, &password_hash(&app, EVE).await));
        let nobody = set("nobody@mail.example", NewPassword::default()).await;
        assert!(matches!(nobody, Err(UserError::NoSuchUser(_))), "{nobody:?}");
    }
}
