//! Changes by an administrator while the consent page is open. The user grants only what is allowed
//! at the time of the decision.

use grantor::actions::audit::AuditActor;
use grantor::actions::clients::disable_client::{disable_client, enable_client};
use grantor::db::grants;
use grantor::db::grants::Grant;
use grantor::rules::client::ClientId;
use grantor::rules::client::disabled_reason::DisabledReason;
use grantor::rules::identity::permission::Role;
use grantor::rules::scope::ScopeSet;

use crate::support::flow::{Form, McpClient, Person, choosing};
use crate::support::{TestApp, TestOperator, restriction_path};

const REDIRECT: &str = "https://app.example/cb";
const EVE: &str = "eve@mail.example";
const DISABLED: &str =
    "the organization of the user has disabled this client: its administrators can enable it again";

async fn stage(app: &TestApp) -> (TestOperator<'_>, McpClient<'_>, Person<'_>) {
    let acme = app.operator("Acme").await;
    let eve = acme.person(EVE, Role::Standard).await;
    (acme, McpClient::registered(app, &[REDIRECT]).await, eve)
}

fn id_of(client: &McpClient<'_>) -> ClientId {
    ClientId::parse(&client.id).expect("a UUID")
}

async fn grant(
    acme: &TestOperator<'_>,
    client: &McpClient<'_>,
    person: &Person<'_>,
) -> Option<Grant> {
    let user_id = person.user_id().await;
    grants::find(acme.app.db(), acme.org_id, id_of(client), user_id).await.expect("is readable")
}

/// The page is out of date, so the user gets a new one and agrees to that.
async fn agrees_to_what_is_shown_again(
    person: &mut Person<'_>,
    page: &crate::support::Answer,
) -> crate::support::Answer {
    let again = person.submit(&Form::approving(page)).await;
    assert!(
        again.header("location").is_some_and(|to| to.starts_with("/consent?")),
        "{:?}",
        again.headers
    );
    let page = person.follow(again).await;
    person.submit(&Form::approving(&page)).await
}

