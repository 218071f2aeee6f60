//! `/organization`: the choice of the organization to act in.

use grantor::rules::identity::permission::Role;
use uuid::Uuid;

use crate::support::flow::{AUTHORIZE, Form, McpClient, Person, choosing, unescaped};
use crate::support::{TestApp, TestOperator};

const REDIRECT: &str = "https://app.example/cb";
const EVE: &str = "eve@mail.example";

/// A user in two organizations, the second of which restricts the client.
async fn stage(app: &TestApp) -> (TestOperator<'_>, TestOperator<'_>, McpClient<'_>, Person<'_>) {
    let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra & <Co>").await);
    let client = McpClient::registered(app, &[REDIRECT]).await;
    umbra.restrict(&client.id, &["openid"], &[]).await;
    let eve = acme.person(EVE, Role::Standard).await;
    umbra.adds_member(&eve, Role::ReadOnly).await;
    (acme, umbra, client, eve)
}

on_both! {
    async fn a_member_of_several_organizations_chooses_one_and_its_restriction_applies(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let (acme, umbra, client, mut eve) = stage(&app).await;
        app.operator("Initech").await;

        let page = eve.opens_consent(&client.url(&[("scope", "openid email")])).await;
        let chosen = eve.on(&replica).submit(&choosing(&page, umbra.org_id)).await;
        let consent = eve.follow(chosen).await;
        let answer = eve.submit(&Form::approving(&consent)).await;

        assert!(page.text.contains("You belong to several"), "{}", page.text);
        for org_id in [acme.org_id, umbra.org_id] {
            assert!(page.text.contains(&format!("value=\"{org_id}\"")), "{}", page.text);
        }
        assert!(unescaped(&page.text).contains("Umbra & <Co>") && !page.text.contains("Initech"), "{}", page.text);
        assert!(
            consent.text.contains("act for you at <bdi>Umbra &#38; &#60;Co&#62;</bdi>?</h1>")
        );
        assert_eq!(Form::on(&consent, AUTHORIZE).all_of("scope"), [""; 0], "withheld in Umbra");
        let received = client.redirect_params(&answer);
        assert_eq!(received.get("dd_oid"), Some(umbra.org_id.to_string().as_str()));
        assert_eq!(received.get("dd_org_name"), Some("Umbra & <Co>"));
        assert_eq!(client.scopes(&answer).await, "openid");
    }

    async fn a_user_cannot_choose_an_organization_they_do_not_belong_to(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, _umbra, client, mut eve) = stage(&app).await;
        let initech = app.operator("Initech").await;
        let page = eve.opens_consent(&client.url(&[])).await;
        let form = Form::on(&page, "/organization");
        let again = format!("/organization?request={}", form.all_of("request")[0]);

        let (foreign, unknown) = (initech.org_id.to_string(), Uuid::from_u64_pair(1, 2).to_string());
        for org in [foreign.as_str(), &unknown, "", "Acme", "https://evil.example"] {
            let answer = eve.submit(&form.clone().with("org", org)).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some(again.as_str())), "{org}");
        }
        let without_a_choice =
            eve.submit(&Form { action: AUTHORIZE.to_owned(), ..form }.with("decision", "approve")).await;
        assert_eq!(without_a_choice.header("location"), Some(again.as_str()));
    }

    async fn a_member_of_one_organization_does_not_have_to_choose(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;

        let page = eve.opens_consent(&client.url(&[])).await;
        let request = Form::on(&page, AUTHORIZE).all_of("request")[0].to_owned();
        let opened = eve.open(&format!("/organization?request={request}")).await;

        assert_eq!(opened.header("location"), Some(format!("/consent?request={request}").as_str()));
    }

    async fn a_user_without_an_organization_gets_an_error_page(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        app.execute("DELETE FROM memberships WHERE role = 'standard'").await;

        let page = eve.opens_consent(&client.url(&[])).await;

        assert_eq!((page.status.as_u16(), page.header("location")), (403, None), "{}", page.text);
        assert!(page.text.contains("organization") && !page.text.contains("cookies"), "{}", page.text);
        assert!(eve.open("/account").await.text.contains(EVE));
    }

    async fn a_choice_counts_only_for_its_own_request(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra, client, mut eve) = stage(&app).await;
        let first = eve.opens_consent(&client.url(&[("state", "first")])).await;
        let second = eve.visit(&client.url(&[("state", "second")])).await;

        let chosen = eve.submit(&choosing(&first, acme.org_id)).await;
        let to_first = eve.follow(chosen).await;
        let chosen = eve.submit(&choosing(&second, umbra.org_id)).await;
        let to_second = eve.follow(chosen).await;
        let first = client.redirect_params(&eve.submit(&Form::approving(&to_first)).await);
        let second = client.redirect_params(&eve.submit(&Form::approving(&to_second)).await);

        assert_eq!((first.get("state"), first.get("dd_org_name")), (Some("first"), Some("Acme")));
        assert_eq!((second.get("state"), second.get("dd_org_name")), (Some("second"), Some("Umbra & <Co>")));
    }

    async fn a_remembered_consent_applies_right_after_the_choice(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, _umbra, client, mut eve) = stage(&app).await;
        eve.signs_in().await;
        eve.approves(&client.url(&[("dd_oid", &acme.org_id.to_string())])).await;

        let page = eve.visit(&client.url(&[])).await;
        let answer = eve.submit(&choosing(&page, acme.org_id)).await;

        assert_eq!(client.redirect_params(&answer).get("dd_org_name"), Some("Acme"));
    }

    async fn prompt_none_returns_an_error_if_the_user_has_no_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.signs_in().await;
        app.execute("DELETE FROM memberships WHERE role = 'standard'").await;

        let silently = eve.open(&client.url(&[("prompt", "none")])).await;

        assert_eq!(silently.status, 303, "OpenID Connect Core section 3.1.2.6: {}", silently.text);
        assert!(client.redirect_params(&silently).get("error").is_some());
    }
}
