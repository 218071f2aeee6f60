//! `/account`: connected apps, sessions and the password.

use std::time::Duration;

use grantor::rules::identity::permission::Role;
use uuid::Uuid;

use crate::support::flow::{Form, McpClient, PASSWORD, Person};
use crate::support::{Answer, TestApp, TestOperator, listed};

const REDIRECT: &str = "https://app.example/cb";
const EVE: &str = "eve@mail.example";
const NEW: &str = "another battery staple";

async fn stage(app: &TestApp) -> (TestOperator<'_>, McpClient<'_>, Person<'_>) {
    let acme = app.operator("Acme").await;
    let eve = acme.person(EVE, Role::Standard).await;
    (acme, McpClient::registered(app, &[REDIRECT]).await, eve)
}

async fn account(person: &mut Person<'_>) -> Answer {
    let page = person.open("/account").await;
    assert_eq!(page.status, 200, "{page:?}");
    page
}

async fn refresh_token(client: &McpClient<'_>, person: &mut Person<'_>) -> String {
    let answer = person.approves(&client.url(&[])).await;
    let tokens = client.exchange(&client.code(&answer), &[]).await;
    tokens.json()["refresh_token"].as_str().expect("a refresh token").to_owned()
}

async fn is_signed_in(person: &mut Person<'_>) -> bool {
    person.open("/account").await.status == 200
}

fn leads_to(answer: &Answer, to: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, Some(to)),
        "{}",
        answer.text
    );
}

fn password_form(page: &Answer, current: &str, new: &str) -> Form {
    Form::on(page, "/account/password").with("current", current).with("new", new)
}

