//! `POST /oauth2/v1/token` with a refresh token: what it gives, when it ends, and what ends it.

use std::time::Duration;

use grantor::actions::audit::AuditActor;
use grantor::actions::grants::end;
use grantor::actions::orgs::default_client_scopes;
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
    oauth("invalid_scope", &format!("scope contains scopes that were not granted ({names}): {remedy}"))
}

fn not_allowed(names: &str) -> Value {
    let rule = "the scopes allowed for the client or the role of the user changed, and an administrator of the \
                organization can change that";
    oauth("invalid_scope", &format!("scope contains only scopes that are no longer allowed ({names}): {rule}"))
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
    app.hand.advance(Duration::from_secs(seconds));
}

on_both! {
    async fn a_client_with_a_document_refreshes_by_its_url_and_never_by_its_uuid(engine: Engine) {
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

    async fn a_refresh_gives_new_tokens_and_the_next_refresh_token(engine: Engine) {
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
        let told = opened(&second.access).1;
        assert_ne!(claims["jti"], told["jti"]);
        claims["jti"] = told["jti"].clone();
        assert_eq!(told, claims, "the rest stays, also when the user signed in");
        assert!(granted.is_active(&first.access).await && granted.is_active(&second.access).await);
        assert_eq!(granted.history().await, ["grant.given"]);
    }

    async fn a_chain_goes_on_and_on(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let mut tokens = granted.tokens("mcp_read").await;
        for _ in 0..20 {
            advance(&app, 3_500);
            tokens = ok(&granted, &tokens.refresh).await;
            assert!(granted.is_active(&tokens.access).await);
        }
    }

    async fn a_lost_answer_is_repeated_within_the_grace_time_with_the_same_successor(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;

        let lost = ok(&granted, &first.refresh).await;
        advance(&app, 10);
        let repeated = ok(&granted, &first.refresh).await;
        let repeated_there = ok(&granted.on(&app.replica().await), &first.refresh).await;

        assert_eq!((&lost.refresh, &lost.refresh), (&repeated.refresh, &repeated_there.refresh));
        assert_ne!(lost.access, repeated.access);
        for tokens in [&lost, &repeated, &repeated_there] {
            assert!(granted.is_active(&tokens.access).await);
        }
        assert_eq!(granted.refreshed(&repeated.refresh).await.status, 200);
        assert_eq!(granted.history().await, ["grant.given"]);
    }

    async fn a_response_that_was_lost_in_an_outage_is_repeated_until_its_token_is_used(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let lost = ok(&granted, &first.refresh).await;

        advance(&app, 600);
        let repeated = ok(&granted, &first.refresh).await;
        advance(&app, 2_400);
        assert!(granted.is_active(&repeated.access).await, "using an access token does not use the refresh token");
        let repeated_again = ok(&granted, &first.refresh).await;

        assert_eq!((&lost.refresh, &lost.refresh), (&repeated.refresh, &repeated_again.refresh));
        assert!(granted.is_active(&repeated_again.access).await);
        let next = ok(&granted, &repeated.refresh).await;
        assert_eq!(granted.refreshed(&next.refresh).await.status, 200);
        assert_eq!(granted.history().await, ["grant.given"]);
    }

    async fn a_replaced_token_whose_successor_was_used_ends_the_family_after_the_grace_time(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let second = ok(&granted, &first.refresh).await;
        advance(&app, 11);
        let third = ok(&granted, &second.refresh).await;

        granted.refreshed(&first.refresh).await.is(400, &refused());

        granted.refreshed(&third.refresh).await.is(400, &refused());
        assert!(!granted.is_active(&third.access).await);
        assert_eq!(granted.history().await, ["grant.given", "refresh_token.reused"]);
    }

    async fn a_replaced_token_is_refused_after_an_hour_and_the_family_stays(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let second = ok(&granted, &first.refresh).await;

        advance(&app, 3_600);
        let last_moment = ok(&granted, &first.refresh).await;
        advance(&app, 1);
        granted.refreshed(&first.refresh).await.is(400, &refused());

        assert_eq!(last_moment.refresh, second.refresh);
        assert_eq!(granted.history().await, ["grant.given"], "nobody used the successor, so this is no sign of theft");
        assert_eq!(granted.refreshed(&second.refresh).await.status, 200);
    }

    async fn a_reused_token_is_recorded_and_ends_only_its_own_family(engine: Engine) {
        let app = TestApp::with(engine, &[("tokens.refresh_repeat", "0")]).await;
        let granted = Granted::new(&app).await;
        let (first, other) = (granted.tokens("mcp_read").await, granted.tokens("mcp_read").await);
        let second = ok(&granted, &first.refresh).await;
        advance(&app, 11);

        let reused = granted.refreshed(&first.refresh).await;

        reused.is(400, &refused());
        assert_eq!(reused.header("cache-control"), Some("no-store"));
        granted.refreshed(&second.refresh).await.is(400, &refused());
        assert_eq!(granted.introspected(&second.access).await, json!({"active": false}));
        assert_eq!(granted.history().await, ["grant.given", "refresh_token.reused"]);
        let event = granted.events().await.pop().expect("an event");
        let family = opened(&first.access).1["family"].as_str().expect("a family").to_owned();
        assert!(event.subject.contains(&format!("family:{family}")), "{}", event.subject);
        assert_eq!(event.actor, format!("client:{}", granted.client_id));
        assert!(granted.is_active(&other.access).await, "another chain of the same grant lives on");
        assert_eq!(granted.refreshed(&other.refresh).await.status, 200);
    }

    async fn the_slowest_of_three_concurrent_refreshes_gets_the_successor_of_its_token(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let second = ok(&granted, &first.refresh).await;
        let third = ok(&granted, &second.refresh).await;

        let slowest = ok(&granted, &first.refresh).await;
        let next = ok(&granted, &slowest.refresh).await;

        assert_eq!((&slowest.refresh, &next.refresh), (&second.refresh, &third.refresh), "the chain does not fork");
        assert!(granted.is_active(&slowest.access).await && granted.is_active(&third.access).await);
        assert_eq!(granted.history().await, ["grant.given"]);
        advance(&app, 11);
        granted.refreshed(&first.refresh).await.is(400, &refused());
        assert!(!granted.is_active(&third.access).await);
        assert_eq!(granted.history().await, ["grant.given", "refresh_token.reused"]);
    }

    async fn a_token_older_than_the_last_three_ends_the_family_at_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let second = ok(&granted, &first.refresh).await;
        let third = ok(&granted, &second.refresh).await;
        let third = ok(&granted, &third.refresh).await;

        granted.refreshed(&first.refresh).await.is(400, &refused());

        assert!(!granted.is_active(&third.access).await);
        granted.refreshed(&third.refresh).await.is(400, &refused());
        assert_eq!(granted.history().await, ["grant.given", "refresh_token.reused"]);
    }

    async fn without_grace_and_repetition_a_replaced_token_ends_the_family_at_once(engine: Engine) {
        let app = TestApp::with(engine, &[("tokens.refresh_grace", "0"), ("tokens.refresh_repeat", "0")]).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read").await;
        let second = ok(&granted, &first.refresh).await;

        granted.refreshed(&first.refresh).await.is(400, &refused());

        granted.refreshed(&second.refresh).await.is(400, &refused());
        assert_eq!(granted.history().await, ["grant.given", "refresh_token.reused"]);
    }

    async fn text_that_is_no_token_does_nothing_to_the_family(engine: Engine) {
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

    async fn a_token_of_another_client_is_refused_and_stays_its_own(engine: Engine) {
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

    async fn a_chain_that_rests_ends_after_90_days_and_each_use_starts_them_anew(engine: Engine) {
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
        assert_eq!(granted.history().await, ["grant.given"], "what ends by itself is no reuse");
    }

    async fn a_chain_ends_after_a_year_however_often_it_is_used(engine: Engine) {
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

    async fn chains_end_never_where_the_settings_say_so(engine: Engine) {
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

    async fn a_narrower_scope_is_for_one_token_and_a_wider_one_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read email").await;

        let wider = granted.refreshed_with(&first.refresh, &[("scope", "mcp_read mcp_write")]).await;
        let unknown = granted.refreshed_with(&first.refresh, &[("scope", "nonsense")]).await;
        let narrower = granted.refreshed_with(&first.refresh, &[("scope", "email")]).await;
        let same = granted.refreshed_with(&Tokens::of(&narrower).refresh, &[("scope", "email mcp_read")]).await;
        let none = granted.refreshed_with(&Tokens::of(&same).refresh, &[("scope", "")]).await;

        wider.is(400, &not_granted("mcp_write"));
        unknown.is(400, &not_granted("nonsense"));
        assert_eq!(scope(&narrower), both("email"));
        assert_eq!(scope(&same), both("email mcp_read"));
        assert_eq!(scope(&none), both("email mcp_read"));
        assert_eq!(granted.introspected(&Tokens::of(&narrower).access).await["scope"], json!("email"));
    }

    async fn a_refusal_does_not_use_the_token_up(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        advance(&app, 60);

        for _ in 0..3 {
            granted.refreshed_with(&tokens.refresh, &[("scope", "mcp_write")]).await.is(400, &not_granted("mcp_write"));
            advance(&app, 60);
        }

        assert_eq!(granted.refreshed(&tokens.refresh).await.status, 200);
    }

    async fn a_resource_may_be_one_of_those_that_were_granted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = Tokens::of(&granted.exchanged(&granted.code_for(&asks("mcp_read", &[MCP, SECOND])).await).await);

        let one = granted.refreshed_with(&first.refresh, &[("resource", "https://second.example/")]).await;
        let next = Tokens::of(&one).refresh;
        let both = granted.refreshed_with(&next, &[("resource", MCP), ("resource", SECOND)]).await;
        let next = Tokens::of(&both).refresh;
        let other = granted.refreshed_with(&next, &[("resource", "https://other.example")]).await;
        let beside = granted.refreshed_with(&next, &[("resource", MCP), ("resource", "https://other.example")]).await;

        assert_eq!(opened(&Tokens::of(&one).access).1["aud"], json!(SECOND));
        assert_eq!(opened(&Tokens::of(&both).access).1["aud"], json!([MCP, SECOND]));
        for answer in [other, beside] {
            answer.is(400, &oauth(
                "invalid_target", "resource was not granted: use one from the authorization request",
            ));
        }
        assert_eq!(granted.refreshed(&next).await.status, 200);
    }

    async fn a_refresh_signs_nobody_in_and_gives_no_id_token(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let exchanged = granted.exchanged(&granted.code("openid mcp_read").await).await;

        let refreshed = granted.refreshed(&Tokens::of(&exchanged).refresh).await;

        assert!(exchanged.json().get("id_token").is_some());
        assert_eq!((scope(&refreshed), refreshed.json().get("id_token")), (both("mcp_read openid"), None));
    }

    async fn the_organizations_default_scopes_narrow_the_next_token(engine: Engine) {
        let app = TestApp::with(engine, &[("restriction.on_narrow", "narrow_grants")]).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read email").await;
        let defaults = async |scopes: Option<&str>| {
            let scopes = scopes.map(|names| ScopeSet::parse(names).expect("scopes"));
            default_client_scopes::set_default_client_scopes(
                app.context(), granted.org_id(), scopes.as_ref(), &app.app.config, &app.app.catalog, &AuditActor::COMMAND_LINE,
            ).await.expect("are set");
        };

        defaults(Some("mcp_read")).await;
        let narrowed = granted.refreshed(&tokens.refresh).await;
        let asked = granted.refreshed_with(&Tokens::of(&narrowed).refresh, &[("scope", "email")]).await;
        defaults(Some("teams_read")).await;
        let nothing_left = granted.refreshed(&Tokens::of(&narrowed).refresh).await;
        defaults(None).await;
        let whole_again = granted.refreshed(&Tokens::of(&narrowed).refresh).await;

        assert_eq!(scope(&narrowed), both("mcp_read"));
        asked.is(400, &not_granted("email"));
        for ended in [nothing_left, whole_again] {
            assert_eq!((ended.status.as_u16(), ended.json()["error"].as_str()), (400, Some("invalid_grant")));
        }
    }

    async fn a_role_that_became_smaller_gives_the_next_token_less(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read org_authorized_apps_write").await;

        app.execute("UPDATE memberships SET role = 'read_only'").await;
        let refreshed = granted.refreshed(&tokens.refresh).await;

        assert_eq!(scope(&refreshed), both("mcp_read"));
        let asked = [("scope", "org_authorized_apps_write")];
        let token = Tokens::of(&refreshed).refresh;
        for _ in 0..2 {
            granted.refreshed_with(&token, &asked).await.is(400, &not_allowed("org_authorized_apps_write"));
            advance(&app, 4_000);
        }
        let next = granted.refreshed(&token).await;
        assert_eq!(scope(&next), both("mcp_read"), "a refusal did not use the token up");
        assert_eq!(granted.history().await, ["grant.given"]);
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

    async fn who_was_disabled_gets_no_more(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let eve = granted.another_user("eve@acme.example").await;
        let (of_eve, of_admin) = (eve.tokens("mcp_read").await, granted.tokens("mcp_read").await);

        disable_user::disable_user(app.context(), &app.app.operators, "eve@acme.example", &AuditActor::COMMAND_LINE)
            .await
            .expect("is disabled");

        eve.refreshed(&of_eve.refresh).await.is(400, &refused());
        assert!(!granted.is_active(&of_eve.access).await);
        assert_eq!(granted.refreshed(&of_admin.refresh).await.status, 200);
    }

    async fn a_client_that_the_organization_disabled_gets_no_more_also_when_it_is_enabled_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let other = granted.another_client("Another").await;
        let (tokens, of_other) = (granted.tokens("mcp_read").await, other.tokens("mcp_read").await);
        let client_id = ClientId::parse(&granted.client_id).expect("an id");
        let by = AuditActor::COMMAND_LINE;

        let ended = end::disable_client(app.context(), granted.org_id(), client_id, &by).await;
        granted.refreshed(&tokens.refresh).await.is(400, &refused());
        end::enable_client(app.context(), granted.org_id(), client_id, &by).await.expect("is enabled");
        granted.refreshed(&tokens.refresh).await.is(400, &refused());

        assert_eq!(ended.expect("is disabled").grants, 1);
        assert!(!granted.is_active(&tokens.access).await);
        assert_eq!(other.refreshed(&of_other.refresh).await.status, 200);
        assert_eq!(granted.refreshed(&granted.tokens("mcp_read").await.refresh).await.status, 200, "a new consent");
    }

    async fn the_ring_may_be_rotated_between_two_refreshes(engine: Engine) {
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
        assert_eq!(granted.history().await, ["grant.given", "refresh_token.reused"], "an old key still tells a reuse");
    }
}

on_both! {
    async fn a_client_has_one_name_however_it_spells_its_id(engine: Engine) {
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
async fn a_key_that_has_left_the_ring_ends_no_chain_whose_token_is_current() {
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
    assert_eq!(there.refreshed(&resting.refresh).await.status, 200, "an ancestor that nobody can check ends nothing");
    assert_eq!(granted.history().await, ["grant.given"]);
}
