//! Corrupt rows cause an error that names the row and column.

use grantor::db::authorizations::{codes, requests};
use grantor::db::clients::registrations;
use grantor::db::engine::error::DbError;
use grantor::db::orgs::{memberships, org_clients};
use grantor::db::resources::StoredResource;
use grantor::db::{clients, families, grants, orgs, resources};
use grantor::rules::id::ResourceId;
use grantor::rules::secret::Digest;

use crate::db::fixtures::{client_id, execute, new_client, org_id, uuid};
use crate::db::grant_fixtures::{
    consent, digest, family_id, insert_code, insert_family, new_code, new_family,
    people_and_clients, resource, scopes,
};
use crate::support::{START, TestApp, listed};

fn place(error: DbError) -> (&'static str, &'static str) {
    assert!(!error.is_transient());
    match error {
        DbError::Corrupt { table, column, .. } => (table, column),
        other => panic!("{other:?}"),
    }
}

on_both! {
    async fn invalid_client_metadata_is_corrupt(engine: Engine) {
        let app = TestApp::start(engine).await;
        registrations::insert_new(app.db(), &[new_client(1, "App")]).await.expect("is inserted");
        app.execute(r#"UPDATE clients SET metadata = '{"client_name": 7}'"#).await;

        let found = clients::find(app.db(), client_id(1)).await.expect_err("is corrupt");
        let listed = listed::clients(app.db(), "", 10).await.expect_err("is corrupt");

        assert_eq!((place(found), place(listed)), (("clients", "metadata"), ("clients", "metadata")));
    }

    async fn a_digest_of_another_length_is_corrupt(engine: Engine) {
        let app = TestApp::start(engine).await;
        registrations::insert_new(app.db(), &[new_client(1, "App")]).await.expect("is inserted");
        execute(&app, engine, "UPDATE clients SET digest = X'00'", r"UPDATE clients SET digest = '\x00'").await;

        let listed = registrations::list_sightings(app.db(), &[client_id(1)]).await.expect_err("is corrupt");

        assert_eq!(place(listed), ("clients", "digest"));
    }

    async fn invalid_default_scopes_are_corrupt(engine: Engine) {
        let app = TestApp::start(engine).await;
        orgs::insert(app.db(), org_id(1), "Acme", START).await.expect("is inserted");
        app.execute(r#"UPDATE orgs SET default_client_scopes = '["two words"]'"#).await;

        let found = orgs::find(app.db(), org_id(1)).await.expect_err("is corrupt");

        assert_eq!(place(found), ("orgs", "default_client_scopes"));
    }

    async fn a_restriction_with_invalid_scopes_is_corrupt(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        registrations::insert_new(app.db(), &[new_client(1, "App")]).await.expect("is inserted");
        operator.restrict(&client_id(1).to_string(), &[], &[]).await;

        app.execute(r#"UPDATE org_clients SET scopes_restriction = '{"oidc_scopes": ["two words"], "permission_scopes": []}'"#)
            .await;
        let no_scope =
            org_clients::find_restriction(app.db(), operator.org_id, client_id(1)).await.expect_err("is corrupt");
        app.execute(r#"UPDATE org_clients SET scopes_restriction = '{"oidc_scopes": []}'"#).await;
        let half =
            org_clients::find_restriction(app.db(), operator.org_id, client_id(1)).await.expect_err("is corrupt");

        assert_eq!(place(no_scope), ("org_clients", "scopes_restriction"));
        assert_eq!(place(half), ("org_clients", "scopes_restriction"));
    }

    async fn an_unknown_role_is_corrupt(engine: Engine) {
        let app = TestApp::start(engine).await;
        let operator = app.operator("Acme").await;
        execute(
            &app,
            engine,
            "PRAGMA ignore_check_constraints = ON; UPDATE memberships SET role = 'emperor'",
            "ALTER TABLE memberships DROP CONSTRAINT memberships_role_check; UPDATE memberships SET role = 'emperor'",
        )
        .await;

        let listed = memberships::list(app.db(), Some(operator.org_id)).await.expect_err("is corrupt");
        let keys = (&operator.keys.api_key, &operator.keys.application_key);
        let named = app.app.callers.find(app.db(), keys.0, keys.1).await.expect_err("is corrupt");

        assert_eq!((place(listed), place(named)), (("memberships", "role"), ("memberships", "role")));
    }

    async fn invalid_requests_and_codes_are_corrupt(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        app.execute(
            r#"INSERT INTO authorization_requests (digest, browser_digest, client_id, request, created_at, expires_at)
               SELECT digest, digest, id, '{"redirect_uri": 7}', 0, 9000000000 FROM clients WHERE client_name = 'One'"#,
        )
        .await;
        insert_code(app.db(), "code", &new_code(id)).await;
        // The digest of a client that was inserted directly.
        let digest_of_client = Digest::from_bytes([1; 32]);

        let request =
            requests::find(app.db(), digest_of_client, digest_of_client, START).await.expect_err("is corrupt");
        let find = async || codes::find(app.db(), digest("code")).await.expect_err("is corrupt");
        app.execute(r#"UPDATE authorization_codes SET resources = '["no URI"]'"#).await;
        let resources = find().await;
        app.execute(r#"UPDATE authorization_codes SET resources = '[]', scopes = '{}'"#).await;
        let scopes = find().await;

        assert_eq!(place(request), ("authorization_requests", "request"));
        assert_eq!(place(resources), ("authorization_codes", "resources"));
        assert_eq!(place(scopes), ("authorization_codes", "scopes"));
    }

    async fn invalid_families_and_grants_are_corrupt(engine: Engine) {
        let app = TestApp::start(engine).await;
        people_and_clients(app.db()).await;
        let id = consent(app.db(), 1, (1, 1, 1), "openid", START).await;
        insert_family(app.db(), &new_family(1, id), None).await;
        let for_refresh = async || {
            place(families::find_for_refresh(app.db(), family_id(1)).await.expect_err("is corrupt"))
        };

        app.execute("UPDATE families SET sequence = -1").await;
        assert_eq!(for_refresh().await, ("families", "sequence"));
        app.execute("UPDATE families SET sequence = 4294967296").await;
        assert_eq!(for_refresh().await, ("families", "sequence"));
        let digest = ("UPDATE families SET current_digest = X'00'", r"UPDATE families SET current_digest = '\x00'");
        execute(&app, engine, digest.0, digest.1).await;
        app.execute("UPDATE orgs SET default_client_scopes = '7'").await;
        assert_eq!(for_refresh().await, ("families", "sequence"), "the first that is met");
        app.execute(r#"UPDATE families SET scopes = '["two words"]'"#).await;
        let liveness = families::find_liveness(app.db(), family_id(1)).await.expect_err("is corrupt");
        assert_eq!((for_refresh().await, place(liveness)), (("families", "scopes"), ("families", "scopes")));
        app.execute("UPDATE grant_scopes SET scope = 'a\"b'").await;
        let grant = grants::find_by_id(app.db(), id).await.expect_err("is corrupt");
        assert_eq!(place(grant), ("grant_scopes", "scope"));
    }

    async fn invalid_resources_are_corrupt(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (id, uri) = (ResourceId(uuid(1)), resource("https://mcp.example"));
        let stored = StoredResource { id, uri, name: "MCP".to_owned(), scopes: scopes("openid"), created_at: START };
        resources::insert(app.db(), &stored, digest("secret")).await.expect("is inserted");

        app.execute(r#"UPDATE resources SET scopes = '[""]'"#).await;
        let no_scope = resources::list(app.db()).await.expect_err("is corrupt");
        app.execute("UPDATE resources SET uri = 'no URI'").await;
        let no_uri = resources::list(app.db()).await.expect_err("is corrupt");

        assert_eq!((place(no_scope), place(no_uri)), (("resources", "scopes"), ("resources", "uri")));
    }
}
