//! The identity of a registered client, which is derived from its metadata alone.
//!
//! RFC 7591 allows every registration to create a new client, and many clients register at every
//! start. Here the `client_id` is derived from the metadata that was sent: the same metadata is the
//! same client, on every replica and even after the database was lost. The id is a UUIDv8 (RFC 9562
//! section 5.8) made from the SHA-256 of a canonical form. The form ignores what does not
//! distinguish clients: the order of lists that are sets, and the port of loopback redirects (RFC
//! 8252 section 7.3).
//!
//! A form never changes, because clients store its ids. An improved form gets a new version number.

use std::borrow::Cow;

use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Builder;

use crate::client::ClientId;
use crate::client::member::Member;
use crate::client::metadata::ClientMetadata;
use crate::client::raw_metadata::RawClientMetadata;
use crate::redirect::uri::RedirectUri;

/// The SHA-256 of a canonical form. All of it is compared, because two clients could share the 122
/// bits of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientDigest([u8; 32]);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientIdentity {
    pub id: ClientId,
    pub digest: ClientDigest,
}

impl ClientDigest {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn id(self) -> ClientId {
        let first_half = std::array::from_fn(|index| self.0[index]);
        ClientId::from_uuid(Builder::from_custom_bytes(first_half).into_uuid())
    }
}

impl ClientIdentity {
    /// The identity of accepted metadata. It depends on the values that were sent, so neither the
    /// scope catalog nor a setting can change a client's id.
    pub fn of(raw: &RawClientMetadata, accepted: &ClientMetadata) -> Self {
        let digest = ClientDigest(Sha256::digest(canonical_v1(raw, accepted)).into());
        Self { id: digest.id(), digest }
    }
}

/// Version 1 of the canonical form: eleven members in a fixed order. Each is a text or a set of
/// texts, and each text is prefixed with its length, so different metadata never has the same form.
/// An absent member has the value that version 1 defines, which can differ from today's default.
pub fn canonical_v1(raw: &RawClientMetadata, accepted: &ClientMetadata) -> Vec<u8> {
    let mut form = CanonicalForm::begin(b"client metadata 1");
    form.text(sent_text(raw, Member::ClientName, ""));
    form.set(accepted.redirect_uris().iter().map(RedirectUri::without_loopback_port).collect());
    form.set(sent_list(raw, Member::GrantTypes, &["authorization_code", "refresh_token"]));
    form.set(sent_list(raw, Member::ResponseTypes, &["code"]));
    form.text(sent_text(raw, Member::TokenEndpointAuthMethod, "none"));
    form.set(sent_scope(raw));
    form.text(sent_text(raw, Member::ClientUri, ""));
    form.text(sent_text(raw, Member::LogoUri, ""));
    form.text(sent_text(raw, Member::PolicyUri, ""));
    form.text(sent_text(raw, Member::TosUri, ""));
    form.text(sent_text(raw, Member::JwksUri, ""));
    form.0
}

fn sent_text<'a>(raw: &'a RawClientMetadata, member: Member, absent: &'static str) -> &'a str {
    raw.value(member).and_then(Value::as_str).unwrap_or(absent)
}

fn sent_list<'a>(
    raw: &'a RawClientMetadata,
    member: Member,
    absent: &[&'static str],
) -> Vec<Cow<'a, str>> {
    match raw.value(member).and_then(Value::as_array) {
        Some(items) => items.iter().filter_map(Value::as_str).map(Cow::Borrowed).collect(),
        None => absent.iter().copied().map(Cow::Borrowed).collect(),
    }
}

/// The order of scope names does not matter (RFC 6749 section 3.3).
fn sent_scope(raw: &RawClientMetadata) -> Vec<Cow<'_, str>> {
    sent_text(raw, Member::Scope, "")
        .split(' ')
        .filter(|name| !name.is_empty())
        .map(Cow::Borrowed)
        .collect()
}

struct CanonicalForm(Vec<u8>);

impl CanonicalForm {
    fn begin(version: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(1024);
        bytes.extend_from_slice(version);
        Self(bytes)
    }

