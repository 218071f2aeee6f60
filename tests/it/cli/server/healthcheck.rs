//! `grantor healthcheck`.

use serde_json::json;

use crate::support::{Engine, Program};

on_both! {
    async fn the_healthcheck_succeeds_only_while_the_server_runs(engine: Engine) {
        let program = Program::on(engine).await;
        let server = program.start();

        let running = program.run(["healthcheck"]);
        let for_scripts = program.json(&["healthcheck"]);
        server.stop();
        let stopped = program.run(["healthcheck"]);

        assert_eq!((running.code, running.stdout.as_str(), running.stderr.as_str()), (0, "ready\n", ""));
        assert_eq!(for_scripts, json!({"ready": true}));
        assert_eq!((stopped.code, stopped.stdout.as_str()), (3, ""));
        assert!(stopped.stderr.contains("cannot be reached: Connection refused"), "{}", stopped.stderr);
    }
}

#[tokio::test]
async fn without_a_management_listener_the_healthcheck_uses_the_public_one() {
    let program = Program::on(Engine::Sqlite).await.with("GRANTOR_HTTP__MANAGEMENT_LISTEN", "");
    let _server = program.start();

    assert_eq!(program.run(["healthcheck"]).stdout, "ready\n");
}
