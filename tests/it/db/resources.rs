//! Resources: the APIs and MCP servers that tokens are for.

use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::db::resources;
use grantor::db::resources::StoredResource;
use grantor::rules::authorization::resource::Resource;
use grantor::rules::id::ResourceId;

use crate::db::fixtures::{after, uuid};
use crate::db::grant_fixtures::{digest, resource, scopes};
use crate::support::TestApp;

fn stored(number: u64, uri: &str) -> StoredResource {
    StoredResource {
        id: ResourceId(uuid(number)),
        uri: resource(uri),
        name: "Gr\u{f6}\u{df}e".to_owned(),
        scopes: scopes("mcp_read openid"),
        created_at: after(3),
    }
}

async fn insert(db: &Db, number: u64, uri: &str) -> StoredResource {
    let stored = stored(number, uri);
    resources::insert(db, &stored, digest(&format!("secret {number}"))).await.expect("is inserted");
    stored
}

on_both! {
    async fn resources_are_read_with_the_digests_of_their_secrets(engine: Engine) {
        let app = TestApp::start(engine).await;
        let one = insert(app.db(), 1, "https://mcp.example/mcp").await;
        let other = insert(app.db(), 2, "https://api.example").await;

        let secrets = resources::list_secrets(app.db()).await.expect("is readable");
        let expected = [(other.uri.clone(), digest("secret 2")), (one.uri.clone(), digest("secret 1"))];
        assert_eq!(secrets, expected);
        assert_eq!(resources::list(app.db()).await.expect("is readable"), [other, one]);
    }

    async fn the_token_endpoint_uses_the_spelling_stored_in_the_grant(engine: Engine) {
        let app = TestApp::start(engine).await;
        insert(app.db(), 1, "https://mcp.example/mcp/").await;
        let named = vec![resource("https://MCP.example/mcp"), resource("https://other.example")];

        let respelled = app.app.resource_servers.with_registered_spelling(app.context(), named).await.expect("is readable");

        let texts: Vec<&str> = respelled.iter().map(Resource::as_str).collect();
        assert_eq!(texts, ["https://mcp.example/mcp/", "https://other.example"]);
    }

    async fn the_uri_and_secret_of_a_resource_are_unique(engine: Engine) {
        let app = TestApp::start(engine).await;
        insert(app.db(), 1, "https://mcp.example/mcp").await;

        let same_uri = resources::insert(app.db(), &stored(2, "https://mcp.example/mcp"), digest("other")).await;
        let spelled = resources::insert(app.db(), &stored(2, "HTTPS://MCP.example:443/mcp/"), digest("other")).await;
        let same_secret = resources::insert(app.db(), &stored(2, "https://api.example"), digest("secret 1")).await;

        assert!(matches!(same_uri, Err(DbError::Duplicate)), "{same_uri:?}");
        assert!(matches!(spelled, Err(DbError::Duplicate)), "{spelled:?}");
        assert!(matches!(same_secret, Err(DbError::Duplicate)), "{same_secret:?}");
    }

    async fn a_resource_is_read_as_it_was_written(engine: Engine) {
        let app = TestApp::start(engine).await;
        for (number, uri) in [(1, "https://MCP.example:443/mcp/"), (2, "https://other.example/")] {
            insert(app.db(), number, uri).await;
        }

        let listed = resources::list(app.db()).await.expect("is readable");
        let secrets = resources::list_secrets(app.db()).await.expect("is readable");

        let spellings = ["https://MCP.example:443/mcp/", "https://other.example/"];
        assert_eq!(listed.iter().map(|one| one.uri.as_str()).collect::<Vec<_>>(), spellings);
        assert_eq!(secrets.iter().map(|(uri, _)| uri.as_str()).collect::<Vec<_>>(), spellings);
    }

    async fn a_resource_of_an_earlier_version_is_read(engine: Engine) {
        let app = TestApp::start(engine).await;
        insert(app.db(), 1, "https://mcp.example/b").await;
        app.execute("UPDATE resources SET uri = 'https://mcp.example/a/../b'").await;

        let listed = resources::list(app.db()).await.expect("is readable");
        let secrets = resources::list_secrets(app.db()).await.expect("is readable");

        let stored = "https://mcp.example/a/../b";
        assert_eq!((listed[0].uri.as_str(), secrets[0].0.as_str()), (stored, stored));
    }

    async fn a_resource_can_be_deleted_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let one = insert(app.db(), 1, "https://mcp.example/mcp").await;
        let other = insert(app.db(), 2, "https://api.example").await;
        let delete = async || resources::delete(app.db(), one.id).await.expect("succeeds");

        assert_eq!((delete().await, delete().await), (true, false));
        assert_eq!(resources::list(app.db()).await.expect("is readable"), [other]);
    }
}
