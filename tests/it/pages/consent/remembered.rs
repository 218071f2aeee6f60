//! Remembered consents: when the page is not needed.

use grantor::actions::grants::revoke_grant::revoke_grant;

use super::*;

on_both! {
    async fn a_user_who_agreed_is_not_asked_again_for_the_same_or_fewer_scopes(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let with = |scope| client.url(&[("scope", scope)]);
        eve.approves(&with("openid email dashboards_read")).await;

        let same = eve.visit(&with("openid email dashboards_read")).await;
        let less = eve.visit(&with("openid dashboards_read")).await;
        let at_another_browser = eve.in_new_browser().opens_consent(&with("openid email")).await;
        let more = eve.visit(&with("openid dashboards_read metrics_read")).await;
        let wanted = eve.visit(&client.url(&[("scope", "openid"), ("prompt", "consent")])).await;
        let account = eve.visit(&client.url(&[("scope", "openid"), ("prompt", "select_account")])).await;

        assert_eq!(client.scopes(&same).await, "dashboards_read email openid");
        assert_eq!(client.scopes(&less).await, "dashboards_read openid");
        assert_eq!(client.scopes(&at_another_browser).await, "email openid");
        for page in [more, wanted, account] {
            assert!(is_asked(&page) && page.text.contains("You have allowed this app before"), "{}", page.text);
        }
    }

    async fn the_same_page_is_not_shown_again_and_grants_no_more_than_before(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let wanted = client.url(&[("scope", "openid email metrics_read")]);
        let page = eve.opens_consent(&wanted).await;
        eve.submit(&Form::approving_only(&page, &["email"])).await;

        let again = eve.open(&wanted).await;
        let silently = eve.open(&client.url(&[("scope", "openid email metrics_read"), ("prompt", "none")])).await;
        let narrower = eve.open(&client.url(&[("scope", "openid email")])).await;

        for answer in [again, silently, narrower] {
            assert_eq!(client.scopes(&answer).await, "email openid");
        }
    }

    async fn a_cleared_box_is_still_cleared_on_the_next_page(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let scope = ("scope", "openid email profile metrics_read");
        let page = eve.opens_consent(&client.url(&[scope])).await;
        eve.submit(&Form::approving_only(&page, &["email", "profile"])).await;

        let anyway = eve.visit(&client.url(&[scope, ("prompt", "consent")])).await;
        let more = client.url(&[("scope", "openid email metrics_read dashboards_read")]);
        let page = eve.visit(&more).await;

        assert_eq!(boxes(&anyway), ["email", "profile", "metrics_read"]);
        assert_eq!(ticked(&anyway), ["email", "profile"]);
        // A scope that was never offered is ticked, as on the first page.
        assert_eq!(boxes(&page), ["email", "dashboards_read", "metrics_read"]);
        assert_eq!(ticked(&page), ["email", "dashboards_read"]);
        assert_eq!(client.scopes(&eve.submit(&Form::approving(&page)).await).await, "dashboards_read email openid");
        // A box that the user ticks stays ticked from then on.
        let page = eve.visit(&client.url(&[scope, ("prompt", "consent")])).await;
        eve.submit(&Form::approving_only(&page, &["email", "profile", "metrics_read"])).await;
        let page = eve.visit(&client.url(&[scope, ("prompt", "consent")])).await;
        assert_eq!(ticked(&page), ["email", "profile", "metrics_read"]);
    }

    async fn a_user_who_ended_access_is_asked_as_if_for_the_first_time(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let wanted = client.url(&[("scope", "openid email metrics_read")]);
        let page = eve.opens_consent(&wanted).await;
        eve.submit(&Form::approving_only(&page, &["email"])).await;
        let id = ClientId::parse(&client.id).expect("a UUID");
        let grant = grants::find(app.db(), acme.org_id, id, eve.user_id().await).await.expect("is readable");
        let id = grant.expect("is there").id;
        revoke_grant(app.context(), id, |_| true, &AuditActor::COMMAND_LINE).await.expect("is ended");

        let page = eve.visit(&wanted).await;

        assert_eq!(ticked(&page), ["email", "metrics_read"]);
    }

    async fn scopes_that_the_organization_removed_meanwhile_require_consent_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let wanted = client.url(&[("scope", "openid email dashboards_read metrics_read")]);
        let page = eve.opens_consent(&wanted).await;
        eve.submit(&Form::approving_only(&page, &["email", "dashboards_read"])).await;
        app.execute("DELETE FROM grant_scopes WHERE scope = 'dashboards_read'").await;

        let page = eve.visit(&wanted).await;

        assert!(is_asked(&page), "{}", page.text);
        assert_eq!(ticked(&page), ["email", "dashboards_read"]);
    }

    async fn consent_counts_only_for_its_client_user_and_organization(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, client, mut eve) = stage(&app).await;
        let umbra = app.operator("Umbra").await;
        let other = McpClient::registered(&app, &["https://other.example/cb"]).await;
        let mut bob = acme.person("bob@mail.example", Role::Standard).await;
        eve.approves(&client.url(&[])).await;

        let for_other = eve.visit(&other.url(&[])).await;
        let by_bob = bob.opens_consent(&client.url(&[])).await;
        umbra.adds_member(&eve, Role::Standard).await;
        let in_umbra = eve.visit(&client.url(&[("dd_oid", &umbra.org_id.to_string())])).await;

        assert!(is_asked(&for_other) && is_asked(&by_bob) && is_asked(&in_umbra));
    }

    async fn programs_on_the_users_device_require_consent_every_time(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, _client, mut eve) = stage(&app).await;
        let redirects =
            ["http://localhost/cb", "http://127.0.0.1:8000/cb", "https://localhost:8443/cb", "cursor://anysphere/cb"];
        for redirect in redirects {
            let client = McpClient::registered(&app, &[redirect]).await;
            eve.approves(&client.url(&[])).await;

            let again = eve.visit(&client.url(&[])).await;
            let silently = eve.open(&client.url(&[("prompt", "none")])).await;

            assert!(is_asked(&again) && again.text.contains("You have allowed this app before"), "{redirect}");
            client.is_refused(&silently, "consent_required", "the user has to consent");
        }
        // The same client with a redirect that no other program on this computer can receive.
        let both = McpClient::registered(&app, &[REDIRECT, "http://localhost/cb"]).await;
        eve.approves(&both.url(&[])).await;
        both.code(&eve.visit(&both.url(&[])).await);
        assert!(is_asked(&eve.visit(&both.url(&[("redirect_uri", "http://localhost:1/cb")])).await));
    }

    async fn consent_is_remembered_only_for_its_redirect_and_resource(engine: Engine) {
        const OTHER_REDIRECT: &str = "https://app.example/other";
        let app = TestApp::start(engine).await;
        let (_acme, _client, mut eve) = stage(&app).await;
        let client = McpClient::registered(&app, &[REDIRECT, OTHER_REDIRECT]).await;
        let other_redirect = McpClient { app: &app, id: client.id.clone(), redirect_uri: OTHER_REDIRECT.to_owned() };
        let one = [("resource", "https://one.example")];
        eve.approves(&client.url(&one)).await;

        client.code(&eve.visit(&client.url(&one)).await);
        assert!(is_asked(&eve.visit(&client.url(&[("resource", "https://two.example")])).await), "another resource");
        assert!(is_asked(&eve.visit(&client.url(&[])).await), "this server itself");
        assert!(is_asked(&eve.visit(&other_redirect.url(&one)).await), "another redirect");

        eve.approves(&client.url(&[("resource", "https://two.example")])).await;
        client.code(&eve.visit(&client.url(&[("resource", "https://two.example")])).await);
        client.code(&eve.visit(&client.url(&one)).await);
    }

    async fn scopes_allowed_for_one_resource_are_not_granted_for_another(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let (one, two) = (("resource", "https://one.example"), ("resource", "https://two.example"));
        let (wide, narrow) = (("scope", "openid email metrics_read"), ("scope", "openid"));
        eve.approves(&client.url(&[one, wide])).await;
        eve.approves(&client.url(&[two, narrow])).await;
        eve.approves(&client.url(&[narrow])).await;

        let silently = ("prompt", "none");
        for reach in [vec![two, wide], vec![wide], vec![one, two, wide]] {
            let asked = eve.visit(&client.url(&reach)).await;
            let refused = eve.open(&client.url(&[reach.as_slice(), &[silently]].concat())).await;
            assert!(is_asked(&asked), "{reach:?}: {}", asked.text);
            client.is_refused(&refused, "consent_required", "the user has to consent");
        }
        assert_eq!(client.scopes(&eve.open(&client.url(&[one, wide, silently])).await).await, "email metrics_read openid");
        assert_eq!(client.scopes(&eve.open(&client.url(&[narrow, silently])).await).await, "openid");
        let both = eve.open(&client.url(&[one, two, narrow, silently])).await;
        assert_eq!(client.scopes(&both).await, "openid", "agreed to for each of them");
    }

    async fn a_consent_without_recorded_scopes_is_not_reused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (_acme, client, mut eve) = stage(&app).await;
        let wanted = [("scope", "openid email"), ("resource", "https://one.example")];
        eve.approves(&client.url(&wanted)).await;
        app.execute("UPDATE consents SET scopes = NULL").await;

        let silently = eve.open(&client.url(&[&wanted[..], &[("prompt", "none")]].concat())).await;
        let page = eve.visit(&client.url(&wanted)).await;
        let agreed = eve.submit(&Form::approving(&page)).await;

        client.is_refused(&silently, "consent_required", "the user has to consent");
        assert!(is_asked(&page), "{}", page.text);
        assert_eq!(client.scopes(&agreed).await, "email openid");
        client.code(&eve.open(&client.url(&wanted)).await);
    }

    async fn a_restriction_removes_its_scopes_from_every_remembered_consent(engine: Engine) {
        let app = TestApp::with(engine, &[("restriction.on_narrow", "narrow_grants")]).await;
        let (acme, client, mut eve) = stage(&app).await;
        let (one, two) = (("resource", "https://one.example"), ("resource", "https://two.example"));
        let wanted = ("scope", "openid metrics_read");
        eve.approves(&client.url(&[one, wanted])).await;
        acme.restrict(&client.id, &["openid"], &[]).await;
        acme.delete(&restriction_path(&client.id)).await;
        eve.approves(&client.url(&[two, wanted])).await;

        let asked = eve.visit(&client.url(&[one, wanted])).await;

        assert!(is_asked(&asked), "{}", asked.text);
        client.code(&eve.visit(&client.url(&[two, wanted])).await);
    }

    async fn the_settings_decide_which_consents_are_remembered(engine: Engine) {
        let app = TestApp::start(engine).await;
        let never = app.replica_with(&[("consent.remember", "never")]).await;
        let always = app.replica_with(&[("consent.remember", "always")]).await;
        let (_acme, web, mut eve) = stage(&app).await;
        let local = McpClient::registered(&app, &["http://localhost/cb"]).await;
        eve.approves(&web.url(&[])).await;
        eve.approves(&local.url(&[])).await;

        assert!(is_asked(&eve.on(&never).visit(&web.url(&[])).await));
        assert!(is_asked(&eve.on(&never).visit(&local.url(&[])).await));
        web.code(&eve.on(&always).visit(&web.url(&[])).await);
        local.code(&eve.on(&always).visit(&local.url(&[])).await);
        assert!(is_asked(&eve.on(&always).visit(&local.url(&[("prompt", "consent")])).await));
    }
}
