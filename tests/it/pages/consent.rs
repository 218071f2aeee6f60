//! `/consent`: what the page shows, what a user can leave out, and when consent is not needed.
//! `consent_changes.rs` has the changes that happen while the page is open.

use std::time::Duration;

use grantor::actions::audit::AuditActor;
use grantor::actions::grants::end;
use grantor::db::{audit_events, clients, grants, orgs};
use grantor::rules::authorization::consent::{ConsentContent, Reach};
use grantor::rules::client::ClientId;
use grantor::rules::identity::permission::Role;
use grantor::rules::scope::ScopeSet;
use grantor::rules::scope::offered::OfferedScopes;
use grantor::secret::hex;
use serde_json::json;

use crate::support::flow::{AUTHORIZE, Form, McpClient, Person, choosing, unescaped};
use crate::support::granted::insert_resource;
use crate::support::{Answer, Engine, TestApp, TestOperator, restriction_path};

const REDIRECT: &str = "https://app.example/cb";
const EVE: &str = "eve@mail.example";
const DAY: Duration = Duration::from_secs(86_400);

async fn stage(app: &TestApp) -> (TestOperator<'_>, McpClient<'_>, Person<'_>) {
    let acme = app.operator("Acme").await;
    let eve = acme.person(EVE, Role::Standard).await;
    (acme, McpClient::registered(app, &[REDIRECT]).await, eve)
}

/// The text of a page without markup.
fn words(page: &Answer) -> String {
    let body = page.text.split("<main>").nth(1).expect("a page");
    let texts = body.split('<').map(|piece| piece.split_once('>').map_or("", |(_, text)| text.trim()));
    unescaped(&texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" "))
}

/// The scopes that have a box, in the order on the page.
fn boxes(page: &Answer) -> Vec<&str> {
    page.text.split("name=\"scope\" value=\"").skip(1).filter_map(|tail| tail.split('"').next()).collect()
}

/// The scopes whose box is ticked.
fn ticked(page: &Answer) -> Vec<String> {
    Form::on(page, AUTHORIZE).all_of("scope").into_iter().map(str::to_owned).collect()
}

fn is_asked(page: &Answer) -> bool {
    page.status == 200 && page.text.contains("value=\"approve\"")
}

