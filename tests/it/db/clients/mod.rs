//! Registered clients.

mod documents;
mod group_commit;

use grantor::db::clients::registrations;
use grantor::db::clients::registrations::{NewClient, Sighting};
use grantor::db::clients::{Client, unused};
use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::db::orgs::org_clients;
use grantor::db::{clients, orgs};
use grantor::rules::client::identity::ClientDigest;
use grantor::rules::scope::scopes_restriction::ScopesRestriction;

use crate::db::fixtures::{after, client_id, new_client, org_id};
use crate::support::{START, TestApp, listed};

async fn insert(db: &Db, rows: &[NewClient]) {
    let inserted = registrations::insert_new(db, rows).await.expect("are inserted");
    assert_eq!(inserted.len(), rows.len());
}

async fn find(db: &Db, number: u64) -> Option<Client> {
    clients::find(db, client_id(number)).await.expect("is readable")
}

/// The names of the found clients, in order.
async fn names(db: &Db, text: &str, most: u32) -> Vec<String> {
    let found = listed::clients(db, text, most).await.expect("is readable");
    found.iter().map(|client| client.metadata.client_name().as_str().to_owned()).collect()
}

fn seen(number: u8, client_name: &str, seconds: i64) -> NewClient {
    NewClient { seen_at: after(seconds), ..new_client(number, client_name) }
}

