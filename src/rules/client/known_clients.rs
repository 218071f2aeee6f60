//! The registration requests of widely used clients (RFC 7591 section 3.1) and the responses to
//! them (section 3.2.1).
//!
//! Each file contains the request body of one client and the metadata of the response. The members
//! and their peculiarities were observed. Names, ports and page addresses that were not observed
//! are placeholders. All settings have their default values.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::client::identity::ClientIdentity;
use crate::client::metadata::ClientMetadata;
use crate::client::raw_metadata::RawClientMetadata;
use crate::client::registration::{RegistrationBounds, RegistrationRules};
use crate::scope::catalog::{SHIPPED, ScopeCatalog};

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
    let tolerate =
        ["client_secret_post", "urn:ietf:params:oauth:grant-type:device_code"].map(str::to_owned);
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
        assert_eq!(serde_json::to_value(metadata).expect("serializes"), answer, "{client}");
    }
}

#[test]
fn the_stored_metadata_of_every_known_client_is_read_unchanged() {
    for KnownClient { client, answer, .. } in known_clients() {
        let stored = ClientMetadata::from_stored(&answer.to_string()).expect("stored metadata");
        assert_eq!(serde_json::to_value(stored).expect("serializes"), answer, "{client}");
    }
}

#[test]
fn a_client_keeps_its_identity_if_it_registers_again_with_another_port() {
    for KnownClient { client, mut body, .. } in known_clients() {
        let (_, first) = register(&body);
        body["redirect_uris"] =
            body["redirect_uris"].as_array().into_iter().flatten().map(on_another_port).collect();
        body["software_version"] = "99.0".into();
        let (_, second) = register(&body);
        assert_eq!(first, second, "{client}");
    }
}

/// Replaces the port of an http URI.
fn on_another_port(uri: &Value) -> Value {
    let uri = uri.as_str().unwrap_or_default();
    match uri.strip_prefix("http://").and_then(|rest| rest.split_once(':')) {
        Some((host, rest)) => {
            format!(
                "http://{host}:49999{}",
                rest.trim_start_matches(|digit: char| digit.is_ascii_digit())
            )
        }
        None => uri.to_owned(),
    }
    .into()
}

#[test]
fn known_clients_have_different_ids() {
    let programs = known_clients().filter(|known| !known.client.starts_with("Python SDK 2"));
    let ids: Vec<_> = programs.map(|known| register(&known.body).1.id).collect();

    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}
