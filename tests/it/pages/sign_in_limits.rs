//! Limits on guessing passwords: guesses are limited, the owner can still sign in, and failed
//! attempts are audited.

use std::time::Duration;

use grantor::actions::audit::AuditActor;
use grantor::actions::sign_in::audit_refused;
use grantor::actions::sign_in::set_password;
use grantor::actions::sign_in::set_password::NewPassword;
use grantor::db::users::known_browsers::MAX_KNOWN_BROWSERS;
use grantor::rules::identity::permission::Role;
use grantor::rules::secret::Secret;
use serde_json::json;

use crate::support::flow::{Form, PASSWORD, Person};
use crate::support::{Answer, START, TestApp, listed};

const EVE: &str = "eve@mail.example";
const BOB: &str = "bob@mail.example";
const NEW: &str = "seven green kettles";
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// The tests connect from this trusted address, so they can set the address of a browser.
const BEHIND_A_PROXY: (&str, &str) = ("http.trusted_proxies", "127.0.0.1");

async fn tries(person: &mut Person<'_>, email: &str, password: &str) -> Answer {
    person.cookies.remove("sid");
    let page = person.open("/login").await;
    person.submit(&Form::on(&page, "/login").with("email", email).with("password", password)).await
}

/// Tries `count` wrong passwords and returns the statuses.
async fn guesses(person: &mut Person<'_>, email: &str, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for number in 0..count {
        statuses.push(tries(person, email, &format!("guess {number}")).await.status.as_u16());
    }
    statuses
}

fn at<'a>(person: &Person<'a>, address: &str) -> Person<'a> {
    person.with_header("x-forwarded-for", address)
}

