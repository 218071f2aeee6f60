//! `grantor client`, while a server registers the clients.

mod disable;
mod list;
mod show;

use serde_json::Value;

use crate::support::Server;

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// The client in the response of the operator API.
pub fn authorized_client(server: &Server, keys: &Value, client: &str) -> Value {
    let answer =
        server.ask_with(keys, "GET", &format!("/api/v2/org_authorized_clients/{client}"), "");
    answer.json()["data"]["attributes"].clone()
}
