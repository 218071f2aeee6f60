//! The canonical form does not see the order of sets (RFC 6749 section 3.3), and sees every other change.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use grantor::rules::client::identity::canonical_v1;
use grantor::rules::client::metadata::ClientMetadata;
use grantor::rules::client::raw_metadata::RawClientMetadata;
use grantor::rules::client::registration::{RegistrationBounds, RegistrationRules};
use grantor::rules::scope::catalog::{SHIPPED, ScopeCatalog};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static CATALOG: LazyLock<ScopeCatalog> =
    LazyLock::new(|| ScopeCatalog::from_toml(SHIPPED).expect("the shipped catalog"));
const BOUNDS: RegistrationBounds = RegistrationBounds { metadata_bytes: 8_192, redirect_uris: 20 };
static TOLERATE: BTreeSet<String> = BTreeSet::new();

fn form(body: &[u8]) -> Option<Vec<u8>> {
    let rules = RegistrationRules { catalog: &CATALOG, tolerate: &TOLERATE, private_schemes: None, bounds: BOUNDS };
    let raw = RawClientMetadata::from_json(body).ok()?;
    let metadata = ClientMetadata::parse(&raw, &rules).ok()?;
    Some(canonical_v1(&raw, &metadata))
}

/// The same members with every list in reverse and a member that nobody knows.
fn rearranged(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(members) = body.as_object_mut() {
        members.insert("unheard_of".to_owned(), Value::Bool(true));
        for items in members.values_mut().filter_map(Value::as_array_mut) {
            items.reverse();
        }
    }
    body
}

fn renamed(body: &Value) -> Value {
    let mut body = body.clone();
    let name = body["client_name"].as_str().map(|name| format!("{name}x"));
    body["client_name"] = name.into();
    body
}

fuzz_target!(|body: &[u8]| {
    let Some(sent) = form(body) else { return };
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return };

    assert_eq!(form(rearranged(&value).to_string().as_bytes()).as_ref(), Some(&sent));
    if let Some(other) = form(renamed(&value).to_string().as_bytes()) {
        assert_ne!(other, sent);
    }
});
