//! Revoking a leaked signing key.

use std::time::Duration;

use grantor::actions::audit::AuditActor;
use grantor::actions::signing_keys::revoke;
use grantor::actions::signing_keys::revoke::{RevokeSigningKeyError, RevokedSigningKey};
use grantor::actions::signing_keys::rotate;
use grantor::actions::signing_keys::rotate::TakeOver;
use grantor::db::keys::signing_keys;
use grantor::db::keys::signing_keys::SigningKey;
use grantor::rules::token::signing_period::SigningState;
use serde_json::{Value, json};

use crate::support::granted::{Granted, Tokens, opened};
use crate::support::{Bearer, START, TestApp, listed, request};

async fn keys(app: &TestApp) -> Vec<SigningKey> {
    signing_keys::list(app.db()).await.expect("is readable")
}

async fn rotate(app: &TestApp, take_over: TakeOver) -> SigningKey {
    let algorithm = app.app.signing_rules().algorithm;
    let key =
        rotate::rotate_signing_keys(app.context(), algorithm, take_over, &AuditActor::COMMAND_LINE)
            .await
            .expect("a key");
    reload(app).await;
    key
}

async fn revoke(app: &TestApp, id: &str) -> Result<RevokedSigningKey, RevokeSigningKeyError> {
    let revoked = revoke::revoke_signing_key(
        app.context(),
        app.app.signing_rules(),
        id,
        &AuditActor::COMMAND_LINE,
    )
    .await;
    reload(app).await;
    revoked
}

async fn reload(app: &TestApp) {
    app.app.issuer.signing.reload().await.expect("is readable");
}

fn kid(token: &str) -> Value {
    opened(token).0["kid"].clone()
}

fn published(app: &TestApp) -> Vec<String> {
    let set: Value = serde_json::from_slice(&app.app.issuer.signing.jwks()).expect("JSON");
    let kid = |key: &Value| key["kid"].as_str().expect("an id").to_owned();
    set["keys"].as_array().expect("a list").iter().map(kid).collect()
}

async fn state_of(app: &TestApp, id: &str) -> SigningState {
    let key = keys(app).await.into_iter().find(|key| key.id == id).expect("is there");
    key.period.state(app.context().clock.now())
}

