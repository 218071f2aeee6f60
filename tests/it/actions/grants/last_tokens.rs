//! Ending access reports how long its last access token stays valid, and never too short a time.

use std::time::Duration;

use grantor::actions::audit::AuditActor;
use grantor::actions::clients::disable_client::disable_client;
use grantor::actions::clients::scopes_restriction;
use grantor::actions::clients::scopes_restriction::NewRestriction;
use grantor::actions::grants::revoke_grant::revoke_grant;
use grantor::actions::grants::revoked_grants::RevokedAccess;
use grantor::actions::orgs::default_client_scopes;
use grantor::actions::orgs::default_client_scopes::NewDefaults;
use grantor::actions::users::disable_user;
use grantor::actions::users::membership::MemberName;
use grantor::actions::users::remove_member::remove_member;
use grantor::db::grants;
use grantor::rules::client::ClientId;
use grantor::rules::scope::ScopeSet;
use grantor::rules::scope::scopes_restriction::ScopesRestriction;

use crate::support::granted::Granted;
use crate::support::{START, TestApp};

const HOUR: i64 = 3_600;
/// Added after a rotation, because not every repeated response is recorded.
const MINUTE: i64 = 60;

async fn end(granted: &Granted<'_>) -> RevokedAccess {
    let app = granted.app;
    let client_id = ClientId::parse(&granted.client_id).expect("an id");
    let found = grants::find(app.db(), granted.org_id(), client_id, granted.user.id)
        .await
        .expect("is readable");
    let id = found.expect("a grant").id;
    revoke_grant(app.context(), id, |_| true, &AuditActor::COMMAND_LINE).await.expect("is ended")
}

async fn disable(granted: &Granted<'_>) -> RevokedAccess {
    let client_id = ClientId::parse(&granted.client_id).expect("an id");
    let (context, org_id) = (granted.app.context(), granted.org_id());
    disable_client(context, org_id, client_id, None, &AuditActor::COMMAND_LINE)
        .await
        .expect("is disabled")
}

const fn ended(grants: usize, seconds: i64) -> RevokedAccess {
    RevokedAccess { grants, last_token_ends_at: Some(START.plus(seconds)) }
}

fn after(app: &TestApp, seconds: u64) {
    app.clock.advance(Duration::from_secs(seconds));
}

on_both! {
    async fn the_last_token_comes_from_the_last_refresh(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        after(&app, 1_000);
        assert_eq!(granted.refreshed(&tokens.refresh).await.status, 200);
        after(&app, 1_080);

        assert_eq!(end(&granted).await, ended(1, 1_000 + HOUR + MINUTE));
        // Ending it again ends nothing, but its last token is still valid.
        assert_eq!(end(&granted).await, ended(0, 1_000 + HOUR + MINUTE));
    }

    async fn a_repeated_response_counts_too(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        assert_eq!(granted.refreshed(&tokens.refresh).await.status, 200);
        for seconds in [9, 60] {
            after(&app, seconds);
            assert_eq!(granted.refreshed(&tokens.refresh).await.status, 200, "{seconds}");
        }

        assert_eq!(end(&granted).await, ended(1, 69 + HOUR + MINUTE));
    }

    async fn a_repeated_response_within_a_minute_needs_no_write(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        assert_eq!(granted.refreshed(&tokens.refresh).await.status, 200);
        after(&app, 60);
        assert_eq!(granted.refreshed(&tokens.refresh).await.status, 200);

        assert_eq!(end(&granted).await, ended(1, HOUR + MINUTE));
    }

    async fn a_shorter_lifetime_does_not_apply_to_older_tokens(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        granted.tokens("mcp_read").await;
        after(&app, 600);
        let restarted = app.replica_with(&[("tokens.access_ttl", "60")]).await;
        let granted = Granted { app: &restarted, ..granted };

        assert_eq!(disable(&granted).await, ended(1, HOUR));
    }

    async fn a_grant_without_tokens_has_no_last_token(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        granted.code("mcp_read").await;

        assert_eq!(disable(&granted).await, RevokedAccess { grants: 1, last_token_ends_at: None });
    }

    async fn ending_a_membership_reports_the_last_token_of_its_grants(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let eve = granted.another_user("eve@mail.example").await;
        eve.tokens("mcp_read").await;
        after(&app, 600);
        granted.tokens("mcp_read").await;
        let (operators, by) = (&app.app.callers, AuditActor::COMMAND_LINE);

        let removed = remove_member(app.context(), operators, eve.org_id(), MemberName::Id(eve.user.id), &by).await;

        let removed = removed.expect("is removed");
        assert_eq!((removed.grants, removed.last_token_ends_at), (1, Some(START.plus(HOUR))));
    }

    async fn a_narrower_default_reports_the_last_token_of_the_affected_grants(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        granted.tokens("mcp_read openid").await;
        after(&app, 600);
        granted.another_client("Another").await.tokens("openid").await;
        let scopes = ScopeSet::parse("openid").expect("a scope");
        let (config, catalog) = (&app.app.config, &app.app.catalog);
        let new = NewDefaults { org_id: granted.org_id(), scopes: Some(&scopes), config, catalog };

        let preview = default_client_scopes::preview_default_restriction(app.context(), new).await.expect("is previewed");
        let done = default_client_scopes::restrict_by_default(app.context(), new, None, &AuditActor::COMMAND_LINE).await.expect("is set");

        assert_eq!((done.ended, done.last_token_ends_at), (1, Some(START.plus(HOUR))));
        assert_eq!(preview, done);
    }

    async fn every_way_of_ending_access_reports_the_last_token(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let client_id = ClientId::parse(&granted.client_id).expect("an id");
        granted.tokens("mcp_read openid").await;
        let openid: Vec<_> = ScopeSet::parse("openid").expect("a scope").iter().cloned().collect();
        let restriction = ScopesRestriction::from_stored(openid, vec![]);
        let (rules, by) = (app.app.restriction_rules(client_id), AuditActor::COMMAND_LINE);
        let new = NewRestriction { org_id: granted.org_id(), client_id, restriction: Some(&restriction), rules };
        let preview = scopes_restriction::preview_restriction(app.context(), new).await.expect("is previewed");

        let done = scopes_restriction::restrict_scopes(app.context(), new, None, &by).await;
        let again = disable_user::disable_user(app.context(), &app.app.callers, &granted.user.email, &by).await;

        let done = done.expect("is restricted");
        assert_eq!((done.ended, done.last_token_ends_at), (1, Some(START.plus(HOUR))));
        assert_eq!((preview.ended, preview.last_token_ends_at), (done.ended, done.last_token_ends_at));
        assert_eq!(again.expect("is disabled"), RevokedAccess::default());
    }
}
