//! `POST /oauth2/v1/token` with a refresh token: its response, and the end of its family.

mod races;
mod repeated;
mod scopes;

use std::time::Duration;

use grantor::actions::audit::AuditActor;
use grantor::actions::clients::disable_client::{disable_client, enable_client};
use grantor::actions::upkeep::forget_expired;
use grantor::actions::users::disable_user;
use grantor::db::families;
use grantor::rules::client::ClientId;
use grantor::rules::scope::ScopeSet;
use grantor::rules::token::refresh_token::RefreshToken;
use serde_json::{Value, json};

use crate::support::errors::oauth;
use crate::support::granted::{Granted, MCP, REDIRECT, TOKEN, Tokens, asks, form, opened};
use crate::support::{Answer, Reply, Site, TestApp};

const SECOND: &str = "https://second.example";
const DAY: u64 = 86_400;
const OLD_KEY: &str = "old:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW_KEY: &str = "new:ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A=";

fn refused() -> Value {
    oauth(
        "invalid_grant",
        "Invalid refresh token: it was already used, was revoked or has expired, so the user must authorize the client \
         again",
    )
}

fn not_granted(names: &str) -> Value {
    let remedy = "request fewer, or have the user authorize the client again";
    oauth(
        "invalid_scope",
        &format!("scope contains scopes that were not granted ({names}): {remedy}"),
    )
}

fn not_allowed(names: &str) -> Value {
    let rule = "the scopes allowed for the client or the role of the user changed, and an administrator of the \
                organization can change that";
    oauth(
        "invalid_scope",
        &format!("scope contains only scopes that are no longer allowed ({names}): {rule}"),
    )
}

async fn ok(granted: &Granted<'_>, refresh_token: &str) -> Tokens {
    Tokens::of(&granted.refreshed(refresh_token).await)
}

fn scope(answer: &Answer) -> (Value, Value) {
    (answer.json()["scope"].clone(), opened(&Tokens::of(answer).access).1["scope"].clone())
}

fn both(scope: &str) -> (Value, Value) {
    (json!(scope), json!(scope))
}

fn advance(app: &TestApp, seconds: u64) {
    app.clock.advance(Duration::from_secs(seconds));
}

