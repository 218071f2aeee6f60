//! Approvals without a page: users who already granted everything are not asked, and revoked scopes
//! are not granted again.

use std::time::Duration;

use grantor::actions::audit::AuditActor;
use grantor::actions::authorize::approve::ApproveError;
use grantor::actions::grants::revoke_grant::revoke_grant;
use grantor::db::grants;
use grantor::db::grants::Grant;
use grantor::rules::authorization::request::AuthorizationRequest;
use grantor::rules::client::ClientId;
use grantor::rules::scope::ScopeSet;

use crate::support::TestApp;
use crate::support::granted::{Granted, MCP, Waiting, asks};

async fn grant(granted: &Granted<'_>) -> Grant {
    let client_id = ClientId::parse(&granted.client_id).expect("an id");
    let found = grants::find(granted.app.db(), granted.org_id(), client_id, granted.user.id).await;
    found.expect("is readable").expect("is there")
}

/// A request that can be approved without a page at this moment.
async fn remembered<'r>(granted: &Granted<'_>, request: &'r AuthorizationRequest) -> Waiting<'r> {
    let waiting = granted.waiting(request).await;
    assert!(granted.offer(&waiting).await.expect("is offered").is_remembered);
    waiting
}

on_both! {
    async fn a_remembered_consent_issues_a_code_and_does_not_change_the_grant(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let request = asks("mcp_read email", &[MCP]);
        granted.code_for(&request).await;
        let (before, waiting) = (grant(&granted).await, remembered(&granted, &request).await);
        app.clock.advance(Duration::from_secs(60));

        let code = granted.answer(&waiting, None).await.expect("is given");
        let again = granted.answer(&waiting, None).await;

        assert_eq!((grant(&granted).await, granted.history().await), (before, vec!["grant.given".to_owned()]));
        assert_eq!(granted.exchanged(&code).await.json()["scope"], "email mcp_read");
        assert!(matches!(again, Err(ApproveError::NotPending)), "{again:?}");
    }

    async fn a_revoked_consent_is_not_reused_and_the_user_is_asked(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let request = asks("mcp_read email", &[MCP]);
        granted.code_for(&request).await;
        let waiting = remembered(&granted, &request).await;
        let id = grant(&granted).await.id;
        revoke_grant(app.context(), id, |_| true, &AuditActor::COMMAND_LINE).await.expect("is ended");

        let silently = granted.answer(&waiting, None).await;

        assert!(matches!(silently, Err(ApproveError::Changed)), "{silently:?}");
        assert!(grant(&granted).await.revoked_at.is_some());
        let offer = granted.offer(&waiting).await.expect("is offered");
        assert!(!offer.is_remembered, "the request waits, for a click this time");
        let code = granted.answer(&waiting, Some((&offer, &offer.scopes.all()))).await.expect("is given");
        assert_eq!(granted.exchanged(&code).await.status, 200);
    }

    async fn a_box_cleared_meanwhile_on_the_same_page_is_not_granted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let request = asks("mcp_read email", &[MCP]);
        granted.code_for(&request).await;
        let waiting = remembered(&granted, &request).await;
        let in_another_tab = granted.waiting(&request).await;
        let offer = granted.offer(&in_another_tab).await.expect("is offered");
        let less = ScopeSet::parse("mcp_read").expect("scopes");
        granted.answer(&in_another_tab, Some((&offer, &less))).await.expect("is given");

        let code = granted.answer(&waiting, None).await.expect("is given");

        assert_eq!(granted.exchanged(&code).await.json()["scope"], "mcp_read");
        assert_eq!(grant(&granted).await.scopes, less);
    }

    async fn the_user_is_asked_if_another_page_was_answered_meanwhile_with_less(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let (request, other) = (asks("mcp_read email", &[MCP]), asks("mcp_read email profile", &[MCP]));
        granted.code_for(&request).await;
        let waiting = remembered(&granted, &request).await;
        let in_another_tab = granted.waiting(&other).await;
        let offer = granted.offer(&in_another_tab).await.expect("is offered");
        let less = ScopeSet::parse("mcp_read profile").expect("scopes");
        granted.answer(&in_another_tab, Some((&offer, &less))).await.expect("is given");

        let silently = granted.answer(&waiting, None).await;

        assert!(matches!(silently, Err(ApproveError::Changed)), "{silently:?}");
        assert_eq!(grant(&granted).await.scopes, less);
    }

    async fn a_scope_granted_meanwhile_for_another_resource_does_not_widen_a_remembered_consent(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        granted.code_for(&asks("mcp_read", &[MCP])).await;
        granted.code_for(&asks("mcp_read email", &[])).await;
        let request = asks("mcp_read email", &[MCP]);
        let waiting = granted.waiting(&request).await;

        let silently = granted.answer(&waiting, None).await;

        assert!(matches!(silently, Err(ApproveError::Changed)), "{silently:?}");
        let offer = granted.offer(&waiting).await.expect("is offered");
        assert_eq!((offer.given_before.to_string(), offer.is_remembered), ("mcp_read".to_owned(), false));
    }

    async fn a_revocation_between_two_consents_removes_the_first(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        granted.code_for(&asks("mcp_read email", &[MCP])).await;
        let id = grant(&granted).await.id;
        revoke_grant(app.context(), id, |_| true, &AuditActor::COMMAND_LINE).await.expect("is ended");

        granted.code_for(&asks("mcp_read", &[MCP])).await;

        let request = asks("mcp_read email", &[MCP]);
        let offer = granted.offer(&granted.waiting(&request).await).await.expect("is offered");
        assert_eq!((offer.given_before.to_string(), offer.is_remembered), ("mcp_read".to_owned(), false));
    }

    async fn the_user_is_asked_about_scopes_removed_from_the_grant_since_the_consent(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let request = asks("mcp_read email", &[MCP]);
        granted.code_for(&request).await;
        let waiting = remembered(&granted, &request).await;
        app.execute("DELETE FROM grant_scopes WHERE scope = 'email'").await;

        let silently = granted.answer(&waiting, None).await;

        assert!(matches!(silently, Err(ApproveError::Changed)), "{silently:?}");
    }
}
