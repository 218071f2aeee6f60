//! Clients with a document: at authorization, and the limits on unknown documents.

use super::*;

on_both! {
    async fn a_client_id_may_be_the_url_of_a_document(engine: Engine) {
        let app = TestApp::with(engine, &[("client_documents.allow_loopback", "true")]).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let site = Site::answering(Reply::Silence).await;
        let url = site.url("/client.json");
        let members =
            json!({"client_id": url, "client_name": "Editor", "redirect_uris": ["http://localhost/callback"]});
        site.answer(Reply::json(members));
        let client =
            McpClient { app: &app, id: url.clone(), redirect_uri: "http://localhost:51000/callback".to_owned() };

        let page = eve.opens_consent(&client.url(&[])).await;
        let answer = eve.submit(&Form::approving(&page)).await;

        // Any program on this machine could have sent the same request.
        assert!(page.text.contains(&format!("described at <bdi>{}</bdi>", site.address)), "{}", page.text);
        assert!(page.text.contains("unverified name") && !page.text.contains("published by"), "{}", page.text);
        let tokens = client.exchange(&client.code(&answer), &[]).await;
        assert_eq!(claims(&tokens.json())["client_id"], json!(url));
    }

    async fn a_document_without_the_redirect_ends_pending_requests(engine: Engine) {
        let app = TestApp::with(engine, &[("client_documents.allow_loopback", "true")]).await;
        let acme = app.operator("Acme").await;
        let mut eve = acme.person(EVE, Role::Standard).await;
        let site = Site::answering(Reply::Silence).await;
        let url = site.url("/client.json");
        let listing = |redirect: &str| {
            let members = json!({"client_id": url, "client_name": "Editor", "redirect_uris": [redirect]});
            Reply::json(members).with_header("cache-control", "max-age=60")
        };
        site.answer(listing(REDIRECT));
        let client = McpClient { app: &app, id: url.clone(), redirect_uri: REDIRECT.to_owned() };
        let page = eve.opens_consent(&client.url(&[])).await;

        site.answer(listing("https://app.example/other"));
        app.clock.advance(2 * MINUTE);
        let anew = eve.in_new_browser().open(&client.url(&[])).await;
        let answer = eve.submit(&Form::approving(&page)).await;

        assert!(anew.text.contains("Mismatching redirect URI"), "{}", anew.text);
        assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None), "{}", answer.text);
        assert!(answer.text.contains("Mismatching redirect URI"), "{}", answer.text);
    }

    async fn an_unknown_document_counts_as_a_registration_and_a_known_one_does_not(engine: Engine) {
        let app = TestApp::with(engine, &[ON_LOOPBACK, ("limits.register_per_minute", "1")]).await;
        let site = Site::answering(Reply::Silence).await;
        let known = site.url("/client.json");
        site.answer(document(&known));
        let named = async |client_id: &str| named_from(&app, "192.0.2.1:1", client_id).await.status.as_u16();

        assert_eq!(named(&known).await, 303);
        for _ in 0..5 {
            assert_eq!((named(&known).await, named(NOBODY).await), (303, 400));
        }
        // One request per minute, and two after a pause.
        assert_eq!((named(&site.url("/2")).await, site.requests().len()), (400, 2));
        let refused = named_from(&app, "192.0.2.1:2", &site.url("/3")).await;

        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("60")));
        assert_eq!(site.requests().len(), 2, "the document is not fetched");
        assert_eq!(named(&known).await, 303);
        assert_eq!(named_from(&app, "192.0.2.2:1", &site.url("/3")).await.status, 400, "another address");
        app.clock.advance(MINUTE);
        assert_eq!((named(&site.url("/4")).await, named(&site.url("/5")).await), (400, 429));
    }

    async fn unknown_documents_are_limited_in_total(engine: Engine) {
        let app = TestApp::with(engine, &[ON_LOOPBACK, ("limits.register_per_second_total", "1")]).await;
        let site = Site::answering(Reply::Silence).await;
        let known = site.url("/client.json");
        site.answer(document(&known));
        let named = async |peer: &str, client_id: &str| named_from(&app, peer, client_id).await.status.as_u16();

        assert_eq!(named("192.0.2.1:1", &known).await, 303);
        assert_eq!(named("192.0.2.2:1", &site.url("/2")).await, 400);
        assert_eq!(named("192.0.2.3:1", &site.url("/3")).await, 429);
        assert_eq!(named("192.0.2.3:1", &known).await, 303);
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(named("192.0.2.3:1", &site.url("/3")).await, 400);
    }
}