on_both! {
    async fn a_document_client_refreshes_with_its_url_but_not_its_uuid(engine: Engine) {
        let app = TestApp::with(engine, &[("client_documents.allow_loopback", "true")]).await;
        let site = Site::answering(Reply::Silence).await;
        let url = site.url("/client.json");
        let members = json!({"client_id": url, "client_name": "App", "redirect_uris": [REDIRECT]});
        site.answer(Reply::json(members));
        let client = app.app.find_client.find(app.context(), &url, None).await.expect("is found");
        let granted = Granted { client_id: url.clone(), ..Granted::new(&app).await };
        let tokens = granted.tokens("mcp_read").await;

        let uuid = client.id.to_string();
        for name in [uuid.to_uppercase(), uuid] {
            let by_uuid = Granted { client_id: name, ..granted.on(&app) };
            let answer = by_uuid.refreshed(&tokens.refresh).await;
            answer.is(401, &oauth("invalid_client", "the client is not known: register it"));
        }

        assert!(granted.is_active(&tokens.access).await);
        let refreshed = ok(&granted, &tokens.refresh).await;
        assert_eq!(opened(&refreshed.access).1["client_id"], json!(url));
    }

    async fn a_refresh_returns_new_tokens(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read email").await;
        advance(&app, 100);

        let answer = granted.refreshed(&first.refresh).await;

        let second = Tokens::of(&answer);
        answer.is(200, &json!({
            "access_token": second.access,
            "token_type": "Bearer",
            "expires_in": 3600,
            "refresh_token": second.refresh,
            "scope": "email mcp_read",
        }));
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
        assert!(first.access != second.access && first.refresh != second.refresh);
        let mut claims = opened(&first.access).1;
        for later in ["exp", "iat"] {
            claims[later] = json!(claims[later].as_i64().expect("a time") + 100);
        }
        let new_claims = opened(&second.access).1;
        assert_ne!(claims["jti"], new_claims["jti"]);
        claims["jti"] = new_claims["jti"].clone();
        assert_eq!(new_claims, claims, "all other claims are unchanged, including the time of the sign-in");
        assert!(granted.is_active(&first.access).await && granted.is_active(&second.access).await);
        assert_eq!(granted.history().await, ["grant.given"]);
    }

    async fn a_family_can_be_refreshed_many_times(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let mut tokens = granted.tokens("mcp_read").await;
        for _ in 0..20 {
            advance(&app, 3_500);
            tokens = ok(&granted, &tokens.refresh).await;
            assert!(granted.is_active(&tokens.access).await);
        }
    }

    async fn an_invalid_token_does_not_affect_the_family(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let current = ok(&granted, &first.refresh).await;
        let tampered = {
            let middle = first.refresh.len() - 10;
            let other = if first.refresh.as_bytes()[middle] == b'A' { "B" } else { "A" };
            format!("{}{other}{}", &first.refresh[..middle], &first.refresh[middle + 1..])
        };
        let huge = format!("rt_{}", "A".repeat(10_000));
        let longer = format!("{}A", current.refresh);
        let truncated = &current.refresh[..current.refresh.len() - 1];
        advance(&app, 60);

        for text in [&tampered, &huge, &longer, truncated, "rt_", "x", "' OR 1=1 --", &current.access] {
            granted.refreshed(text).await.is(400, &refused());
        }

        assert!(granted.is_active(&current.access).await);
        assert_eq!(granted.refreshed(&current.refresh).await.status, 200);
        assert_eq!(granted.history().await, ["grant.given"]);
    }

    async fn a_token_of_another_client_is_refused_and_stays_valid(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let thief = granted.another_client("Another").await;
        let first = granted.tokens("mcp_read").await;
        let current = ok(&granted, &first.refresh).await;
        advance(&app, 60);

        for stolen in [&first.refresh, &current.refresh] {
            thief.refreshed(stolen).await.is(400, &refused());
        }

        assert_eq!(granted.refreshed(&current.refresh).await.status, 200);
        assert_eq!(granted.history().await, ["grant.given"]);
    }

    async fn an_unused_family_ends_after_90_days(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let (used, resting) = (granted.tokens("mcp_read").await, granted.tokens("mcp_read").await);

        advance(&app, 90 * DAY - 1);
        let used = ok(&granted, &used.refresh).await;
        advance(&app, 1);
        granted.refreshed(&resting.refresh).await.is(400, &refused());
        advance(&app, 90 * DAY - 2);
        let used = ok(&granted, &used.refresh).await;
        advance(&app, 90 * DAY);
        granted.refreshed(&used.refresh).await.is(400, &refused());
        assert_eq!(granted.history().await, ["grant.given"], "expiry is not a reuse");
    }

    async fn a_family_ends_after_a_year_even_if_it_is_used(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let mut tokens = granted.tokens("mcp_read").await;
        for _ in 0..5 {
            advance(&app, 73 * DAY - 1);
            tokens = ok(&granted, &tokens.refresh).await;
        }
        advance(&app, 5);

        granted.refreshed(&tokens.refresh).await.is(400, &refused());
    }

    async fn families_never_end_if_the_settings_are_off(engine: Engine) {
        let settings = [("tokens.refresh_idle_ttl", "0"), ("tokens.refresh_ttl", "0")];
        let app = TestApp::with(engine, &settings).await;
        let granted = Granted::new(&app).await;
        let mut tokens = granted.tokens("mcp_read").await;
        for _ in 0..3 {
            advance(&app, 3_650 * DAY);
            forget_expired::forget_expired(app.context()).await.expect("sweeps");
            tokens = ok(&granted, &tokens.refresh).await;
        }
        assert!(granted.is_active(&tokens.access).await);
    }

    async fn a_refresh_returns_no_id_token(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let exchanged = granted.exchanged(&granted.code("openid mcp_read").await).await;

        let refreshed = granted.refreshed(&Tokens::of(&exchanged).refresh).await;

        assert!(exchanged.json().get("id_token").is_some());
        assert_eq!((scope(&refreshed), refreshed.json().get("id_token")), (both("mcp_read openid"), None));
    }

    async fn no_refusal_changes_the_family(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let granted_scopes = "mcp_read org_authorized_apps_write";
        let code = granted.code_for(&asks(granted_scopes, &[MCP])).await;
        let token = Tokens::of(&granted.exchanged(&code).await).refresh;
        let id = RefreshToken::parse(&token).expect("a token").family;
        let family = async || {
            let found = families::find_for_refresh(app.db(), id).await.expect("is readable").expect("is there");
            (found.family, found.previous_rotated_at)
        };
        let another = granted.another_client("Another").await;
        let before = family().await;
        let role_changes = [
            ("UPDATE memberships SET role = 'read_only'", "UPDATE memberships SET role = 'admin'"),
            ("UPDATE users SET disabled_at = 1", "UPDATE users SET disabled_at = NULL"),
            ("UPDATE org_clients SET disabled_at = 1", "UPDATE org_clients SET disabled_at = NULL"),
        ];
        let lost_scope = [("scope", "org_authorized_apps_write")];
        for (change, back) in role_changes {
            app.execute(change).await;
            assert_eq!(granted.refreshed_with(&token, &lost_scope).await.status, 400, "{change}");
            app.execute(back).await;
        }
        let requests: [&[(&'static str, &str)]; 4] = [
            &[("scope", "mcp_write")],
            &[("scope", "nonsense")],
            &[("resource", "https://other.example")],
            &[("scope", "mcp_read"), ("resource", "https://other.example")],
        ];
        for more in requests {
            assert_eq!(granted.refreshed_with(&token, more).await.status, 400, "{more:?}");
        }
        assert_eq!(another.refreshed(&token).await.status, 400);

        assert_eq!(family().await, before);
        assert_eq!(granted.refreshed_with(&token, &lost_scope).await.status, 200);
    }

    async fn a_disabled_user_gets_no_tokens(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let eve = granted.another_user("eve@acme.example").await;
        let (of_eve, of_admin) = (eve.tokens("mcp_read").await, granted.tokens("mcp_read").await);

        disable_user::disable_user(app.context(), &app.app.callers, "eve@acme.example", &AuditActor::COMMAND_LINE)
            .await
            .expect("is disabled");

        eve.refreshed(&of_eve.refresh).await.is(400, &refused());
        assert!(!granted.is_active(&of_eve.access).await);
        assert_eq!(granted.refreshed(&of_admin.refresh).await.status, 200);
    }

    async fn a_disabled_client_gets_no_tokens_even_after_it_is_enabled_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let other = granted.another_client("Another").await;
        let (tokens, of_other) = (granted.tokens("mcp_read").await, other.tokens("mcp_read").await);
        let client_id = ClientId::parse(&granted.client_id).expect("an id");
        let by = AuditActor::COMMAND_LINE;

        let ended = disable_client(app.context(), granted.org_id(), client_id, None, &by).await;
        granted.refreshed(&tokens.refresh).await.is(400, &refused());
        enable_client(app.context(), granted.org_id(), client_id, &by).await.expect("is enabled");
        granted.refreshed(&tokens.refresh).await.is(400, &refused());

        assert_eq!(ended.expect("is disabled").grants, 1);
        assert!(!granted.is_active(&tokens.access).await);
        assert_eq!(other.refreshed(&of_other.refresh).await.status, 200);
        assert_eq!(granted.refreshed(&granted.tokens("mcp_read").await.refresh).await.status, 200, "a new consent");
    }

    async fn the_key_ring_may_be_rotated_between_two_refreshes(engine: Engine) {
        let app = TestApp::with(engine, &[("secrets.key", OLD_KEY)]).await;
        let with_both = app.replica_with(&[("secrets.key", &format!("{NEW_KEY},{OLD_KEY}"))]).await;
        let granted = Granted::new(&app).await;
        let there = granted.on(&with_both);
        advance(&with_both, 1);
        let first = granted.tokens("mcp_read").await;

        let second = ok(&granted, &first.refresh).await;
        let repeated = ok(&there, &first.refresh).await;
        let third = ok(&there, &second.refresh).await;
        let repeated_again = ok(&there, &second.refresh).await;
        advance(&with_both, 11);
        there.refreshed(&first.refresh).await.is(400, &refused());

        assert_eq!((second.refresh, third.refresh), (repeated.refresh, repeated_again.refresh));
        assert_eq!(granted.history().await, ["grant.given", "refresh_token.reused"], "a reuse is detected with an old key");
    }
}

on_both! {
    async fn every_spelling_of_a_client_id_is_the_same_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = Tokens::of(&granted.exchanged(&granted.code("openid mcp_read").await).await);
        let spelled = granted.client_id.to_uppercase();
        let refresh =
            [("grant_type", "refresh_token"), ("client_id", spelled.as_str()), ("refresh_token", &tokens.refresh)];

        let answer = form(&app, TOKEN, &refresh).await;

        if answer.status == 200 {
            assert_eq!(opened(&Tokens::of(&answer).access).1["client_id"], json!(granted.client_id));
        }
    }
}

