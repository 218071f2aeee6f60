//! `/oauth2/v1/authorize`: what a client may ask for, and what it gets. What is refused is in `authorize_fatal.rs` and
//! `authorize_refusals.rs`, what waits in between in `authorize_pending.rs`.

use std::time::Duration;

use axum::http::Method;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use grantor::http::Peer;
use grantor::rules::identity::permission::Role;
use serde_json::{Value, json};

use crate::support::flow::{AUTHORIZE, Form, McpClient, STATE, Told, choosing};
use crate::support::granted::{INTROSPECT, TOKEN, form, insert_resource};
use crate::support::{Answer, Reply, START, Site, TestApp, request};

const REDIRECT: &str = "https://app.example/cb";
const EVE: &str = "eve@mail.example";
const MINUTE: Duration = Duration::from_secs(60);
const ON_LOOPBACK: (&str, &str) = ("client_documents.allow_loopback", "true");
const NOBODY: &str = "72b68208-36a6-81f0-b21b-da7ad0900002";

fn document(url: &str) -> Reply {
    Reply::json(json!({"client_id": url, "client_name": "Editor", "redirect_uris": [REDIRECT]}))
}

/// Somebody's browser comes with a request of this client.
async fn named_from(app: &TestApp, peer: &str, client_id: &str) -> Answer {
    let client = McpClient { app, id: client_id.to_owned(), redirect_uri: REDIRECT.to_owned() };
    let request = request(Method::GET, &client.url(&[])).header("accept", "text/html");
    let request = request.extension(Peer(peer.parse().expect("an address")));
    app.ask(request).await
}

fn text<'a>(tokens: &'a Value, member: &str) -> &'a str {
    tokens[member].as_str().expect("a text")
}

fn claims(tokens: &Value) -> Value {
    let token = tokens["access_token"].as_str().expect("a token");
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("a payload")).expect("base64url");
    serde_json::from_slice(&payload).expect("JSON")
}

