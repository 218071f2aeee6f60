//! A required sign-in, and hints for the sign-in.

use super::*;

on_both! {
    async fn a_client_can_require_a_new_sign_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.approves(&client.url(&[])).await;
        app.clock.advance(MINUTE);

        for wish in [("prompt", "login"), ("max_age", "59"), ("max_age", "0"), ("prompt", "login consent")] {
            let page = eve.visit(&client.url(&[wish])).await;
            assert!(page.text.contains("action=\"/login\""), "{wish:?}: {}", page.text);
            let on = eve.signs_in_on(&page).await;
            let answer = if on.status == 303 { on } else { eve.submit(&Form::approving(&on)).await };

            let tokens = client.exchange(&client.code(&answer), &[]).await.json();
            let signed_in_at = app.context().clock.now().seconds();
            assert_eq!(claims(&tokens)["auth_time"], json!(signed_in_at), "{wish:?}");
            app.clock.advance(MINUTE);
        }
        let young_enough = eve.visit(&client.url(&[("max_age", "60")])).await;
        client.code(&young_enough);
    }

    async fn a_required_sign_in_cannot_reuse_one_from_the_same_second(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.approves(&client.url(&[])).await;

        for wish in [("prompt", "login"), ("max_age", "0")] {
            let page = eve.visit(&client.url(&[wish])).await;
            assert!(page.text.contains("action=\"/login\""), "{wish:?}: {}", page.text);
            // The URL of the following page, opened without signing in.
            let request = Form::on(&page, "/login").all_of("request")[0].to_owned();
            let around = eve.visit(&format!("/consent?request={request}")).await;
            assert!(around.text.contains("action=\"/login\""), "{wish:?}: {}", around.text);

            client.code(&eve.signs_in_on(&page).await);
        }
        let silently = eve.open(&client.url(&[("prompt", "none"), ("max_age", "0")])).await;
        client.is_refused(&silently, "login_required", "the user has to sign in");
        client.code(&eve.open(&client.url(&[("prompt", "none"), ("max_age", "1")])).await);
    }

    async fn a_sign_in_in_another_tab_after_the_request_counts(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.approves(&client.url(&[])).await;
        let wishes = [("prompt", "login"), ("max_age", "0"), ("max_age", "59")];
        app.clock.advance(MINUTE);
        let mut waiting = Vec::new();
        for wish in wishes {
            waiting.push(eve.visit(&client.url(&[wish])).await);
        }

        let login = waiting.pop().expect("one of them");
        client.code(&eve.signs_in_on(&login).await);
        for page in waiting {
            let request = Form::on(&page, "/login").all_of("request")[0].to_owned();
            client.code(&eve.visit(&format!("/login?request={request}")).await);
        }
    }

    async fn sending_the_decision_does_not_skip_a_required_sign_in(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        eve.signs_in().await;
        app.clock.advance(MINUTE);

        let page = eve.visit(&client.url(&[("prompt", "login")])).await;
        let login = Form::on(&page, "/login");
        let decision = Form { action: AUTHORIZE.to_owned(), ..login.clone() }.with("decision", "approve");
        let answer = eve.submit(&decision).await;

        let to_login = format!("/login?request={}", login.all_of("request")[0]);
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some(to_login.as_str())));
    }

    async fn a_login_hint_fills_in_the_email_address_only(engine: Engine) {
        let app = TestApp::start(engine).await;
        let acme = app.operator("Acme").await;
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let hostile = "\"><script>alert(1)</script>";

        let page = eve.visit(&client.url(&[("login_hint", EVE)])).await;
        let escaped = eve.visit(&client.url(&[("login_hint", hostile)])).await;

        assert_eq!(Form::on(&page, "/login").all_of("email"), [EVE]);
        assert_eq!(Form::on(&escaped, "/login").all_of("email"), [hostile]);
        assert!(!escaped.text.contains("<script"), "{}", escaped.text);
    }

    async fn a_client_can_select_the_organization_of_its_user(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (acme, umbra, initech) =
            (app.operator("Acme").await, app.operator("Umbra").await, app.operator("Initech").await);
        let client = McpClient::registered(&app, &[REDIRECT]).await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        umbra.adds_member(&eve, Role::Standard).await;
        eve.signs_in().await;
        let org_id = |id: grantor::rules::id::OrgId| id.to_string();

        for theirs in [&acme, &umbra] {
            let answer = eve.approves(&client.url(&[("dd_oid", &org_id(theirs.org_id))])).await;
            assert_eq!(client.redirect_params(&answer).get("dd_oid"), Some(org_id(theirs.org_id).as_str()));
        }
        // An unknown organization preselects nothing.
        let page = eve.visit(&client.url(&[("dd_oid", &org_id(initech.org_id))])).await;
        let chosen = eve.submit(&choosing(&page, umbra.org_id)).await;
        let answer = eve.follow(chosen).await;
        assert_eq!(client.redirect_params(&answer).get("dd_org_name"), Some("Umbra"));
        assert!(!page.text.contains("Initech"), "{}", page.text);
    }
}