#[tokio::test]
async fn removing_a_key_from_the_ring_does_not_end_current_families() {
    let app = TestApp::with(crate::support::Engine::Sqlite, &[("secrets.key", OLD_KEY)]).await;
    let granted = Granted::new(&app).await;
    let current = granted.tokens("mcp_read").await;
    let (lost, resting) = (granted.tokens("mcp_read").await, granted.tokens("mcp_read").await);
    let successor = ok(&granted, &lost.refresh).await;
    let ancestor = resting.refresh;
    let resting = ok(&granted, &ok(&granted, &ancestor).await.refresh).await;
    app.execute("DELETE FROM signing_keys").await;
    let without = app.replica_with(&[("secrets.key", NEW_KEY)]).await;
    let there = granted.on(&without);

    let rotated = ok(&there, &current.refresh).await;
    there.refreshed(&lost.refresh).await.is(400, &refused());
    there.refreshed(&ancestor).await.is(400, &refused());

    assert_eq!(there.refreshed(&rotated.refresh).await.status, 200);
    assert_eq!(
        there.refreshed(&successor.refresh).await.status,
        200,
        "a successor that cannot be said again ends nothing"
    );
    assert_eq!(
        there.refreshed(&resting.refresh).await.status,
        200,
        "an ancestor that cannot be verified ends nothing"
    );
    assert_eq!(granted.history().await, ["grant.given"]);
}
