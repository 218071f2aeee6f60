//! Clients with a document.

use grantor::db::clients;
use grantor::db::clients::documents::StoredDocument;
use grantor::db::clients::registrations;
use grantor::db::clients::registrations::NewClient;
use grantor::db::clients::{Client, documents, unused};
use grantor::rules::client::document::DocumentUrl;

use crate::db::fixtures::{after, new_client};
use crate::support::{START, TestApp, listed};

fn url(path: &str) -> DocumentUrl {
    DocumentUrl::parse(&format!("https://app.example/{path}")).expect("a URL")
}

fn rows(path: &str, client_name: &str, seconds: i64) -> (NewClient, StoredDocument) {
    let (id, digest) = (url(path).client_id(), url(path).digest());
    let client = NewClient { id, digest, seen_at: after(seconds), ..new_client(1, client_name) };
    let document = StoredDocument {
        client_id: id,
        url: url(path).to_string(),
        etag: Some(format!("\"{seconds}\"")),
        fetched_at: after(seconds),
        fresh_until: after(seconds + 60),
    };
    (client, document)
}

async fn store(app: &TestApp, (client, document): &(NewClient, StoredDocument)) -> Option<Client> {
    let mut tx = app.db().begin().await.expect("begins");
    let stored = documents::upsert(&mut tx, client, document).await.expect("is stored");
    tx.commit().await.expect("commits");
    stored
}

async fn find(app: &TestApp, path: &str) -> Option<(StoredDocument, Client)> {
    documents::find_by_url(app.db(), &url(path)).await.expect("is readable")
}

on_both! {
    async fn a_document_is_read_as_it_was_stored_with_its_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let row = rows("a", "Gr\u{f6}\u{df}e \u{1F600}", 7);

        let stored = store(&app, &row).await.expect("is stored");

        let (document, client) = find(&app, "a").await.expect("is there");
        assert_eq!(document, row.1);
        assert_eq!((client.id, stored.id, client.wire_id()), (row.0.id, row.0.id, url("a").to_string()));
        assert_eq!(client.metadata, stored.metadata);
        assert_eq!((client.registered_at, client.last_seen_at, client.registrations), (after(7), after(7), 1));
        assert!(find(&app, "b").await.is_none());
    }

    async fn a_client_is_read_with_its_document_url(engine: Engine) {
        let app = TestApp::start(engine).await;
        store(&app, &rows("a", "Described", 0)).await;
        registrations::insert_new(app.db(), &[new_client(2, "Registered")]).await.expect("is inserted");

        let listed = listed::clients(app.db(), "", 10).await.expect("is readable");

        let mut documents: Vec<_> = listed.iter().map(|client| client.document.clone()).collect();
        documents.sort();
        assert_eq!(documents, [None, Some(url("a").to_string())]);
        let found = clients::find(app.db(), url("a").client_id()).await.expect("is readable").expect("is there");
        assert_eq!(found.document, Some(url("a").to_string()));
    }

    async fn storing_a_document_again_replaces_it_and_keeps_the_creation_time(engine: Engine) {
        let app = TestApp::start(engine).await;
        store(&app, &rows("a", "First", 0)).await;

        let second = rows("a", "Second", 100);
        store(&app, &second).await;
        let late = rows("a", "Late", 50);
        store(&app, &late).await;

        let (document, client) = find(&app, "a").await.expect("is there");
        assert_eq!((document, client.metadata.client_name().as_str()), (late.1, "Late"));
        assert_eq!((client.registered_at, client.last_seen_at), (START, after(100)));
        let by_name = async |name: &str| listed::clients(app.db(), name, 10).await.expect("is readable").len();
        assert_eq!((by_name("Late").await, by_name("First").await), (1, 0));
    }

    async fn an_unchanged_document_is_only_renewed(engine: Engine) {
        let app = TestApp::start(engine).await;
        let row = rows("a", "App", 0);
        store(&app, &row).await;

        documents::renew(app.db(), row.0.id, after(50), after(500)).await.expect("is renewed");

        let expected = StoredDocument { fetched_at: after(50), fresh_until: after(500), ..row.1 };
        assert_eq!(find(&app, "a").await.map(|(document, _)| document), Some(expected));
    }

    async fn an_expired_document_counts_as_never_fetched(engine: Engine) {
        let app = TestApp::start(engine).await;
        let row = rows("a", "App", 0);
        store(&app, &row).await;
        store(&app, &rows("b", "Other", 0)).await;

        documents::mark_stale(app.db(), row.0.id).await.expect("is written");

        let (document, client) = find(&app, "a").await.expect("is there");
        assert_eq!((document.etag, document.fetched_at.seconds(), document.fresh_until.seconds()), (None, 0, 0));
        assert_eq!(client.metadata.client_name().as_str(), "App");
        assert_eq!(find(&app, "b").await.map(|(document, _)| document.fetched_at), Some(START));
    }

    async fn a_document_does_not_take_the_id_of_another_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let row = rows("a", "Described", 10);
        let other = NewClient { id: row.0.id, ..new_client(9, "Other") };
        registrations::insert_new(app.db(), &[other]).await.expect("is inserted");

        assert!(store(&app, &row).await.is_none());

        assert!(find(&app, "a").await.is_none());
        let left = clients::find(app.db(), row.0.id).await.expect("is readable").expect("is there");
        assert_eq!((left.metadata.client_name().as_str(), left.last_seen_at), ("Other", START));
    }

    async fn a_forgotten_client_takes_its_document_with_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        store(&app, &rows("a", "App", 0)).await;

        assert_eq!(unused::forget(app.db(), after(1), 10).await.expect("succeeds"), 1);

        assert!(find(&app, "a").await.is_none());
    }

    async fn the_last_use_of_a_client_is_updated_after_a_while(engine: Engine) {
        let app = TestApp::start(engine).await;
        let row = rows("a", "App", 0);
        store(&app, &row).await;
        let touch = async |seconds| {
            clients::touch(app.db(), row.0.id, after(seconds), 100).await.expect("succeeds")
        };

        assert_eq!((touch(99).await, touch(100).await, touch(150).await), (false, true, false));
        assert_eq!(find(&app, "a").await.map(|(_, client)| client.last_seen_at), Some(after(100)));
    }
}
