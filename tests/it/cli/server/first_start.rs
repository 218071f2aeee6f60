//! The first start creates an organization and prints working commands.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::Program;

/// The last part of the printed text.
const LAST_LINES: &str = "and sign in with the password above\n";

#[test]
fn the_first_start_prints_keys_and_working_commands() {
    let program = Program::on_the_default_file();
    let server = program.start();
    let printed = server.stdout_with(LAST_LINES);
    let (_, lines) = printed.split_once("Try it:\n").expect("lines to try");

    let pasted = Command::new("bash").args(["-c", lines]).output().expect("bash runs");

    let (stdout, stderr) =
        (String::from_utf8_lossy(&pasted.stdout), String::from_utf8_lossy(&pasted.stderr));
    assert!(!stderr.contains("curl: command not found"), "this test needs curl on the PATH");
    assert_eq!((pasted.status.code(), stderr.as_ref()), (Some(0), ""));
    let answers: Vec<Value> = serde_json::Deserializer::from_str(&stdout)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("three answers");
    let client_id = &answers[0]["client_id"];
    let restriction = json!({"data": {
        "id": client_id,
        "type": "scopes_restriction",
        "attributes": {
            "required_permission_scopes": null,
            "scopes_restriction": {"oidc_scopes": ["openid"], "permission_scopes": ["mcp_read"]},
        },
    }});
    assert_eq!(answers[0]["client_name"], "My first client");
    assert_eq!(answers[1..], [restriction.clone(), restriction]);
}

#[test]
fn the_printed_commands_use_scopes_of_the_configured_catalog() {
    let program = Program::on_the_default_file();
    program.write(
        "scopes.toml",
        "[oidc]\nopenid = { description = \"Confirm who you are\" }\n[permission]\n\
                                  orders_read = { description = \"See orders\" }\n",
    );
    let server = program.with("GRANTOR_SCOPES__CATALOG", "scopes.toml").start();
    let printed = server.stdout_with(LAST_LINES);
    let (_, lines) = printed.split_once("Try it:\n").expect("lines to try");

    let pasted = Command::new("bash").args(["-c", lines]).output().expect("bash runs");

    let stdout = String::from_utf8_lossy(&pasted.stdout);
    let answers: Vec<Value> = serde_json::Deserializer::from_str(&stdout)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("three answers");
    let restriction = &answers[2]["data"]["attributes"]["scopes_restriction"];
    assert_eq!(
        *restriction,
        json!({"oidc_scopes": ["openid"], "permission_scopes": ["orders_read"]}),
        "{stdout}"
    );
}

#[test]
fn the_first_start_prints_its_secrets_once_and_never_logs_them() {
    let program = Program::on_the_default_file();
    let first = program.start();
    first.stdout_with(LAST_LINES);

    let first = first.stop();
    let second = program.start().stop();

    let secrets = ["Password         ", "API key          ", "Application key  "].map(|label| {
        let line = first.stdout.lines().find_map(|line| line.strip_prefix(label));
        line.unwrap_or_else(|| panic!("{label:?} is not in {}", first.stdout)).to_owned()
    });
    for secret in secrets {
        assert!(!first.stderr.contains(&secret), "{}", first.stderr);
    }
    assert_eq!(second.stdout, "");
    assert_eq!(program.json(&["org", "list"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn the_default_data_folder_is_private() {
    let program = Program::on_the_default_file();

    program.start().stop();

    let mode =
        std::fs::metadata(program.folder().join("data")).expect("the folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

on_both! {
    async fn with_a_configured_database_the_first_start_only_explains_bootstrap(engine: Engine) {
        let program = Program::on(engine).await;
        let server = program.start();
        server.stdout_with("grantor bootstrap --org 'My organization' --email admin@example.com\n");

        let listed = program.json(&["org", "list"]);
        program.bootstrap();
        let first = server.stop();
        let second = program.start().stop();

        assert_eq!(listed, json!([]));
        assert!(first.stdout.starts_with("There is no organization yet."), "{}", first.stdout);
        assert_eq!(second.stdout, "");
    }
    async fn a_trial_with_a_configured_database_prints_keys_at_its_first_start_only(engine: Engine) {
        let program = Program::on(engine).await.with("GRANTOR_BOOTSTRAP__AUTOMATIC", "true");
        let first = program.start();
        first.stdout_with(LAST_LINES);

        let first = first.stop();
        let second = program.start().stop();

        assert!(first.stdout.contains("\nAPI key          ") && first.stdout.contains("Try it:"), "{}", first.stdout);
        assert!(!first.stderr.contains("Application key"), "{}", first.stderr);
        assert_eq!(second.stdout, "");
        assert_eq!(program.json(&["org", "list"]).as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn on_another_host_the_default_file_prints_how_to_bootstrap_and_no_keys() {
    let program =
        Program::on_the_default_file().with("GRANTOR_HTTP__PUBLIC_URL", "https://auth.example.com");
    let server = program.start();
    server.stdout_with("grantor bootstrap --org 'My organization' --email admin@example.com\n");

    let stopped = server.stop();

    assert!(stopped.stdout.starts_with("There is no organization yet."), "{}", stopped.stdout);
    assert_eq!(program.json(&["org", "list"]), json!([]));
}

#[test]
fn a_trial_is_refused_on_another_host() {
    let program =
        Program::on_the_default_file().with("GRANTOR_HTTP__PUBLIC_URL", "https://auth.example.com");
    let automatic = program.clone().with("GRANTOR_BOOTSTRAP__AUTOMATIC", "true");
    let password = program.with(
        "GRANTOR_DATABASE__URL",
        "postgres://grantor:grantor-trial-on-this-machine@127.0.0.1:1/grantor",
    );

    for (program, message) in [
        (automatic, "set bootstrap.automatic to false and run `grantor bootstrap` once"),
        (password, "choose a password of your own, POSTGRES_PASSWORD in .env"),
    ] {
        let refused = program.launch().finish();

        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
        assert!(refused.stderr.contains(message), "{}", refused.stderr);
    }
}
