//! The client of a `client_id`: a registered one, or one with a document at a URL.

use std::time::Duration;

use grantor::actions::clients::find::FindClientError;
use grantor::db::clients;
use grantor::db::clients::registrations;
use grantor::db::clients::{Client, unused};
use grantor::rules::client::ClientId;
use grantor::rules::syntax::network::Network;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Engine, Reply, Site, TestApp, restriction_path};

const ON_LOOPBACK: [(&str, &str); 1] = [("client_documents.allow_loopback", "true")];
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// A host with a document, and a server that may fetch it.
async fn stage(engine: Engine) -> (TestApp, Site, String) {
    let app = TestApp::with(engine, &ON_LOOPBACK).await;
    let site = Site::answering(Reply::Silence).await;
    let url = site.url("/client.json");
    site.answer(document(&url, "App"));
    (app, site, url)
}

fn members(url: &str, client_name: &str) -> Value {
    json!({"client_id": url, "client_name": client_name, "redirect_uris": ["http://localhost/callback"]})
}

fn document(url: &str, client_name: &str) -> Reply {
    Reply::json(members(url, client_name))
}

async fn find(app: &TestApp, client_id: &str) -> Result<Client, FindClientError> {
    app.app.find_client.find(app.context(), client_id, None).await
}

/// The client's name, or the error.
async fn name(app: &TestApp, client_id: &str) -> Result<String, String> {
    match find(app, client_id).await {
        Ok(client) => Ok(client.metadata.client_name().as_str().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn named(name: &str) -> Result<String, String> {
    Ok(name.to_owned())
}

on_both! {
    async fn a_registered_client_is_found_by_its_uuid(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = app.registered("App").await;

        let client = find(&app, &id).await.expect("is found");
        let again = find(&app, &id.to_uppercase()).await.expect("is found");

        assert_eq!((client.id, client.wire_id(), &client.document), (again.id, id.clone(), &None));
        assert_eq!(app.app.find_client.id_of(&id), Some(client.id));
        let unknown = [Uuid::from_u64_pair(1, 2).to_string(), String::new(), "App".to_owned(), "x".repeat(100_000)];
        for text in unknown {
            assert!(matches!(find(&app, &text).await, Err(FindClientError::Unknown)), "{text}");
        }
    }

    async fn finding_a_client_updates_its_last_use_at_most_hourly(engine: Engine) {
        let (app, _site, url) = stage(engine).await;
        let registered = app.registered("App").await;
        let seen = async |id: &str| {
            find(&app, id).await.expect("is found");
            let id = app.app.find_client.id_of(id).expect("an id");
            clients::find(app.db(), id).await.expect("is readable").expect("is there").last_seen_at
        };
        let start = app.context().clock.now();

        for id in [&registered, &url] {
            assert_eq!(seen(id).await, start);
        }
        app.clock.advance(HOUR - MINUTE);
        for id in [&registered, &url] {
            assert_eq!(seen(id).await, start);
        }
        app.clock.advance(MINUTE);
        for id in [&registered, &url] {
            assert_eq!(seen(id).await, start.plus(3_600));
        }
    }

    async fn a_forgotten_client_is_not_found(engine: Engine) {
        let app = TestApp::start(engine).await;
        let id = app.registered("App").await;
        find(&app, &id).await.expect("is found");
        app.clock.advance(DAY);
        assert_eq!(unused::forget(app.db(), app.context().clock.now(), 10).await.expect("is forgotten"), 1);

        assert!(matches!(find(&app, &id).await, Err(FindClientError::Unknown)));
    }

    async fn a_url_identifies_the_client_that_its_document_describes(engine: Engine) {
        let (app, site, url) = stage(engine).await;

        let client = find(&app, &url).await.expect("is found");

        assert_eq!(client.metadata.client_name().as_str(), "App");
        assert_eq!((client.wire_id(), client.document.as_deref()), (url.clone(), Some(url.as_str())));
        assert_eq!(app.app.find_client.id_of(&url), Some(client.id));
        let head = site.requests()[0].head.to_lowercase();
        assert!(head.starts_with("get /client.json http/1.1\r\n") && head.contains("\r\naccept: application/json\r\n"));
        // Organizations know it by its UUID, but requests cannot use the UUID.
        let by_uuid = find(&app, &client.id.to_string()).await;
        assert!(matches!(by_uuid, Err(FindClientError::Unknown)), "{by_uuid:?}");
    }

    async fn no_replica_fetches_a_fresh_document_again(engine: Engine) {
        let (app, site, url) = stage(engine).await;
        let replica = app.replica_with(&ON_LOOPBACK).await;
        let first = find(&app, &url).await.expect("is found");
        site.answer(document(&url, "Other"));

        app.clock.advance(HOUR - MINUTE);
        replica.clock.advance(HOUR - MINUTE);
        assert_eq!((name(&app, &url).await, name(&replica, &url).await), (named("App"), named("App")));
        assert_eq!(site.requests().len(), 1);

        app.clock.advance(MINUTE);
        let second = find(&app, &url).await.expect("is found");
        assert_eq!((second.id, second.metadata.client_name().as_str()), (first.id, "Other"));
        assert_eq!(second.registered_at, first.registered_at);
        assert_eq!((name(&replica, &url).await, site.requests().len()), (named("Other"), 2));
    }

    async fn the_cache_headers_set_how_long_a_document_is_fresh(engine: Engine) {
        let (app, site, url) = stage(engine).await;
        site.answer(document(&url, "App").with_header("cache-control", "max-age=600"));
        name(&app, &url).await.expect("is found");

        app.clock.advance(9 * MINUTE);
        name(&app, &url).await.expect("is found");
        assert_eq!(site.requests().len(), 1);
        app.clock.advance(MINUTE);
        site.answer(document(&url, "App").with_header("cache-control", "no-store"));
        name(&app, &url).await.expect("is found");
        app.clock.advance(MINUTE);
        name(&app, &url).await.expect("is found");
        assert_eq!(site.requests().len(), 3);
    }

    async fn a_document_with_an_etag_is_fetched_conditionally(engine: Engine) {
        let (app, site, url) = stage(engine).await;
        site.answer(document(&url, "App").with_header("etag", "W/\"1\""));
        name(&app, &url).await.expect("is found");
        app.clock.advance(HOUR);
        site.answer(Reply::status(304).with_header("cache-control", "max-age=7200"));

        assert_eq!(name(&app, &url).await, named("App"));
        app.clock.advance(HOUR);
        assert_eq!(name(&app, &url).await, named("App"));

        assert_eq!(site.requests().len(), 2);
        assert_eq!(site.requests()[0].header("if-none-match"), None);
        assert_eq!(site.requests()[1].header("if-none-match"), Some("W/\"1\""));
        app.clock.advance(HOUR);
        site.answer(document(&url, "Changed").with_header("etag", "\"2\""));
        assert_eq!(name(&app, &url).await, named("Changed"));
        assert_eq!(site.requests()[2].header("if-none-match"), Some("W/\"1\""));
    }

    async fn an_unreachable_document_stays_usable_for_a_week(engine: Engine) {
        let (app, mut site, url) = stage(engine).await;
        name(&app, &url).await.expect("is found");
        let forbidden = Reply::status(403);
        let moved = Reply::status(302).with_header("location", "/login");
        let outages = [Reply::status(500), Reply::status(429), forbidden, moved, Reply::status(304), Reply::Broken];
        for outage in outages {
            app.clock.advance(DAY);
            site.answer(outage.clone());
            assert_eq!(name(&app, &url).await, named("App"), "{outage:?}");
        }
        site.shut_down().await;
        app.clock.advance(DAY);
        assert_eq!(name(&app, &url).await, named("App"));

        app.clock.advance(MINUTE);
        assert_eq!(name(&app, &url).await, Err("127.0.0.1 could not be reached".to_owned()));
    }

    async fn a_failing_host_is_retried_only_after_a_pause(engine: Engine) {
        let (app, site, url) = stage(engine).await;
        site.answer(Reply::status(503));
        let expected = Err("127.0.0.1 responded with status 503 instead of its document".to_owned());

        assert_eq!((name(&app, &url).await, name(&app, &url).await), (expected.clone(), expected));
        assert_eq!(site.requests().len(), 1);

        site.answer(document(&url, "App"));
        app.clock.advance(MINUTE / 2);
        assert_eq!(name(&app, &url).await, named("App"));
        app.clock.advance(HOUR);
        site.answer(Reply::status(503));
        assert_eq!((name(&app, &url).await, name(&app, &url).await), (named("App"), named("App")));
        assert_eq!(site.requests().len(), 3);
    }

    async fn a_missing_or_invalid_document_refuses_the_client_even_if_one_is_stored(engine: Engine) {
        let (app, site, url) = stage(engine).await;
        let replica = app.replica_with(&ON_LOOPBACK).await;
        let wrong = "the document at 127.0.0.1 does not describe this client: ";
        let html = Reply::status(200).with_header("content-type", "text/html");
        let cases = [
            (Reply::status(404), "its document is gone: 127.0.0.1 responded with status 404".to_owned()),
            (Reply::status(410), "its document is gone: 127.0.0.1 responded with status 410".to_owned()),
            (html, "127.0.0.1 does not serve its document as application/json".to_owned()),
            (Reply::Endless, "127.0.0.1 responded with more than 65536 bytes".to_owned()),
            (
                document(&site.url("/another.json"), "App"),
                format!("{wrong}client_id is not the URL of the document: both must be the same, character for \
                         character"),
            ),
            (
                Reply::json(json!({"client_id": url, "client_name": "App"})),
                format!("{wrong}redirect_uris is missing: it is required"),
            ),
            (
                Reply::json("<html>"),
                format!("{wrong}the body is not valid JSON: send one JSON object and nothing else"),
            ),
        ];
        for (reply, expected) in cases {
            site.answer(document(&url, "App"));
            assert_eq!(name(&app, &url).await, named("App"));
            app.clock.advance(HOUR);
            site.answer(reply);
            assert_eq!(name(&app, &url).await, Err(expected.clone()));

            // It stays refused when its host is down, on this server and on others.
            site.answer(Reply::status(503));
            assert_eq!(name(&app, &url).await, Err(expected));
            app.clock.advance(MINUTE);
            let down = "127.0.0.1 responded with status 503 instead of its document".to_owned();
            assert_eq!((name(&app, &url).await, name(&replica, &url).await), (Err(down.clone()), Err(down)));
            app.clock.advance(MINUTE);
            replica.clock.advance(MINUTE);
        }
    }

    async fn concurrent_lookups_of_one_url_send_one_request(engine: Engine) {
        let (app, site, url) = stage(engine).await;
        site.close();
        let asking: Vec<_> = (0..20)
            .map(|_| {
                let (found, url) = (std::sync::Arc::clone(&app.app), url.clone());
                tokio::spawn(async move { found.find_client.find(&found.context, &url, None).await.map(|client| client.id) })
            })
            .collect();
        site.wait_for_requests(1).await;

        site.open();

        let id = app.app.find_client.id_of(&url).expect("an id");
        for asked in asking {
            assert_eq!(asked.await.expect("ends").expect("is found"), id);
        }
        assert_eq!(site.requests().len(), 1);
    }

    /// There are 32 slots for requests that fetch a document or wait for one.
    async fn one_network_cannot_take_all_document_slots(engine: Engine) {
        let (app, _site, url) = stage(engine).await;
        let silent = Site::answering(Reply::Silence).await;
        let (attacker, other) = (Network::V4(1), Network::V4(2));
        let asking: Vec<_> = (0..40)
            .map(|_| {
                let (found, url) = (std::sync::Arc::clone(&app.app), silent.url("/client.json"));
                tokio::spawn(async move { found.find_client.find(&found.context, &url, Some(attacker)).await.map(drop) })
            })
            .collect();
        silent.wait_for_requests(1).await;

        let found = app.app.find_client.find(app.context(), &url, Some(other)).await;

        assert_eq!(found.expect("is found").wire_id(), url);
        let mut refused = 0;
        for asked in asking {
            refused += usize::from(matches!(asked.await.expect("ends"), Err(FindClientError::Busy)));
        }
        assert_eq!(refused, 34);
    }

    async fn a_canceled_lookup_does_not_stop_the_others(engine: Engine) {
        let (app, site, url) = stage(engine).await;
        site.close();
        let leaving = tokio::spawn({
            let (found, url) = (std::sync::Arc::clone(&app.app), url.clone());
            async move { found.find_client.find(&found.context, &url, None).await.map(drop) }
        });
        site.wait_for_requests(1).await;
        leaving.abort();
        assert!(leaving.await.expect_err("has left").is_cancelled());

        site.open();

        assert_eq!(name(&app, &url).await, named("App"));
    }

    async fn an_organization_restricts_a_document_client_by_its_uuid(engine: Engine) {
        let (app, _site, url) = stage(engine).await;
        let operator = app.operator("Acme").await;
        let id = app.app.find_client.id_of(&url).expect("an id").to_string();
        assert_eq!(operator.get(&restriction_path(&id)).await.status, 404);
        find(&app, &url).await.expect("is found");

        assert_eq!(operator.restrict(&id, &["openid"], &[]).await.status, 200);

        assert_eq!(operator.get(&restriction_path(&id)).await.status, 200);
        assert_eq!(operator.delete(&restriction_path(&id)).await.status, 204);
        let client = find(&app, &url).await.expect("is found");
        assert!(client.adopted_at.is_some());
    }

    async fn a_client_with_a_document_is_forgotten_like_any_other(engine: Engine) {
        let (app, site, url) = stage(engine).await;
        let id = find(&app, &url).await.expect("is found").id;
        app.clock.advance(DAY);

        assert_eq!(unused::forget(app.db(), app.context().clock.now(), 10).await.expect("is forgotten"), 1);

        assert!(clients::find(app.db(), id).await.expect("is readable").is_none());
        assert_eq!(find(&app, &url).await.expect("is found again").id, id);
        assert_eq!(site.requests().len(), 2);
    }

    async fn loopback_documents_are_not_fetched_by_default(engine: Engine) {
        let app = TestApp::start(engine).await;
        let site = Site::answering(Reply::Silence).await;
        let port = site.address.port();
        let cases = [
            (site.url("/c"), "the client_id URL does not use https: use https"),
            (format!("https://127.0.0.1:{port}/c"), "127.0.0.1 has no address that this server connects to"),
            (format!("https://localhost:{port}/c"), "localhost has no address that this server connects to"),
            ("https://nobody.invalid/c".to_owned(), "nobody.invalid has no address that this server connects to"),
            (
                "https://app.example".to_owned(),
                "the client_id URL has no path: serve the document at a path such as /client.json",
            ),
        ];
        for (url, expected) in cases {
            assert_eq!(name(&app, &url).await, Err(expected.to_owned()), "{url}");
        }
        assert_eq!(site.requests().len(), 0);
    }

    async fn a_url_is_not_a_client_if_documents_are_switched_off(engine: Engine) {
        let (app, site, url) = stage(engine).await;
        find(&app, &url).await.expect("is found");
        let off = app.replica_with(&[("client_documents.enabled", "false"), ON_LOOPBACK[0]]).await;

        assert!(matches!(find(&off, &url).await, Err(FindClientError::Unknown)));
        assert_eq!(off.app.find_client.id_of(&url), None);
        assert_eq!(site.requests().len(), 1);
    }

    async fn the_configured_redirect_schemes_apply_to_documents_too(engine: Engine) {
        let settings = [ON_LOOPBACK[0], ("registration.private_schemes", "com.example.app")];
        let app = TestApp::with(engine, &settings).await;
        let site = Site::answering(Reply::Silence).await;
        let url = site.url("/c");
        for (redirect, accepted) in [("com.example.app:/cb", true), ("cursor://x/cb", false)] {
            let mut members = members(&url, "App");
            members["redirect_uris"] = json!([redirect]);
            site.answer(Reply::json(members));
            app.clock.advance(HOUR);
            assert_eq!(name(&app, &url).await.is_ok(), accepted, "{redirect}");
        }
    }

    async fn a_client_that_already_has_the_id_keeps_it(engine: Engine) {
        let (app, _site, url) = stage(engine).await;
        let id: ClientId = app.app.find_client.id_of(&url).expect("an id");
        let mut row = crate::db::fixtures::new_client(1, "Other");
        row.id = id;
        registrations::insert_new(app.db(), &[row]).await.expect("is inserted");

        let refused = name(&app, &url).await;

        assert_eq!(refused, Err("another client already has the id of its URL".to_owned()));
        let other = clients::find(app.db(), id).await.expect("is readable").expect("is there");
        assert_eq!((other.metadata.client_name().as_str(), other.document), ("Other", None));
    }
}