on_both! {
    async fn the_owner_can_sign_in_from_a_new_browser_while_many_addresses_guess(engine: Engine) {
        let app = TestApp::with(engine, &[BEHIND_A_PROXY]).await;
        let acme = app.operator("Acme").await;
        let eve = acme.person(EVE, Role::Standard).await;
        let mallory = Person::new(&app, EVE);

        for number in 0..10 {
            let from = format!("203.0.113.{number}");
            assert_eq!(guesses(&mut at(&mallory, &from), EVE, 11).await, [[403; 10].as_slice(), &[429]].concat(), "{from}");
        }
        // Together they made a hundred attempts, so from now on each address has three.
        assert_eq!(guesses(&mut at(&mallory, "203.0.113.100"), EVE, 4).await, [403, 403, 403, 429]);
        let caught = tries(&mut at(&mallory, "203.0.113.1"), EVE, PASSWORD).await;
        let owner = tries(&mut at(&eve.in_new_browser(), "198.51.100.2"), EVE, PASSWORD).await;

        assert_eq!((caught.status.as_u16(), caught.header("retry-after")), (429, Some("90")), "{}", caught.text);
        assert!(caught.text.contains("Try again in 90 seconds") && caught.header("set-cookie").is_none());
        assert_eq!(owner.status, 303, "{}", owner.text);
        app.clock.advance(Duration::from_secs(900));
        assert_eq!(guesses(&mut at(&mallory, "203.0.113.1"), EVE, 1).await, [403]);
    }

    async fn correct_passwords_are_not_counted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let eve = app.operator("Acme").await.person(EVE, Role::Standard).await;
        for round in 0..25 {
            assert_eq!(tries(&mut eve.in_new_browser(), EVE, PASSWORD).await.status, 303, "{round}");
        }
    }

    async fn concurrent_attempts_are_counted_before_they_fail(engine: Engine) {
        let app = TestApp::start(engine).await;
        let eve = app.operator("Acme").await.person(EVE, Role::Standard).await;
        let mut browsers: Vec<_> = (0..20).map(|_| eve.in_new_browser()).collect();

        let answers = futures_util::future::join_all(browsers.iter_mut().map(|one| tries(one, EVE, "a guess"))).await;

        let checked = answers.iter().filter(|answer| answer.status == 403).count();
        assert!(checked <= 10, "{checked} were checked");
    }

    async fn a_known_browser_can_sign_in_while_an_attacker_guesses_from_the_same_network(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.signs_in().await;
        guesses(&mut eve.in_new_browser(), EVE, 11).await;
        assert_eq!(tries(&mut eve.in_new_browser(), EVE, PASSWORD).await.status, 429);

        assert_eq!(tries(&mut eve, EVE, PASSWORD).await.status, 303);
        assert_eq!(guesses(&mut eve, EVE, 11).await, [[403; 10].as_slice(), &[429]].concat(), "a known browser has its own limits");
    }

    async fn a_forged_browser_cookie_or_one_of_another_account_allows_no_more_guesses(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        acme.person(EVE, Role::Standard).await;
        let mut mallory = acme.person("mallory@mail.example", Role::Standard).await;
        mallory.signs_in().await;

        let mut statuses = Vec::new();
        for number in 0..14 {
            if number % 2 == 0 {
                mallory.cookies.insert("known_browser".to_owned(), format!("made-up-{number}"));
            }
            statuses.extend(guesses(&mut mallory, EVE, 1).await);
        }

        assert_eq!(statuses, [[403; 10].as_slice(), &[429; 4]].concat());
    }

    async fn a_browser_can_be_known_for_several_users_and_each_sign_in_renews_its_cookie(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        acme.person(BOB, Role::Standard).await;
        eve.signs_in().await;
        let first = eve.clone();
        assert_eq!(tries(&mut eve, BOB, PASSWORD).await.status, 303);
        assert!(first.cookies["known_browser"] != eve.cookies["known_browser"]);
        guesses(&mut eve.in_new_browser(), "nobody@mail.example", 11).await;

        for email in [EVE, BOB] {
            assert_eq!(tries(&mut eve.clone(), email, "wrong").await.status, 403, "{email} is known");
        }
        assert_eq!(tries(&mut first.clone(), EVE, "wrong").await.status, 429, "the previous cookie no longer counts");
    }

    async fn a_browser_is_forgotten_after_a_password_change_or_half_a_year(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.signs_in().await;
        let page = {
            let mut here = eve.clone();
            let page = here.open("/account").await;
            let change = Form::on(&page, "/account/password").with("current", PASSWORD).with("new", NEW);
            assert_eq!(here.submit(&change).await.status, 303);
            here
        };
        let is_known = async |browser: &Person<'_>| {
            guesses(&mut eve.in_new_browser(), "nobody@mail.example", 11).await;
            tries(&mut browser.clone(), EVE, "wrong").await.status == 403
        };

        assert!(is_known(&page).await, "the browser in which it was changed");
        assert!(!is_known(&eve).await, "the previous cookie");
        app.clock.advance(183 * DAY);
        assert!(!is_known(&page).await);
        let chosen = NewPassword::chosen(Secret::new(PASSWORD.to_owned()));
        set_password::set_password(app.context(), EVE, chosen, &AuditActor::COMMAND_LINE).await.expect("is set");
    }

    async fn the_number_of_known_browsers_is_limited_and_expired_ones_are_deleted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut eve = app.operator("Acme").await.person(EVE, Role::Standard).await;
        eve.signs_in().await;
        let first = eve.clone();
        for _ in 0..MAX_KNOWN_BROWSERS {
            app.clock.advance(Duration::from_secs(1));
            assert_eq!(tries(&mut eve.in_new_browser(), EVE, PASSWORD).await.status, 303);
        }
        guesses(&mut eve.in_new_browser(), "nobody@mail.example", 11).await;

        assert_eq!(tries(&mut first.clone(), EVE, "wrong").await.status, 429, "the oldest is forgotten");
        app.clock.advance(183 * DAY);
        audit_refused::audit_refused_sign_ins(app.context()).await.expect("is swept");
    }

    async fn failed_attempts_are_shown_to_the_owner_and_audited_once_per_hour(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let mut eve = acme.person(EVE, Role::Standard).await;
        umbra.adds_member(&eve, Role::Standard).await;
        guesses(&mut eve.in_new_browser(), EVE, 3).await;
        guesses(&mut eve.in_new_browser(), "nobody@mail.example", 2).await;

        let account = eve.signs_in().await;
        assert!(account.text.contains("3 failed sign-in attempts in the last 24 hours"), "{}", account.text);
        assert_eq!(audit_refused::audit_refused_sign_ins(app.context()).await.expect("is done"), 0, "the hour is not over");
        for one in [&app, &replica] {
            one.clock.advance(HOUR);
        }
        let (here, there) = tokio::join!(
            audit_refused::audit_refused_sign_ins(app.context()),
            audit_refused::audit_refused_sign_ins(replica.context()),
        );

        assert_eq!(here.expect("is done") + there.expect("is done"), 2, "one for Eve, one for unknown accounts");
        let subject = format!("user:{}", eve.user_id().await);
        let hour = START.seconds() / 3_600 * 3_600;
        let hour = grantor::rules::timestamp::Timestamp::from_seconds(hour).to_rfc3339();
        for org_id in [acme.org_id, umbra.org_id] {
            let event = listed::audit_events(app.db(), org_id, 1).await.expect("is readable").remove(0);
            assert_eq!((event.action.as_str(), &event.subject), ("sign_in.refused", &subject));
            assert_eq!(event.after, Some(json!({"attempts": 3, "hour": hour})));
            assert_eq!(event.actor, "anonymous");
        }
        let of_nobody = listed::audit_events_of_server(app.db()).await.expect("is readable").pop().expect("an event");
        assert_eq!((of_nobody.action.as_str(), of_nobody.subject.as_str()), ("sign_in.refused", "unknown accounts"));
        assert_eq!(of_nobody.after, Some(json!({"attempts": 2, "hour": hour})));
        app.clock.advance(DAY);
        let account = eve.signs_in().await;
        assert!(!account.text.contains("failed sign-in"), "{}", account.text);
    }
}
