//! What a user can leave out on the consent page, and what the decision grants.

use crate::support::listed;

use super::*;

on_both! {
    async fn enter_decides_nothing_and_keeps_the_boxes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let page = eve.opens_consent(&client.url(&[("scope", "openid email dashboards_read")])).await;
        assert_eq!(ticked(&page), ["email", "dashboards_read"]);
        let form = Form::approving_only(&page, &["email"]).with("decision", "none");

        let again = eve.submit(&form).await;

        assert!(is_asked(&again), "{}", again.text);
        assert_eq!(again.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!((boxes(&again), ticked(&again)), (boxes(&page), vec!["email".to_owned()]));
        let id = ClientId::parse(&client.id).expect("a UUID");
        let grant = grants::find(app.db(), acme.org_id, id, eve.user_id().await).await.expect("is readable");
        assert_eq!(grant, None, "nothing is granted");
        assert_eq!(client.scopes(&eve.submit(&Form::approving(&again)).await).await, "email openid");
    }

    async fn a_scope_that_the_organization_withholds_is_shown_but_not_granted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        acme.restrict(&client.id, &["openid"], &["dashboards_read"]).await;

        let page = eve.opens_consent(&client.url(&[("scope", "openid email dashboards_read metrics_read")])).await;
        let withheld = words(&page);
        let answer = eve.submit(&Form::approving(&page).and("scope", "metrics_read").and("scope", "email")).await;

        assert_eq!(boxes(&page), ["dashboards_read"]);
        let who = "Acme does not allow this app to do that. An administrator of Acme can change this.";
        assert!(
            withheld.contains(&format!(
                "Requested but not allowed See your email address email {who} \
                 See metrics and their metadata metrics_read {who}"
            )),
            "{withheld}"
        );
        assert_eq!(client.scopes(&answer).await, "dashboards_read openid");
    }

    async fn the_restriction_of_another_organization_has_no_effect(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        app.operator("Umbra").await.restrict(&client.id, &["openid"], &[]).await;

        let answer = eve.approves(&client.url(&[("scope", "openid metrics_read")])).await;

        assert_eq!(client.scopes(&answer).await, "metrics_read openid");
    }

    async fn the_page_distinguishes_scopes_withheld_by_the_role_and_by_the_server(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;

        let page = eve.opens_consent(&client.url(&[("scope", "openid api_keys_write user_access_manage")])).await;
        let shown = words(&page);

        assert!(shown.contains("api_keys_write This server does not allow that for apps of this kind."), "{shown}");
        assert!(shown.contains("user_access_manage Your role at Acme does not allow that."), "{shown}");
        assert_eq!(client.scopes(&eve.submit(&Form::approving(&page)).await).await, "openid");
    }

    async fn cleared_scopes_are_not_granted_but_openid_always_is(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let wanted = client.url(&[("scope", "openid email dashboards_read metrics_read")]);

        let page = eve.opens_consent(&wanted).await;
        let some = eve.submit(&Form::approving_only(&page, &["metrics_read"])).await;
        assert_eq!(client.scopes(&some).await, "metrics_read openid");
        let page = eve.opens_consent(&format!("{wanted}&prompt=consent")).await;
        let none = eve.submit(&Form::approving_only(&page, &[])).await;

        assert_eq!(boxes(&page), ["email", "dashboards_read", "metrics_read"]);
        assert_eq!(client.scopes(&none).await, "openid");
    }

    async fn clearing_every_box_is_a_refusal(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;

        let page = eve.opens_consent(&client.url(&[("scope", "dashboards_read metrics_read")])).await;
        let answer = eve.submit(&Form::approving_only(&page, &[])).await;

        client.is_refused(&answer, "access_denied", "the user did not agree");
        let id = ClientId::parse(&client.id).expect("a UUID");
        let grant = grants::find(app.db(), acme.org_id, id, eve.user_id().await).await.expect("is readable");
        assert_eq!(grant, None);
    }

    async fn the_fixed_scopes_of_a_first_party_client_cannot_be_cleared_or_restricted(engine: Engine) {
        let before = TestApp::start(engine).await;
        let id = before.registered("Editor").await;
        let required = json!([{"client_id": id, "permission_scopes": ["mobile_app_access"]}]).to_string();
        let app = before.replica_with(&[("restriction.required", &required)]).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::ReadOnly).await;
        let client = McpClient { app: &app, id: id.clone(), redirect_uri: "https://example.com/callback".to_owned() };
        acme.restrict(&id, &["openid"], &["dashboards_read"]).await;

        let page = eve.opens_consent(&client.url(&[("scope", "dashboards_read")])).await;
        let answer = eve.submit(&Form::approving_only(&page, &[])).await;

        assert_eq!(boxes(&page), ["dashboards_read"]);
        assert!(words(&page).contains("mobile_app_access · always included"), "{}", words(&page));
        assert_eq!(client.scopes(&answer).await, "mobile_app_access");
    }

    async fn canceling_is_a_refusal_and_the_next_request_asks_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;

        let page = eve.opens_consent(&client.url(&[])).await;
        let answer = eve.submit(&Form::refusing(&page)).await;
        let again = eve.visit(&client.url(&[])).await;

        client.is_refused(&answer, "access_denied", "the user did not agree");
        assert!(is_asked(&again) && !again.text.contains("You have allowed this app before"), "{}", again.text);
    }

    async fn clearing_offline_access_returns_no_refresh_token_and_ends_earlier_ones(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let wanted = [("scope", "openid email offline_access")];
        let tokens = async |answer: &Answer| client.exchange(&client.code(answer), &[]).await.json();
        let connected = tokens(&eve.approves(&client.url(&wanted)).await).await;

        let page = eve.visit(&client.url(&[wanted[0], ("prompt", "consent")])).await;
        let cleared = tokens(&eve.submit(&Form::approving_only(&page, &["email"])).await).await;
        let silently = tokens(&eve.open(&client.url(&wanted)).await).await;
        let unasked = tokens(&eve.visit(&client.url(&[("scope", "openid email")])).await).await;

        // The client does not get one by omitting the scope either.
        for answer in [&cleared, &silently, &unasked] {
            assert_eq!((&answer["scope"], &answer["refresh_token"]), (&json!("email openid"), &json!(null)), "{answer}");
        }
        let before = client.refresh(connected["refresh_token"].as_str().expect("a token")).await;
        assert_eq!((before.status.as_u16(), before.json()["error"].as_str()), (400, Some("invalid_grant")));

        // A withheld offline_access is not granted either, and the page says so.
        assert_eq!(acme.restrict(&client.id, &["openid", "email"], &[]).await.status, 200);
        let page = eve.visit(&client.url(&[wanted[0], ("prompt", "consent")])).await;
        assert!(words(&page).contains("offline_access Acme does not allow"), "{}", words(&page));
        let withheld = tokens(&eve.submit(&Form::approving(&page)).await).await;
        assert_eq!((&withheld["scope"], &withheld["refresh_token"]), (&json!("email openid"), &json!(null)));
    }

    async fn the_digest_of_the_page_is_stored_and_the_grant_is_audited(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let page = eve.opens_consent(&client.url(&[("scope", "openid email dashboards_read")])).await;
        eve.submit(&Form::approving_only(&page, &["email"])).await;

        let id = ClientId::parse(&client.id).expect("a UUID");
        let set = |names| ScopeSet::parse(names).expect("scopes");
        let offered =
            OfferedScopes { optional: set("email dashboards_read"), fixed: set("openid"), withheld: Vec::new() };
        let shown = ConsentContent {
            client_id: id,
            client_name: "Editor",
            redirect: REDIRECT,
            org_id: acme.org_id,
            user_id: eve.user_id().await,
            offered: &offered,
            reach: &Reach::of(&[], "http://127.0.0.1:8080"),
        };
        assert_eq!(stored_digest(&app, &acme, engine).await, hex(&shown.digest()));
        let events = listed::audit_events(app.db(), acme.org_id, 10).await.expect("is readable");
        let given: Vec<_> = events.iter().filter(|event| event.action == "grant.given").collect();
        assert_eq!(given.len(), 1);
        assert_eq!((&given[0].before, &given[0].after), (&None, &Some(json!({"scopes": ["email", "openid"]}))));
        assert!(clients::find(app.db(), id).await.expect("is readable").expect("is there").adopted_at.is_some());
    }
}
