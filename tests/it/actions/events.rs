//! What webhooks are told: each kind with all that it says, from each of its causes.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use grantor::actions::{self, ApproveError, By};
use grantor::db::grants;
use grantor::oauth::client::ClientId;
use grantor::oauth::permission::Role;
use grantor::oauth::scope::ScopeSet;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::flow::{Form, McpClient, Person};
use crate::support::granted::{Granted, MCP, asks};
use crate::support::outbox::{deliveries, insert_webhook, kinds, told};
use crate::support::{Engine, START, TestApp, TestOperator, restriction_path};

const BY: By = By::COMMAND_LINE;
/// All of it comes from one source, in no time.
const NO_LIMIT: (&str, &str) = ("limits.token_per_minute", "0");
const DAY: u64 = 86_400;

fn scopes(names: &str) -> ScopeSet {
    ScopeSet::parse(names).expect("scopes")
}

fn client_id(granted: &Granted<'_>) -> ClientId {
    ClientId::parse(&granted.client_id).expect("an id")
}

/// What every event about a grant says of it.
fn about(granted: &Granted<'_>, grant_id: &Value, held: &[&str], title: &str) -> Value {
    json!({
        "title": title,
        "org_id": granted.org_id(),
        "grant_id": grant_id,
        "client": {"id": granted.client_id, "name": "App"},
        "user": {"id": granted.user.id, "email": granted.user.email},
        "scopes": held,
    })
}

fn and<const N: usize>(mut data: Value, members: [(&str, Value); N]) -> Value {
    for (name, value) in members {
        data[name] = value;
    }
    data
}

fn event(kind: &str, data: Value) -> (String, Value) {
    (kind.to_owned(), data)
}

/// With a webhook that wants everything.
async fn started(app: &TestApp) -> Granted<'_> {
    let granted = Granted::new(app).await;
    insert_webhook(app, 1, granted.org_id(), None).await;
    granted
}

async fn grant_id(granted: &Granted<'_>) -> Value {
    let found = grants::find(granted.app.db(), granted.org_id(), client_id(granted), granted.user.id).await;
    json!(found.expect("is readable").expect("is there").id)
}

/// What `change` added.
async fn told_of<T>(app: &TestApp, change: impl AsyncFnOnce() -> T) -> Vec<(String, Value)> {
    let before = told(app).await.len();
    change().await;
    told(app).await.split_off(before)
}

fn kinds_of(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(kind, _)| kind.as_str()).collect()
}

/// By the number of what `actor` is given in the API.
fn actor(operator: &TestOperator<'_>, granted: &Granted<'_>) -> String {
    format!("user:{} application_key:{}", granted.user.id, operator.keys.application_key_id)
}

async fn sign_in<'a>(granted: &Granted<'a>, email: &str) -> Person<'a> {
    let mut person = granted.operator.person(email, Role::Standard).await;
    person.signs_in().await;
    person
}

