//! Revoking everything after a backup was restored.

use grantor::actions::audit::AuditActor;
use grantor::actions::grants::revoke_everything;
use grantor::actions::grants::revoke_everything::{KeptKeys, RevokedEverything};
use grantor::actions::signing_keys::rotate;
use grantor::db::grants::all_access::Access;
use grantor::db::keys::signing_keys;
use serde_json::json;

use crate::support::granted::{Granted, asks};
use crate::support::{TestApp, listed};

async fn revoke(app: &TestApp, kept: KeptKeys) -> (RevokedEverything, Access) {
    let done = revoke_everything::revoke_everything(
        app.context(),
        app.app.signing_rules(),
        kept,
        &AuditActor::COMMAND_LINE,
    )
    .await;
    app.app.issuer.signing.reload().await.expect("is readable");
    done.expect("is ended")
}

async fn kids(app: &TestApp) -> Vec<String> {
    signing_keys::list(app.db()).await.expect("is readable").into_iter().map(|key| key.id).collect()
}

on_both! {
    async fn revoking_everything_ends_all_access_and_keeps_restrictions_and_settings(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let other = granted.another_client("Another app").await;
        let (tokens, others) = (granted.tokens("mcp_read").await, other.tokens("mcp_read").await);
        let code = granted.code("mcp_read").await;
        let request = asks("mcp_read", &[]);
        granted.waiting(&request).await;
        let before = kids(&app).await;
        assert_eq!(granted.operator.get("/api/v2/org_authorized_clients").await.status, 200);

        let (done, left) = revoke(&app, KeptKeys::default()).await;
        let (again, _) = revoke(&app, KeptKeys { signing_keys: true, ..KeptKeys::default() }).await;

        assert_eq!((done.grants, done.operator_keys, done.signing_keys), (2, 2, 1));
        assert!(done.codes >= 1 && done.pending_requests >= 1, "{done:?}");
        assert_eq!(again, RevokedEverything::default());
        assert_eq!((left.grants, left.codes, left.pending_requests, left.api_keys, left.application_keys), (0, 0, 0, 0, 0));
        assert_eq!((left.signing_keys, left.users, left.resources), (1, 1, 1));
        for token in [&tokens.access, &others.access] {
            assert!(!granted.is_active(token).await);
        }
        assert_eq!(granted.refreshed(&tokens.refresh).await.status, 400);
        assert_eq!(granted.exchanged(&code).await.status, 400);
        let after = kids(&app).await;
        assert!(after.len() == 1 && !before.contains(&after[0]), "{before:?} {after:?}");
        let operator = app.replica().await;
        assert_eq!(granted.operator.on(&operator).get("/api/v2/org_authorized_clients").await.status, 403);
    }

    async fn keys_are_kept_on_request(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let before = kids(&app).await;

        let (done, left) = revoke(&app, KeptKeys { operator_keys: true, signing_keys: true }).await;

        assert_eq!((done.operator_keys, done.signing_keys, left.api_keys, left.application_keys), (0, 0, 1, 1));
        assert_eq!(kids(&app).await, before);
        assert_eq!(granted.operator.get("/api/v2/org_authorized_clients").await.status, 200);
    }

    async fn revoking_everything_is_recorded_for_the_server_and_each_grant(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        granted.tokens("mcp_read").await;

        let (done, _) = revoke(&app, KeptKeys::default()).await;

        let event = listed::audit_events_of_server(app.db()).await.expect("is readable").pop().expect("an event");
        assert_eq!((event.action.as_str(), event.actor.as_str()), ("server.restored", "command_line"));
        assert_eq!(event.after.expect("counts")["revoked"], json!(done));
        let of_org: Vec<String> = granted.events().await.into_iter().map(|event| event.action).collect();
        let count = |action: &str| of_org.iter().filter(|one| *one == action).count();
        let ended = ["grant.revoked", "api_key.revoked", "application_key.revoked"].map(count);
        assert_eq!(ended, [1, 1, 1], "{of_org:?}");
    }

    async fn signing_keys_are_revoked_even_during_a_rotation(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (context, rules) = (app.context(), app.app.signing_rules());
        let by = AuditActor::COMMAND_LINE;
        for take_over in [rotate::TakeOver::Now, rotate::TakeOver::Published] {
            rotate::rotate_signing_keys(context, rules.algorithm, take_over, &by).await.expect("a key");
        }
        let before = kids(&app).await;

        let (done, _) = revoke(&app, KeptKeys::default()).await;

        let after = kids(&app).await;
        assert_eq!((done.signing_keys, before.len(), after.len()), (3, 3, 1));
        assert!(!before.contains(&after[0]));
    }
}
