//! `grantor migrate`, and the schemas of other versions.

use grantor::db::engine::connect::Location;
use serde_json::{Value, json};
use sqlx::Executor as _;

use crate::db::engine::migrate::UNDO_SESSION_OF_REQUEST;
use crate::support::{Engine, Program, connection};

/// A migration that this version does not know.
const FROM_THE_FUTURE: &str =
    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
     VALUES (9999, 'from the future', TRUE, '', 0)";

on_both! {
    async fn migrations_can_be_listed_and_run(engine: Engine) {
        let program = Program::on(engine).await;

        let before = program.run(["--output", "json", "migrate", "status"]);
        let up = program.json(&["migrate", "up"]);
        let after = program.json(&["migrate", "status"]);

        let applied = |list: &Value| list.as_array().expect("a list").iter().map(|one| one["applied"] == true).collect();
        assert_eq!((before.code, before.stderr.contains("migrations are missing: run `grantor migrate up`")), (3, true));
        let before: Value = serde_json::from_str(&before.stdout).expect("a list");
        let (before_applied, after_applied): (Vec<bool>, Vec<bool>) = (applied(&before), applied(&after));
        assert!(!before_applied.is_empty() && before_applied.iter().all(|applied| !applied), "{before}");
        assert!(after_applied.iter().all(|applied| *applied), "{after}");
        assert_eq!(up, after);
        assert_eq!(after[0], json!({"version": 1, "name": "operators", "applied": true, "known": true}));
    }

    async fn commands_name_the_database_that_lacks_migrations(engine: Engine) {
        let program = Program::on(engine).await;
        let url = program.variable("GRANTOR_DATABASE__URL").expect("a database of its own").to_owned();
        if let Some(path) = url.strip_prefix("sqlite:") {
            std::fs::write(path, "").expect("an empty database");
        }

        let refused = program.run(["org", "list"]);

        let shown = refused.stderr.split_once("the database ").expect("is named").1;
        assert!(shown.starts_with("sqlite:") || shown.starts_with("postgres://"), "{shown}");
        assert!(
            shown.trim_end().ends_with(" lacks migrations: run `grantor migrate up` or start the server once"),
            "{shown}"
        );
        assert_eq!(refused.code, 1);
    }

    async fn an_older_version_starts_and_works_on_a_newer_schema(engine: Engine) {
        let program = Program::on(engine).await;
        program.run(["migrate", "up"]).succeeded();
        program.execute(FROM_THE_FUTURE).await;

        let server = program.start();
        server.registered("A client");
        program.run(["org", "list"]).succeeded();
        program.run(["migrate", "up"]).succeeded();
        let status = program.run(["migrate", "status"]);

        assert_eq!(server.management("/readyz").status, 200);
        assert_eq!(
            (status.code, status.stderr.trim_end()),
            (
                3,
                "a newer version of grantor extended the schema, up to migration 9999. This version works with it; finish \
                 the upgrade"
            )
        );
        let last = status.stdout.lines().last().expect("a line").split_whitespace().collect::<Vec<_>>();
        assert_eq!(last, ["9999", "from", "the", "future", "yes", "no"]);
    }

    async fn the_server_and_every_command_refuse_a_schema_that_requires_a_newer_version(engine: Engine) {
        let program = Program::on(engine).await;
        program.run(["migrate", "up"]).succeeded();
        program.execute(FROM_THE_FUTURE).await;
        program.execute("UPDATE schema_compatibility SET minimum_migration = 9999").await;

        let served = program.launch().finish();
        let listed = program.run(["org", "list"]);
        let migrated = program.run(["migrate", "up"]);
        let status = program.run(["migrate", "status"]);

        let message = "a newer version of grantor changed this database: it requires a version that knows migration 9999. \
                    Run the newer version, or restore a backup from before the upgrade";
        assert_eq!((served.code, served.stdout.as_str()), (1, ""));
        assert!(served.stderr.contains(message), "{}", served.stderr);
        listed.failed(1, message);
        migrated.failed(1, message);
        assert_eq!((status.code, status.stderr.trim_end()), (3, message));
    }
}

/// Requests and the readiness probe return 503 until the migrations have run.
#[tokio::test]
async fn a_server_with_missing_migrations_is_not_ready() {
    let program = Program::on(Engine::Postgres).await;
    program.run(["migrate", "up"]).succeeded();
    program.execute(UNDO_SESSION_OF_REQUEST).await;
    let Location::Postgres { url, .. } = program.location() else {
        panic!("the engine is not Postgres")
    };
    let mut dump = connection::open_postgres(&url, None).await;
    dump.execute("BEGIN; SELECT count(*) FROM authorization_requests").await.expect("reads");

    let server = program.launch();
    server.wait_for_log("the migrations are waiting for a lock");
    let (waiting, public) =
        (server.management("/readyz"), server.get("/api/v2/oauth2/.well-known/sites"));
    dump.execute("COMMIT").await.expect("ends");
    server.wait_for_log("Grantor is ready");

    waiting.is(503, &json!({"status": "starting: migrations are missing"}));
    assert_eq!(public.status, 503);
    server.management("/readyz").is(200, &json!({"status": "ready"}));
}
