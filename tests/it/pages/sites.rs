//! `/choose-site`: asked where the service has several sites, this one among them, and nothing tells which is meant.

use grantor::rules::identity::permission::Role;

use crate::support::TestApp;
use crate::support::flow::{AUTHORIZE, CHALLENGE, Form, McpClient, Person, STATE, unescaped};

const REDIRECT: &str = "https://app.grantor.example/cb";
const EVE: &str = "eve@mail.example";
const HERE: (&str, &str) = ("http.public_url", "https://eu.example.com");
const SITES: (&str, &str) = ("sites.hosts", "us.example.com,eu.example.com,ap.example.com");

fn is_asked(page: &crate::support::Answer) -> bool {
    page.status == 200 && page.text.contains("Where is your account?")
}

/// The addresses of the buttons.
fn links(page: &str) -> Vec<String> {
    page.split("href=\"").skip(2).filter_map(|tail| tail.split('"').next()).map(unescaped).collect()
}

on_both! {
    async fn who_is_not_known_here_is_asked_and_the_request_goes_on_where_they_say(engine: Engine) {
        let app = TestApp::with(engine, &[HERE, SITES]).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;

        let page = eve.visit(&client.url(&[("scope", "openid email"), ("nonce", "n"), ("login_hint", EVE)])).await;

        assert!(is_asked(&page), "{}", page.text);
        let links = links(&page.text);
        let here = links[0].strip_prefix("https://eu.example.com/login?request=").expect("this site");
        assert!(here.len() >= 43, "{here}");
        for (link, host) in links[1..].iter().zip(["us.example.com", "ap.example.com"]) {
            let query = link.strip_prefix(&format!("https://{host}{AUTHORIZE}?")).expect("that site");
            let mut pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            pairs.sort();
            let site = format!("https://{host}");
            let expected = [
                ("client_id", client.id.as_str()),
                ("code_challenge", CHALLENGE),
                ("code_challenge_method", "S256"),
                ("login_hint", EVE),
                ("nonce", "n"),
                ("redirect_uri", REDIRECT),
                ("response_type", "code"),
                ("scope", "email openid"),
                ("site", site.as_str()),
                ("state", STATE),
            ];
            assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        assert_eq!(links.len(), 3);
        let login = eve.open(&links[0]).await;
        let consent = eve.logs_in(&login).await;
        client.code(&eve.submit(&Form::approving(&consent)).await);
    }

    async fn whoever_says_where_they_come_from_is_not_asked(engine: Engine) {
        let app = TestApp::with(engine, &[HERE, SITES]).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let org_id = acme.org_id.to_string();
        let told = [
            ("resource", "https://mcp.example"),
            ("site", "https://eu.example.com"),
            ("domain", "eu.example.com"),
            ("dd_oid", org_id.as_str()),
        ];
        for change in told {
            let page = Person::new(&app, EVE).visit(&client.url(&[change])).await;
            assert!(!is_asked(&page) && page.text.contains("action=\"/login\""), "{change:?}: {}", page.text);
        }
        let silently = Person::new(&app, EVE).open(&client.url(&[("prompt", "none")])).await;
        client.is_refused(&silently, "login_required", "the user has to sign in");
    }

    async fn who_is_signed_in_here_is_not_asked(engine: Engine) {
        let app = TestApp::with(engine, &[HERE, SITES]).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.signs_in().await;

        let page = eve.visit(&client.url(&[])).await;

        assert!(page.text.contains("Allow an unverified app"), "{}", page.text);
    }

    async fn where_this_site_is_alone_or_not_listed_nobody_is_asked(engine: Engine) {
        let settings: [&[(&str, &str)]; 6] = [
            // The shipped list is an example.
            &[],
            &[HERE],
            &[HERE, ("sites.hosts", "eu.example.com")],
            &[HERE, ("sites.hosts", "us.example.com,ap.example.com")],
            &[("sites.hosts", "[]")],
            &[HERE, ("sites.hosts", "[]")],
        ];
        for settings in settings {
            let app = TestApp::with(engine, settings).await;
            let client = McpClient::registered(&app, &[REDIRECT]).await;

            let mut eve = Person::new(&app, EVE);
            let page = eve.visit(&client.url(&[])).await;
            assert!(page.text.contains("action=\"/login\""), "{settings:?}: {}", page.text);
            let request = Form::on(&page, "/login").all_of("request")[0].to_owned();
            let by_its_address = eve.open(&format!("/choose-site?request={request}")).await;

            let login = format!("/login?request={request}");
            assert_eq!(by_its_address.header("location"), Some(login.as_str()), "{settings:?}: {}", by_its_address.text);
        }
    }

    async fn what_the_client_asked_of_the_sign_in_holds_at_another_site_too(engine: Engine) {
        let app = TestApp::with(engine, &[HERE, SITES]).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;

        let wishes = [("prompt", "login consent"), ("max_age", "60"), ("ui_locales", "fr de-AT")];
        let page = Person::new(&app, EVE).visit(&client.url(&wishes)).await;

        for link in &links(&page.text)[1..] {
            for wish in ["prompt=login+consent", "max_age=60", "ui_locales=de"] {
                assert!(link.contains(wish), "{link}");
            }
        }
    }

    async fn what_the_client_left_out_is_left_out_at_another_site_too(engine: Engine) {
        let app = TestApp::with(engine, &[HERE, SITES]).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;

        let page = Person::new(&app, EVE).visit(&client.url(&[("redirect_uri", "")])).await;

        for link in &links(&page.text)[1..] {
            assert!(!link.contains("redirect_uri") && !link.contains("ui_locales"), "{link}");
        }
    }

    async fn the_site_that_was_chosen_does_not_ask_again(engine: Engine) {
        let app = TestApp::with(engine, &[HERE, SITES]).await;
        let there = TestApp::with(engine, &[("http.public_url", "https://us.example.com"), SITES]).await;
        let acme = there.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let same_client = McpClient::registered(&there, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;

        let page = Person::new(&app, EVE).visit(&client.url(&[("redirect_uri", "")])).await;
        let link = links(&page.text).into_iter().find(|link| link.contains("us.example.com")).expect("that site");
        let consent = eve.reaches_consent(&link).await;
        let code = same_client.code(&eve.submit(&Form::approving(&consent)).await);

        let tokens = same_client.exchange(&code, &[("redirect_uri", "")]).await;
        assert_eq!(tokens.status, 200, "{}", tokens.text);
    }
}
