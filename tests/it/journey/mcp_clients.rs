//! The official MCP clients, unmodified, with a protected MCP server that uses the program. They
//! discover it, register, send a user to sign in and consent, call a tool, and refresh.

use std::process::Command;

use serde_json::json;

use super::script::{node, python, text};
use crate::support::{Engine, Program, Running};

on_both! {
    async fn the_first_typescript_sdk_connects_calls_a_tool_and_refreshes(engine: Engine) {
        connects_calls_and_refreshes(engine, typescript("@modelcontextprotocol/sdk"), &["mcp_read"]).await;
    }

    async fn the_second_typescript_sdk_also_requests_offline_access(engine: Engine) {
        let client = typescript("@modelcontextprotocol/client");
        connects_calls_and_refreshes(engine, client, &["mcp_read", "offline_access"]).await;
    }

    async fn the_python_sdk_also_requests_offline_access(engine: Engine) {
        connects_calls_and_refreshes(engine, python("mcp_journey.py"), &["mcp_read", "offline_access"]).await;
    }
}

fn typescript(package: &str) -> Command {
    let mut client = node("mcp_journey.mjs");
    client.arg(package);
    client
}

async fn connects_calls_and_refreshes(engine: Engine, mut client: Command, scope: &[&str]) {
    let program = Program::on(engine).await;
    let user = program.bootstrap()["user"].clone();
    let _server = program.start();
    let protected = protected_resource(&program);
    let resource = protected.first_line();

    client.args([resource.as_str(), text(&user["email"]), text(&user["password"])]);
    let output = Running::spawn(client, "").finish().json();

    let client_id = text(&output["client_id"]);
    let token = json!({
        "iss": program.url(),
        "aud": resource,
        "sub": user["id"],
        "client_id": client_id,
        "scope": scope,
    });
    let expected = json!({
        "requests": ["registration 201", "authorization_code 200", "refresh_token 200"],
        "did": ["logged in", "authorized"],
        "client_id": client_id,
        "scope": scope,
        "iss": program.url(),
        "tools": ["whoami"],
        "called": token,
        "called_again": token,
        "new_access_token": true,
        "new_refresh_token": true,
    });
    assert_eq!(output, expected);
}

/// An MCP server that prints its URL on its first line.
fn protected_resource(program: &Program) -> Running {
    let mut command = node("protected_resource.mjs");
    command.arg(program.url());
    Running::spawn(command, "")
}
