//! The scopes and resources of a refresh, narrowed by the request, the organization or the role.

use super::*;

on_both! {
    async fn a_narrower_scope_applies_to_one_token_and_a_wider_one_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = granted.tokens("mcp_read email").await;

        let wider = granted.refreshed_with(&first.refresh, &[("scope", "mcp_read mcp_write")]).await;
        let unknown = granted.refreshed_with(&first.refresh, &[("scope", "nonsense")]).await;
        let narrower = granted.refreshed_with(&first.refresh, &[("scope", "email")]).await;
        let same = granted.refreshed_with(&Tokens::of(&narrower).refresh, &[("scope", "email mcp_read")]).await;
        let none = granted.refreshed_with(&Tokens::of(&same).refresh, &[("scope", "")]).await;

        wider.is(400, &not_granted("mcp_write"));
        unknown.is(400, &not_granted("nonsense"));
        assert_eq!(scope(&narrower), both("email"));
        assert_eq!(scope(&same), both("email mcp_read"));
        assert_eq!(scope(&none), both("email mcp_read"));
        assert_eq!(granted.introspected(&Tokens::of(&narrower).access).await["scope"], json!("email"));
    }

    async fn a_refusal_does_not_use_the_token_up(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read").await;
        advance(&app, 60);

        for _ in 0..3 {
            granted.refreshed_with(&tokens.refresh, &[("scope", "mcp_write")]).await.is(400, &not_granted("mcp_write"));
            advance(&app, 60);
        }

        assert_eq!(granted.refreshed(&tokens.refresh).await.status, 200);
    }

    async fn a_refresh_can_select_one_granted_resource(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let first = Tokens::of(&granted.exchanged(&granted.code_for(&asks("mcp_read", &[MCP, SECOND])).await).await);

        let one = granted.refreshed_with(&first.refresh, &[("resource", "https://second.example/")]).await;
        let next = Tokens::of(&one).refresh;
        let both = granted.refreshed_with(&next, &[("resource", MCP), ("resource", SECOND)]).await;
        let next = Tokens::of(&both).refresh;
        let other = granted.refreshed_with(&next, &[("resource", "https://other.example")]).await;
        let beside = granted.refreshed_with(&next, &[("resource", MCP), ("resource", "https://other.example")]).await;

        assert_eq!(opened(&Tokens::of(&one).access).1["aud"], json!(SECOND));
        assert_eq!(opened(&Tokens::of(&both).access).1["aud"], json!([MCP, SECOND]));
        for answer in [other, beside] {
            answer.is(400, &oauth(
                "invalid_target", "resource was not granted: use one from the authorization request",
            ));
        }
        assert_eq!(granted.refreshed(&next).await.status, 200);
    }

    async fn the_organizations_default_scopes_narrow_the_next_token(engine: Engine) {
        let app = TestApp::with(engine, &[("restriction.on_narrow", "narrow_grants")]).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read email").await;
        let defaults = async |scopes: Option<&str>| {
            let scopes = scopes.map(|names| ScopeSet::parse(names).expect("scopes"));
            app.set_default_scopes(granted.org_id(), scopes.as_ref()).await.expect("are set");
        };

        defaults(Some("mcp_read")).await;
        let narrowed = granted.refreshed(&tokens.refresh).await;
        let asked = granted.refreshed_with(&Tokens::of(&narrowed).refresh, &[("scope", "email")]).await;
        defaults(Some("teams_read")).await;
        let nothing_left = granted.refreshed(&Tokens::of(&narrowed).refresh).await;
        defaults(None).await;
        let whole_again = granted.refreshed(&Tokens::of(&narrowed).refresh).await;

        assert_eq!(scope(&narrowed), both("mcp_read"));
        asked.is(400, &not_granted("email"));
        for ended in [nothing_left, whole_again] {
            assert_eq!((ended.status.as_u16(), ended.json()["error"].as_str()), (400, Some("invalid_grant")));
        }
    }

    async fn a_reduced_role_narrows_the_next_token(engine: Engine) {
        let app = TestApp::start(engine).await;
        let granted = Granted::new(&app).await;
        let tokens = granted.tokens("mcp_read org_authorized_apps_write").await;

        app.execute("UPDATE memberships SET role = 'read_only'").await;
        let refreshed = granted.refreshed(&tokens.refresh).await;

        assert_eq!(scope(&refreshed), both("mcp_read"));
        let asked = [("scope", "org_authorized_apps_write")];
        let token = Tokens::of(&refreshed).refresh;
        for _ in 0..2 {
            granted.refreshed_with(&token, &asked).await.is(400, &not_allowed("org_authorized_apps_write"));
            advance(&app, 4_000);
        }
        let next = granted.refreshed(&token).await;
        assert_eq!(scope(&next), both("mcp_read"), "a refusal did not use the token up");
        assert_eq!(granted.history().await, ["grant.given"]);
    }
}
