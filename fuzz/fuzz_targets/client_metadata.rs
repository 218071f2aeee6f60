//! No body makes the registration rules (RFC 7591) panic, and what they accept is answered so that it is accepted again.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use grantor::rules::client::metadata::ClientMetadata;
use grantor::rules::client::raw_metadata::RawClientMetadata;
use grantor::rules::client::registration::{RegistrationBounds, RegistrationRules};
use grantor::rules::scope::catalog::{SHIPPED, ScopeCatalog};
use libfuzzer_sys::fuzz_target;

static CATALOG: LazyLock<ScopeCatalog> =
    LazyLock::new(|| ScopeCatalog::from_toml(SHIPPED).expect("the shipped catalog"));
const BOUNDS: RegistrationBounds = RegistrationBounds { metadata_bytes: 8_192, redirect_uris: 20 };
static TOLERATE: LazyLock<BTreeSet<String>> = LazyLock::new(|| BTreeSet::from(["client_secret_post".to_owned()]));

fuzz_target!(|body: &[u8]| {
    let rules = RegistrationRules { catalog: &CATALOG, tolerate: &TOLERATE, private_schemes: None, bounds: BOUNDS };
    let Ok(raw) = RawClientMetadata::from_json(body) else { return };
    match ClientMetadata::parse(&raw, &rules) {
        Ok(metadata) => {
            let answer = serde_json::to_string(&metadata).expect("serializes");
            let again = RawClientMetadata::from_json(answer.as_bytes()).expect("an object");
            assert_eq!(ClientMetadata::parse(&again, &rules).as_ref(), Ok(&metadata));
            assert_eq!(ClientMetadata::from_stored(&answer).expect("stored metadata"), metadata);
        }
        Err(error) => {
            let description = error.to_string();
            assert!(description.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'));
        }
    }
});
