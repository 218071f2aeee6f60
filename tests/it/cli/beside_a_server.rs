//! What the command line does, a server on the same database notices.

use serde_json::Value;

use crate::support::{Program, Server, restriction_path, until};

on_both! {
    async fn a_key_made_beside_a_running_server_works_at_once(engine: Engine) {
        let program = Program::on(engine).await;
        let server = program.start();

        let keys = program.bootstrap();

        assert_eq!(status(&server, &keys), 404);
    }

    async fn a_key_revoked_on_the_command_line_is_refused_before_long(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, server) = (program.bootstrap(), program.start());
        assert_eq!(status(&server, &keys), 404);

        program.run(["key", "revoke", keys["application_key_id"].as_str().expect("an id")]).succeeded();

        is_refused_at_last(&server, &keys).await;
    }

    async fn a_person_disabled_on_the_command_line_is_refused_before_long(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, server) = (program.bootstrap(), program.start());
        assert_eq!(status(&server, &keys), 404);

        program.run(["user", "disable", "--email", "admin@acme.example"]).succeeded();

        is_refused_at_last(&server, &keys).await;
    }
}

/// Of a call that any administrator may make: 404, or 403 where the keys are refused.
fn status(server: &Server, keys: &Value) -> u16 {
    let path = restriction_path("00000000-0000-4000-8000-000000000000");
    server.ask_with(keys, "GET", &path, "").status.as_u16()
}

/// How soon is told where clocks can be moved; the program has none that a test could move.
async fn is_refused_at_last(server: &Server, keys: &Value) {
    until("the keys are refused", async || status(server, keys) == 403).await;
}
