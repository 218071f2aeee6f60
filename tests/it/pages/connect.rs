//! `/connect`: tiles, and authorization requests that come from one.

use std::time::Duration;

use axum::http::Method;
use grantor::rules::identity::permission::Role;
use serde_json::json;

use crate::support::flow::{Form, Person};
use crate::support::private_client::PrivateClient;
use crate::support::publishing::{PublishedClient, complete, make_partner, reviewer};
use crate::support::{Answer, TestApp, TestOperator, request};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// A private client with an onboarding URL, of which the members of Acme see the tile.
async fn private<'a>(acme: &TestOperator<'a>, scopes: &[&str]) -> PrivateClient<'a> {
    let client = PrivateClient::of(acme, scopes).await;
    let change = json!({"data": {
        "id": client.flow.id,
        "type": "oauth2_clients",
        "attributes": {"onboarding_url": "https://pager.example/start?from=grantor"},
    }});
    assert_eq!(acme.patch(&client.path(), &change).await.status, 200);
    client
}

fn tile(client: &PrivateClient<'_>) -> String {
    format!("/connect/{}", client.flow.id)
}

/// Opens the tile and presses its button.
async fn begins(person: &mut Person<'_>, client: &PrivateClient<'_>) -> Answer {
    let page = person.visit(&tile(client)).await;
    assert_eq!(page.status, 200, "{}", page.text);
    person.submit(&Form::on(&page, &tile(client))).await
}

