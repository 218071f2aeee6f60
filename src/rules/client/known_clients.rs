//! What the clients that people use register (RFC 7591 section 3.1), and what they are answered (section 3.2.1).
//!
//! Each file holds one client's body and the registered metadata of the answer. Which members a client sends, and what
//! is odd about them, is as observed; names, ports and page addresses that were not observed are stand-ins. The operator
//! is one who changed nothing.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::rules::client::identity::ClientIdentity;
use crate::rules::client::metadata::{ClientMetadata, RawClientMetadata, RegistrationBounds, RegistrationRules};
use crate::rules::scope::catalog::{SHIPPED, ScopeCatalog};

#[derive(Deserialize)]
struct KnownClient {
    client: String,
    body: Value,
    answer: Value,
}

const FILES: [&str; 18] = [
    include_str!("../../../tests/known_clients/chatgpt.json"),
    include_str!("../../../tests/known_clients/claude_ai.json"),
    include_str!("../../../tests/known_clients/claude_code.json"),
    include_str!("../../../tests/known_clients/codex.json"),
    include_str!("../../../tests/known_clients/cursor.json"),
    include_str!("../../../tests/known_clients/fastmcp.json"),
    include_str!("../../../tests/known_clients/gemini_cli.json"),
    include_str!("../../../tests/known_clients/inspector_cli.json"),
    include_str!("../../../tests/known_clients/inspector_web.json"),
    include_str!("../../../tests/known_clients/lm_studio.json"),
    include_str!("../../../tests/known_clients/mcp_remote.json"),
    include_str!("../../../tests/known_clients/opencode.json"),
    include_str!("../../../tests/known_clients/pup.json"),
    include_str!("../../../tests/known_clients/python_sdk_1.json"),
    include_str!("../../../tests/known_clients/python_sdk_2.json"),
    include_str!("../../../tests/known_clients/typescript_sdk_1.json"),
    include_str!("../../../tests/known_clients/typescript_sdk_2.json"),
    include_str!("../../../tests/known_clients/vscode.json"),
];

fn known_clients() -> impl Iterator<Item = KnownClient> {
    FILES.iter().map(|file| serde_json::from_str(file).expect("a known client"))
}

fn register(body: &Value) -> (ClientMetadata, ClientIdentity) {
    let raw = RawClientMetadata::from_json(body.to_string().as_bytes()).expect("an object");
    let tolerate = ["client_secret_post", "urn:ietf:params:oauth:grant-type:device_code"].map(str::to_owned);
    let rules = RegistrationRules {
        catalog: &ScopeCatalog::from_toml(SHIPPED).expect("a catalog"),
        tolerate: &BTreeSet::from(tolerate),
        private_schemes: None,
        bounds: RegistrationBounds::default(),
    };
    let metadata = ClientMetadata::parse(&raw, &rules).expect("metadata");
    let identity = ClientIdentity::of(&raw, &metadata);
    (metadata, identity)
}

#[test]
fn every_known_client_is_registered_as_it_expects() {
    for KnownClient { client, body, answer } in known_clients() {
        let (metadata, _) = register(&body);
        assert_eq!(serde_json::to_value(metadata).expect("serialises"), answer, "{client}");
    }
}

#[test]
fn every_known_client_is_read_from_storage_as_it_was_registered() {
    for KnownClient { client, answer, .. } in known_clients() {
        let stored = ClientMetadata::from_stored(&answer.to_string()).expect("stored metadata");
        assert_eq!(serde_json::to_value(stored).expect("serialises"), answer, "{client}");
    }
}

#[test]
fn a_client_is_the_same_at_every_start_whatever_port_it_got() {
    for KnownClient { client, mut body, .. } in known_clients() {
        let (_, first) = register(&body);
        body["redirect_uris"] = body["redirect_uris"].as_array().into_iter().flatten().map(on_another_port).collect();
        body["software_version"] = "99.0".into();
        let (_, second) = register(&body);
        assert_eq!(first, second, "{client}");
    }
}

/// Known clients put a port of four or five digits behind their loopback host.
fn on_another_port(uri: &Value) -> Value {
    let uri = uri.as_str().unwrap_or_default();
    match uri.strip_prefix("http://").and_then(|rest| rest.split_once(':')) {
        Some((host, rest)) => {
            format!("http://{host}:49999{}", rest.trim_start_matches(|digit: char| digit.is_ascii_digit()))
        }
        None => uri.to_owned(),
    }
    .into()
}

#[test]
fn no_two_known_programs_are_the_same_client() {
    let programs = known_clients().filter(|known| !known.client.starts_with("Python SDK 2"));
    let ids: Vec<_> = programs.map(|known| register(&known.body).1.id).collect();

    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}
