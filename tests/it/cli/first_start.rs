//! What the first start sets up and prints, and that what it prints works.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::Program;

/// The end of what is printed.
const LAST_LINES: &str = "after a sign-in with the password above\n";

#[test]
fn the_first_start_prints_keys_and_lines_that_work_when_pasted() {
    let program = Program::on_the_default_file();
    let server = program.start();
    let printed = server.stdout_with(LAST_LINES);
    let (_, lines) = printed.split_once("Try it:\n").expect("lines to try");

    let pasted = Command::new("bash").args(["-c", lines]).output().expect("bash runs");

    let (stdout, stderr) = (String::from_utf8_lossy(&pasted.stdout), String::from_utf8_lossy(&pasted.stderr));
    assert!(!stderr.contains("curl: command not found"), "this test needs curl on the PATH");
    assert_eq!((pasted.status.code(), stderr.as_ref()), (Some(0), ""));
    let answers: Vec<Value> =
        serde_json::Deserializer::from_str(&stdout).into_iter().collect::<Result<_, _>>().expect("three answers");
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
fn what_the_first_start_prints_is_printed_once_and_never_logged() {
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
fn the_folder_of_the_default_file_is_only_its_owners() {
    let program = Program::on_the_default_file();

    program.start().stop();

    let mode = std::fs::metadata(program.folder().join("data")).expect("the folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

on_both! {
    async fn elsewhere_the_first_start_says_how_to_bootstrap_and_makes_nothing(engine: Engine) {
        let program = Program::on(engine).await;
        let server = program.start();
        server.stdout_with("grantor bootstrap --org 'My organisation' --email admin@example.com\n");

        let listed = program.json(&["org", "list"]);
        program.bootstrap();
        let first = server.stop();
        let second = program.start().stop();

        assert_eq!(listed, json!([]));
        assert!(first.stdout.starts_with("There is no organisation yet."), "{}", first.stdout);
        assert_eq!(second.stdout, "");
    }
}
