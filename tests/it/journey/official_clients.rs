//! The published API clients, unmodified, against the program. Their scripts are in `tests/clients`.

use std::process::Command;

use serde_json::Value;

use super::script::{node, python};
use crate::support::{EVERYTHING_GRANTED, Engine, Program, Running, Server};

on_both! {
    async fn the_python_client_can_register_restrict_and_parse_every_refusal(engine: Engine) {
        let program = Program::on(engine).await;
        let keys = program.bootstrap();
        let _server = program.start();

        ends_well(python("journey.py"), &program, &keys);
    }

    async fn the_node_client_can_register_restrict_and_parse_every_refusal(engine: Engine) {
        let program = Program::on(engine).await;
        let keys = program.bootstrap();
        let _server = program.start();

        ends_well(node("journey.js"), &program, &keys);
    }
}

on_both! {
    async fn the_python_client_can_list_read_disable_and_delete_authorized_clients(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, server) = (program.bootstrap(), program.start());
        authorized(&program, &server).await;

        ends_well(python("org_clients.py"), &program, &keys);
    }

    async fn the_node_client_can_list_read_disable_and_delete_authorized_clients(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, server) = (program.bootstrap(), program.start());
        authorized(&program, &server).await;

        ends_well(node("org_clients.js"), &program, &keys);
    }
}

on_both! {
    async fn the_python_client_can_list_read_and_end_own_authorizations(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, server) = (program.bootstrap(), program.start());
        authorized(&program, &server).await;

        ends_well(python("user_clients.py"), &program, &keys);
    }

    async fn the_node_client_can_list_read_and_end_own_authorizations(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, server) = (program.bootstrap(), program.start());
        authorized(&program, &server).await;

        ends_well(node("user_clients.js"), &program, &keys);
    }
}

on_both! {
    async fn the_python_client_can_manage_keys(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, _server) = (program.bootstrap(), program.start());

        ends_well(python("keys.py"), &program, &keys);
    }

    async fn the_node_client_can_manage_keys(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, _server) = (program.bootstrap(), program.start());

        ends_well(node("keys.js"), &program, &keys);
    }
}

on_both! {
    async fn the_python_client_can_manage_people_roles_and_invitations(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, _server) = (program.bootstrap(), program.start());

        ends_well(python("people.py"), &program, &keys);
    }

    async fn the_node_client_can_manage_people_roles_and_invitations(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, _server) = (program.bootstrap(), program.start());

        ends_well(node("people.js"), &program, &keys);
    }
}

on_both! {
    async fn the_python_client_can_manage_auth_methods_and_no_secret_is_logged(engine: Engine) {
        auth_methods_are_looked_after(engine, python("auth_methods.py")).await;
    }

    async fn the_node_client_can_manage_auth_methods_and_no_secret_is_logged(engine: Engine) {
        auth_methods_are_looked_after(engine, node("auth_methods.js")).await;
    }
}

async fn auth_methods_are_looked_after(engine: Engine, mut script: Command) {
    let secret = "a-5ecret-that-no-log-holds";
    let program = Program::on(engine).await.with("GRANTOR_LOG__LEVEL", "trace");
    let (keys, server) = (program.bootstrap(), program.start());
    script.env("CLIENT_SECRET", secret);

    ends_well(script, &program, &keys);

    let stopped = server.stop();
    assert!(stopped.stderr.contains("auth-method"), "the requests are in the log");
    assert!(!stopped.stderr.contains(secret) && !stopped.stdout.contains(secret));
}

on_both! {
    async fn the_python_client_can_manage_webhooks_and_their_variables(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, _server) = (program.bootstrap(), program.start());

        ends_well(python("webhooks.py"), &program, &keys);
    }

    async fn the_node_client_can_manage_webhooks_and_their_variables(engine: Engine) {
        let program = Program::on(engine).await;
        let (keys, _server) = (program.bootstrap(), program.start());

        ends_well(node("webhooks.js"), &program, &keys);
    }
}

/// Three clients that the administrator authorized.
async fn authorized(program: &Program, server: &Server) {
    for name in ["One", "Two", "Three"] {
        server.registered(name);
    }
    program.execute(EVERYTHING_GRANTED).await;
}

#[tokio::test]
async fn the_python_client_understands_rate_limits() {
    let program = limited().await;
    let keys = program.bootstrap();
    let _server = program.start();

    ends_well(python("limited.py"), &program, &keys);
}

#[tokio::test]
async fn the_node_client_understands_rate_limits() {
    let program = limited().await;
    let keys = program.bootstrap();
    let _server = program.start();

    ends_well(node("limited.js"), &program, &keys);
}

async fn limited() -> Program {
    let program =
        Program::on(Engine::Sqlite).await.with("GRANTOR_LIMITS__REQUESTS_PER_MINUTE", "1");
    program.with("GRANTOR_LIMITS__OPERATOR_PER_MINUTE", "1")
}

fn ends_well(mut script: Command, program: &Program, keys: &Value) {
    let key = |name: &str| keys[name].as_str().expect("a key").to_owned();
    script
        .env("URL", program.url())
        .env("API_KEY", key("api_key"))
        .env("APPLICATION_KEY", key("application_key"));

    let ended = Running::spawn(script, "").finish();

    assert!(ended.code == 0 && ended.stdout.ends_with("the journey ends well\n"), "{ended:?}");
}