on_both! {
    async fn the_first_consent_of_an_organisation_and_each_that_gives_something_else_is_told(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let eve = granted.another_user("eve@acme.example").await;

        let first = told_of(&app, async || granted.code("openid mcp_read").await).await;
        let again = told_of(&app, async || granted.code("openid mcp_read").await).await;
        let more = told_of(&app, async || granted.code("openid mcp_write").await).await;
        let hers = told_of(&app, async || eve.code("openid").await).await;

        let id = grant_id(&granted).await;
        let title = "admin@acme.example authorized App, which nobody in the organization had authorized before.";
        let both = ["mcp_read", "openid"];
        let given = |held, before| {
            and(about(&granted, &id, held, "admin@acme.example authorized App."), [("scopes_before", before)])
        };
        assert_eq!(first, [
            event("client.first_authorized", about(&granted, &id, &both, title)),
            event("grant.given", given(&both, Value::Null)),
        ]);
        assert_eq!(again, []);
        let three = ["mcp_read", "mcp_write", "openid"];
        assert_eq!(more, [event("grant.given", given(&three, json!(both)))]);
        let hers_expected = about(&eve, &grant_id(&eve).await, &["openid"], "eve@acme.example authorized App.");
        assert_eq!(hers, [event("grant.given", and(hers_expected, [("scopes_before", Value::Null)]))]);
        let written = deliveries(&app).await;
        assert!(written.iter().all(|one| one.client_id == client_id(&granted).uuid()));
        assert!(written.iter().all(|one| one.occurred_at == START.seconds() && one.state == "waiting"));
    }

    async fn a_box_that_is_cleared_is_told_as_what_the_grant_holds_then(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        granted.code("openid mcp_read email").await;
        let request = asks("openid mcp_read", &[]);
        let waiting = granted.waiting(&request).await;
        let offer = granted.offer(&waiting).await.expect("is offered");

        let cleared = told_of(&app, async || {
            granted.answer(&waiting, Some((&offer, &scopes("openid")))).await.expect("is given")
        })
        .await;

        let [(kind, data)] = cleared.as_slice() else { panic!("{cleared:?}") };
        assert_eq!((kind.as_str(), &data["scopes"]), ("grant.given", &json!(["email", "openid"])));
        assert_eq!(data["scopes_before"], json!(["email", "mcp_read", "openid"]));
        let found = grants::find(app.db(), granted.org_id(), client_id(&granted), granted.user.id).await;
        assert_eq!(found.expect("is readable").expect("is there").scopes, scopes("email openid"));
    }

    async fn a_consent_that_a_restriction_has_narrowed_tells_what_was_withheld(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        granted.operator.restrict(&granted.client_id, &["openid"], &["mcp_read"]).await;

        let request = asks("openid email mcp_read mcp_write", &[]);
        let given = told_of(&app, async || granted.code_for(&request).await).await;
        let silently = told_of(&app, async || {
            let waiting = granted.waiting(&request).await;
            granted.answer(&waiting, None).await.expect("is given")
        })
        .await;

        assert_eq!(kinds_of(&given), ["client.first_authorized", "grant.given", "restriction.hit"]);
        let title = "App asked admin@acme.example for more than the organization lets it have, and got a part of it.";
        let expected = json!({
            "title": title,
            "org_id": granted.org_id(),
            "client": {"id": granted.client_id, "name": "App"},
            "user": {"id": granted.user.id, "email": "admin@acme.example"},
            "withheld": ["email", "mcp_write"],
            "outcome": "narrowed",
        });
        assert_eq!(given[2].1, expected);
        assert_eq!(silently, [], "nothing is asked, and nothing is given that was not given before");
    }

    async fn a_restriction_is_told_before_and_after_with_the_grants_that_it_ends(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        granted.code("openid mcp_read").await;
        let (id, path) = (grant_id(&granted).await, restriction_path(&granted.client_id));

        let set = told_of(&app, async || granted.operator.restrict(&granted.client_id, &["openid"], &[]).await).await;
        let once_more =
            told_of(&app, async || granted.operator.restrict(&granted.client_id, &["openid"], &[]).await).await;
        let lifted = told_of(&app, async || granted.operator.delete(&path).await).await;
        let again = told_of(&app, async || granted.operator.delete(&path).await).await;

        let actor = actor(&granted.operator, &granted);
        let changed = |title: &str, before: Value, after: Value, narrowed: u64| {
            let data = json!({
                "title": title,
                "org_id": granted.org_id(),
                "client": {"id": granted.client_id, "name": "App"},
                "before": before,
                "after": after,
                "grants_narrowed": narrowed,
                "actor": actor,
            });
            event("restriction.changed", data)
        };
        let openid = json!({"oidc_scopes": ["openid"], "permission_scopes": []});
        let title = "What admin@acme.example had authorized for App has ended, since the client may have less now.";
        let revoked = about(&granted, &id, &["mcp_read", "openid"], title);
        let revoked = and(revoked, [("grants", json!(1)), ("cause", json!("restriction_changed")), ("actor", json!(actor))]);
        assert_eq!(set, [
            changed("The restriction of App was changed.", Value::Null, openid.clone(), 1),
            event("grant.revoked", revoked),
        ]);
        assert_eq!(lifted, [changed("The restriction of App was lifted.", openid, Value::Null, 0)]);
        assert_eq!((once_more, again), (Vec::new(), Vec::new()), "nothing has changed");
    }

    async fn grants_that_are_narrowed_and_live_on_are_counted_only(engine: Engine) {
        let app = TestApp::with(engine, &[("restriction.on_narrow", "narrow_grants")]).await;
        let granted = started(&app).await;
        let eve = granted.another_user("eve@acme.example").await;
        granted.code("openid mcp_read").await;
        eve.code("mcp_read").await;

        let set = told_of(&app, async || granted.operator.restrict(&granted.client_id, &["openid"], &[]).await).await;

        assert_eq!(kinds_of(&set), ["restriction.changed", "grant.revoked"]);
        assert_eq!((&set[0].1["grants_narrowed"], &set[1].1["user"]["email"]), (&json!(2), &json!("eve@acme.example")));
    }

    async fn what_was_refused_is_not_told(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let path = format!("{}?if_digest={}", restriction_path(&granted.client_id), "0".repeat(64));

        let moved = granted.operator.post(&path, &crate::support::upsert(&["openid"], &[])).await;
        let request = asks("email", &[]);
        let waiting = granted.waiting(&request).await;
        let offer = granted.offer(&waiting).await.expect("is offered");
        let nothing = granted.answer(&waiting, Some((&offer, &ScopeSet::default()))).await;

        assert_eq!(moved.status, 409, "{}", moved.text);
        assert!(matches!(nothing, Err(ApproveError::NothingChosen)), "{nothing:?}");
        assert_eq!(kinds(&app).await, Vec::<String>::new());
    }

    async fn other_defaults_are_told_about_no_client_and_each_grant_that_they_end_about_its_own(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let other = granted.another_client("Other").await;
        granted.code("openid mcp_read").await;
        other.code("openid mcp_read").await;
        let (config, catalogue, before) = (&app.app.config, &app.app.catalogue, deliveries(&app).await.len());

        let openid = scopes("openid");
        let narrowed = actions::set_default_client_scopes(
            app.context(), granted.org_id(), Some(&openid), config, catalogue, &BY,
        )
        .await;

        assert_eq!(narrowed.expect("is set"), 2);
        let written = deliveries(&app).await.split_off(before);
        let expected = json!({
            "title": "What clients may have that are not restricted by themselves was changed.",
            "org_id": granted.org_id(),
            "client": null,
            "before": null,
            "after": {"default_client_scopes": ["openid"]},
            "grants_narrowed": 2,
            "actor": "command_line",
        });
        assert_eq!((written[0].kind.as_str(), written[0].data(), written[0].client_id), ("restriction.changed", expected, Uuid::nil()));
        let mut ended: Vec<Uuid> = written[1..].iter().map(|one| one.client_id).collect();
        let mut clients = [client_id(&granted).uuid(), client_id(&other).uuid()];
        ended.sort();
        clients.sort();
        assert_eq!(ended, clients);
        assert!(written[1..].iter().all(|one| one.kind == "grant.revoked"));
    }

    async fn the_end_of_a_grant_is_told_once_and_from_every_cause(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        granted.code("openid").await;
        let id = grants::find(app.db(), granted.org_id(), client_id(&granted), granted.user.id).await;
        let id = id.expect("is readable").expect("is there").id;
        let end = async || actions::end_grant(app.context(), id, |_| true, &BY).await.expect("is ended");
        let revoked = |cause: &str, words: &str| {
            let title = format!("What admin@acme.example had authorized for App {words}.");
            let data = about(&granted, &json!(id), &["openid"], &title);
            let more = [("grants", json!(1)), ("cause", json!(cause)), ("actor", json!("command_line"))];
            [event("grant.revoked", and(data, more))]
        };

        assert_eq!(told_of(&app, end).await, revoked("revoked", "was revoked"));
        assert_eq!(told_of(&app, end).await, []);

        granted.code("openid").await;
        let (org_id, client) = (granted.org_id(), client_id(&granted));
        let disable = async || actions::disable_client(app.context(), org_id, client, &BY).await.expect("is disabled");
        assert_eq!(told_of(&app, disable).await, revoked("client_disabled", "has ended, since the client was disabled"));
        assert_eq!(told_of(&app, disable).await, []);
        let enable = async || actions::enable_client(app.context(), org_id, client, &BY).await.expect("is enabled");
        assert_eq!(told_of(&app, enable).await, []);

        granted.code("openid").await;
        let (operators, email) = (&app.app.operators, granted.user.email.as_str());
        let disable = async || actions::disable_user(app.context(), operators, email, &BY).await.expect("is disabled");
        assert_eq!(told_of(&app, disable).await, revoked("user_disabled", "has ended, since the user was disabled"));
        assert_eq!(told_of(&app, disable).await, []);
    }

    async fn who_is_removed_ends_what_they_had_authorised(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let eve = granted.another_user("eve@acme.example").await;
        eve.code("openid").await;
        app.execute("DELETE FROM authorization_codes").await;

        let removed = told_of(&app, async || {
            actions::remove_user(app.context(), eve.org_id(), eve.user.id, None, &BY).await.expect("is removed");
        })
        .await;

        assert_eq!(kinds_of(&removed), ["grant.revoked"]);
        assert_eq!((&removed[0].1["cause"], &removed[0].1["user"]["email"]), (&json!("user_removed"), &json!("eve@acme.example")));
    }

    async fn who_is_disabled_in_several_organisations_is_told_to_each_what_was_its_own(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let eve = granted.another_user("eve@mail.example").await;
        let umbra = Granted::of(&app, "Umbra").await;
        insert_webhook(&app, 2, umbra.org_id(), None).await;
        let in_umbra = umbra.another_user("eve@mail.example").await;
        for consent in [&eve, &eve.another_client("Second").await, &in_umbra] {
            consent.code("openid").await;
        }

        let before = deliveries(&app).await.len();
        actions::disable_user(app.context(), &app.app.operators, "eve@mail.example", &BY).await.expect("is disabled");

        let written = deliveries(&app).await.split_off(before);
        let of = |org: &Granted<'_>| {
            let org_id = json!(org.org_id());
            written.iter().filter(|one| one.data()["org_id"] == org_id).map(|one| one.webhook_id).collect::<Vec<_>>()
        };
        let (acme, other) = (of(&granted), of(&umbra));
        assert_eq!((acme.len(), other.len(), written.len()), (2, 1, 3));
        assert!(acme.iter().all(|webhook| *webhook != other[0]), "{acme:?} {other:?}");
    }

    async fn a_refresh_token_that_is_used_twice_is_told_and_nothing_else_that_ends_a_chain(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT]).await;
        let granted = started(&app).await;
        let (first, code) = (granted.tokens("openid mcp_read").await, granted.code_of_mcp("openid mcp_read").await);
        let done = granted.tokens("openid mcp_read").await;
        let refreshed = granted.refreshed(&first.refresh).await;
        granted.refreshed(&crate::support::granted::Tokens::of(&refreshed).refresh).await;
        app.hand.advance(Duration::from_secs(DAY));

        let reused = told_of(&app, async || granted.refreshed(&first.refresh).await).await;
        let again = told_of(&app, async || granted.refreshed(&first.refresh).await).await;
        let other = told_of(&app, async || {
            granted.revoked(&done.refresh).await;
            granted.exchanged(&code).await;
            granted.exchanged(&code).await
        })
        .await;

        let id = grant_id(&granted).await;
        let title = "A refresh token of App for admin@acme.example was used twice: what came of it has ended.";
        let [(kind, data)] = reused.as_slice() else { panic!("{reused:?}") };
        let family = data["family_id"].clone();
        assert!(family.as_str().is_some_and(|text| Uuid::parse_str(text).is_ok()), "{family}");
        let expected = and(about(&granted, &id, &["mcp_read", "openid"], title), [("family_id", family)]);
        assert_eq!((kind.as_str(), data), ("refresh_token.reused", &expected));
        assert_eq!((again, other), (Vec::new(), Vec::new()));
    }

    async fn a_request_that_a_restriction_refuses_is_told_once_a_minute_for_each_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let client = McpClient::registered(&app, &["https://app.example/cb"]).await;
        let mut eve = sign_in(&granted, "eve@acme.example").await;
        let mut max = sign_in(&granted, "max@acme.example").await;
        granted.operator.restrict(&client.id, &["openid"], &[]).await;
        let url = client.url(&[("scope", "email mcp_read org_management")]);
        let refused = async |person: &mut Person<'_>| {
            assert_eq!(client.told(&person.visit(&url).await).get("error"), Some("invalid_scope"));
        };

        let first = told_of(&app, async || refused(&mut eve).await).await;
        let again = told_of(&app, async || {
            refused(&mut eve).await;
            client.told(&eve.visit(&client.url(&[("scope", "email"), ("prompt", "none")])).await)
        })
        .await;
        let other = told_of(&app, async || refused(&mut max).await).await;
        app.hand.advance(Duration::from_secs(60));
        let later = told_of(&app, async || refused(&mut eve).await).await;

        let expected = json!({
            "title": "Editor asked eve@acme.example for more than the organization lets it have, and was refused.",
            "org_id": granted.org_id(),
            "client": {"id": client.id, "name": "Editor"},
            "user": {"id": eve.user_id().await, "email": "eve@acme.example"},
            "withheld": ["email", "mcp_read", "org_management"],
            "outcome": "refused",
        });
        assert_eq!(first, [event("restriction.hit", expected.clone())]);
        assert_eq!((again, later), (Vec::new(), vec![event("restriction.hit", expected)]));
        assert_eq!((kinds_of(&other), &other[0].1["user"]["email"]), (vec!["restriction.hit"], &json!("max@acme.example")));
    }

    async fn a_refusal_that_no_restriction_made_is_not_told(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = started(&app).await;
        let client = McpClient::registered(&app, &["https://app.example/cb"]).await;
        let mut eve = sign_in(&granted, "eve@acme.example").await;

        let by_role = eve.visit(&client.url(&[("scope", "org_management")])).await;
        let by_server = eve.visit(&client.url(&[("scope", "api_keys_write")])).await;
        let page = eve.visit(&client.url(&[("scope", "openid")])).await;
        let by_user = eve.submit(&Form::refusing(&page)).await;

        assert_eq!(client.told(&by_role).get("error"), Some("invalid_scope"));
        assert_eq!(client.told(&by_server).get("error"), Some("invalid_scope"));
        assert_eq!(client.told(&by_user).get("error"), Some("access_denied"));
        assert_eq!(kinds(&app).await, Vec::<String>::new());
    }

    async fn what_is_refused_at_the_click_is_told_too(engine: Engine) {
        let app = TestApp::with(engine, &[("restriction.on_excess", "refuse")]).await;
        let granted = started(&app).await;
        let client = McpClient::registered(&app, &["https://app.example/cb"]).await;
        let mut eve = sign_in(&granted, "eve@acme.example").await;
        let page = eve.visit(&client.url(&[("scope", "openid email")])).await;
        granted.operator.restrict(&client.id, &["openid"], &[]).await;

        let hit = told_of(&app, async || eve.submit(&Form::approving(&page)).await).await;

        assert_eq!(kinds_of(&hit), ["restriction.hit"]);
        assert_eq!((&hit[0].1["withheld"], &hit[0].1["outcome"]), (&json!(["email"]), &json!("refused")));
    }

    async fn a_signing_key_is_told_to_everybody_a_week_before_it_is_replaced_and_by_one_server(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (granted, umbra, replica) = (started(&app).await, app.operator("Umbra").await, app.replica().await);
        insert_webhook(&app, 2, umbra.org_id, Some(&["signing_key.expiring"])).await;
        insert_webhook(&app, 3, umbra.org_id, Some(&["grant.given"])).await;
        let announce = async |at: &TestApp| {
            let (app, rules) = (&at.app, at.app.signing_rules());
            actions::announce_expiring_keys(at.context(), &app.issuer.ring, rules, app.sealing_max_age()).await.expect("is asked")
        };
        let max_age = u64::try_from(app.app.signing_rules().max_age).expect("a positive age");
        app.hand.advance(Duration::from_secs(max_age - 7 * DAY - 1));
        replica.hand.advance(Duration::from_secs(max_age - 7 * DAY));
        let key = grantor::db::signing_keys::list(app.db()).await.expect("is readable").remove(0);

        assert_eq!((announce(&app).await, kinds(&app).await.len()), (0, 0));
        app.hand.advance(Duration::from_secs(1));
        let counts = join_all([announce(&app), announce(&replica), announce(&app), announce(&replica)]).await;

        assert_eq!(counts.iter().sum::<usize>(), 1);
        let written = deliveries(&app).await;
        let expected = json!({
            "title": "The key that signs tokens will be replaced at 2026-04-02T03:04:05Z.",
            "org_id": null,
            "signing_key": {"id": key.id, "algorithm": "ES256"},
            "signs_from": "2026-01-02T03:04:05Z",
            "replaced_at": "2026-04-02T03:04:05Z",
        });
        for (one, webhook) in written.iter().zip([1, 2]) {
            assert_eq!((one.webhook_id, one.client_id), (crate::support::outbox::webhook_id(webhook), Uuid::nil()));
            assert_eq!((one.kind.as_str(), one.data()), ("signing_key.expiring", expected.clone()));
        }
        assert_eq!((written.len(), written[0].event_id), (2, written[1].event_id));
        drop(granted);
    }

    async fn a_sealing_key_is_told_30_days_before_it_is_old_once_and_only_where_it_seals(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_granted, replica) = (started(&app).await, app.replica().await);
        app.execute("DELETE FROM sealing_keys").await;
        app.execute("INSERT INTO sealing_keys (id, first_used_at) VALUES ('development', 1767323045), ('former', 1)").await;
        let rules = actions::SigningRules { max_age: 0, ..app.app.signing_rules() };
        let announce = async |at: &TestApp, max_age: u64| {
            let max_age = i64::try_from(max_age).expect("an age");
            actions::announce_expiring_keys(at.context(), &at.app.issuer.ring, rules, max_age).await.expect("is asked")
        };
        for at in [&app, &replica] {
            at.hand.advance(Duration::from_secs(60 * DAY - 1));
        }

        assert_eq!((announce(&app, 0).await, announce(&app, 90 * DAY).await), (0, 0));
        for at in [&app, &replica] {
            at.hand.advance(Duration::from_secs(1));
        }
        let counts = join_all([announce(&app, 90 * DAY), announce(&replica, 90 * DAY)]).await;

        assert_eq!(counts.iter().sum::<usize>(), 1);
        let expected = json!({
            "title": "The key development, which seals stored secrets, is old at 2026-04-02T03:04:05Z.",
            "org_id": null,
            "sealing_key": {"id": "development"},
            "first_used_at": "2026-01-02T03:04:05Z",
            "expires_at": "2026-04-02T03:04:05Z",
        });
        assert_eq!(told(&app).await, [event("sealing_key.expiring", expected)]);
    }

    async fn a_sweep_tells_of_keys(engine: Engine) {
        let app = TestApp::with(engine, &[("tokens.signing_key_max_age", "86400")]).await;
        let _granted = started(&app).await;
        // The clocks of this test and of the database differ, so that the sweep would leave everything as it is.
        let skew = app.db().unix_millis().await.expect("answers") - START.seconds() * 1000;
        app.hand.advance(Duration::from_millis(skew.try_into().expect("later than the start of the test")));
        app.execute("UPDATE signing_keys SET announced_at = NULL").await;

        grantor::sweeper::sweep(&app.app).await;

        assert!(kinds(&app).await.contains(&"signing_key.expiring".to_owned()));
    }

    async fn what_happens_to_one_client_is_told_in_the_order_in_which_it_happened(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT, ("limits.operator_per_minute", "0")]).await;
        let replica = app.replica_with(&[NO_LIMIT, ("limits.operator_per_minute", "0")]).await;
        let granted = started(&app).await;
        let eve = granted.another_user("eve@acme.example").await;
        let (there, eve_there) = (granted.on(&replica), eve.on(&replica));
        let request = asks("openid mcp_read", &[MCP]);
        let restricting = async |granted: &Granted<'_>, lists: [&'static [&'static str]; 2]| {
            for _ in 0..8 {
                for scopes in lists {
                    let answer = granted.operator.restrict(&granted.client_id, &["openid"], scopes).await;
                    assert_eq!(answer.status, 200, "{}", answer.text);
                }
            }
        };
        let consenting = async |granted: &Granted<'_>| {
            for _ in 0..12 {
                match granted.approve(&request).await {
                    Ok(_) | Err(ApproveError::Changed) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        };

        granted.code_for(&request).await;
        tokio::join!(
            restricting(&granted, [&["mcp_read"], &[]]),
            restricting(&there, [&["mcp_write"], &["mcp_read", "mcp_write"]]),
            consenting(&granted),
            consenting(&there),
            consenting(&eve),
            consenting(&eve_there),
        );

        let all = told(&app).await;
        let mut restriction = Value::Null;
        let mut held = std::collections::BTreeMap::new();
        for (kind, data) in &all {
            let user = data["user"]["id"].to_string();
            match kind.as_str() {
                "restriction.changed" => {
                    assert_eq!(data["before"], restriction, "each follows the one before it");
                    restriction = data["after"].clone();
                }
                "grant.given" => {
                    let before = held.insert(user, data["scopes"].clone()).unwrap_or_default();
                    assert_eq!(data["scopes_before"], before);
                }
                "grant.revoked" => assert_eq!(held.remove(&user), Some(data["scopes"].clone())),
                "client.first_authorized" | "restriction.hit" => {}
                other => panic!("{other}"),
            }
        }
        let told = |kind: &str| all.iter().filter(|(told, _)| told == kind).count();
        let events = granted.events().await;
        let recorded = |action: &str| events.iter().filter(|event| event.action == action).count();
        assert!(told("restriction.changed") > 16 && told("grant.revoked") > 0);
        assert_eq!(recorded("scopes_restriction.set"), 32);
        for kind in ["grant.given", "grant.revoked"] {
            assert_eq!(told(kind), recorded(kind), "{kind}");
        }
    }

    async fn who_ends_grants_of_many_clients_and_who_consents_never_wait_in_a_ring(engine: Engine) {
        let app = TestApp::with(engine, &[NO_LIMIT]).await;
        let replica = app.replica_with(&[NO_LIMIT]).await;
        let ada = started(&app).await;
        insert_webhook(&app, 2, ada.org_id(), None).await;
        let mut of_ada = vec![ada.on(&app)];
        for number in 0..8 {
            of_ada.push(ada.another_client(&format!("Client {number}")).await);
        }
        for round in 0..4 {
            let email = format!("eve-{round}@acme.example");
            let eve = ada.another_user(&email).await;
            let of_eve: Vec<Granted<'_>> =
                of_ada.iter().map(|one| Granted { client_id: one.client_id.clone(), ..eve.on(&replica) }).collect();
            for one in &of_eve {
                one.code("openid").await;
            }
            let request = asks(if round % 2 == 0 { "openid email" } else { "openid mcp_read" }, &[]);
            let (config, catalogue) = (&app.app.config, &app.app.catalogue);
            let defaults = scopes("openid email mcp_read");

            let (disabled, narrowed, consents) = tokio::join!(
                actions::disable_user(replica.context(), &replica.app.operators, &email, &BY),
                actions::set_default_client_scopes(app.context(), ada.org_id(), Some(&defaults), config, catalogue, &BY),
                try_join_all(of_ada.iter().rev().map(|one| one.approve(&request))),
            );

            disabled.expect("is disabled");
            narrowed.expect("is set");
            match consents {
                Ok(_) | Err(ApproveError::Changed) => {}
                Err(error) => panic!("{error}"),
            }
            let revoked = |(kind, data): &(String, Value)| kind == "grant.revoked" && data["user"]["email"] == json!(email);
            let all = told(&app).await;
            assert_eq!(all.iter().filter(|one| revoked(one)).count(), 2 * of_eve.len());
        }
    }
}

mod a_server_at_its_work_tells {
    use super::*;

    /// Without a webhook nothing is written, whatever happens.
    #[tokio::test]
    async fn nobody_where_nobody_listens() {
        let app = TestApp::start(Engine::Postgres).await;
        let granted = Granted::new(&app).await;
        let umbra = app.operator("Umbra").await;
        insert_webhook(&app, 1, umbra.org_id, None).await;
        granted.code("openid").await;
        granted.operator.restrict(&granted.client_id, &[], &[]).await;

        assert_eq!(kinds(&app).await, Vec::<String>::new());
        assert_eq!(crate::support::outbox::lanes(&app).await, []);
    }
}