on_both! {
    async fn a_scope_that_is_removed_meanwhile_is_not_granted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let page = eve.opens_consent(&client.url(&[("scope", "openid dashboards_read metrics_read")])).await;

        acme.restrict(&client.id, &["openid"], &["dashboards_read"]).await;
        let answer = agrees_to_what_is_shown_again(&mut eve, &page).await;

        assert_eq!(client.scopes(&answer).await, "dashboards_read openid");
    }

    async fn a_scope_that_is_allowed_meanwhile_is_shown_before_it_is_granted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        acme.restrict(&client.id, &["openid"], &["dashboards_read"]).await;
        let page = eve.opens_consent(&client.url(&[("scope", "openid dashboards_read metrics_read")])).await;

        acme.delete(&restriction_path(&client.id)).await;
        let answer = agrees_to_what_is_shown_again(&mut eve, &page).await;

        assert_eq!(client.scopes(&answer).await, "dashboards_read metrics_read openid");
    }

    async fn the_client_gets_an_error_if_no_scope_is_left(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let page = eve.opens_consent(&client.url(&[("scope", "metrics_read")])).await;

        acme.restrict(&client.id, &["openid"], &[]).await;
        let answer = eve.submit(&Form::approving(&page)).await;

        let reason = "metrics_read is not allowed for this client by the organization: its administrators can change \
                      this";
        client.is_refused(&answer, "invalid_scope", reason);
        assert_eq!(grant(&acme, &client, &eve).await, None);
    }

    async fn a_code_from_before_the_restriction_grants_nothing_beyond_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let answer = eve.approves(&client.url(&[("scope", "openid metrics_read")])).await;

        acme.restrict(&client.id, &["openid"], &[]).await;
        let tokens = client.exchange(&client.code(&answer), &[]).await;

        assert_eq!((tokens.status.as_u16(), tokens.json()["error"].as_str()), (400, Some("invalid_grant")));
    }

    async fn an_approval_during_a_restriction_stays_within_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let (acme, _client, mut eve) = stage(&app).await;
        let elsewhere = acme.on(&replica);
        let allowed = ScopeSet::parse("openid dashboards_read").expect("scopes");
        eve.signs_in().await;
        for round in 0..10 {
            let client = McpClient::registered(&app, &[&format!("https://app.example/{round}")]).await;
            let page = eve.visit(&client.url(&[("scope", "openid dashboards_read metrics_read")])).await;
            let form = Form::approving(&page);
            let mut at_once = eve.clone();

            let (answer, set) =
                tokio::join!(at_once.submit(&form), elsewhere.restrict(&client.id, &["openid"], &["dashboards_read"]));

            assert_eq!((answer.status.as_u16(), set.status.as_u16()), (303, 200), "{} {}", answer.text, set.text);
            let Some(grant) = grant(&acme, &client, &eve).await else {
                // The restriction came first, so the page is shown again.
                assert!(answer.header("location").is_some_and(|to| to.starts_with("/consent?")), "{:?}", answer.headers);
                continue;
            };
            assert!(grant.revoked_at.is_some() || grant.scopes.is_subset(&allowed), "{round}: {grant:?}");
            let tokens = client.exchange(&client.code(&answer), &[]).await.json();
            match (grant.revoked_at, tokens["scope"].as_str()) {
                (Some(_), scope) => assert_eq!(scope, None, "{round}"),
                (None, scope) => assert_eq!(scope, Some("dashboards_read openid"), "{round}"),
            }
        }
    }

    async fn users_of_a_disabled_client_read_the_reason_and_go_back_to_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let umbra = app.operator("Umbra").await;
        let mut bob = umbra.person("bob@mail.example", Role::Standard).await;
        let by = AuditActor::COMMAND_LINE;
        let reason = DisabledReason::parse("Under review <b>until</b> May").expect("a reason");
        disable_client(app.context(), acme.org_id, id_of(&client), reason, &by).await.expect("is disabled");

        let page = eve.opens_consent(&client.url(&[])).await;
        let refused = eve.submit(&Form::refusing(&page)).await;
        let silently = eve.open(&client.url(&[("prompt", "none")])).await;
        let in_another_organization = bob.approves(&client.url(&[])).await;
        enable_client(app.context(), acme.org_id, id_of(&client), &by).await.expect("is enabled");
        let enabled = eve.approves(&client.url(&[])).await;

        assert_eq!(page.status, 403);
        assert!(page.text.contains("<h1><bdi>Acme</bdi> has disabled this app</h1>"), "{}", page.text);
        assert!(page.text.contains("Under review &#60;b&#62;until&#60;/b&#62; May"), "{}", page.text);
        client.is_refused(&refused, "access_denied", DISABLED);
        client.is_refused(&silently, "access_denied", DISABLED);
        client.code(&in_another_organization);
        client.code(&enabled);
    }

    async fn a_client_that_is_disabled_meanwhile_gets_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let page = eve.opens_consent(&client.url(&[])).await;

        let by = AuditActor::COMMAND_LINE;
        disable_client(app.context(), acme.org_id, id_of(&client), None, &by).await.expect("is disabled");
        let answer = eve.submit(&Form::approving(&page)).await;
        let page = eve.follow(answer).await;

        assert_eq!(page.status, 403);
        assert!(!page.text.contains("The reason your administrator gave"), "{}", page.text);
        client.is_refused(&eve.submit(&Form::refusing(&page)).await, "access_denied", DISABLED);
        assert_eq!(grant(&acme, &client, &eve).await, None);
    }

    async fn a_remembered_consent_stays_within_the_current_restriction(engine: Engine) {
        let app = TestApp::with(engine, &[("restriction.on_narrow", "narrow_grants")]).await;
        let (acme, client, mut eve) = stage(&app).await;
        let wanted = client.url(&[("scope", "openid dashboards_read metrics_read")]);
        eve.approves(&wanted).await;

        acme.restrict(&client.id, &["openid"], &["dashboards_read"]).await;
        let narrowed = eve.visit(&wanted).await;
        acme.delete(&restriction_path(&client.id)).await;
        let lifted = eve.visit(&wanted).await;

        assert_eq!(client.scopes(&narrowed).await, "dashboards_read openid");
        assert_eq!((lifted.status.as_u16(), lifted.header("location")), (200, None), "the page asks for the scope again");
    }

    async fn a_revoked_consent_requires_a_new_one(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let wanted = client.url(&[("scope", "openid metrics_read")]);
        eve.approves(&wanted).await;
        acme.restrict(&client.id, &["openid"], &[]).await;
        acme.delete(&restriction_path(&client.id)).await;

        let page = eve.visit(&wanted).await;

        assert_eq!(page.status, 200);
        assert!(!page.text.contains("You have allowed this app before"), "{}", page.text);
    }

    async fn a_role_that_is_reduced_meanwhile_grants_less(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let page = eve.opens_consent(&client.url(&[("scope", "openid manage_integrations")])).await;

        app.execute("UPDATE memberships SET role = 'read_only'").await;
        let answer = agrees_to_what_is_shown_again(&mut eve, &page).await;

        assert_eq!(client.scopes(&answer).await, "openid");
    }

    async fn a_user_who_left_the_organization_meanwhile_grants_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let page = eve.opens_consent(&client.url(&[])).await;

        app.execute("DELETE FROM memberships WHERE role = 'standard'").await;
        let answer = eve.submit(&Form::approving(&page)).await;

        assert_eq!((answer.status.as_u16(), answer.header("location")), (403, None), "{}", answer.text);
        assert_eq!(grant(&acme, &client, &eve).await, None);
    }

    async fn a_consent_page_counts_only_for_its_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let umbra = app.operator("Umbra").await;
        umbra.adds_member(&eve, Role::ReadOnly).await;
        let choice = eve.opens_consent(&client.url(&[])).await;
        let chosen = eve.submit(&choosing(&choice, acme.org_id)).await;
        let page = eve.follow(chosen).await;
        assert!(page.text.contains("act for you at <bdi>Acme</bdi>?</h1>"), "{}", page.text);

        app.execute("DELETE FROM memberships WHERE role = 'standard'").await;
        let answer = eve.submit(&Form::approving(&page)).await;

        let location = answer.header("location").unwrap_or_default();
        assert!(!location.contains("code="), "a code for Umbra, which was never shown: {location}");
    }

    async fn a_consent_page_counts_only_for_its_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let bob = acme.person("bob@mail.example", Role::Standard).await;
        let page = eve.opens_consent(&client.url(&[])).await;
        assert!(page.text.contains(EVE), "{}", page.text);

        // In another tab of the same browser.
        let other = eve.visit("/account").await;
        eve.submit(&Form::on(&other, "/logout")).await;
        let mut bob = Person { cookies: eve.cookies.clone(), ..bob };
        bob.signs_in().await;
        let answer = bob.submit(&Form::approving(&page)).await;

        let location = answer.header("location").unwrap_or_default();
        assert!(!location.contains("code="), "a code of Bob's, where the page said Eve: {location}");
    }

    async fn a_fixed_scope_that_was_shown_as_withheld_is_not_granted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        acme.restrict(&client.id, &[], &["dashboards_read"]).await;
        let page = eve.opens_consent(&client.url(&[("scope", "openid dashboards_read")])).await;

        acme.delete(&restriction_path(&client.id)).await;
        let answer = eve.submit(&Form::approving(&page)).await;

        if answer.header("location").is_some_and(|location| location.contains("code=")) {
            assert_eq!(client.scopes(&answer).await, "dashboards_read");
        }
    }
}
