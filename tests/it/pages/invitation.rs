//! `/invitation/{token}`: an invited person joins an organization.

use std::time::Duration;

use grantor::db::users;
use grantor::rules::identity::permission::Role;
use serde_json::Value;

use crate::support::errors::strings;
use crate::support::flow::{Form, PASSWORD, Person};
use crate::support::people::{INVITATIONS, USERS, id_by_email, invite, link_path};
use crate::support::{Answer, TestApp, TestOperator, listed};

const NEW: &str = "new@mail.example";
const EVE: &str = "eve@mail.example";
const CHOSEN: &str = "seven green kettles";

fn accepting(page: &Answer, path: &str) -> Form {
    assert_eq!(page.status, 200, "{}", page.text);
    Form::on(page, path)
}

fn is_gone(answer: &Answer) {
    assert_eq!(answer.status, 404, "{}", answer.text);
    assert!(answer.text.contains("This invitation link no longer works"), "{}", answer.text);
}

async fn status(admin: &TestOperator<'_>, id: &str) -> Value {
    admin.get(&format!("{USERS}/{id}")).await.json()["data"]["attributes"]["status"].clone()
}

async fn actor_of_join(admin: &TestOperator<'_>) -> String {
    let events =
        listed::audit_events(admin.app.db(), admin.org_id, 100).await.expect("is readable");
    let joined = events.into_iter().rev().find(|event| event.action == "member.joined");
    joined.expect("an event").actor
}

