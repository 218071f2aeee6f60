//! `/choose-site`: the choice of a site, if the service has several and the request names none.

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

/// The URLs of the links.
fn links(page: &str) -> Vec<String> {
    page.split("href=\"").skip(2).filter_map(|tail| tail.split('"').next()).map(unescaped).collect()
}

on_both! {
    async fn an_unknown_user_chooses_a_site_and_the_request_continues_there(engine: Engine) {
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
        let consent = eve.signs_in_on(&login).await;
        client.code(&eve.submit(&Form::approving(&consent)).await);
    }

    async fn a_request_that_names_its_site_shows_no_choice(engine: Engine) {
        let app = TestApp::with(engine, &[HERE, SITES]).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let org_id = acme.org_id.to_string();
        let hints = [
            ("resource", "https://mcp.example"),
            ("site", "https://eu.example.com"),
            ("domain", "eu.example.com"),
            ("dd_oid", org_id.as_str()),
        ];
        for change in hints {
            let page = Person::new(&app, EVE).visit(&client.url(&[change])).await;
            assert!(!is_asked(&page) && page.text.contains("action=\"/login\""), "{change:?}: {}", page.text);
        }
        let silently = Person::new(&app, EVE).open(&client.url(&[("prompt", "none")])).await;
        client.is_refused(&silently, "login_required", "the user has to sign in");
    }

    async fn a_signed_in_user_does_not_choose_a_site(engine: Engine) {
        let app = TestApp::with(engine, &[HERE, SITES]).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.signs_in().await;

        let page = eve.visit(&client.url(&[])).await;

        assert!(page.text.contains("Allow an unverified app"), "{}", page.text);
    }

    async fn no_choice_is_shown_if_this_site_is_the_only_one_or_not_listed(engine: Engine) {
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

    async fn the_sign_in_parameters_of_the_client_are_kept_at_another_site(engine: Engine) {
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

    async fn omitted_parameters_stay_omitted_at_another_site(engine: Engine) {
        let app = TestApp::with(engine, &[HERE, SITES]).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;

        let page = Person::new(&app, EVE).visit(&client.url(&[("redirect_uri", "")])).await;

        for link in &links(&page.text)[1..] {
            assert!(!link.contains("redirect_uri") && !link.contains("ui_locales"), "{link}");
        }
    }

    async fn the_chosen_site_does_not_ask_again(engine: Engine) {
        let app = TestApp::with(engine, &[HERE, SITES]).await;
        let there = TestApp::with(engine, &[("http.public_url", "https://us.example.com"), SITES]).await;
        let acme = there.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let same_client = McpClient::registered(&there, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;

        let page = Person::new(&app, EVE).visit(&client.url(&[("redirect_uri", "")])).await;
        let link = links(&page.text).into_iter().find(|link| link.contains("us.example.com")).expect("that site");
        let consent = eve.opens_consent(&link).await;
        let code = same_client.code(&eve.submit(&Form::approving(&consent)).await);

        let tokens = same_client.exchange(&code, &[("redirect_uri", "")]).await;
        assert_eq!(tokens.status, 200, "{}", tokens.text);
    }
}