on_both! {
    async fn the_page_lists_only_the_apps_of_its_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let umbra = app.operator("Umbra").await;
        let mut bob = acme.person("bob@mail.example", Role::Standard).await;
        let other = McpClient::registered(&app, &["https://other.example/cb"]).await;
        umbra.adds_member(&eve, Role::Standard).await;
        eve.signs_in().await;
        for org in [&acme, &umbra] {
            eve.approves(&client.url(&[("dd_oid", &org.org_id.to_string()), ("scope", "openid dashboards_read")])).await;
        }
        bob.approves(&other.url(&[])).await;

        let (hers, his) = (account(&mut eve).await, account(&mut bob).await);

        assert_eq!(Form::all(&hers, "/account/revoke").len(), 2);
        assert!(hers.text.contains("at <bdi>Acme</bdi>") && hers.text.contains("at <bdi>Umbra</bdi>"), "{}", hers.text);
        assert!(hers.text.contains("See dashboards") && !hers.text.contains("bob@"), "{}", hers.text);
        assert_eq!(Form::all(&his, "/account/revoke").len(), 1);
        assert!(!his.text.contains(EVE) && !his.text.contains("Umbra"), "{}", his.text);
    }

    async fn ending_access_ends_every_token_and_forgets_the_consent(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let (_acme, client, mut eve) = stage(&app).await;
        let token = refresh_token(&client, &mut eve).await;
        let page = account(&mut eve).await;

        app.clock.advance(Duration::from_secs(18 * 60));
        let revoked = eve.submit(&Form::on(&page, "/account/revoke")).await;

        let result = revoked.header("location").expect("a redirect").to_owned();
        assert!(result.starts_with("/account?notice=app_revoked&grant="), "{result}");
        let after = eve.open(&result).await;
        let text = after.text.replace("<bdi>", "").replace("</bdi>", "");
        let said = "Access ended. APIs that only check signatures may accept its last token for up to 42 minutes.";
        assert!(text.contains(said), "{text}");
        app.clock.advance(Duration::from_secs(42 * 60));
        let later = eve.open(&result).await;
        assert!(later.text.contains("Access ended.") && !later.text.contains("signatures"), "{}", later.text);
        assert_eq!(Form::all(&after, "/account/revoke"), []);
        for app in [&app, &replica] {
            let client = McpClient { app, id: client.id.clone(), redirect_uri: client.redirect_uri.clone() };
            let refreshed = client.refresh(&token).await;
            assert_eq!((refreshed.status.as_u16(), refreshed.json()["error"].as_str()), (400, Some("invalid_grant")));
        }
        let asked = eve.visit(&client.url(&[])).await;
        assert!(asked.text.contains("Allow an unverified app"), "{}", asked.text);
        // Ending it again changes nothing and is not an error.
        let again = eve.submit(&Form::on(&page, "/account/revoke")).await;
        assert_eq!(again.header("location"), Some(result.as_str()));
    }

    async fn a_user_cannot_end_the_access_that_another_user_gave(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let mut bob = acme.person("bob@mail.example", Role::Admin).await;
        let other = McpClient::registered(&app, &["https://other.example/cb"]).await;
        let token = refresh_token(&client, &mut eve).await;
        bob.approves(&other.url(&[])).await;
        let hers = Form::on(&account(&mut eve).await, "/account/revoke").all_of("grant")[0].to_owned();
        let his = Form::on(&account(&mut bob).await, "/account/revoke");

        let mut answers = Vec::new();
        for grant in [hers.as_str(), &Uuid::from_u64_pair(1, 2).to_string(), "x", ""] {
            answers.push(bob.submit(&his.clone().with("grant", grant)).await);
        }

        for answer in &answers {
            assert_eq!((answer.status.as_u16(), answer.header("location")), (404, None), "{}", answer.text);
        }
        let without_reference =
            |answer: &Answer| answer.text.replace(answer.header("x-request-id").expect("an id"), "");
        assert_eq!(
            without_reference(&answers[0]),
            without_reference(&answers[1]),
            "the page does not reveal which grants exist"
        );
        assert_eq!(client.refresh(&token).await.status, 200);
    }

    async fn a_user_can_list_and_end_their_own_sessions(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, _client, eve) = stage(&app).await;
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let mut here = eve.with_header("user-agent", firefox);
        let mut there = eve.in_new_browser().with_header("user-agent", "<script>alert(1)</script>");
        let mut elsewhere = eve.in_new_browser();
        for browser in [&mut here, &mut there, &mut elsewhere] {
            browser.signs_in().await;
            app.clock.advance(Duration::from_secs(1));
        }

        let page = account(&mut here).await;
        let ends = Form::all(&page, "/account/sessions/end");
        leads_to(&here.submit(&ends[0]).await, "/account?notice=session_ended");

        assert!(page.text.contains("Firefox") && page.text.contains("this browser"), "{}", page.text);
        assert!(!page.text.contains("<script"), "{}", page.text);
        assert_eq!(ends.len(), 2, "not the current session");
        let left = [is_signed_in(&mut there).await, is_signed_in(&mut elsewhere).await];
        assert_eq!(left.iter().filter(|left| **left).count(), 1);
        leads_to(
            &here.submit(&Form::on(&page, "/account/sessions/end-others")).await,
            "/account?notice=other_sessions_ended",
        );
        assert!(!is_signed_in(&mut there).await && !is_signed_in(&mut elsewhere).await);
        assert!(is_signed_in(&mut here).await);
    }

    async fn a_user_cannot_end_the_session_of_another_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, _client, mut eve) = stage(&app).await;
        let mut bob = acme.person("bob@mail.example", Role::Admin).await;
        let mut also_eve = eve.in_new_browser();
        eve.signs_in().await;
        also_eve.signs_in().await;
        bob.signs_in().await;
        bob.in_new_browser().signs_in().await;
        let hers = Form::on(&account(&mut eve).await, "/account/sessions/end").all_of("session")[0].to_owned();
        let his = Form::on(&account(&mut bob).await, "/account/sessions/end");

        bob.submit(&his.with("session", &hers)).await;
        let others = Form::on(&account(&mut bob).await, "/account/sessions/end-others");
        bob.submit(&others).await;

        assert!(is_signed_in(&mut eve).await && is_signed_in(&mut also_eve).await);
    }

    async fn a_new_password_ends_every_other_session_but_no_app_access(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let (_acme, client, mut eve) = stage(&app).await;
        let token = refresh_token(&client, &mut eve).await;
        let mut there = eve.in_new_browser();
        there.signs_in().await;
        let page = account(&mut eve).await;

        leads_to(&eve.submit(&password_form(&page, PASSWORD, NEW)).await, "/account?notice=password_changed");

        assert!(is_signed_in(&mut eve).await);
        assert!(!is_signed_in(&mut there).await && !is_signed_in(&mut there.on(&replica)).await);
        let login = there.open("/login").await;
        assert_eq!(there.submit(&there.login(&login)).await.status, 403);
        leads_to(&there.submit(&there.login(&login).with("password", NEW)).await, "/account");
        assert_eq!(client.refresh(&token).await.status, 200);
    }

    async fn a_new_password_ends_the_access_of_all_apps_if_selected(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let token = refresh_token(&client, &mut eve).await;
        let page = account(&mut eve).await;

        let change = password_form(&page, PASSWORD, NEW).with("end_grants", "yes");
        leads_to(&eve.submit(&change).await, "/account?notice=password_changed_and_apps_ended");

        assert_eq!(client.refresh(&token).await.status, 400);
        assert_eq!(Form::all(&account(&mut eve).await, "/account/revoke").len(), 0);
        let events = listed::audit_events(app.db(), acme.org_id, 2).await.expect("is readable");
        assert_eq!(events.iter().map(|event| event.action.as_str()).collect::<Vec<_>>(), ["grant.revoked", "user.password_set"]);
    }

    async fn correct_passwords_are_not_counted_as_guesses(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, _client, mut eve) = stage(&app).await;
        let page = eve.signs_in().await;
        for _ in 0..12 {
            assert_eq!(eve.submit(&password_form(&page, PASSWORD, "short")).await.status, 422);
        }
    }

    async fn changing_the_password_requires_the_current_one_and_a_strong_new_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, _client, mut eve) = stage(&app).await;
        let mut there = eve.in_new_browser();
        there.signs_in().await;
        let page = eve.signs_in().await;
        let long = "seven green kettles ".repeat(52);
        let cases = [
            ("wrong", NEW, 403, "That is not your password"),
            ("", NEW, 403, "That is not your password"),
            (PASSWORD, "eleven char", 422, "must be 12 to 1024 characters long"),
            (PASSWORD, "", 422, "must be 12 to 1024 characters long"),
            (PASSWORD, &long, 422, "must be 12 to 1024 characters long"),
            (PASSWORD, "Willkommen-2026", 422, "consists of common words or patterns"),
            (PASSWORD, "eve@mail.example", 422, "consists of your email address, your name or your organization"),
        ];
        for (current, new, status, words) in cases {
            let answer = eve.submit(&password_form(&page, current, new)).await;
            assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
            assert!(answer.text.contains(words) && !answer.text.contains(NEW), "{}", answer.text);
        }
        assert!(is_signed_in(&mut there).await);
        eve.in_new_browser().signs_in().await;
    }

    async fn guesses_of_the_current_password_are_limited(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, _client, mut eve) = stage(&app).await;
        let page = eve.signs_in().await;

        let mut statuses = Vec::new();
        for number in 0..12 {
            statuses.push(eve.submit(&password_form(&page, &format!("guess {number}"), NEW)).await.status.as_u16());
        }
        let right = eve.submit(&password_form(&page, PASSWORD, NEW)).await;

        assert_eq!(statuses, [[403; 10].as_slice(), &[429; 2]].concat());
        assert_eq!(right.status, 429);
    }

    async fn the_account_requires_a_session(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let token = refresh_token(&client, &mut eve).await;
        eve.in_new_browser().signs_in().await;
        let page = account(&mut eve).await;
        let mut signed_out = eve.clone();
        signed_out.cookies.remove("sid");

        leads_to(&signed_out.open("/account").await, "/login");
        for action in ["/account/revoke", "/account/sessions/end", "/account/sessions/end-others"] {
            leads_to(&signed_out.submit(&Form::on(&page, action)).await, "/login");
        }
        leads_to(&signed_out.submit(&password_form(&page, PASSWORD, NEW)).await, "/login");

        assert_eq!(client.refresh(&token).await.status, 200);
        assert_eq!(Form::all(&account(&mut eve).await, "/account/sessions/end").len(), 1);
    }

    async fn an_unknown_notice_is_ignored(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, _client, mut eve) = stage(&app).await;
        eve.signs_in().await;

        let plain = account(&mut eve).await;
        let made_up = eve.open("/account?notice=%3Cscript%3Ealert(1)%3C/script%3E").await;

        assert_eq!(made_up.text, plain.text);
    }
}
