//! Creation of organizations, and the default scopes of their clients.

use grantor::actions::audit::AuditActor;
use grantor::actions::orgs::bootstrap;
use grantor::actions::orgs::bootstrap::BootstrapError;
use grantor::actions::orgs::create_org;
use grantor::actions::orgs::create_org::CreateOrgError;
use grantor::actions::orgs::default_client_scopes::SetDefaultsError;
use grantor::actions::users::create_user::CreateUserError;
use grantor::db::keys::api_keys;
use grantor::db::orgs::memberships;
use grantor::db::{orgs, users};
use grantor::rules::id::OrgId;
use grantor::rules::identity::permission::Role;
use grantor::rules::scope::ScopeSet;
use grantor::rules::secret::Secret;

use crate::support::{TestApp, listed};

const BY: AuditActor = AuditActor::COMMAND_LINE;

async fn defaults(app: &TestApp, org_id: OrgId) -> Option<ScopeSet> {
    orgs::find(app.db(), org_id)
        .await
        .expect("is readable")
        .expect("is there")
        .default_client_scopes
}

on_both! {
    async fn a_bootstrap_creates_an_administrator_with_working_keys(engine: Engine) {
        let app = TestApp::start(engine).await;

        let made = bootstrap::bootstrap(app.context(), " Acme ", "Ada@Acme.example", None, &BY).await.expect("is made");

        assert_eq!((made.org_name.as_str(), made.user.email.as_str()), ("Acme", "ada@acme.example"));
        assert!(made.user.password.is_some(), "the password was made here");
        let (api_key, application_key) = (&made.keys.api_key, &made.keys.application_key);
        let operator = app.app.callers.find(app.db(), api_key, application_key).await.expect("is readable");
        let named = operator.map(|found| (found.caller.org_id, found.caller.user_id, found.caller.role));
        assert_eq!(named, Some((made.org_id, made.user.id, Role::Admin)));
    }

    async fn a_bootstrap_with_a_taken_name_changes_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let before = listed::audit_events(app.db(), acme.org_id, 100).await.expect("is readable");

        let refused = bootstrap::bootstrap(app.context(), "Acme", "eve@mail.example", None, &BY).await;

        let exists =
            matches!(&refused, Err(BootstrapError::Org(CreateOrgError::Exists(name))) if name == "Acme");
        assert!(exists, "{refused:?}");
        assert_eq!(orgs::list(app.db()).await.expect("is readable").len(), 1);
        assert_eq!(users::find_by_email(app.db(), "eve@mail.example").await.expect("is readable"), None);
        assert_eq!(api_keys::list(app.db(), acme.org_id).await.expect("is readable").len(), 1);
        assert_eq!(listed::audit_events(app.db(), acme.org_id, 100).await.expect("is readable"), before);
    }

    async fn a_bootstrap_that_fails_halfway_leaves_no_organization(engine: Engine) {
        let app = TestApp::start(engine).await;

        let email = bootstrap::bootstrap(app.context(), "Acme", "nobody", None, &BY).await;
        let short = Some(Secret::new("short".to_owned()));
        let password = bootstrap::bootstrap(app.context(), "Acme", "ada@acme.example", short, &BY).await;

        assert!(matches!(email, Err(BootstrapError::User(CreateUserError::Email(_)))), "{email:?}");
        assert!(matches!(password, Err(BootstrapError::User(CreateUserError::Weak(_)))), "{password:?}");
        assert_eq!(orgs::list(app.db()).await.expect("is readable"), []);
        assert_eq!(memberships::list(app.db(), None).await.expect("is readable"), []);
    }

    async fn concurrent_bootstraps_with_one_name_create_one_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let bootstrap = |email| bootstrap::bootstrap(app.context(), "Acme", email, None, &BY);

        let (one, other) = tokio::join!(bootstrap("ada@acme.example"), bootstrap("eve@acme.example"));

        let exists =
            |outcome: &Result<_, _>| matches!(outcome, Err(BootstrapError::Org(CreateOrgError::Exists(_))));
        assert!(one.is_ok() && exists(&other) || other.is_ok() && exists(&one), "{one:?} {other:?}");
        assert_eq!(orgs::list(app.db()).await.expect("is readable").len(), 1);
        assert_eq!(memberships::list(app.db(), None).await.expect("is readable").len(), 1);
    }

    async fn an_organization_needs_a_readable_name(engine: Engine) {
        let app = TestApp::start(engine).await;
        let longest = "x".repeat(100);

        for name in ["", "  ", "a\nb", "a\0b", &"x".repeat(101)] {
            let refused = create_org::create_org(app.context(), name, &BY).await;
            assert!(matches!(refused, Err(CreateOrgError::Name)), "{name:?}: {refused:?}");
        }
        create_org::create_org(app.context(), &longest, &BY).await.expect("is made");

        let names: Vec<String> =
            orgs::list(app.db()).await.expect("is readable").into_iter().map(|org| org.name).collect();
        assert_eq!(names, [longest]);
    }

    async fn unknown_default_scopes_are_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let set = async |scopes: Option<&ScopeSet>| app.set_default_scopes(acme.org_id, scopes).await;
        let known = ScopeSet::parse("openid metrics_read").expect("scopes");
        set(Some(&known)).await.expect("is set");

        let refused = set(Some(&ScopeSet::parse("openid unheard_of").expect("scopes"))).await;

        let unknown =
            matches!(&refused, Err(SetDefaultsError::UnknownScope(unknown)) if unknown.as_str() == "unheard_of");
        assert!(unknown, "{refused:?}");
        assert_eq!(defaults(&app, acme.org_id).await, Some(known));
        set(None).await.expect("is lifted");
        assert_eq!(defaults(&app, acme.org_id).await, None);
    }

    async fn default_scopes_require_an_existing_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let nobody = OrgId(uuid::Uuid::nil());

        let refused = app.set_default_scopes(nobody, None).await;

        assert!(matches!(refused, Err(SetDefaultsError::NoSuchOrg)), "{refused:?}");
    }
}
