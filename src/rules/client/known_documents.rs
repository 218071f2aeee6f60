//! The metadata documents of widely used clients, and the metadata that is stored for them.
//!
//! Each file contains a URL, a document and the stored metadata. The URLs, the auth methods and the
//! redirects of Claude Code, ChatGPT and OpenCode were observed. The documents of claude.ai and VS
//! Code were not seen, so their redirects are those that the clients use. Everything else, such as
//! names, pages, keys and grant types, is a placeholder. All settings have their default values.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::client::document::{ClientDocument, DocumentError, DocumentUrl};
use crate::client::metadata::ClientMetadata;
use crate::client::registration::{RegistrationBounds, RegistrationRules};
use crate::scope::catalog::{SHIPPED, ScopeCatalog};

#[derive(Deserialize)]
struct KnownDocument {
    client: String,
    url: String,
    document: Value,
    metadata: Value,
}

const FILES: [&str; 6] = [
    include_str!("../../../tests/known_documents/chatgpt.json"),
    include_str!("../../../tests/known_documents/chatgpt_connector.json"),
    include_str!("../../../tests/known_documents/claude_ai.json"),
    include_str!("../../../tests/known_documents/claude_code.json"),
    include_str!("../../../tests/known_documents/opencode.json"),
    include_str!("../../../tests/known_documents/vscode.json"),
];

fn known_documents() -> impl Iterator<Item = KnownDocument> {
    FILES.iter().map(|file| serde_json::from_str(file).expect("a known document"))
}

fn read_at(url: &str, document: &Value) -> Result<ClientMetadata, DocumentError> {
    let rules = RegistrationRules {
        catalog: &ScopeCatalog::from_toml(SHIPPED).expect("a catalog"),
        tolerate: &BTreeSet::new(),
        private_schemes: None,
        bounds: RegistrationBounds::default(),
    };
    ClientDocument::parse(
        &DocumentUrl::parse(url).expect("a URL"),
        document.to_string().as_bytes(),
        &rules,
    )
}

fn read(known: &KnownDocument) -> ClientMetadata {
    read_at(&known.url, &known.document).expect("metadata")
}

#[test]
fn every_known_document_is_parsed_as_its_client_expects() {
    for known in known_documents() {
        assert_eq!(
            serde_json::to_value(read(&known)).expect("serializes"),
            known.metadata,
            "{}",
            known.client
        );
    }
}

#[test]
fn a_known_client_on_loopback_may_use_any_port() {
    for known in known_documents() {
        for redirect in read(&known).redirect_uris() {
            let with_port = |host: &str| {
                redirect
                    .as_str()
                    .replace(&format!("http://{host}/"), &format!("http://{host}:49152/"))
            };
            for requested in [with_port("127.0.0.1"), with_port("localhost")] {
                assert!(redirect.matches(&requested), "{}: {requested}", known.client);
            }
        }
    }
}

#[test]
fn a_document_is_refused_at_the_url_of_another_client() {
    for known in known_documents() {
        for other in known_documents().filter(|other| other.url != known.url) {
            let posing = read_at(&other.url, &known.document);
            assert_eq!(
                posing,
                Err(DocumentError::OtherClientId),
                "{} as {}",
                known.client,
                other.client
            );
        }
    }
}
