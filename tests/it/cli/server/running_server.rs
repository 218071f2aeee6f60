//! A running server applies changes of the command line.

use serde_json::Value;

use crate::support::{Program, Server, restriction_path, until};

on_both! {
    async fn a_key_created_while_a_server_runs_works_immediately(engine: Engine) {
        let program = Program::on(engine).await;
        let server = program.start();

        let keys = program.bootstrap();

        assert_eq!(status(&server, &keys), 404);
    }

    async fn a_key_revoked_on_the_command_line_is_refused_within_seconds(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, server) = (program.bootstrap(), program.start());
        assert_eq!(status(&server, &keys), 404);

        program.run(["key", "revoke", keys["application_key_id"].as_str().expect("an id")]).succeeded();

        wait_until_refused(&server, &keys).await;
    }

    async fn a_user_disabled_on_the_command_line_is_refused_within_seconds(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, server) = (program.bootstrap(), program.start());
        assert_eq!(status(&server, &keys), 404);

        program.run(["user", "disable", "--email", "admin@acme.example"]).succeeded();

        wait_until_refused(&server, &keys).await;
    }
}

/// The status of a call that any administrator may make: 404, or 403 if the keys are refused.
fn status(server: &Server, keys: &Value) -> u16 {
    let path = restriction_path("00000000-0000-4000-8000-000000000000");
    server.ask_with(keys, "GET", &path, "").status.as_u16()
}

/// Waits for the refusal. Other tests check the exact time with a manual clock.
async fn wait_until_refused(server: &Server, keys: &Value) {
    until("the keys are refused", async || status(server, keys) == 403).await;
}