on_both! {
    async fn the_page_shows_the_client_the_user_the_scopes_and_the_destination(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        app.hand.advance(2 * DAY);

        let page = eve.reaches_consent(&client.url(&[("scope", "openid dashboards_read")])).await;

        assert_eq!(
            words(&page),
            "Allow an unverified app to act for you at Acme ? It calls itself “ Editor ”. No one has verified that. Access is \
             sent to app.example . No one at Acme uses this app. If you did not start this yourself, choose Cancel. \
             Where access is sent app.example Who is asking An app that calls itself “ Editor ” unverified name First seen \
             here 2 days ago ( 2026-01-02 ). No one at Acme uses it. Acting for eve@mail.example Not you? at Acme \
             What it can reach this server What the app can do Clear the box next to anything you do not want to allow. \
             You and this connection Confirm who you are openid · always included \
             Dashboards, notebooks and views See dashboards dashboards_read \
             You can end this access on your account page at any time. Cancel Allow access",
        );
    }

    async fn the_page_warns_about_a_program_on_the_users_device(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, web, mut eve) = stage(&app).await;
        let program = McpClient::registered(&app, &["http://localhost/cb"]).await;
        let by_https = McpClient::registered(&app, &["https://localhost:8443/cb"]).await;
        let scheme = McpClient::registered(&app, &["cursor://anysphere/cb"]).await;
        let both = McpClient::registered(&app, &["http://localhost/cb", REDIRECT]).await;
        let mut shown = async |client: &McpClient<'_>| words(&eve.reaches_consent(&client.url(&[])).await);

        let warning = "Any program can call itself “ Editor ”, so we cannot tell who this is.";
        assert!(!shown(&web).await.contains(warning));
        let of_program = shown(&program).await;
        assert!(of_program.contains("Where access is sent a program on this computer, at localhost Who") && of_program.contains(warning));
        let by_https = shown(&by_https).await;
        assert!(by_https.contains("Where access is sent a program on this computer, at localhost:8443") && by_https.contains(warning), "{by_https}");
        let of_scheme = shown(&scheme).await;
        assert!(of_scheme.contains("that opens cursor links") && of_scheme.contains(warning), "{of_scheme}");
        let of_both = shown(&both).await;
        assert!(of_both.contains("a program on this computer") && of_both.contains(warning), "{of_both}");
        // The page shows the port of this request.
        let here = McpClient::registered(&app, &["http://127.0.0.1/cb", "http://[::1]/cb"]).await;
        for (redirect, host) in [("http://127.0.0.1:33418/cb", "127.0.0.1:33418"), ("http://[::1]:9/cb", "[::1]:9")] {
            let page = words(&eve.visit(&here.url(&[("redirect_uri", redirect)])).await);
            assert!(page.contains(&format!("Where access is sent a program on this computer, at {host} ")), "{page}");
        }
    }

    async fn a_hostile_name_is_shown_as_text(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, _client, mut eve) = stage(&app).await;
        let name = "<script>alert(1)</script>\"'&amp;{org}";
        let evil = "https://evil.example";
        let members = json!({"client_name": name, "client_uri": evil, "logo_uri": evil});
        let client = McpClient::registered_with(&app, &[REDIRECT], members).await;

        let page = eve.reaches_consent(&client.url(&[])).await;

        let quoted = name.replace('"', "'");
        assert!(words(&page).contains(&format!("An app that calls itself “ {quoted} ”")), "{}", words(&page));
        assert!(!page.text.contains("<script") && !page.text.contains("evil.example"), "{}", page.text);
    }

    async fn the_page_warns_about_an_unverified_app_until_someone_in_the_organization_uses_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let umbra = app.operator("Umbra").await;
        let mut bob = acme.person("bob@mail.example", Role::Standard).await;
        let mut mallory = umbra.person("mallory@mail.example", Role::Standard).await;
        let shown = async |person: &mut Person<'_>| words(&person.reaches_consent(&client.url(&[("prompt", "consent")])).await);
        let warning = "It calls itself “ Editor ”. No one has verified that. Access is sent to app.example .";

        mallory.agrees(&client.url(&[])).await;
        let of_nobody = shown(&mut eve).await;
        eve.agrees(&client.url(&[("prompt", "consent")])).await;
        let (of_eve, of_bob) = (shown(&mut eve).await, shown(&mut bob).await);

        assert!(of_nobody.contains(warning) && of_nobody.contains("No one at Acme uses it."), "{of_nobody}");
        assert!(!of_eve.contains(warning) && of_eve.contains("No one else at Acme uses it."), "{of_eve}");
        assert!(!of_bob.contains(warning) && of_bob.contains("One other person at Acme uses it."), "{of_bob}");
        assert!(of_bob.contains("unverified name"), "{of_bob}");
    }

    async fn a_declared_resource_is_shown_with_the_name_from_the_operator(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        insert_resource(&app, 1, "https://notes.example/mcp", "secret").await;

        let declared = eve.reaches_consent(&client.url(&[("resource", "https://notes.example/mcp")])).await;
        let undeclared = eve.visit(&client.url(&[("resource", "https://verified.example")])).await;

        let (declared, undeclared) = (words(&declared), words(&undeclared));
        assert!(declared.starts_with("Allow an unverified app to use A resource for you?"), "{declared}");
        assert!(declared.contains("What it can reach A resource https://notes.example/mcp"), "{declared}");
        assert!(undeclared.starts_with("Allow an unverified app to act for you at Acme ?"), "{undeclared}");
    }

    async fn a_verification_mark_in_an_old_name_is_not_shown(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, eve) = stage(&app).await;
        app.execute(match engine {
            Engine::Postgres => "UPDATE clients SET client_name = 'Editor ✅', \
                                 metadata = CAST(replace(CAST(metadata AS TEXT), 'Editor', 'Editor ✅') AS JSONB)",
            Engine::Sqlite => "UPDATE clients SET client_name = 'Editor ✅', \
                               metadata = replace(metadata, 'Editor', 'Editor ✅')",
        })
        .await;
        let other = app.replica().await;
        let mut eve = eve.on(&other);

        let login = eve.visit(&client.url(&[])).await;
        let page = eve.logs_in(&login).await;
        eve.submit(&Form::approving(&page)).await;
        let account = eve.open("/account").await;

        for page in [login, page, account] {
            assert!(page.text.contains("Editor \u{FFFD}") && !page.text.contains('✅'), "{}", page.text);
        }
    }

    async fn enter_decides_nothing_and_keeps_the_boxes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let page = eve.reaches_consent(&client.url(&[("scope", "openid email dashboards_read")])).await;
        assert_eq!(ticked(&page), ["email", "dashboards_read"]);
        let form = Form::approving_only(&page, &["email"]).with("decision", "none");

        let again = eve.submit(&form).await;

        assert!(is_asked(&again), "{}", again.text);
        assert_eq!(again.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!((boxes(&again), ticked(&again)), (boxes(&page), vec!["email".to_owned()]));
        let id = ClientId::parse(&client.id).expect("a UUID");
        let grant = grants::find(app.db(), acme.org_id, id, eve.user_id().await).await.expect("is readable");
        assert_eq!(grant, None, "nothing is granted");
        assert_eq!(client.scopes(&eve.submit(&Form::approving(&again)).await).await, "email openid");
    }

    async fn a_scope_that_the_organization_withholds_is_shown_but_not_granted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        acme.restrict(&client.id, &["openid"], &["dashboards_read"]).await;

        let page = eve.reaches_consent(&client.url(&[("scope", "openid email dashboards_read metrics_read")])).await;
        let withheld = words(&page);
        let answer = eve.submit(&Form::approving(&page).and("scope", "metrics_read").and("scope", "email")).await;

        assert_eq!(boxes(&page), ["dashboards_read"]);
        let who = "Acme does not allow this app to do that. An administrator of Acme can change this.";
        assert!(
            withheld.contains(&format!(
                "Requested but not allowed See your email address email {who} \
                 See metrics and what is known about them metrics_read {who}"
            )),
            "{withheld}"
        );
        assert_eq!(client.scopes(&answer).await, "dashboards_read openid");
    }

    async fn the_restriction_of_another_organization_has_no_effect(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        app.operator("Umbra").await.restrict(&client.id, &["openid"], &[]).await;

        let answer = eve.agrees(&client.url(&[("scope", "openid metrics_read")])).await;

        assert_eq!(client.scopes(&answer).await, "metrics_read openid");
    }

    async fn the_page_distinguishes_scopes_withheld_by_the_role_and_by_the_server(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;

        let page = eve.reaches_consent(&client.url(&[("scope", "openid api_keys_write user_access_manage")])).await;
        let shown = words(&page);

        assert!(shown.contains("api_keys_write This server does not allow that for apps of this kind."), "{shown}");
        assert!(shown.contains("user_access_manage Your role at Acme does not allow that."), "{shown}");
        assert_eq!(client.scopes(&eve.submit(&Form::approving(&page)).await).await, "openid");
    }

    async fn cleared_scopes_are_not_granted_but_openid_always_is(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let wanted = client.url(&[("scope", "openid email dashboards_read metrics_read")]);

        let page = eve.reaches_consent(&wanted).await;
        let some = eve.submit(&Form::approving_only(&page, &["metrics_read"])).await;
        assert_eq!(client.scopes(&some).await, "metrics_read openid");
        let page = eve.reaches_consent(&format!("{wanted}&prompt=consent")).await;
        let none = eve.submit(&Form::approving_only(&page, &[])).await;

        assert_eq!(boxes(&page), ["email", "dashboards_read", "metrics_read"]);
        assert_eq!(client.scopes(&none).await, "openid");
    }

    async fn clearing_every_box_is_a_refusal(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;

        let page = eve.reaches_consent(&client.url(&[("scope", "dashboards_read metrics_read")])).await;
        let answer = eve.submit(&Form::approving_only(&page, &[])).await;

        client.is_refused(&answer, "access_denied", "the user did not agree");
        let id = ClientId::parse(&client.id).expect("a UUID");
        let grant = grants::find(app.db(), acme.org_id, id, eve.user_id().await).await.expect("is readable");
        assert_eq!(grant, None);
    }

    async fn the_fixed_scopes_of_a_first_party_client_cannot_be_cleared_or_restricted(engine: Engine) {
        let before = TestApp::start(engine).await;
        let id = before.registered("Editor").await;
        let required = json!([{"client_id": id, "permission_scopes": ["mobile_app_access"]}]).to_string();
        let app = before.replica_with(&[("restriction.required", &required)]).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::ReadOnly).await;
        let client = McpClient { app: &app, id: id.clone(), redirect_uri: "https://example.com/callback".to_owned() };
        acme.restrict(&id, &["openid"], &["dashboards_read"]).await;

        let page = eve.reaches_consent(&client.url(&[("scope", "dashboards_read")])).await;
        let answer = eve.submit(&Form::approving_only(&page, &[])).await;

        assert_eq!(boxes(&page), ["dashboards_read"]);
        assert!(words(&page).contains("mobile_app_access · always included"), "{}", words(&page));
        assert_eq!(client.scopes(&answer).await, "mobile_app_access");
    }

    async fn canceling_is_a_refusal_and_the_next_request_asks_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;

        let page = eve.reaches_consent(&client.url(&[])).await;
        let answer = eve.submit(&Form::refusing(&page)).await;
        let again = eve.visit(&client.url(&[])).await;

        client.is_refused(&answer, "access_denied", "the user did not agree");
        assert!(is_asked(&again) && !again.text.contains("You have allowed this app before"), "{}", again.text);
    }

    async fn a_user_who_agreed_is_not_asked_again_for_the_same_or_fewer_scopes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let with = |scope| client.url(&[("scope", scope)]);
        eve.agrees(&with("openid email dashboards_read")).await;

        let same = eve.visit(&with("openid email dashboards_read")).await;
        let less = eve.visit(&with("openid dashboards_read")).await;
        let at_another_browser = eve.elsewhere().reaches_consent(&with("openid email")).await;
        let more = eve.visit(&with("openid dashboards_read metrics_read")).await;
        let wanted = eve.visit(&client.url(&[("scope", "openid"), ("prompt", "consent")])).await;
        let account = eve.visit(&client.url(&[("scope", "openid"), ("prompt", "select_account")])).await;

        assert_eq!(client.scopes(&same).await, "dashboards_read email openid");
        assert_eq!(client.scopes(&less).await, "dashboards_read openid");
        assert_eq!(client.scopes(&at_another_browser).await, "email openid");
        for page in [more, wanted, account] {
            assert!(is_asked(&page) && page.text.contains("You have allowed this app before"), "{}", page.text);
        }
    }

    async fn the_same_page_is_not_shown_again_and_grants_no_more_than_before(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let wanted = client.url(&[("scope", "openid email metrics_read")]);
        let page = eve.reaches_consent(&wanted).await;
        eve.submit(&Form::approving_only(&page, &["email"])).await;

        let again = eve.open(&wanted).await;
        let silently = eve.open(&client.url(&[("scope", "openid email metrics_read"), ("prompt", "none")])).await;
        let narrower = eve.open(&client.url(&[("scope", "openid email")])).await;

        for answer in [again, silently, narrower] {
            assert_eq!(client.scopes(&answer).await, "email openid");
        }
    }

    async fn a_cleared_box_is_still_cleared_on_the_next_page(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let scope = ("scope", "openid email profile metrics_read");
        let page = eve.reaches_consent(&client.url(&[scope])).await;
        eve.submit(&Form::approving_only(&page, &["email", "profile"])).await;

        let anyway = eve.visit(&client.url(&[scope, ("prompt", "consent")])).await;
        let more = client.url(&[("scope", "openid email metrics_read dashboards_read")]);
        let page = eve.visit(&more).await;

        assert_eq!(boxes(&anyway), ["email", "profile", "metrics_read"]);
        assert_eq!(ticked(&anyway), ["email", "profile"]);
        // A scope that was never offered is ticked, as on the first page.
        assert_eq!(boxes(&page), ["email", "dashboards_read", "metrics_read"]);
        assert_eq!(ticked(&page), ["email", "dashboards_read"]);
        assert_eq!(client.scopes(&eve.submit(&Form::approving(&page)).await).await, "dashboards_read email openid");
        // A box that the user ticks stays ticked from then on.
        let page = eve.visit(&client.url(&[scope, ("prompt", "consent")])).await;
        eve.submit(&Form::approving_only(&page, &["email", "profile", "metrics_read"])).await;
        let page = eve.visit(&client.url(&[scope, ("prompt", "consent")])).await;
        assert_eq!(ticked(&page), ["email", "profile", "metrics_read"]);
    }

    async fn a_user_who_ended_access_is_asked_as_if_for_the_first_time(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let wanted = client.url(&[("scope", "openid email metrics_read")]);
        let page = eve.reaches_consent(&wanted).await;
        eve.submit(&Form::approving_only(&page, &["email"])).await;
        let id = ClientId::parse(&client.id).expect("a UUID");
        let grant = grants::find(app.db(), acme.org_id, id, eve.user_id().await).await.expect("is readable");
        let id = grant.expect("is there").id;
        end::revoke_grant(app.context(), id, |_| true, &AuditActor::COMMAND_LINE).await.expect("is ended");

        let page = eve.visit(&wanted).await;

        assert_eq!(ticked(&page), ["email", "metrics_read"]);
    }

    async fn scopes_that_the_organization_removed_meanwhile_require_consent_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let wanted = client.url(&[("scope", "openid email dashboards_read metrics_read")]);
        let page = eve.reaches_consent(&wanted).await;
        eve.submit(&Form::approving_only(&page, &["email", "dashboards_read"])).await;
        app.execute("DELETE FROM grant_scopes WHERE scope = 'dashboards_read'").await;

        let page = eve.visit(&wanted).await;

        assert!(is_asked(&page), "{}", page.text);
        assert_eq!(ticked(&page), ["email", "dashboards_read"]);
    }

    async fn consent_counts_only_for_its_client_user_and_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let umbra = app.operator("Umbra").await;
        let other = McpClient::registered(&app, &["https://other.example/cb"]).await;
        let mut bob = acme.person("bob@mail.example", Role::Standard).await;
        eve.agrees(&client.url(&[])).await;

        let for_other = eve.visit(&other.url(&[])).await;
        let by_bob = bob.reaches_consent(&client.url(&[])).await;
        umbra.takes_in(&eve, Role::Standard).await;
        let in_umbra = eve.visit(&client.url(&[("dd_oid", &umbra.org_id.to_string())])).await;

        assert!(is_asked(&for_other) && is_asked(&by_bob) && is_asked(&in_umbra));
    }

    async fn programs_on_the_users_device_require_consent_every_time(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, _client, mut eve) = stage(&app).await;
        let redirects =
            ["http://localhost/cb", "http://127.0.0.1:8000/cb", "https://localhost:8443/cb", "cursor://anysphere/cb"];
        for redirect in redirects {
            let client = McpClient::registered(&app, &[redirect]).await;
            eve.agrees(&client.url(&[])).await;

            let again = eve.visit(&client.url(&[])).await;
            let silently = eve.open(&client.url(&[("prompt", "none")])).await;

            assert!(is_asked(&again) && again.text.contains("You have allowed this app before"), "{redirect}");
            client.is_refused(&silently, "consent_required", "the user has to consent");
        }
        // The same client with a redirect that no other program on this computer can receive.
        let both = McpClient::registered(&app, &[REDIRECT, "http://localhost/cb"]).await;
        eve.agrees(&both.url(&[])).await;
        both.code(&eve.visit(&both.url(&[])).await);
        assert!(is_asked(&eve.visit(&both.url(&[("redirect_uri", "http://localhost:1/cb")])).await));
    }

    async fn clearing_offline_access_returns_no_refresh_token_and_ends_earlier_ones(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let wanted = [("scope", "openid email offline_access")];
        let tokens = async |answer: &Answer| client.exchange(&client.code(answer), &[]).await.json();
        let connected = tokens(&eve.agrees(&client.url(&wanted)).await).await;

        let page = eve.visit(&client.url(&[wanted[0], ("prompt", "consent")])).await;
        let cleared = tokens(&eve.submit(&Form::approving_only(&page, &["email"])).await).await;
        let silently = tokens(&eve.open(&client.url(&wanted)).await).await;
        let unasked = tokens(&eve.visit(&client.url(&[("scope", "openid email")])).await).await;

        // The client does not get one by omitting the scope either.
        for answer in [&cleared, &silently, &unasked] {
            assert_eq!((&answer["scope"], &answer["refresh_token"]), (&json!("email openid"), &json!(null)), "{answer}");
        }
        let before = client.refresh(connected["refresh_token"].as_str().expect("a token")).await;
        assert_eq!((before.status.as_u16(), before.json()["error"].as_str()), (400, Some("invalid_grant")));

        // A withheld offline_access is not granted either, and the page says so.
        assert_eq!(acme.restrict(&client.id, &["openid", "email"], &[]).await.status, 200);
        let page = eve.visit(&client.url(&[wanted[0], ("prompt", "consent")])).await;
        assert!(words(&page).contains("offline_access Acme does not allow"), "{}", words(&page));
        let withheld = tokens(&eve.submit(&Form::approving(&page)).await).await;
        assert_eq!((&withheld["scope"], &withheld["refresh_token"]), (&json!("email openid"), &json!(null)));
    }

    async fn consent_is_remembered_only_for_its_redirect_and_resource(engine: Engine) {
        const OTHER_REDIRECT: &str = "https://app.example/other";
        let app = TestApp::start(engine).await;
        let (_acme, _client, mut eve) = stage(&app).await;
        let client = McpClient::registered(&app, &[REDIRECT, OTHER_REDIRECT]).await;
        let other_redirect = McpClient { app: &app, id: client.id.clone(), redirect_uri: OTHER_REDIRECT.to_owned() };
        let one = [("resource", "https://one.example")];
        eve.agrees(&client.url(&one)).await;

        client.code(&eve.visit(&client.url(&one)).await);
        assert!(is_asked(&eve.visit(&client.url(&[("resource", "https://two.example")])).await), "another resource");
        assert!(is_asked(&eve.visit(&client.url(&[])).await), "this server itself");
        assert!(is_asked(&eve.visit(&other_redirect.url(&one)).await), "another redirect");

        eve.agrees(&client.url(&[("resource", "https://two.example")])).await;
        client.code(&eve.visit(&client.url(&[("resource", "https://two.example")])).await);
        client.code(&eve.visit(&client.url(&one)).await);
    }

    async fn scopes_allowed_for_one_resource_are_not_granted_for_another(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let (one, two) = (("resource", "https://one.example"), ("resource", "https://two.example"));
        let (wide, narrow) = (("scope", "openid email metrics_read"), ("scope", "openid"));
        eve.agrees(&client.url(&[one, wide])).await;
        eve.agrees(&client.url(&[two, narrow])).await;
        eve.agrees(&client.url(&[narrow])).await;

        let silently = ("prompt", "none");
        for reach in [vec![two, wide], vec![wide], vec![one, two, wide]] {
            let asked = eve.visit(&client.url(&reach)).await;
            let refused = eve.open(&client.url(&[reach.as_slice(), &[silently]].concat())).await;
            assert!(is_asked(&asked), "{reach:?}: {}", asked.text);
            client.is_refused(&refused, "consent_required", "the user has to consent");
        }
        assert_eq!(client.scopes(&eve.open(&client.url(&[one, wide, silently])).await).await, "email metrics_read openid");
        assert_eq!(client.scopes(&eve.open(&client.url(&[narrow, silently])).await).await, "openid");
        let both = eve.open(&client.url(&[one, two, narrow, silently])).await;
        assert_eq!(client.scopes(&both).await, "openid", "agreed to for each of them");
    }

    async fn a_consent_without_recorded_scopes_is_not_reused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let wanted = [("scope", "openid email"), ("resource", "https://one.example")];
        eve.agrees(&client.url(&wanted)).await;
        app.execute("UPDATE consents SET scopes = NULL").await;

        let silently = eve.open(&client.url(&[&wanted[..], &[("prompt", "none")]].concat())).await;
        let page = eve.visit(&client.url(&wanted)).await;
        let agreed = eve.submit(&Form::approving(&page)).await;

        client.is_refused(&silently, "consent_required", "the user has to consent");
        assert!(is_asked(&page), "{}", page.text);
        assert_eq!(client.scopes(&agreed).await, "email openid");
        client.code(&eve.open(&client.url(&wanted)).await);
    }

    async fn a_restriction_removes_its_scopes_from_every_remembered_consent(engine: Engine) {
        let app = TestApp::with(engine, &[("restriction.on_narrow", "narrow_grants")]).await;
        let (acme, client, mut eve) = stage(&app).await;
        let (one, two) = (("resource", "https://one.example"), ("resource", "https://two.example"));
        let wanted = ("scope", "openid metrics_read");
        eve.agrees(&client.url(&[one, wanted])).await;
        acme.restrict(&client.id, &["openid"], &[]).await;
        acme.delete(&restriction_path(&client.id)).await;
        eve.agrees(&client.url(&[two, wanted])).await;

        let asked = eve.visit(&client.url(&[one, wanted])).await;

        assert!(is_asked(&asked), "{}", asked.text);
        client.code(&eve.visit(&client.url(&[two, wanted])).await);
    }

    async fn the_page_shows_that_a_client_can_reach_this_server(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let issuer = app.app.config.http.public_url.clone();
        let mcp = "https://one.example";

        let unnamed = words(&eve.reaches_consent(&client.url(&[])).await);
        let named = words(&eve.visit(&client.url(&[("resource", &issuer)])).await);
        let another = words(&eve.visit(&client.url(&[("resource", mcp)])).await);
        let both = words(&eve.visit(&client.url(&[("resource", mcp), ("resource", &issuer)])).await);
        let german = eve.with_header("accept-language", "de").visit(&client.url(&[])).await;

        for page in [&unnamed, &named, &both] {
            assert!(page.contains("What it can reach this server"), "{page}");
        }
        assert!(another.contains(&format!("What it can reach {mcp}")) && both.contains(mcp), "{another} {both}");
        assert!(!another.contains("this server"), "{another}");
        assert!(words(&german).contains("Zugriff auf diesen Server"), "{}", words(&german));
    }

    async fn the_settings_decide_which_consents_are_remembered(engine: Engine) {
        let app = TestApp::start(engine).await;
        let never = app.replica_with(&[("consent.remember", "never")]).await;
        let always = app.replica_with(&[("consent.remember", "always")]).await;
        let (_acme, web, mut eve) = stage(&app).await;
        let local = McpClient::registered(&app, &["http://localhost/cb"]).await;
        eve.agrees(&web.url(&[])).await;
        eve.agrees(&local.url(&[])).await;

        assert!(is_asked(&eve.on(&never).visit(&web.url(&[])).await));
        assert!(is_asked(&eve.on(&never).visit(&local.url(&[])).await));
        web.code(&eve.on(&always).visit(&web.url(&[])).await);
        local.code(&eve.on(&always).visit(&local.url(&[])).await);
        assert!(is_asked(&eve.on(&always).visit(&local.url(&[("prompt", "consent")])).await));
    }

    async fn the_digest_of_the_page_is_stored_and_the_grant_is_audited(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let page = eve.reaches_consent(&client.url(&[("scope", "openid email dashboards_read")])).await;
        eve.submit(&Form::approving_only(&page, &["email"])).await;

        let id = ClientId::parse(&client.id).expect("a UUID");
        let set = |names| ScopeSet::parse(names).expect("scopes");
        let offered =
            OfferedScopes { optional: set("email dashboards_read"), fixed: set("openid"), withheld: Vec::new() };
        let shown = ConsentContent {
            client_id: id,
            client_name: "Editor",
            redirect: REDIRECT,
            org_id: acme.org_id,
            user_id: eve.user_id().await,
            offered: &offered,
            reach: &Reach::of(&[], "http://127.0.0.1:8080"),
        };
        assert_eq!(stored_digest(&app, &acme, engine).await, hex(&shown.digest()));
        let events = audit_events::list(app.db(), acme.org_id, 10).await.expect("is readable");
        let given: Vec<_> = events.iter().filter(|event| event.action == "grant.given").collect();
        assert_eq!(given.len(), 1);
        assert_eq!((&given[0].before, &given[0].after), (&None, &Some(json!({"scopes": ["email", "openid"]}))));
        assert!(clients::find(app.db(), id).await.expect("is readable").expect("is there").adopted_at.is_some());
    }

    async fn the_page_is_in_german_if_the_browser_prefers_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, eve) = stage(&app).await;
        let mut eve = eve.with_header("accept-language", "de");

        let page = eve.reaches_consent(&client.url(&[("scope", "openid dashboards_read")])).await;

        assert_eq!(page.header("content-language"), Some("de"));
        let shown = words(&page);
        assert!(shown.contains("Dashboards sehen") && !shown.contains("See dashboards"), "{shown}");
        client.code(&eve.submit(&Form::approving(&page)).await);
    }

    async fn ui_locales_sets_the_language_of_every_page_of_a_request(engine: Engine) {
        let sites = [("http.public_url", "https://eu.example.com"), ("sites.hosts", "eu.example.com,us.example.com")];
        let app = TestApp::with(engine, &sites).await;
        let (acme, client, eve) = stage(&app).await;
        let mut eve = eve.with_header("accept-language", "en");
        let other = app.operator("Other").await;
        other.takes_in(&eve, Role::Standard).await;

        let choice = eve.visit(&client.url(&[("ui_locales", "fr de-CH en")])).await;
        assert!(choice.text.contains("/oauth2/v1/authorize?") && choice.header("content-language") == Some("de"));
        let here = choice.text.split("href=\"").find(|tail| tail.contains("/login?request=")).expect("this site");
        let login = eve.open(here.split('"').next().expect("an address")).await;
        let mistyped = eve.submit(&eve.login(&login).with("password", "something else")).await;
        let organizations = eve.logs_in(&mistyped).await;
        let chosen = eve.submit(&choosing(&organizations, acme.org_id)).await;
        let consent = eve.follow(chosen).await;
        let account = eve.open("/account").await;
        let unknown = eve.visit(&client.url(&[("ui_locales", "fr tlh"), ("dd_oid", &acme.org_id.to_string())])).await;

        assert!(is_asked(&consent) && is_asked(&unknown), "{} {}", consent.text, unknown.text);
        for page in [login, mistyped, organizations, consent] {
            assert_eq!(page.header("content-language"), Some("de"), "{}", page.text);
        }
        for page in [account, unknown] {
            assert_eq!(page.header("content-language"), Some("en"), "{}", page.text);
        }
    }
}

/// The program never reads this column, so the test copies it to a column that it reads.
async fn stored_digest(app: &TestApp, operator: &TestOperator<'_>, engine: crate::support::Engine) -> String {
    app.execute(match engine {
        crate::support::Engine::Sqlite => "UPDATE orgs SET name = (SELECT lower(hex(consent_digest)) FROM grants)",
        crate::support::Engine::Postgres => "UPDATE orgs SET name = (SELECT encode(consent_digest, 'hex') FROM grants)",
    })
    .await;
    orgs::find(app.db(), operator.org_id).await.expect("is readable").expect("is there").name
}