    /// The cast cannot truncate, because a body has at most 64 KiB.
    fn length(&mut self, length: usize) {
        self.0.extend_from_slice(&(length as u64).to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn set(&mut self, mut texts: Vec<Cow<'_, str>>) {
        texts.sort_unstable();
        texts.dedup();
        self.length(texts.len());
        for text in &texts {
            self.text(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::client::registration::{RegistrationBounds, RegistrationRules};
    use crate::scope::catalog::ScopeCatalog;

    const TOLERATED: &[&str] = &["client_secret_post", "device"];

    /// The metadata that was sent, and the metadata that is registered with these rules.
    fn register(
        body: &Value,
        catalog: &str,
        tolerate: &[&str],
    ) -> (RawClientMetadata, ClientMetadata) {
        let raw = RawClientMetadata::from_json(body.to_string().as_bytes()).expect("an object");
        let catalog = ScopeCatalog::from_toml(catalog).expect("a catalog");
        let tolerate: BTreeSet<_> = tolerate.iter().map(ToString::to_string).collect();
        let bounds = RegistrationBounds::default();
        let rules = RegistrationRules {
            catalog: &catalog,
            tolerate: &tolerate,
            private_schemes: None,
            bounds,
        };
        let metadata = ClientMetadata::parse(&raw, &rules).expect("metadata");
        (raw, metadata)
    }

    fn identity(body: &Value) -> ClientIdentity {
        let (raw, metadata) = register(body, "", TOLERATED);
        ClientIdentity::of(&raw, &metadata)
    }

    fn example() -> Value {
        json!({
            "client_name": "Example MCP Client",
            "client_uri": "https://example.com",
            "grant_types": ["authorization_code", "refresh_token"],
            "jwks_uri": "https://example.com/.well-known/jwks.json",
            "logo_uri": "https://example.com/logo.png",
            "policy_uri": "https://example.com/privacy",
            "redirect_uris": ["https://example.com/oauth/callback"],
            "response_types": ["code"],
            "scope": "openid profile",
            "token_endpoint_auth_method": "none",
            "tos_uri": "https://example.com/tos",
        })
    }

    fn example_with(member: &str, value: Value) -> Value {
        let mut body = example();
        body[member] = value;
        body
    }

    /// Clients store these ids. If this test fails, the change is wrong, not the test.
    #[test]
    fn the_ids_of_version_1_never_change() {
        let least =
            json!({"client_name": "Claude", "redirect_uris": ["http://localhost:3118/callback"]});
        let cases = [
            (example(), "b2e38099-1727-8391-9089-5a57e4e832a6"),
            (least, "888ddf43-f3bf-841f-bdbe-4d39121eb346"),
        ];
        for (body, expected) in cases {
            assert_eq!(identity(&body).id.to_string(), expected, "{body}");
        }
    }

    #[test]
    fn the_bytes_of_version_1_never_change() {
        let texts = |texts: &[&str]| {
            let mut bytes = Vec::new();
            for text in texts {
                bytes.extend_from_slice(&[
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    u8::try_from(text.len()).expect("a short text"),
                ]);
                bytes.extend_from_slice(text.as_bytes());
            }
            bytes
        };
        let count = |count| vec![0, 0, 0, 0, 0, 0, 0, count];
        let body = json!({"client_name": "Ä", "redirect_uris": ["http://[::1]:9/b", "a:x"], "scope": "z  y z"});

        let expected = [
            b"client metadata 1".to_vec(),
            texts(&["Ä"]),
            count(2),
            texts(&["a:x", "http://[::1]/b"]),
            count(2),
            texts(&["authorization_code", "refresh_token"]),
            count(1),
            texts(&["code", "none"]),
            count(2),
            texts(&["y", "z"]),
            texts(&["", "", "", "", ""]),
        ];
        let (raw, metadata) = register(&body, "", &[]);
        assert_eq!(canonical_v1(&raw, &metadata), expected.concat());
    }

    #[test]
    fn an_id_is_a_version_8_uuid_made_from_the_first_half_of_the_digest() {
        let digest =
            ClientDigest::from_bytes(std::array::from_fn(
                |index| if index < 16 { 0xFF } else { 0 },
            ));

        assert_eq!(digest.id().to_string(), "ffffffff-ffff-8fff-bfff-ffffffffffff");
        assert_eq!(
            digest.id(),
            ClientDigest::from_bytes([0xFF; 32]).id(),
            "two digests can share an id"
        );
        assert_ne!(digest, ClientDigest::from_bytes([0xFF; 32]));
    }

    #[test]
    fn an_absent_null_or_empty_member_equals_its_default_in_version_1() {
        let least = json!({"client_name": "App", "redirect_uris": ["https://app.example/cb"]});
        let spelled_out = [
            ("grant_types", json!(["refresh_token", "authorization_code"])),
            ("grant_types", json!(null)),
            ("response_types", json!(["code"])),
            ("response_types", json!(null)),
            ("token_endpoint_auth_method", json!("none")),
            ("scope", json!("")),
            ("scope", json!("  ")),
            ("scope", json!(null)),
            ("client_uri", json!("")),
            ("logo_uri", json!(null)),
            ("jwks_uri", json!("")),
        ];
        for (member, value) in spelled_out {
            let mut body = least.clone();
            body[member] = value;
            assert_eq!(identity(&body), identity(&least), "{body}");
        }
    }

    #[test]
    fn order_repetition_and_loopback_ports_do_not_distinguish_clients() {
        let same = [
            ("scope", json!("openid profile"), json!(" profile  openid profile")),
            (
                "grant_types",
                json!(["authorization_code", "refresh_token"]),
                json!(["refresh_token", "authorization_code"]),
            ),
            (
                "grant_types",
                json!(["authorization_code"]),
                json!(["authorization_code", "authorization_code"]),
            ),
            ("redirect_uris", json!(["a:x", "b:x"]), json!(["b:x", "a:x", "b:x"])),
            (
                "redirect_uris",
                json!(["http://localhost:3118/cb"]),
                json!(["http://localhost:49152/cb"]),
            ),
            (
                "redirect_uris",
                json!(["http://127.0.0.1/"]),
                json!(["http://127.0.0.1:33418/", "http://127.0.0.1/"]),
            ),
            ("redirect_uris", json!(["http://[::1]:1/"]), json!(["http://[::1]:2/"])),
        ];
        for (member, left, right) in same {
            assert_eq!(
                identity(&example_with(member, left)),
                identity(&example_with(member, right.clone())),
                "{right}"
            );
        }
    }

    #[test]
    fn any_other_difference_makes_a_different_client() {
        let changes = [
            ("client_name", json!("Example MCP client")),
            ("client_name", json!("Example MCP Client ")),
            ("redirect_uris", json!(["https://example.com/oauth/callback/"])),
            ("redirect_uris", json!(["https://example.com/OAuth/callback"])),
            ("redirect_uris", json!(["https://example.com:8443/oauth/callback"])),
            (
                "redirect_uris",
                json!(["https://example.com/oauth/callback", "https://example.com/"]),
            ),
            ("redirect_uris", json!(["https://localhost:1/cb"])),
            ("redirect_uris", json!(["https://localhost:2/cb"])),
            ("redirect_uris", json!(["http://localhost/cb"])),
            ("redirect_uris", json!(["http://127.0.0.1/cb"])),
            ("redirect_uris", json!(["http://localhost/cb", "http://127.0.0.1/cb"])),
            ("grant_types", json!(["authorization_code"])),
            ("grant_types", json!(["authorization_code", "refresh_token", "device"])),
            ("token_endpoint_auth_method", json!("client_secret_post")),
            ("scope", json!(null)),
            ("scope", json!("openid")),
            ("scope", json!("openid Profile")),
            ("scope", json!("openidprofile")),
            ("client_uri", json!("https://example.com/")),
            ("client_uri", json!("")),
            ("client_uri", json!("https://example.com/tos")),
            ("logo_uri", json!(null)),
            ("policy_uri", json!(null)),
            ("tos_uri", json!(null)),
            ("jwks_uri", json!(null)),
        ];
        let bodies = changes.map(|(member, value)| example_with(member, value));
        let clients: BTreeSet<_> =
            bodies.iter().chain([&example()]).map(|body| identity(body).id).collect();

        assert_eq!(clients.len(), bodies.len() + 1);
    }

    #[test]
    fn settings_do_not_change_the_id_of_a_client() {
        let catalog = r#"[oidc]
            openid = { description = "Confirm who you are" }"#;
        let (raw, with_openid) = register(&example(), catalog, &[]);
        let (_, without) = register(&example(), "", TOLERATED);

        assert_ne!(with_openid, without);
        assert_eq!(ClientIdentity::of(&raw, &with_openid), ClientIdentity::of(&raw, &without));
    }

    fn redirects() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec(
            "https://[ab][.]example/[a-c]?|http://localhost/[ab]|cursor:[ab]|x:[a-c]",
            1..6,
        )
    }

    proptest! {
        #[test]
        fn permutations_and_loopback_ports_never_matter(
            (sent, shuffled) in redirects().prop_flat_map(|uris| (Just(uris.clone()), Just(uris).prop_shuffle())),
            port in 1_u16..,
        ) {
            let on_port: Vec<_> =
                shuffled.iter().map(|uri| uri.replace("localhost", &["localhost:", &port.to_string()].concat())).collect();

            prop_assert_eq!(
                identity(&example_with("redirect_uris", json!(sent))),
                identity(&example_with("redirect_uris", json!(on_port))),
            );
        }

        #[test]
        fn different_sets_of_redirects_are_different_clients(left in redirects(), right in redirects()) {
            let as_set = |uris: &[String]| uris.iter().cloned().collect::<BTreeSet<_>>();
            let client = |uris: &[String]| identity(&example_with("redirect_uris", json!(uris)));

            prop_assert_eq!(client(&left) == client(&right), as_set(&left) == as_set(&right));
        }

        #[test]
        fn adjacent_texts_are_never_confused(left in "[ab]{1,3}", middle in "[ab]{1,3}", right in "[ab]{1,3}") {
            let client = |name: &str, path: &str| {
                let mut body = example_with("client_name", json!(name));
                body["client_uri"] = json!(["https://e.example/", path].concat());
                identity(&body)
            };
            let longer_name = [left.as_str(), &middle].concat();
            let longer_path = [middle.as_str(), &right].concat();

            prop_assert_ne!(client(&longer_name, &right), client(&left, &longer_path));
        }

        #[test]
        fn unknown_members_never_matter(name in "[a-z_]{1,12}", value in ".{0,12}") {
            prop_assume!(Member::ALL.iter().all(|member| member.name() != name));
            prop_assert_eq!(identity(&example_with(&name, json!(value))), identity(&example()));
        }
    }
}
