//! The management listener: `/healthz`, `/readyz` and `/metrics`.

use grantor::db::engine::connect::Location;
use grantor::rules::secret::Secret;
use serde_json::json;

use crate::support::{TestApp, restriction_path};

on_both! {
    async fn a_running_server_is_alive_and_ready(engine: Engine) {
        let app = TestApp::start(engine).await;

        let (alive, ready) = (app.manage("/healthz").await, app.manage("/readyz").await);

        alive.is(200, &json!({"status": "ok"}));
        ready.is(200, &json!({"status": "ready"}));
    }

    async fn a_stopping_server_is_alive_but_not_ready(engine: Engine) {
        let app = TestApp::start(engine).await;

        app.app.stop.stop();

        app.manage("/healthz").await.is(200, &json!({"status": "ok"}));
        app.manage("/readyz").await.is(503, &json!({"status": "stopping"}));
    }

    async fn a_server_with_an_old_schema_is_not_ready(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.execute("DELETE FROM _sqlx_migrations WHERE version = 3").await;

        let answer = app.manage("/readyz").await;

        answer.is(503, &json!({"status": "migrations are missing: run `grantor migrate up`"}));
    }

    async fn an_older_server_stays_ready_after_a_newer_one_migrated(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.execute("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     VALUES (9999, 'from the future', TRUE, '', 0)").await;

        app.manage("/readyz").await.is(200, &json!({"status": "ready"}));

        let verbose = app.manage("/readyz?verbose").await.json();
        assert_eq!(verbose["schema"], json!({"missing_migrations": [], "unknown_migrations": [9999]}));
    }

    async fn a_server_is_not_ready_on_a_schema_that_requires_a_newer_version(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.execute("UPDATE schema_compatibility SET minimum_migration = 9999").await;

        let answer = app.manage("/readyz").await;

        answer.is(503, &json!({"status": "the schema requires a newer version of grantor"}));
    }

    async fn the_metrics_count_served_and_refused_requests(engine: Engine) {
        let app = TestApp::with(engine, &[("limits.operator_per_minute", "6")]).await;
        let operator = app.operator("Acme").await;
        let client_id = app.registered("A client").await;
        app.registered("A client").await;
        app.post("/api/v2/oauth2/register", &json!({})).await;
        operator.get(&restriction_path(&client_id)).await;
        operator.get(&restriction_path(&client_id)).await;
        app.get("/nowhere/at/all").await;

        let answer = app.manage("/metrics").await;

        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some(content_type)));
        let duration = "grantor_http_server_request_duration_seconds_count";
        let restriction = "/api/v2/oauth2/clients/{client_uuid}/scopes_restriction";
        for series in [
            "grantor_registrations_total{outcome=\"ok\",dedup=\"new\"} 1".to_owned(),
            "grantor_registrations_total{outcome=\"ok\",dedup=\"known\"} 1".to_owned(),
            "grantor_registrations_total{outcome=\"invalid_client_metadata\",dedup=\"none\"} 1".to_owned(),
            format!("{duration}{{route=\"/api/v2/oauth2/register\",method=\"POST\",status=\"201\"}} 2"),
            format!("{duration}{{route=\"/api/v2/oauth2/register\",method=\"POST\",status=\"400\"}} 1"),
            format!("{duration}{{route=\"{restriction}\",method=\"GET\",status=\"200\"}} 1"),
            format!("{duration}{{route=\"{restriction}\",method=\"GET\",status=\"429\"}} 1"),
            format!("{duration}{{route=\"unknown\",method=\"GET\",status=\"404\"}} 1"),
            "grantor_refused_total{reason=\"operator_per_minute\"} 1".to_owned(),
            "grantor_db_connections{state=\"max\"} 4".to_owned(),
            "grantor_http_connections_open 0".to_owned(),
            "grantor_requests_in_flight 0".to_owned(),
            "grantor_bodies_pending 0".to_owned(),
            "grantor_body_bytes_pending 0".to_owned(),
            "grantor_registrations_waiting 0".to_owned(),
            "grantor_clients_forgotten_total 0".to_owned(),
            "grantor_unused_clients 0".to_owned(),
            "grantor_unused_clients_metadata_bytes 0".to_owned(),
            "grantor_authorization_requests_waiting 0".to_owned(),
        ] {
            assert!(answer.text.lines().any(|line| line == series), "{series} is missing from\n{}", answer.text);
        }
    }

    async fn the_metrics_contain_no_names_or_ids_from_requests(engine: Engine) {
        let app = TestApp::start(engine).await;
        let (operator, client_id) = (app.operator("Acme").await, app.registered("A client of mine").await);
        operator.get(&restriction_path(&client_id)).await;
        app.get("/some/path/of/theirs").await;

        let text = app.manage("/metrics").await.text;

        for foreign in [client_id.as_str(), "of mine", "theirs", "Acme", operator.keys.api_key.expose()] {
            assert!(!text.contains(foreign), "{foreign}");
        }
    }

    async fn the_management_and_public_listeners_have_different_routes(engine: Engine) {
        let app = TestApp::start(engine).await;

        let elsewhere = app.manage("/openapi.json").await;
        let in_public = [app.get("/healthz").await, app.get("/readyz").await, app.get("/metrics").await];

        elsewhere.is(404, &json!({"errors": ["there is nothing at this path"]}));
        assert_eq!(in_public.map(|answer| answer.status.as_u16()), [404, 404, 404]);
    }
}

/// A server on the same database without writes: Postgres as a standby after a failover, SQLite as
/// a read-only file. File permissions would not work, because the tests may run as root.
fn read_only(location: &Location) -> Location {
    match location {
        Location::Postgres { url, schema } => {
            let joint = if url.expose().contains('?') { '&' } else { '?' };
            let url = Secret::new(format!(
                "{}{joint}options[default_transaction_read_only]=on",
                url.expose()
            ));
            Location::Postgres { url, schema: schema.clone() }
        }
        Location::Sqlite { path } => {
            Location::Sqlite { path: format!("file:{}?mode=ro", path.display()).into() }
        }
    }
}

on_both! {
    async fn a_server_on_a_read_only_database_is_not_ready(engine: Engine) {
        let app = TestApp::start(engine).await;
        let standby = TestApp::unprepared_on(read_only(&app.target.location));

        let (ready, alive) = (standby.manage("/readyz").await, standby.manage("/healthz").await);
        let body = json!({"client_name": "A client", "redirect_uris": ["https://example.com/callback"]});
        let refused = standby.post("/api/v2/oauth2/register", &body).await;

        ready.is(503, &json!({"status": "the database is read-only"}));
        alive.is(200, &json!({"status": "ok"}));
        assert_eq!(refused.status, 503, "{}", refused.text);
        assert!(refused.text.contains("the database does not accept writes"), "{}", refused.text);
        app.manage("/readyz").await.is(200, &json!({"status": "ready"}));
    }
}
