//! `/login` and `/logout`.

use std::time::Duration;

use grantor::actions::audit::AuditActor;
use grantor::actions::users::disable_user;
use grantor::rules::identity::permission::Role;
use serde_json::json;

use crate::support::flow::{Form, McpClient, PASSWORD, Person};
use crate::support::{Answer, TestApp};

const REDIRECT: &str = "https://app.example/cb";
const EVE: &str = "eve@mail.example";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// The tests connect from this trusted address, so they can set the address of a browser.
const BEHIND_A_PROXY: (&str, &str) = ("http.trusted_proxies", "127.0.0.1");

async fn tries(person: &mut Person<'_>, email: &str, password: &str) -> Answer {
    let page = person.open("/login").await;
    person.submit(&Form::on(&page, "/login").with("email", email).with("password", password)).await
}

async fn is_signed_in(person: &mut Person<'_>) -> bool {
    person.open("/account").await.status == 200
}

fn is_wrong(answer: &Answer) -> bool {
    answer.status == 403
        && answer.text.contains("Wrong email address")
        && answer.header("set-cookie").is_none()
}

on_both! {
    async fn signing_in_without_a_request_leads_to_the_account(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut eve = app.operator("Acme").await.person(EVE, Role::Standard).await;

        let asked = eve.open("/account").await;
        let answer = tries(&mut eve, EVE, PASSWORD).await;
        let again = eve.open("/login").await;

        for (answer, to) in [(asked, "/login"), (answer, "/account"), (again, "/account")] {
            assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some(to)));
        }
        assert!(is_signed_in(&mut eve).await);
    }

    async fn the_case_of_an_email_address_and_spaces_around_it_do_not_matter(engine: Engine) {
        let app = TestApp::start(engine).await;
        let eve = app.operator("Acme").await.person(EVE, Role::Standard).await;
        for email in [" eve@mail.example ", "EVE@Mail.Example"] {
            assert_eq!(tries(&mut eve.in_new_browser(), email, PASSWORD).await.status, 303, "{email}");
        }
    }

    async fn a_failed_sign_in_does_not_reveal_whether_the_account_exists(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let disabled = acme.person("disabled@mail.example", Role::Standard).await;
        let by = AuditActor::COMMAND_LINE;
        disable_user::disable_user(app.context(), &app.app.callers, &disabled.email, &by).await.expect("is disabled");

        let wrong = tries(&mut eve, EVE, "another password").await;
        let others = [
            tries(&mut eve, "nobody@mail.example", PASSWORD).await,
            tries(&mut eve, &disabled.email, PASSWORD).await,
            // This account has keys but no known password.
            tries(&mut eve, &acme.email, PASSWORD).await,
        ];
        let emails = ["nobody@mail.example", &disabled.email, &acme.email];

        assert!(is_wrong(&wrong), "{}", wrong.text);
        assert!(wrong.text.contains(EVE) && !wrong.text.contains("another password"), "{}", wrong.text);
        for (other, email) in others.iter().zip(emails) {
            assert!(is_wrong(other), "{}", other.text);
            assert_eq!(other.text.replace(email, EVE), wrong.text);
            let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(names(other), names(&wrong));
        }
    }

    async fn passwords_are_compared_exactly(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut eve = app.operator("Acme").await.person(EVE, Role::Standard).await;
        let (shorter, spaced, long) = (&PASSWORD[1..], format!("{PASSWORD} "), "x".repeat(10_000));
        for password in ["", shorter, &spaced, &PASSWORD.to_uppercase(), &long] {
            let answer = tries(&mut eve, EVE, password).await;
            assert!(is_wrong(&answer), "{}: {}", answer.status, answer.text);
        }
        assert!(is_wrong(&tries(&mut eve, "", "").await));
        assert!(is_wrong(&tries(&mut eve, "\"><script>", PASSWORD).await));
    }

    async fn a_request_survives_a_mistyped_password(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut eve = app.operator("Acme").await.person(EVE, Role::Standard).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;

        let page = eve.visit(&client.url(&[])).await;
        let wrong = eve.submit(&eve.login(&page).with("password", "mistyped")).await;
        let consent = eve.signs_in_on(&wrong).await;

        assert!(is_wrong(&wrong) && wrong.text.contains("Editor"), "{}", wrong.text);
        client.code(&eve.submit(&Form::approving(&consent)).await);
    }

    async fn guesses_at_many_accounts_from_one_address_are_limited(engine: Engine) {
        let app = TestApp::with(engine, &[BEHIND_A_PROXY]).await;
        let acme = app.operator("Acme").await;
        let eve = acme.person(EVE, Role::Standard).await;
        let mallory = Person::new(&app, "").with_header("x-forwarded-for", "203.0.113.1");

        let mut statuses = Vec::new();
        for number in 0..12 {
            let email = format!("user{number}@mail.example");
            statuses.push(tries(&mut mallory.in_new_browser(), &email, "Passw0rd").await.status.as_u16());
        }
        let same_address = tries(&mut eve.with_header("x-forwarded-for", "203.0.113.1"), EVE, PASSWORD).await;
        let other_address = tries(&mut eve.with_header("x-forwarded-for", "203.0.113.2"), EVE, PASSWORD).await;
        app.clock.advance(MINUTE);
        let later = tries(&mut eve.with_header("x-forwarded-for", "203.0.113.1"), EVE, PASSWORD).await;

        assert_eq!(statuses, [[403; 10].as_slice(), &[429; 2]].concat());
        assert_eq!([same_address, other_address, later].map(|answer| answer.status.as_u16()), [429, 303, 303]);
    }

    async fn a_planted_session_is_not_adopted_and_every_sign_in_creates_a_new_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut eve = app.operator("Acme").await.person(EVE, Role::Standard).await;
        eve.cookies.insert("sid".to_owned(), "planted".to_owned());

        tries(&mut eve, EVE, PASSWORD).await;
        let first = eve.clone();
        app.clock.advance(MINUTE);
        // Signing in again, as after a request with prompt=login.
        let page = first.in_new_browser().open("/login").await;
        assert_eq!(page.status, 200);
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let page = eve.visit(&client.url(&[("prompt", "login")])).await;
        eve.signs_in_on(&page).await;

        let sids = [&first.cookies["sid"], &eve.cookies["sid"]];
        assert!(sids[0] != sids[1] && !sids.contains(&&"planted".to_owned()) && sids.iter().all(|sid| sid.len() >= 43));
        let mut planted = first.in_new_browser();
        planted.cookies.insert("sid".to_owned(), "planted".to_owned());
        assert!(!is_signed_in(&mut planted).await);
        assert!(!is_signed_in(&mut first.clone()).await, "the previous session has ended");
        assert!(is_signed_in(&mut eve).await);
    }

    async fn a_session_cookie_that_is_sent_twice_is_ignored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut eve = app.operator("Acme").await.person(EVE, Role::Standard).await;
        eve.signs_in().await;
        let twice = format!("planted; sid={}", eve.cookies["sid"]);
        eve.cookies.insert("sid".to_owned(), twice);

        assert!(!is_signed_in(&mut eve).await);
    }

    async fn an_unused_session_ends_after_eight_hours(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut eve = app.operator("Acme").await.person(EVE, Role::Standard).await;
        eve.signs_in().await;

        app.clock.advance(8 * HOUR);
        assert!(is_signed_in(&mut eve).await);
        app.clock.advance(8 * HOUR + Duration::from_secs(1));
        assert!(!is_signed_in(&mut eve).await);
    }

    async fn a_session_ends_after_a_day_even_if_it_is_used(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let mut eve = app.operator("Acme").await.person(EVE, Role::Standard).await;
        eve.signs_in().await;

        for _ in 0..4 {
            app.clock.advance(6 * HOUR);
            replica.clock.advance(6 * HOUR);
            assert!(is_signed_in(&mut eve).await);
        }
        app.clock.advance(Duration::from_secs(1));
        replica.clock.advance(Duration::from_secs(1));
        assert!(!is_signed_in(&mut eve).await && !is_signed_in(&mut eve.on(&replica)).await);
    }

    async fn signing_out_ends_the_session_on_every_replica(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let mut eve = app.operator("Acme").await.person(EVE, Role::Standard).await;
        let account = eve.signs_in().await;
        let stolen = eve.clone();
        assert!(is_signed_in(&mut stolen.on(&replica)).await);

        let signed_out = eve.submit(&Form::on(&account, "/logout")).await;

        assert_eq!(signed_out.status, 200);
        assert!(signed_out.text.contains("You are signed out"), "{}", signed_out.text);
        assert_eq!(
            signed_out.headers.get_all("set-cookie").iter().collect::<Vec<_>>(),
            ["sid=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"],
        );
        assert!(!is_signed_in(&mut stolen.clone()).await && !is_signed_in(&mut stolen.on(&replica)).await);
        // Signing out again changes nothing and is not an error.
        assert_eq!(eve.submit(&Form::on(&account, "/logout")).await.status, 200);
    }

    async fn disabling_a_user_ends_their_sessions_immediately(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let mut eve = app.operator("Acme").await.person(EVE, Role::Standard).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let page = eve.opens_consent(&client.url(&[])).await;

        let by = AuditActor::COMMAND_LINE;
        disable_user::disable_user(app.context(), &app.app.callers, EVE, &by).await.expect("is disabled");
        let approved = eve.submit(&Form::approving(&page)).await;

        assert!(approved.header("location").is_some_and(|to| to.starts_with("/login?request=")), "{approved:?}");
        assert!(!is_signed_in(&mut eve.clone()).await && !is_signed_in(&mut eve.on(&replica)).await);
        assert!(is_wrong(&tries(&mut eve.in_new_browser(), EVE, PASSWORD).await));
    }

    async fn another_user_can_sign_in_to_answer_the_request(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let bob = acme.person("bob@mail.example", Role::Standard).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let page = eve.opens_consent(&client.url(&[("login_hint", EVE)])).await;

        let signed_out = eve.submit(&Form::on(&page, "/logout")).await;
        let login = eve.follow(signed_out).await;
        let mut bob = Person { cookies: eve.cookies.clone(), ..bob };
        let consent = bob.signs_in_on(&login).await;
        let answer = bob.submit(&Form::approving(&consent)).await;

        assert!(
            consent.text.contains("<bdi>bob@mail.example</bdi>") && !consent.text.contains(EVE),
            "{}",
            consent.text
        );
        client.code(&answer);
        assert_eq!(eve_s_apps(&mut eve.in_new_browser()).await, 0);
    }

    async fn no_parameter_redirects_to_another_site(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut eve = app.operator("Acme").await.person(EVE, Role::Standard).await;
        let evil = "https://evil.example/";
        let names =
            ["next", "return_to", "returnTo", "redirect", "redirect_uri", "redirect_url", "url", "continue", "target"];
        let query: String = names.iter().map(|name| format!("&{name}={evil}")).collect();
        let with_all = |form: Form| names.iter().fold(form, |form, name| form.and(name, evil));

        let page = eve.open(&format!("/login?{query}")).await;
        assert!(!page.text.contains("evil"), "{}", page.text);
        let signed_in = eve.submit(&with_all(eve.login(&page))).await;
        assert_eq!(signed_in.header("location"), Some("/account"));
        let already = eve.open(&format!("/login?{query}")).await;
        assert_eq!(already.header("location"), Some("/account"));
        let account = eve.open(&format!("/account?{query}")).await;
        assert!(!account.text.contains("evil"), "{}", account.text);
        let signed_out = eve.submit(&with_all(Form::on(&account, "/logout"))).await;
        assert_eq!((signed_out.status.as_u16(), signed_out.header("location")), (200, None));
    }

    async fn a_url_as_the_request_handle_leads_to_a_page_of_this_server(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut eve = app.operator("Acme").await.person(EVE, Role::Standard).await;
        let account = eve.signs_in().await;
        for evil in [
            "//evil.example",
            "https://evil.example",
            "\\\\evil.example",
            "x\r\nlocation: https://evil.example",
            "x&y=z#a",
        ] {
            let signed_out = eve.submit(&Form::on(&account, "/logout").and("request", evil)).await;

            let to = signed_out.header("location").expect("a location");
            let (path, handle) = to.split_once('=').expect("a handle");
            assert_eq!((signed_out.status.as_u16(), path), (303, "/login?request"), "{to}");
            assert!(handle.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"%.-_*+".contains(&byte)), "{to}");
            assert_eq!(eve.open(to).await.status, 400, "{to}");
        }
    }

    async fn query_parameters_cannot_sign_a_user_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut eve = app.operator("Acme").await.person(EVE, Role::Standard).await;

        let page = eve.open(&format!("/login?email={EVE}&password={}", PASSWORD.replace(' ', "+"))).await;

        assert_eq!(page.status, 200);
        assert!(!eve.cookies.contains_key("sid") && !page.text.contains(EVE), "{}", page.text);
        let program = app.post("/login", &json!({"email": EVE, "password": PASSWORD})).await;
        assert_eq!((program.status.as_u16() / 100, program.header("set-cookie")), (4, None), "{}", program.text);
    }

    async fn the_page_is_in_german_if_the_browser_prefers_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut eve = app.operator("Acme").await.person(EVE, Role::Standard).await.with_header("accept-language", "de");

        let wrong = tries(&mut eve, EVE, "falsch").await;

        assert_eq!((wrong.status.as_u16(), wrong.header("content-language")), (403, Some("de")));
        assert!(wrong.text.contains("<html lang=\"de\">"), "{}", wrong.text);
        assert!(wrong.text.contains("Passwort") && !wrong.text.contains("Sign in"), "{}", wrong.text);
    }

    async fn signing_in_as_another_user_ends_the_previous_session(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let bob = acme.person("bob@mail.example", Role::Standard).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        eve.signs_in().await;
        let stolen = eve.clone();
        app.clock.advance(MINUTE);

        let page = eve.visit(&client.url(&[("prompt", "login")])).await;
        let mut bob = Person { cookies: eve.cookies.clone(), ..bob };
        bob.signs_in_on(&page).await;

        assert!(is_signed_in(&mut bob).await);
        assert!(!is_signed_in(&mut stolen.clone()).await, "the previous session must end");
    }
}

/// The number of apps on the user's account page.
async fn eve_s_apps(person: &mut Person<'_>) -> usize {
    let account = person.signs_in().await;
    Form::all(&account, "/account/revoke").len()
}
