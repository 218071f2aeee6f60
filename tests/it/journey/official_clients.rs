//! The published API clients, unmodified, against the program. Their scripts are in `tests/clients`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Engine, Program};

on_both! {
    async fn the_python_client_registers_restricts_and_understands_every_refusal(engine: Engine) {
        let program = Program::on(engine).await;
        let keys = program.bootstrap();
        let _server = program.start();

        ends_well(python("journey.py"), &program, &keys);
    }

    async fn the_node_client_registers_restricts_and_understands_every_refusal(engine: Engine) {
        let program = Program::on(engine).await;
        let keys = program.bootstrap();
        let _server = program.start();

        ends_well(node("journey.js"), &program, &keys);
    }
}

#[tokio::test]
async fn the_python_client_understands_that_it_asks_too_much() {
    let program = Program::on(Engine::Sqlite).await.with("GRANTOR_LIMITS__REQUESTS_PER_MINUTE", "1");
    let keys = program.bootstrap();
    let _server = program.start();

    ends_well(python("limited.py"), &program, &keys);
}

#[tokio::test]
async fn the_node_client_understands_that_it_asks_too_much() {
    let program = Program::on(Engine::Sqlite).await.with("GRANTOR_LIMITS__REQUESTS_PER_MINUTE", "1");
    let keys = program.bootstrap();
    let _server = program.start();

    ends_well(node("limited.js"), &program, &keys);
}

fn python(script: &str) -> Command {
    let mut command = Command::new(installed("python/bin/python3"));
    command.arg(source("python").join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Which Node.js is the machine's business: the package alone is installed.
fn node(script: &str) -> Command {
    installed("node/node_modules/@datadog/datadog-api-client/package.json");
    let mut command = Command::new("node");
    command.arg(source("node").join(script)).env("CLIENTS", clients());
    command
}

fn ends_well(mut script: Command, program: &Program, keys: &Value) {
    let key = |name: &str| keys[name].as_str().expect("a key").to_owned();
    script.env("URL", program.url()).env("API_KEY", key("api_key")).env("APPLICATION_KEY", key("application_key"));

    let output = script.output().unwrap_or_else(|error| panic!("{script:?} cannot run: {error}"));

    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout.ends_with("the journey ends well\n"), "{stdout}\n{stderr}");
}

fn installed(path: &str) -> PathBuf {
    let path = clients().join(path);
    assert!(
        path.exists(),
        "the published clients are not installed: run scripts/install-clients ({path:?} is missing)"
    );
    path
}

/// Beside the programs that Cargo built.
fn clients() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    target.join("clients")
}

fn source(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(language)
}
