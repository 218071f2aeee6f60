//! `/consent`: what the page shows.

mod changes;
mod choices;
mod remembered;

use std::time::Duration;

use grantor::actions::audit::AuditActor;
use grantor::db::{clients, grants, orgs};
use grantor::rules::authorization::consent::{ConsentContent, Reach};
use grantor::rules::client::ClientId;
use grantor::rules::identity::permission::Role;
use grantor::rules::scope::ScopeSet;
use grantor::rules::scope::offered::OfferedScopes;
use grantor::rules::secret::hex;
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
    let texts =
        body.split('<').map(|piece| piece.split_once('>').map_or("", |(_, text)| text.trim()));
    unescaped(&texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" "))
}

/// The scopes that have a box, in the order on the page.
fn boxes(page: &Answer) -> Vec<&str> {
    page.text
        .split("name=\"scope\" value=\"")
        .skip(1)
        .filter_map(|tail| tail.split('"').next())
        .collect()
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
        app.clock.advance(2 * DAY);

        let page = eve.opens_consent(&client.url(&[("scope", "openid dashboards_read")])).await;

        assert_eq!(
            words(&page),
            "Allow an unverified app to act for you at Acme ? It calls itself “ Editor ”. No one has verified that. Access is \
             sent to app.example . If you did not start this yourself, choose Cancel. \
             Where access is sent app.example Who is asking An app that calls itself “ Editor ” unverified name First seen \
             here 2 days ago. No one at Acme uses it. Acting for eve@mail.example Not you? at Acme \
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
        let mut shown = async |client: &McpClient<'_>| words(&eve.opens_consent(&client.url(&[])).await);

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

        let page = eve.opens_consent(&client.url(&[])).await;

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
        let shown = async |person: &mut Person<'_>| words(&person.opens_consent(&client.url(&[("prompt", "consent")])).await);
        let warning = "It calls itself “ Editor ”. No one has verified that. Access is sent to app.example .";

        mallory.approves(&client.url(&[])).await;
        let of_nobody = shown(&mut eve).await;
        eve.approves(&client.url(&[("prompt", "consent")])).await;
        let (of_eve, of_bob) = (shown(&mut eve).await, shown(&mut bob).await);

        assert!(of_nobody.contains(warning) && of_nobody.contains("No one at Acme uses it."), "{of_nobody}");
        assert!(!of_eve.contains(warning) && of_eve.contains("No one else at Acme uses it."), "{of_eve}");
        assert!(!of_bob.contains(warning) && of_bob.contains("One person at Acme uses it."), "{of_bob}");
        assert!(of_bob.contains("unverified name"), "{of_bob}");
    }

    async fn a_declared_resource_is_shown_with_the_name_from_the_operator(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        insert_resource(&app, 1, "https://notes.example/mcp", "secret").await;

        let declared = eve.opens_consent(&client.url(&[("resource", "https://notes.example/mcp")])).await;
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
        let page = eve.signs_in_on(&login).await;
        eve.submit(&Form::approving(&page)).await;
        let account = eve.open("/account").await;

        for page in [login, page, account] {
            assert!(page.text.contains("Editor \u{FFFD}") && !page.text.contains('✅'), "{}", page.text);
        }
    }

    async fn the_page_shows_that_a_client_can_reach_this_server(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let issuer = app.app.config.http.public_url.clone();
        let mcp = "https://one.example";

        let unnamed = words(&eve.opens_consent(&client.url(&[])).await);
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

    async fn the_page_is_in_german_if_the_browser_prefers_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, eve) = stage(&app).await;
        let mut eve = eve.with_header("accept-language", "de");

        let page = eve.opens_consent(&client.url(&[("scope", "openid dashboards_read")])).await;

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
        other.adds_member(&eve, Role::Standard).await;

        let choice = eve.visit(&client.url(&[("ui_locales", "fr de-CH en")])).await;
        assert!(choice.text.contains("/oauth2/v1/authorize?") && choice.header("content-language") == Some("de"));
        let here = choice.text.split("href=\"").find(|tail| tail.contains("/login?request=")).expect("this site");
        let login = eve.open(here.split('"').next().expect("an address")).await;
        let mistyped = eve.submit(&eve.login(&login).with("password", "something else")).await;
        let organizations = eve.signs_in_on(&mistyped).await;
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
async fn stored_digest(
    app: &TestApp,
    operator: &TestOperator<'_>,
    engine: crate::support::Engine,
) -> String {
    app.execute(match engine {
        crate::support::Engine::Sqlite => {
            "UPDATE orgs SET name = (SELECT lower(hex(consent_digest)) FROM grants)"
        }
        crate::support::Engine::Postgres => {
            "UPDATE orgs SET name = (SELECT encode(consent_digest, 'hex') FROM grants)"
        }
    })
    .await;
    orgs::find(app.db(), operator.org_id).await.expect("is readable").expect("is there").name
}