on_both! {
    async fn a_client_is_read_as_it_was_inserted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let name = "Gr\u{f6}\u{df}e \u{1F600} '\"\\ 100% {}";
        let row = NewClient { registrations: 3, ..seen(1, name, 7) };

        insert(app.db(), std::slice::from_ref(&row)).await;

        let client = find(app.db(), 1).await.expect("is there");
        let expected: serde_json::Value = row.metadata.parse().expect("JSON");
        assert_eq!(serde_json::to_value(&client.metadata).expect("serializes"), expected);
        assert_eq!((client.id, client.registrations, client.adopted_at), (row.id, 3, None));
        assert_eq!((client.registered_at, client.last_seen_at), (after(7), after(7)));
        assert!(find(app.db(), 2).await.is_none());
    }

    async fn inserting_an_existing_id_changes_nothing(engine: Engine) {
        let app = TestApp::start(engine).await;
        insert(app.db(), &[new_client(1, "First")]).await;
        let other = NewClient { digest: ClientDigest::from_bytes([9; 32]), ..seen(1, "Second", 60) };

        let inserted = registrations::insert_new(app.db(), &[other, new_client(2, "New")]).await.expect("succeeds");

        assert_eq!(inserted, [client_id(2)]);
        let sighting = Sighting {
            id: client_id(1),
            digest: ClientDigest::from_bytes([1; 32]),
            registered_at: START,
            last_seen_at: START,
        };
        let listed = registrations::list_sightings(app.db(), &[client_id(1), client_id(9)]).await.expect("is readable");
        assert_eq!(listed, [sighting]);
        assert_eq!(names(app.db(), "First", 10).await, ["First"]);
    }

    async fn registrations_are_counted_unless_another_server_already_did(engine: Engine) {
        let app = TestApp::start(engine).await;
        insert(app.db(), &[new_client(1, "App")]).await;

        let again = |number, registrations, seconds| NewClient {
            registrations,
            seen_at: after(seconds),
            ..new_client(number, "App")
        };
        let count = async |rows: &[&NewClient]| registrations::count_registrations(app.db(), rows, 100).await;
        let first = count(&[&again(1, 5, 100), &again(9, 3, 100)]).await.expect("succeeds");
        let late = count(&[&again(1, 7, 199)]).await.expect("succeeds");

        assert_eq!((first, late), (vec![client_id(1)], vec![]));
        let client = find(app.db(), 1).await.expect("is there");
        assert_eq!((client.registrations, client.last_seen_at, client.registered_at), (6, after(100), START));
    }

    async fn a_search_finds_parts_of_names_in_any_case(engine: Engine) {
        let app = TestApp::start(engine).await;
        insert(app.db(), &[seen(1, "Cursor", 1), seen(2, "My CURSOR fork", 2), seen(3, "Claude", 3)]).await;

        assert_eq!(names(app.db(), "curs", 10).await, ["My CURSOR fork", "Cursor"]);
        assert_eq!(names(app.db(), "SOR F", 10).await, ["My CURSOR fork"]);
        assert_eq!(names(app.db(), "", 2).await, ["Claude", "My CURSOR fork"]);
        assert_eq!(names(app.db(), "nobody", 10).await, [""; 0]);
    }

    async fn pattern_characters_are_literal_in_a_search(engine: Engine) {
        let app = TestApp::start(engine).await;
        let rows = [new_client(1, "100%"), new_client(2, "a_b"), new_client(3, "a\\b"), new_client(4, "axb")];
        insert(app.db(), &rows).await;
        let cases = [("%", "100%"), ("_", "a_b"), ("a_b", "a_b"), ("\\", "a\\b"), ("a\\b", "a\\b"), ("0%", "100%")];

        for (text, expected) in cases {
            assert_eq!(names(app.db(), text, 10).await, [expected], "{text}");
        }
        assert_eq!(names(app.db(), "\\%", 10).await, [""; 0]);
        assert_eq!(names(app.db(), "' OR TRUE --", 10).await, [""; 0]);
    }

    async fn adopting_a_client_keeps_the_first_time(engine: Engine) {
        let app = TestApp::start(engine).await;
        insert(app.db(), &[new_client(1, "App")]).await;

        clients::adopt(app.db(), client_id(1), after(10)).await.expect("is adopted");
        clients::adopt(app.db(), client_id(1), after(20)).await.expect("succeeds");

        assert_eq!(find(app.db(), 1).await.expect("is there").adopted_at, Some(after(10)));
    }

    async fn forgetting_deletes_the_least_recently_used_first_and_at_most_a_batch(engine: Engine) {
        let app = TestApp::start(engine).await;
        let rows = [seen(1, "Middle", 20), seen(2, "Old", 10), seen(3, "Fresh", 100), seen(4, "Older", 5)];
        insert(app.db(), &rows).await;

        let first = unused::forget(app.db(), after(100), 2).await.expect("succeeds");
        assert_eq!((first, names(app.db(), "", 10).await), (2, vec!["Fresh".to_owned(), "Middle".to_owned()]));

        let rest = unused::forget(app.db(), after(100), 2).await.expect("succeeds");
        assert_eq!((rest, names(app.db(), "", 10).await), (1, vec!["Fresh".to_owned()]));
    }

    async fn adopted_and_restricted_clients_are_never_forgotten(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        insert(app.db(), &[new_client(1, "Adopted"), new_client(2, "Restricted"), new_client(3, "Lifted")]).await;
        insert(app.db(), &[new_client(4, "Nobody's")]).await;
        clients::adopt(app.db(), client_id(1), START).await.expect("is adopted");
        let id = |number| client_id(number).to_string();
        assert_eq!(operator.restrict(&id(2), &["openid"], &[]).await.status, 200);
        assert_eq!(operator.restrict(&id(3), &["openid"], &[]).await.status, 200);
        assert_eq!(operator.delete(&crate::support::restriction_path(&id(3))).await.status, 204);

        let forgotten = unused::forget(app.db(), after(1_000), 10).await.expect("succeeds");

        assert_eq!(forgotten, 1);
        assert_eq!(names(app.db(), "", 10).await, ["Adopted", "Restricted", "Lifted"]);
    }

    async fn the_database_refuses_to_delete_a_client_with_grants_or_restrictions(engine: Engine) {
        let app = TestApp::start(engine).await;
        orgs::insert(app.db(), org_id(1), "Acme", START).await.expect("is inserted");
        insert(app.db(), &[new_client(1, "Restricted")]).await;
        let mut tx = app.db().begin().await.expect("begins");
        org_clients::lock(&mut tx, org_id(1), client_id(1), START).await.expect("is locked");
        let nothing = ScopesRestriction::default();
        org_clients::update_restriction(&mut tx, org_id(1), client_id(1), Some(&nothing)).await.expect("is updated");
        tx.commit().await.expect("commits");

        let refused = unused::forget(app.db(), after(1_000), 10).await;

        assert!(matches!(refused, Err(DbError::Reference)), "{refused:?}");
        assert!(find(app.db(), 1).await.is_some());
    }
}
