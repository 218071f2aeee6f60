//! `/password`: users who sign in with a printed password must choose another one first.

use grantor::actions::audit::AuditActor;
use grantor::actions::sign_in::set_password;
use grantor::actions::sign_in::set_password::NewPassword;
use grantor::actions::users::create_user;
use grantor::actions::users::create_user::NewMember;
use grantor::rules::identity::permission::Role;

use crate::support::flow::{Form, McpClient, Person};
use crate::support::{Answer, TestApp, TestOperator};

const REDIRECT: &str = "https://app.example/cb";
const EVE: &str = "eve@mail.example";
const NEW: &str = "seven green kettles";

/// A new colleague and the password that was printed for them.
async fn newcomer<'a>(acme: &TestOperator<'a>) -> (Person<'a>, String) {
    let (context, by) = (acme.app.context(), AuditActor::COMMAND_LINE);
    let user =
        create_user::create_user(context, acme.org_id, NewMember::new(EVE, Role::Standard), &by)
            .await
            .expect("joins");
    (Person::new(acme.app, EVE), user.password.expect("was made").expose().to_owned())
}

async fn signs_in(person: &mut Person<'_>, page: &Answer, password: &str) -> Answer {
    let answer = person
        .submit(&Form::on(page, "/login").with("email", EVE).with("password", password))
        .await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    person.follow(answer).await
}

fn choosing(page: &Answer, new: &str) -> Form {
    Form::on(page, "/password").with("new", new)
}

on_both! {
    async fn a_printed_password_is_replaced_before_the_request_continues(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let (mut eve, printed) = newcomer(&acme).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;

        let login = eve.visit(&client.url(&[])).await;
        let page = signs_in(&mut eve, &login, &printed).await;
        assert!(page.status == 200 && page.text.contains("Choose a password"), "{}", page.text);
        let answer = eve.submit(&choosing(&page, NEW)).await;
        let consent = eve.follow(answer).await;
        client.code(&eve.submit(&Form::approving(&consent)).await);

        let mut there = eve.in_new_browser();
        let login = there.open("/login").await;
        let account = signs_in(&mut there, &login, NEW).await;
        assert!(account.text.contains("Your account"), "{}", account.text);
        let mut mallory = eve.in_new_browser();
        let login = mallory.open("/login").await;
        let old = mallory.submit(&Form::on(&login, "/login").with("email", EVE).with("password", &printed)).await;
        assert_eq!(old.status, 403, "{}", old.text);
    }

    async fn a_session_with_a_printed_password_opens_nothing_else(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let (mut eve, printed) = newcomer(&acme).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let login = eve.open("/login").await;
        let page = signs_in(&mut eve, &login, &printed).await;
        assert_eq!(Form::all(&page, "/password").len(), 1, "{}", page.text);

        let account = eve.open("/account").await;
        let silent = eve.visit(&client.url(&[("prompt", "none")])).await;
        let asked = eve.visit(&client.url(&[])).await;
        let others = Form::on(&page, "/logout");
        let ended = eve.submit(&Form { action: "/account/sessions/end-others".to_owned(), ..others.clone() }).await;

        assert_eq!((account.status.as_u16(), account.header("location")), (303, Some("/login")));
        client.is_refused(&silent, "login_required", "the user has to sign in");
        assert_eq!(Form::all(&asked, "/password").len(), 1, "{}", asked.text);
        assert_eq!(ended.header("location"), Some("/login"));
        let signed_out = eve.submit(&others).await;
        assert_eq!(signed_out.status, 200, "{}", signed_out.text);
        assert_eq!(eve.open("/password").await.header("location"), Some("/account"), "no user is signed in");
    }

    async fn a_request_that_waits_for_a_new_password_counts_as_waiting(engine: Engine) {
        let app = TestApp::with(engine, &[("limits.waiting_requests_per_source", "1")]).await;
        let acme = app.operator("Acme").await;
        let (mut eve, printed) = newcomer(&acme).await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let login = eve.open("/login").await;
        signs_in(&mut eve, &login, &printed).await;

        let asked = eve.open(&client.url(&[])).await;
        let one_too_many = eve.open(&client.url(&[])).await;

        let location = asked.header("location").unwrap_or_default();
        assert!(location.starts_with("/password?request="), "{} {}", asked.status, asked.text);
        assert_eq!(one_too_many.status, 429, "{}", one_too_many.text);
    }

    async fn the_new_password_must_be_different_and_follow_the_rules(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let (mut eve, printed) = newcomer(&acme).await;
        let login = eve.open("/login").await;
        let page = signs_in(&mut eve, &login, &printed).await;

        for (new, words) in [
            (printed.as_str(), "This is your current password"),
            ("short", "must be 12 to 1024 characters long"),
            ("password1234", "common words or patterns"),
            ("eve@mail.example", "your email address, your name or your organization"),
            ("Acme-eve-2026", "your email address, your name or your organization"),
        ] {
            let answer = eve.submit(&choosing(&page, new)).await;
            assert_eq!(answer.status, 422, "{new}: {}", answer.text);
            assert!(answer.text.contains(words) && !answer.text.contains(&format!("value=\"{new}\"")) || new == EVE, "{new}: {}", answer.text);
        }
        assert_eq!(eve.submit(&choosing(&page, NEW)).await.header("location"), Some("/account"));
        assert_eq!(eve.open("/password").await.header("location"), Some("/account"));
    }

    async fn a_generated_password_has_to_be_replaced_but_a_given_one_does_not(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.signs_in().await;

        let made = set_password::set_password(app.context(), EVE, NewPassword::default(), &AuditActor::COMMAND_LINE).await;
        let printed = made.expect("is set").expect("was made").expose().to_owned();
        let login = eve.visit("/account").await;
        let page = signs_in(&mut eve, &login, &printed).await;
        assert_eq!(Form::all(&page, "/password").len(), 1, "{}", page.text);

        let given = NewPassword::chosen(grantor::rules::secret::Secret::new(NEW.to_owned()));
        set_password::set_password(app.context(), EVE, given, &AuditActor::COMMAND_LINE).await.expect("is set");
        let login = eve.visit("/account").await;
        let account = signs_in(&mut eve, &login, NEW).await;
        assert!(account.text.contains("Your account"), "{}", account.text);
    }

    async fn the_form_is_accepted_only_from_its_own_browser(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let (mut eve, printed) = newcomer(&acme).await;
        let login = eve.open("/login").await;
        let page = signs_in(&mut eve, &login, &printed).await;

        let forged = eve.submit(&choosing(&page, NEW).without("csrf")).await;
        let elsewhere = eve.with_header("sec-fetch-site", "cross-site").submit(&choosing(&page, NEW)).await;

        assert_eq!((forged.status.as_u16(), elsewhere.status.as_u16()), (403, 403));
        assert_eq!(Form::all(&eve.open("/password").await, "/password").len(), 1);
    }
}