on_both! {
    async fn a_new_person_chooses_a_password_and_is_signed_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = invite(&acme, NEW, Role::Standard).await;
        let path = link_path(&acme, &id).await;
        let mut person = Person::new(&app, NEW);

        let page = person.open(&path).await;
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        for text in ["Join", "Acme", "Standard member", "admin@acme.example", NEW] {
            assert!(page.text.contains(text), "{text}: {}", page.text);
        }
        // Opening the page changes nothing.
        assert_eq!(status(&acme, &id).await, "Pending");
        let answer = person.submit(&accepting(&page, &path).with("new", CHOSEN)).await;

        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/account")));
        let account = person.follow(answer).await;
        assert!(account.text.contains(NEW), "{}", account.text);
        let joined = acme.get(&format!("{USERS}/{id}")).await.json()["data"].clone();
        assert_eq!(joined["attributes"]["status"], "Active");
        assert_eq!(joined["attributes"]["verified"], false);
        assert_eq!(joined["relationships"]["roles"]["data"][0]["id"], Role::Standard.id().to_string());
        assert_eq!(actor_of_join(&acme).await, format!("user:{id}"));
        acme.get(&format!("{INVITATIONS}/{id}")).await.is(404, &strings(&format!("{id} not found")));
        is_gone(&person.open(&path).await);
    }

    async fn a_weak_password_is_refused_and_the_link_still_works(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = invite(&acme, NEW, Role::Standard).await;
        let path = link_path(&acme, &id).await;
        let mut person = Person::new(&app, NEW);

        let page = person.open(&path).await;
        let weak = person.submit(&accepting(&page, &path).with("new", "password1234")).await;

        assert_eq!(weak.status, 422, "{}", weak.text);
        assert!(weak.text.contains("too easy to guess"), "{}", weak.text);
        let answer = person.submit(&Form::on(&weak, &path).with("new", CHOSEN)).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
    }

    async fn the_owner_of_an_account_signs_in_and_then_accepts(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let mut eve = umbra.person(EVE, Role::Standard).await;
        let id = invite(&acme, EVE, Role::ReadOnly).await;
        let path = link_path(&acme, &id).await;

        let page = eve.open(&path).await;
        assert!(page.text.contains("You already have an account"), "{}", page.text);
        let wrong = eve.submit(&accepting(&page, &path).with("password", "wrong")).await;
        assert_eq!(wrong.status, 403, "{}", wrong.text);
        assert!(wrong.text.contains("Wrong password."), "{}", wrong.text);
        let answer = eve.submit(&Form::on(&wrong, &path).with("password", PASSWORD)).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some(path.as_str())));
        assert_eq!(status(&acme, &id).await, "Pending");
        let page = eve.follow(answer).await;
        let answer = eve.submit(&accepting(&page, &path)).await;

        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/account")));
        let own = eve.user_id().await.to_string();
        assert_ne!(own, id);
        assert_eq!(id_by_email(&acme, "eve@").await, own);
        assert_eq!(status(&acme, &own).await, "Active");
        assert_eq!(actor_of_join(&acme).await, format!("user:{own}"));
        let user = users::find(app.db(), eve.user_id().await).await.expect("is readable");
        assert!(user.expect("is there").email_verified_at.is_some());
        is_gone(&eve.open(&path).await);
    }

    async fn another_account_cannot_accept(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let mut eve = umbra.person(EVE, Role::Standard).await;
        eve.signs_in().await;
        let id = invite(&acme, NEW, Role::Admin).await;
        let path = link_path(&acme, &id).await;

        let page = eve.open(&path).await;
        assert!(page.text.contains("for another account"), "{}", page.text);
        let form = Form { action: path.clone(), ..Form::on(&page, "/logout") };
        let answer = eve.submit(&form.and("new", CHOSEN).and("password", PASSWORD)).await;

        assert!(answer.status == 200 && answer.text.contains("for another account"), "{}", answer.text);
        assert_eq!(status(&acme, &id).await, "Pending");
    }

    async fn a_used_replaced_ended_expired_or_unknown_link_is_not_found(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = invite(&acme, NEW, Role::Standard).await;
        let replaced = link_path(&acme, &id).await;
        let ended = link_path(&acme, &id).await;
        let mut person = Person::new(&app, NEW);
        let page = person.open(&ended).await;
        is_gone(&person.open(&replaced).await);

        assert_eq!(acme.delete(&format!("{USERS}/{id}/invitations")).await.status, 200);
        is_gone(&person.open(&ended).await);
        is_gone(&person.submit(&Form::on(&page, &ended).with("new", CHOSEN)).await);
        let id = invite(&acme, NEW, Role::Standard).await;
        let expired = link_path(&acme, &id).await;
        app.clock.advance(Duration::from_secs(604_799));
        assert_eq!(person.open(&expired).await.status, 200);
        app.clock.advance(Duration::from_secs(1));
        is_gone(&person.open(&expired).await);
        assert_eq!(status(&acme, &id).await, "Pending");
        is_gone(&person.open(&format!("/invitation/{}", "A".repeat(43))).await);
        assert_eq!(person.open(&format!("/invitation/{}", "A".repeat(65))).await.status, 404);
        assert_eq!(person.open("/invitation/a%20b").await.status, 404);
    }

    async fn the_lifetime_of_links_is_a_setting(engine: Engine) {
        let app = TestApp::with(engine, &[("links.invitation_ttl", "60")]).await;
        let acme = app.operator("Acme").await;
        let id = invite(&acme, NEW, Role::Standard).await;
        let path = link_path(&acme, &id).await;
        let mut person = Person::new(&app, NEW);

        app.clock.advance(Duration::from_secs(60));

        is_gone(&person.open(&path).await);
    }

    async fn a_link_works_once_even_if_two_people_use_it_at_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = invite(&acme, NEW, Role::Standard).await;
        let path = link_path(&acme, &id).await;
        let (mut first, mut second) = (Person::new(&app, NEW), Person::new(&app, NEW));
        let (one, other) = (first.open(&path).await, second.open(&path).await);
        let forms = (
            accepting(&one, &path).with("new", CHOSEN),
            accepting(&other, &path).with("new", "nine purple spoons"),
        );

        let (one, other) = tokio::join!(first.submit(&forms.0), second.submit(&forms.1));

        let created = [&one, &other].iter().filter(|answer| answer.header("location") == Some("/account")).count();
        assert_eq!(created, 1, "{} {}", one.text, other.text);
        assert_eq!(status(&acme, &id).await, "Active");
    }

    async fn the_form_needs_the_token_of_its_browser(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = invite(&acme, NEW, Role::Standard).await;
        let path = link_path(&acme, &id).await;
        let mut person = Person::new(&app, NEW);
        let page = person.open(&path).await;
        let form = accepting(&page, &path).with("new", CHOSEN);

        let without = person.submit(&form.clone().without("csrf")).await;
        let mut elsewhere = person.with_header("origin", "https://evil.example");
        let foreign = elsewhere.submit(&form).await;

        assert_eq!((without.status.as_u16(), foreign.status.as_u16()), (403, 403));
        assert_eq!(status(&acme, &id).await, "Pending");
    }

    async fn the_page_is_in_german_too(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let id = invite(&acme, NEW, Role::ReadOnly).await;
        let path = link_path(&acme, &id).await;
        let mut person = Person::new(&app, NEW).with_header("accept-language", "de");

        let page = person.open(&path).await;

        assert!(page.text.contains("beitreten") && page.text.contains("Nur Lesen"), "{}", page.text);
    }
}