on_both! {
    async fn a_person_logs_in_and_agrees_and_the_client_has_a_code_and_where_the_data_lives(engine: Engine) {
        let app = TestApp::with(engine, &[("http.public_url", "https://app.grantor.example")]).await;
        let acme = app.operator("Acme & Söhne").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;

        let answer = eve.agrees(&client.url(&[])).await;

        let code = client.code(&answer);
        let org_id = acme.org_id.to_string();
        let expected = [
            ("code", code.as_str()),
            ("state", STATE),
            ("iss", "https://app.grantor.example"),
            ("domain", "grantor.example"),
            ("site", "https://app.grantor.example"),
            ("dd_oid", &org_id),
            ("dd_org_name", "Acme & Söhne"),
        ];
        assert_eq!(client.told(&answer), Told::of(&expected));
        assert_eq!(answer.text, "");
        let tokens = client.exchange(&code, &[]).await;
        let claims = claims(&tokens.json());
        assert_eq!(
            [&claims["sub"], &claims["org_id"], &claims["client_id"], &claims["auth_time"], &claims["iss"]],
            [
                &json!(eve.user_id().await.to_string()),
                &json!(org_id),
                &json!(client.id),
                &json!(START.seconds()),
                &json!("https://app.grantor.example"),
            ],
        );
    }

    async fn a_client_that_sends_no_state_is_returned_none(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;

        let answer = acme.person(EVE, Role::Standard).await.agrees(&client.url(&[("state", "")])).await;

        assert_eq!(client.told(&answer).names(), ["code", "iss", "domain", "site", "dd_oid", "dd_org_name"]);
    }

    async fn a_request_may_be_sent_as_a_form(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let query = client.query(&[]);
        let fields = form_urlencoded::parse(query.as_bytes()).into_owned().collect();

        let begun = eve.submit(&Form { action: AUTHORIZE.to_owned(), fields }).await;
        let page = eve.follow(begun).await;
        let page = eve.logs_in(&page).await;
        let answer = eve.submit(&Form::approving(&page)).await;

        client.code(&answer);
    }

    async fn a_program_on_this_computer_may_listen_on_another_port_each_time(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let cases = [
            ("http://127.0.0.1:33418/cb", "http://127.0.0.1:51000/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51000/cb"),
            ("http://localhost/callback", "http://localhost:3118/callback"),
            ("http://[::1]:1/cb", "http://[::1]:2/cb"),
        ];
        for (registered, used) in cases {
            let mut client = McpClient::registered(&app, &[registered]).await;
            client.redirect_uri = used.to_owned();

            let answer = eve.agrees(&client.url(&[])).await;

            let code = client.code(&answer);
            let elsewhere = client.exchange(&code, &[("redirect_uri", registered)]).await;
            assert_eq!(
                (elsewhere.status.as_u16(), &elsewhere.json()["error"]),
                (400, &json!("invalid_grant")),
                "{used}"
            );
        }
    }

    async fn an_app_is_called_by_its_own_scheme(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        for redirect in ["cursor://anysphere.cursor-mcp/oauth/callback", "com.example.app:/cb"] {
            let client = McpClient::registered(&app, &[redirect]).await;

            let answer = eve.agrees(&client.url(&[])).await;

            assert!(client.exchange(&client.code(&answer), &[]).await.json()["access_token"].is_string(), "{redirect}");
        }
    }

    async fn a_redirect_that_was_left_out_is_left_out_of_the_exchange_too(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;

        let answer = acme.person(EVE, Role::Standard).await.agrees(&client.url(&[("redirect_uri", "")])).await;

        let tokens = client.exchange(&client.code(&answer), &[("redirect_uri", "")]).await;
        assert_eq!(tokens.status, 200, "{}", tokens.text);
    }

    async fn a_client_may_be_the_url_of_its_document(engine: Engine) {
        let app = TestApp::with(engine, &[("client_documents.allow_loopback", "true")]).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let site = Site::answering(Reply::Silence).await;
        let url = site.url("/client.json");
        let members =
            json!({"client_id": url, "client_name": "Editor", "redirect_uris": ["http://localhost/callback"]});
        site.answer(Reply::json(members));
        let client =
            McpClient { app: &app, id: url.clone(), redirect_uri: "http://localhost:51000/callback".to_owned() };

        let page = eve.reaches_consent(&client.url(&[])).await;
        let answer = eve.submit(&Form::approving(&page)).await;

        // Any program on this computer could have sent the same request.
        assert!(page.text.contains(&format!("described at <bdi>{}</bdi>", site.address)), "{}", page.text);
        assert!(page.text.contains("unverified name") && !page.text.contains("published by"), "{}", page.text);
        let tokens = client.exchange(&client.code(&answer), &[]).await;
        assert_eq!(claims(&tokens.json())["client_id"], json!(url));
    }

    async fn a_document_that_no_longer_lists_the_redirect_ends_what_waits(engine: Engine) {
        let app = TestApp::with(engine, &[("client_documents.allow_loopback", "true")]).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let site = Site::answering(Reply::Silence).await;
        let url = site.url("/client.json");
        let listing = |redirect: &str| {
            let members = json!({"client_id": url, "client_name": "Editor", "redirect_uris": [redirect]});
            Reply::json(members).with_header("cache-control", "max-age=60")
        };
        site.answer(listing(REDIRECT));
        let client = McpClient { app: &app, id: url.clone(), redirect_uri: REDIRECT.to_owned() };
        let page = eve.reaches_consent(&client.url(&[])).await;

        site.answer(listing("https://app.example/other"));
        app.hand.advance(2 * MINUTE);
        let anew = eve.elsewhere().open(&client.url(&[])).await;
        let answer = eve.submit(&Form::approving(&page)).await;

        assert!(anew.text.contains("Mismatching redirect URI"), "{}", anew.text);
        assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None), "{}", answer.text);
        assert!(answer.text.contains("Mismatching redirect URI"), "{}", answer.text);
    }

    async fn a_document_that_was_never_seen_counts_as_a_registration_and_a_known_one_does_not(engine: Engine) {
        let app = TestApp::with(engine, &[ON_LOOPBACK, ("limits.register_per_minute", "1")]).await;
        let site = Site::answering(Reply::Silence).await;
        let known = site.url("/client.json");
        site.answer(document(&known));
        let named = async |client_id: &str| named_from(&app, "192.0.2.1:1", client_id).await.status.as_u16();

        assert_eq!(named(&known).await, 303);
        for _ in 0..5 {
            assert_eq!((named(&known).await, named(NOBODY).await), (303, 400));
        }
        // One a minute, and two at once after a pause.
        assert_eq!((named(&site.url("/2")).await, site.asked().len()), (400, 2));
        let refused = named_from(&app, "192.0.2.1:2", &site.url("/3")).await;

        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("60")));
        assert_eq!(site.asked().len(), 2, "nobody is asked for it");
        assert_eq!(named(&known).await, 303);
        assert_eq!(named_from(&app, "192.0.2.2:1", &site.url("/3")).await.status, 400, "somebody else");
        app.hand.advance(MINUTE);
        assert_eq!((named(&site.url("/4")).await, named(&site.url("/5")).await), (400, 429));
    }

    async fn documents_that_were_never_seen_are_limited_for_everybody_together(engine: Engine) {
        let app = TestApp::with(engine, &[ON_LOOPBACK, ("limits.register_per_second_total", "1")]).await;
        let site = Site::answering(Reply::Silence).await;
        let known = site.url("/client.json");
        site.answer(document(&known));
        let named = async |peer: &str, client_id: &str| named_from(&app, peer, client_id).await.status.as_u16();

        assert_eq!(named("192.0.2.1:1", &known).await, 303);
        assert_eq!(named("192.0.2.2:1", &site.url("/2")).await, 400);
        assert_eq!(named("192.0.2.3:1", &site.url("/3")).await, 429);
        assert_eq!(named("192.0.2.3:1", &known).await, 303);
        app.hand.advance(Duration::from_secs(1));
        assert_eq!(named("192.0.2.3:1", &site.url("/3")).await, 400);
    }

    async fn what_nobody_knows_is_ignored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let unknown = [
            ("unheard_of", "1"),
            ("audience", "https://api.example"),
            ("claims", "{}"),
            ("id_token_hint", "x.y.z"),
            ("display", "popup"),
            ("ui_locales", "de"),
            ("csrf", "x"),
        ];

        let answer = acme.person(EVE, Role::Standard).await.agrees(&client.url(&unknown)).await;

        assert_eq!(client.scopes(&answer).await, "email mcp_read openid profile");
    }

    async fn no_scope_means_what_was_registered_and_else_the_defaults(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let plain = McpClient::registered(&app, &[REDIRECT]).await;
        let registered = json!({"client_name": "Other", "scope": "openid dashboards_read"});
        let registered = McpClient::registered_with(&app, &[REDIRECT], registered).await;

        let defaults = eve.agrees(&plain.url(&[])).await;
        let blank = eve.agrees(&plain.url(&[("scope", " ")])).await;
        let of_client = eve.agrees(&registered.url(&[])).await;
        let beyond = eve.agrees(&registered.url(&[("scope", "openid metrics_read")])).await;

        assert_eq!(plain.scopes(&defaults).await, "email mcp_read openid profile");
        assert_eq!(plain.scopes(&blank).await, "email mcp_read openid profile");
        assert_eq!(registered.scopes(&of_client).await, "dashboards_read openid");
        assert_eq!(registered.scopes(&beyond).await, "metrics_read openid");
    }

    async fn a_token_is_for_the_resources_that_were_named(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let two = [("resource", "https://MCP.example:443/"), ("resource", "https://other.example/mcp")];

        let page = eve.reaches_consent(&client.url(&two)).await;
        let answer = eve.submit(&Form::approving(&page)).await;

        for resource in ["https://mcp.example", "https://other.example/mcp"] {
            assert!(page.text.contains(&format!("<code>{resource}</code>")), "{}", page.text);
        }
        let tokens = client.exchange(&client.code(&answer), &[]).await.json();
        assert_eq!(claims(&tokens)["aud"], json!(["https://mcp.example", "https://other.example/mcp"]));
    }

    async fn a_token_is_for_a_resource_as_its_operator_spells_it(engine: Engine) {
        const SPELLED: &str = "https://MCP.example/mcp/";
        const OTHERWISE: &str = "https://mcp.example:443/mcp";
        let app = TestApp::start(engine).await;
        insert_resource(&app, 1, SPELLED, "rs_spelled").await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;

        let page = eve.reaches_consent(&client.url(&[("resource", OTHERWISE)])).await;
        let code = client.code(&eve.submit(&Form::approving(&page)).await);
        let first = client.exchange(&code, &[("resource", OTHERWISE)]).await.json();
        let refresh = [
            ("grant_type", "refresh_token"), ("client_id", &client.id), ("resource", OTHERWISE),
            ("refresh_token", text(&first, "refresh_token")),
        ];
        let next = form(&app, TOKEN, &refresh).await.json();
        let again = eve.open(&client.url(&[("resource", SPELLED)])).await;

        assert!(page.text.contains(&format!("<code>{SPELLED}</code>")), "{}", page.text);
        for tokens in [first, next] {
            assert_eq!(claims(&tokens)["aud"], json!(SPELLED));
            let asked = [("client_secret", "rs_spelled"), ("token", text(&tokens, "access_token"))];
            let told = form(&app, INTROSPECT, &asked).await.json();
            assert_eq!((&told["active"], &told["aud"]), (&json!(true), &json!(SPELLED)));
        }
        assert!(again.header("location").is_some_and(|to| to.starts_with(REDIRECT)), "it was agreed to: {again:?}");
    }

    async fn what_was_agreed_to_holds_when_the_operator_spells_the_resource_otherwise(engine: Engine) {
        const SPELLED: &str = "https://MCP.example/mcp/";
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let url = client.url(&[("resource", "https://mcp.example/mcp")]);
        eve.agrees(&url).await;

        insert_resource(&app, 1, SPELLED, "rs_spelled").await;
        app.hand.advance(Duration::from_secs(5));
        let again = eve.open(&url).await;

        assert!(again.header("location").is_some_and(|to| to.starts_with(REDIRECT)), "{again:?}");
        assert_eq!(claims(&client.exchange(&client.code(&again), &[]).await.json())["aud"], json!(SPELLED));
    }

    async fn who_signed_in_before_has_to_do_it_again_where_the_client_wants_that(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.agrees(&client.url(&[])).await;
        app.hand.advance(MINUTE);

        for wish in [("prompt", "login"), ("max_age", "59"), ("max_age", "0"), ("prompt", "login consent")] {
            let page = eve.visit(&client.url(&[wish])).await;
            assert!(page.text.contains("action=\"/login\""), "{wish:?}: {}", page.text);
            let on = eve.logs_in(&page).await;
            let answer = if on.status == 303 { on } else { eve.submit(&Form::approving(&on)).await };

            let tokens = client.exchange(&client.code(&answer), &[]).await.json();
            let signed_in_at = app.context().clock.now().seconds();
            assert_eq!(claims(&tokens)["auth_time"], json!(signed_in_at), "{wish:?}");
            app.hand.advance(MINUTE);
        }
        let young_enough = eve.visit(&client.url(&[("max_age", "60")])).await;
        client.code(&young_enough);
    }

    async fn who_has_to_sign_in_again_has_to_also_within_the_second_of_the_sign_in_before(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.agrees(&client.url(&[])).await;

        for wish in [("prompt", "login"), ("max_age", "0")] {
            let page = eve.visit(&client.url(&[wish])).await;
            assert!(page.text.contains("action=\"/login\""), "{wish:?}: {}", page.text);
            // The address of the page that follows, opened without signing in.
            let request = Form::on(&page, "/login").all_of("request")[0].to_owned();
            let around = eve.visit(&format!("/consent?request={request}")).await;
            assert!(around.text.contains("action=\"/login\""), "{wish:?}: {}", around.text);

            client.code(&eve.logs_in(&page).await);
        }
        let silently = eve.open(&client.url(&[("prompt", "none"), ("max_age", "0")])).await;
        client.is_refused(&silently, "login_required", "the user has to sign in");
        client.code(&eve.open(&client.url(&[("prompt", "none"), ("max_age", "1")])).await);
    }

    async fn a_sign_in_in_another_tab_after_the_request_counts(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.agrees(&client.url(&[])).await;
        let wishes = [("prompt", "login"), ("max_age", "0"), ("max_age", "59")];
        app.hand.advance(MINUTE);
        let mut waiting = Vec::new();
        for wish in wishes {
            waiting.push(eve.visit(&client.url(&[wish])).await);
        }

        let login = waiting.pop().expect("one of them");
        client.code(&eve.logs_in(&login).await);
        for page in waiting {
            let request = Form::on(&page, "/login").all_of("request")[0].to_owned();
            client.code(&eve.visit(&format!("/login?request={request}")).await);
        }
    }

    async fn nobody_gets_around_signing_in_again_by_sending_the_decision(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.signs_in().await;
        app.hand.advance(MINUTE);

        let page = eve.visit(&client.url(&[("prompt", "login")])).await;
        let login = Form::on(&page, "/login");
        let decision = Form { action: AUTHORIZE.to_owned(), ..login.clone() }.with("decision", "approve");
        let answer = eve.submit(&decision).await;

        let to_login = format!("/login?request={}", login.all_of("request")[0]);
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some(to_login.as_str())));
    }

    async fn a_hint_fills_in_the_address_and_nothing_else(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let hostile = "\"><script>alert(1)</script>";

        let page = eve.visit(&client.url(&[("login_hint", EVE)])).await;
        let escaped = eve.visit(&client.url(&[("login_hint", hostile)])).await;

        assert_eq!(Form::on(&page, "/login").all_of("email"), [EVE]);
        assert_eq!(Form::on(&escaped, "/login").all_of("email"), [hostile]);
        assert!(!escaped.text.contains("<script"), "{}", escaped.text);
    }

    async fn a_client_may_name_the_organization_of_its_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra, initech) =
            (app.operator("Acme").await, app.operator("Umbra").await, app.operator("Initech").await);
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        umbra.takes_in(&eve, Role::Standard).await;
        eve.signs_in().await;
        let org_id = |id: grantor::rules::id::OrgId| id.to_string();

        for theirs in [&acme, &umbra] {
            let answer = eve.agrees(&client.url(&[("dd_oid", &org_id(theirs.org_id))])).await;
            assert_eq!(client.told(&answer).get("dd_oid"), Some(org_id(theirs.org_id).as_str()));
        }
        // One that is not theirs proposes nothing.
        let page = eve.visit(&client.url(&[("dd_oid", &org_id(initech.org_id))])).await;
        let chosen = eve.submit(&choosing(&page, umbra.org_id)).await;
        let answer = eve.follow(chosen).await;
        assert_eq!(client.told(&answer).get("dd_org_name"), Some("Umbra"));
        assert!(!page.text.contains("Initech"), "{}", page.text);
    }

    async fn programs_that_look_first_whether_the_client_is_still_known_see_a_redirect(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;

        let looked = app.get(&client.url(&[])).await;
        let again = app.get(&client.url(&[])).await;

        for answer in [looked, again] {
            assert_eq!(answer.status, 303);
            assert!(answer.header("location").is_some_and(|to| to.starts_with("/login?request=")), "{answer:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
}