on_both! {
    async fn the_button_leads_to_the_onboarding_url_with_site_and_domain(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = private(&acme, &["openid"]).await;
        let mut eve = acme.person("eve@acme.example", Role::Standard).await;
        eve.signs_in().await;

        let page = eve.visit(&tile(&client)).await;
        let begun = begins(&mut eve, &client).await;

        for text in ["Pager", "Acme", "pager.example", "Test authorization"] {
            assert!(page.text.contains(text), "{text}: {}", page.text);
        }
        assert_eq!(begun.status, 303);
        let site = app.app.config.http.public_url.replace(':', "%3A").replace('/', "%2F");
        let domain = app.app.domain().replace(':', "%3A");
        let expected = format!("https://pager.example/start?from=grantor&site={site}&domain={domain}");
        assert_eq!(begun.header("location"), Some(expected.as_str()));
    }

    async fn a_user_who_signs_in_first_returns_to_the_tile(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = private(&acme, &["openid"]).await;
        let mut eve = acme.person("eve@acme.example", Role::Standard).await;

        let login = eve.visit(&tile(&client)).await;
        let after = eve.signs_in_on(&login).await;

        assert_eq!(login.status, 200, "{}", login.text);
        assert!(after.text.contains("Test authorization") || after.header("location") == Some(&tile(&client)), "{}", after.text);
    }

    async fn tiles_are_for_members_of_the_owner_until_they_are_listed(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let published = PublishedClient::of(&acme, &judge, complete()).await;
        let own = private(&acme, &["openid"]).await;
        let mut bob = umbra.person("bob@umbra.example", Role::Standard).await;
        bob.signs_in().await;

        for path in [tile(&published.client), tile(&own), format!("/connect/{NOBODY}"), "/connect/x".to_owned()] {
            assert_eq!(bob.visit(&path).await.status, 404, "{path}");
        }
        assert!(!bob.visit("/connect").await.text.contains("Pager"));
        published.set(&judge, json!({"listed": true})).await;
        assert_eq!(bob.visit(&tile(&published.client)).await.status, 200);
        assert!(bob.visit("/connect").await.text.contains("Pager"));
        assert_eq!(bob.visit(&tile(&own)).await.status, 404, "the private one stays private");
        published.set(&judge, json!({"suspended": true, "note": "why"})).await;
        assert_eq!(bob.visit(&tile(&published.client)).await.status, 404);
    }

    async fn from_a_tile_every_requested_permission_is_demanded(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = private(&acme, &["openid", "org_management"]).await;
        let mut eve = acme.person("eve@acme.example", Role::Standard).await;
        eve.signs_in().await;
        begins(&mut eve, &client).await;

        let refused = eve.visit(&client.flow.url(&[])).await;
        let back = eve.submit(&Form::on(&refused, "/oauth2/v1/authorize").and("decision", "deny")).await;
        let elsewhere = eve.approves(&client.flow.url(&[])).await;

        assert_eq!(refused.status, 403, "{}", refused.text);
        assert!(refused.text.contains("org_management") && refused.text.contains("Acme"), "{}", refused.text);
        client.flow.is_refused(&back, "access_denied", "the user did not agree");
        assert!(client.flow.redirect_params(&elsewhere).get("code").is_some(), "not from the tile, they get the rest");
    }

    async fn a_start_decides_the_organization_and_is_used_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra) = (app.operator("Acme").await, app.operator("Umbra").await);
        let judge = reviewer(&app, "Server").await;
        make_partner(&acme, "").await;
        let published = PublishedClient::of(&acme, &judge, complete()).await;
        published.set(&judge, json!({"listed": true})).await;
        let mut eve = acme.person("eve@mail.example", Role::Standard).await;
        umbra.adds_member(&eve, Role::Standard).await;
        eve.signs_in().await;
        let page = eve.visit(&tile(&published.client)).await;
        let chosen = umbra.org_id.to_string();
        eve.submit(&Form::on(&page, &tile(&published.client)).with("org", &chosen)).await;

        let consent = eve.visit(&published.client.flow.url(&[])).await;
        let allowed = eve.submit(&Form::approving(&consent)).await;
        let again = eve.visit(&published.client.flow.url(&[("prompt", "consent")])).await;

        assert_eq!(published.client.flow.redirect_params(&allowed).get("dd_oid"), Some(chosen.as_str()));
        assert!(again.text.contains("name=\"org\""), "the next request asks for the organization: {}", again.text);
    }

    async fn a_start_counts_in_its_browser_and_for_half_an_hour(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = private(&acme, &["openid", "org_management"]).await;
        let mut eve = acme.person("eve@acme.example", Role::Standard).await;
        eve.signs_in().await;
        begins(&mut eve, &client).await;
        let mut elsewhere = eve.in_new_browser();

        assert_eq!(elsewhere.opens_consent(&client.flow.url(&[])).await.status, 200, "another browser");
        app.clock.advance(Duration::from_secs(30 * 60));
        assert_eq!(eve.visit(&client.flow.url(&[])).await.status, 200);
    }

    async fn a_forged_form_begins_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = private(&acme, &["openid"]).await;
        let mut eve = acme.person("eve@acme.example", Role::Standard).await;
        eve.signs_in().await;
        let page = eve.visit(&tile(&client)).await;
        let form = Form::on(&page, &tile(&client));

        let without_token = eve.submit(&form.clone().without("csrf")).await;
        let from_elsewhere = eve.with_header("sec-fetch-site", "cross-site").submit(&form).await;
        let foreign_org = eve.submit(&Form::on(&page, &tile(&client)).and("org", NOBODY)).await;

        assert_eq!((without_token.status.as_u16(), from_elsewhere.status.as_u16()), (403, 403));
        assert_eq!(foreign_org.status, 303);
        assert!(foreign_org.header("location").is_some_and(|to| to.starts_with("https://pager.example/") || to == tile(&client)), "{:?}", foreign_org.header("location"));
        let get = app.ask(request(Method::GET, &tile(&client))).await;
        assert_eq!(get.header("location"), Some(format!("/login?connect={}", client.flow.id).as_str()));
        let crafted = app.ask(request(Method::GET, "/login?connect=https://evil.example")).await;
        assert!(!crafted.text.contains("evil.example"), "{}", crafted.text);
    }

    async fn a_client_without_an_onboarding_url_has_no_button(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = PrivateClient::of(&acme, &["openid"]).await;
        let mut eve = acme.person("eve@acme.example", Role::Standard).await;
        eve.signs_in().await;

        let page = eve.visit(&tile(&client)).await;

        assert!(page.status == 200 && !page.text.contains("<form"), "{}", page.text);
        assert!(page.text.contains("This app has no onboarding URL yet."), "{}", page.text);
    }
}