on_both! {
    async fn tokens_of_a_revoked_key_are_refused_everywhere(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("openid mcp_read").await;
        let console = app.registered("A console").await;
        let operator = Bearer::of(&granted.operator, &console, "openid org_authorized_apps_read", &[]).await;
        let ask_userinfo = || app.ask(request(axum::http::Method::GET, "/oauth2/v1/userinfo")
            .header("authorization", format!("Bearer {}", operator.token.expose())));
        let (active, userinfo, listed) =
            (granted.is_active(&tokens.access).await, ask_userinfo().await, operator.get("/api/v2/org_authorized_clients").await);
        assert_eq!((active, userinfo.status.as_u16(), listed.status.as_u16()), (true, 200, 200));
        let old = keys(&app).await.remove(0);

        let revoked = revoke(&app, &old.id).await.expect("is revoked");
        let (active, userinfo, listed) =
            (granted.is_active(&tokens.access).await, ask_userinfo().await, operator.get("/api/v2/org_authorized_clients").await);
        let renewed = Tokens::of(&granted.refreshed(&tokens.refresh).await);

        assert_eq!((active, userinfo.status.as_u16(), listed.status.as_u16()), (false, 401, 401));
        assert_eq!((&revoked.key, revoked.is_new, revoked.families), (&old, true, 2));
        assert_eq!(revoked.last_token_ends_at, Some(START.plus(3_600)));
        assert_eq!(published(&app), [revoked.signs_now.as_str()]);
        assert_eq!(kid(&renewed.access), json!(revoked.signs_now));
        assert!(granted.is_active(&renewed.access).await);
    }

    async fn another_replica_drops_a_revoked_key_when_it_reads_the_keys_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        let replica = app.replica().await;
        let on_replica = granted.on(&replica);
        assert!(on_replica.is_active(&tokens.access).await);
        let old = keys(&app).await.remove(0).id;

        let revoked = revoke(&app, &old).await.expect("is revoked");
        reload(&replica).await;

        assert!(!on_replica.is_active(&tokens.access).await);
        assert_eq!(published(&replica), [revoked.signs_now.as_str()]);
        const { assert!(grantor::signing::RELOAD_EVERY.as_secs() <= 15) };
    }

    async fn the_next_key_signs_immediately_when_the_current_one_is_revoked(engine: Engine) {
        let app = TestApp::start(engine).await;
        let current = keys(&app).await.remove(0).id;
        let next = rotate(&app, TakeOver::Published).await;

        let revoked = revoke(&app, &current).await.expect("is revoked");

        assert_eq!((revoked.signs_now.as_str(), revoked.is_new), (next.id.as_str(), false));
        assert_eq!((keys(&app).await.len(), state_of(&app, &next.id).await), (1, SigningState::Signs));
        let granted = Granted::new(&app).await;
        assert_eq!(kid(&granted.tokens("mcp_read").await.access), json!(next.id));
    }

    async fn the_current_key_keeps_signing_when_the_next_one_is_revoked(engine: Engine) {
        let app = TestApp::start(engine).await;
        let current = keys(&app).await.remove(0).id;
        let next = rotate(&app, TakeOver::Published).await;

        let revoked = revoke(&app, &next.id).await.expect("is revoked");
        app.clock.advance(Duration::from_secs(86_400));

        assert_eq!((revoked.signs_now.as_str(), revoked.is_new), (current.as_str(), false));
        assert_eq!((revoked.families, revoked.last_token_ends_at), (0, None));
        assert_eq!(state_of(&app, &current).await, SigningState::Signs);
    }

    async fn revoking_a_retired_key_does_not_affect_the_current_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let retired = keys(&app).await.remove(0).id;
        let current = rotate(&app, TakeOver::Now).await;
        app.clock.advance(Duration::from_secs(60));

        let revoked = revoke(&app, &retired).await.expect("is revoked");

        assert_eq!((revoked.signs_now.as_str(), revoked.is_new), (current.id.as_str(), false));
        assert_eq!(keys(&app).await, [current]);
        assert_eq!(revoked.last_token_ends_at, Some(START.plus(3_600)));
    }

    async fn a_unique_prefix_selects_a_key_and_an_unknown_or_short_one_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let key = keys(&app).await.remove(0);
        let mut twin = key.clone();
        twin.id = format!("{}~twin", &key.id[..20]);
        twin.period.retired_at = Some(START);
        signing_keys::insert(app.db(), &twin).await.expect("is inserted");

        let refused = [
            revoke(&app, "").await,
            revoke(&app, &key.id[..3]).await,
            revoke(&app, "nothing-like-this").await,
            revoke(&app, &key.id[..20]).await,
        ];
        let left = keys(&app).await.len();
        let revoked = revoke(&app, &twin.id[..21]).await.expect("is revoked");

        let messages: Vec<String> = refused.into_iter().map(|refused| refused.expect_err("is refused").to_string()).collect();
        let short = "give the id of the signing key, or at least its first 4 characters; `grantor keys status` lists them";
        assert_eq!(messages[..2], [short, short]);
        assert_eq!(messages[2], "no signing key has an id that starts with \"nothing-like-this\". `grantor keys status` lists \
                             the signing keys; a revoked key is no longer listed");
        assert_eq!(messages[3], format!("2 signing keys have an id that starts with \"{}\": give more characters of the id", &key.id[..20]));
        assert_eq!((left, revoked.key.id), (2, twin.id));
    }

    async fn a_revocation_is_recorded_with_the_public_key(engine: Engine) {
        let app = TestApp::start(engine).await;
        let old = keys(&app).await.remove(0);

        let revoked = revoke(&app, &old.id).await.expect("is revoked");

        let event = listed::audit_events_of_server(app.db()).await.expect("is readable").pop().expect("an event");
        assert_eq!((event.actor.as_str(), event.action.as_str()), ("command_line", "signing_key.revoked"));
        assert_eq!(event.subject, format!("signing_key:{}", old.id));
        let before = event.before.expect("the key");
        assert_eq!((&before["algorithm"], &before["public_jwk"]), (&json!("ES256"), &json!(old.public_jwk)));
        assert_eq!(event.after, Some(json!({"signs_now": revoked.signs_now})));
    }
}
