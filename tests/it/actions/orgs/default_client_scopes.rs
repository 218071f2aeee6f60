//! The default scopes of an organization, and what a narrower default ends.

use grantor::actions::audit::AuditActor;
use grantor::actions::orgs::default_client_scopes;
use grantor::actions::orgs::default_client_scopes::NewDefaults;
use grantor::db::grants;
use grantor::rules::scope::ScopeSet;
use serde_json::{Value, json};

use crate::support::{Bearer, TestApp, TestOperator, listed};

const BY: AuditActor = AuditActor::COMMAND_LINE;

async fn set(operator: &TestOperator<'_>, names: Option<&str>) -> u64 {
    let scopes = names.map(|names| ScopeSet::parse(names).expect("scopes"));
    operator.app.set_default_scopes(operator.org_id, scopes.as_ref()).await.expect("is set")
}

async fn given<'a>(person: &TestOperator<'a>, client_name: &str, scopes: &str) -> Bearer<'a> {
    Bearer::of(person, &person.app.registered(client_name).await, scopes, &[]).await
}

/// The scopes of the grant, and whether it is active.
async fn held(bearer: &Bearer<'_>) -> (String, bool) {
    let found = grants::find_by_id(bearer.app.db(), bearer.grant_id)
        .await
        .expect("is readable")
        .expect("is there");
    (found.scopes.to_string(), found.revoked_at.is_none())
}

/// The latest event about the defaults.
async fn recorded(operator: &TestOperator<'_>) -> Value {
    let events =
        listed::audit_events(operator.app.db(), operator.org_id, 100).await.expect("is readable");
    let mut events =
        events.into_iter().filter(|event| event.action == "org.default_client_scopes_set");
    events.next_back().expect("is recorded").after.expect("has a value")
}

on_both! {
    async fn narrower_defaults_end_only_the_grants_that_exceed_them(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, other) = (app.operator("Acme").await, app.operator("Umbra").await);
        let exceeds = given(&operator, "Exceeds", "mcp_read openid").await;
        let fits = given(&operator, "Fits", "openid").await;
        let restricted = given(&operator, "Restricted", "mcp_read openid").await;
        let elsewhere = given(&other, "Exceeds", "mcp_read openid").await;
        operator.restrict(&restricted.client_id.to_string(), &["openid"], &["mcp_read"]).await;

        let ended = set(&operator, Some("openid")).await;

        assert_eq!(ended, 1);
        assert!(!exceeds.lives().await && fits.lives().await && restricted.lives().await && elsewhere.lives().await);
        assert_eq!(held(&exceeds).await, ("mcp_read openid".to_owned(), false));
        assert_eq!(recorded(&operator).await, json!({"default_client_scopes": ["openid"], "grants_narrowed": 1}));
        let events = listed::audit_events(app.db(), operator.org_id, 100).await.expect("is readable");
        let subject = format!("grant:{}", exceeds.grant_id);
        assert_eq!(events.iter().filter(|event| event.action == "grant.revoked" && event.subject == subject).count(), 1);
    }

    async fn with_the_narrow_setting_defaults_remove_scopes_and_end_only_empty_grants(engine: Engine) {
        let app = TestApp::with(engine, &[("restriction.on_narrow", "narrow_grants")]).await;
        let operator = app.operator("Acme").await;
        let (kept, emptied) = (given(&operator, "Kept", "mcp_read openid").await, given(&operator, "Emptied", "mcp_read").await);

        assert_eq!(set(&operator, Some("openid")).await, 2);

        assert_eq!((held(&kept).await, kept.lives().await), (("openid".to_owned(), true), true));
        assert_eq!((held(&emptied).await.1, emptied.lives().await), (false, false));
        let narrowed = app.app.find_live(kept.token.expose()).await;
        let narrowed = narrowed.expect("is readable").expect("is active");
        assert_eq!(narrowed.scopes.to_string(), "openid");
    }

    async fn a_preview_of_narrower_defaults_predicts_the_change(engine: Engine) {
        for (on_narrow, ended) in [("revoke", 2), ("narrow_grants", 1)] {
            let app = TestApp::with(engine, &[("restriction.on_narrow", on_narrow)]).await;
            let operator = app.operator("Acme").await;
            given(&operator, "Kept", "mcp_read openid").await;
            given(&operator, "Emptied", "mcp_read").await;
            let scopes = ScopeSet::parse("openid").expect("scopes");
            let (config, catalog) = (&app.app.config, &app.app.catalog);
            let new = NewDefaults { org_id: operator.org_id, scopes: Some(&scopes), config, catalog };

            let preview = default_client_scopes::preview_default_restriction(app.context(), new).await.expect("is previewed");
            let done = default_client_scopes::restrict_by_default(app.context(), new, None, &BY).await.expect("is set");

            assert_eq!((preview.affected.grants, preview.affected.users, preview.ended), (2, 1, ended), "{on_narrow}");
            assert_eq!(preview, done, "{on_narrow}");
        }
    }

    async fn wider_or_absent_defaults_remove_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        set(&operator, Some("openid")).await;
        let bearer = given(&operator, "App", "openid").await;

        assert_eq!((set(&operator, Some("mcp_read openid")).await, set(&operator, None).await), (0, 0));

        assert!(bearer.lives().await);
        assert_eq!(recorded(&operator).await, json!({"default_client_scopes": null}));
    }

    async fn required_scopes_of_a_first_party_client_are_kept(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client = app.registered("First party").await;
        let required = format!(r#"[{{"client_id": "{client}", "permission_scopes": ["mobile_app_access"]}}]"#);
        let app = app.replica_with(&[("restriction.required", &required)]).await;
        let operator = app.operator("Acme").await;
        let fits = Bearer::of(&operator, &client, "mobile_app_access", &[]).await;
        let other = given(&operator, "Other", "mobile_app_access").await;

        assert_eq!(set(&operator, Some("")).await, 1);

        assert!(fits.lives().await && !other.lives().await);
    }
}
