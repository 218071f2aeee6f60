//! Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document): the `client_id` is
//! the https URL of a JSON document that describes the client, so the client does not register. MCP
//! prefers this to registration since 2025-11-25.
//!
//! The document contains the members of RFC 7591 section 2 and its own URL, so one client cannot
//! use the document of another. The same document is served to every authorization server.
//! Unsupported values next to supported ones are therefore ignored, not refused.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::client::ClientId;
use crate::client::grant_types::GrantType;
use crate::client::identity::ClientDigest;
use crate::client::member::Member;
use crate::client::metadata::ClientMetadata;
use crate::client::metadata_error::MetadataError;
use crate::client::raw_metadata::{RawClientMetadata, UnreadableBody};
use crate::client::registration::RegistrationRules;
use crate::syntax::uri::{Uri, UriSyntaxError};

/// The URL as the client sent it. URLs are compared byte for byte and never normalized. It has a
/// path, so the URL parser returns it unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DocumentUrl(Uri);

/// The reason why a URL cannot be the URL of a document: the problem, a colon, the remedy. The
/// texts are constant and never quote the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentUrlError {
    #[error("is longer than 2048 bytes: use a shorter URL")]
    TooLong,
    #[error("has a fragment: remove the # and what follows it")]
    Fragment,
    #[error(transparent)]
    Syntax(#[from] UriSyntaxError),
    #[error("does not use https: use https")]
    NotHttps,
    #[error("has no path: serve the document at a path such as /client.json")]
    NoPath,
}

impl DocumentUrl {
    pub const MAX_BYTES: usize = 2048;

    /// Accepts http on loopback too. A setting decides whether such a document is fetched.
    pub fn parse(text: &str) -> Result<Self, DocumentUrlError> {
        if text.len() > Self::MAX_BYTES {
            return Err(DocumentUrlError::TooLong);
        }
        if text.contains('#') {
            return Err(DocumentUrlError::Fragment);
        }
        let uri = Uri::parse(text)?;
        uri.host()?;
        if uri.scheme() != "https" && !uri.is_http_on_loopback() {
            return Err(DocumentUrlError::NotHttps);
        }
        if uri.path() == "/" {
            return Err(DocumentUrlError::NoPath);
        }
        Ok(Self(uri))
    }

    /// Whether a `client_id` is a URL by its scheme. It need not be a valid one.
    pub fn has_url_scheme(text: &str) -> bool {
        let begins_with = |start: &str| {
            text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
        };
        begins_with("https:") || begins_with("http:")
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host, which is the part that users see, because the owner of the host is responsible for
    /// the client.
    pub fn host(&self) -> &str {
        self.0.host_text()
    }

    /// The client's id as a UUIDv8 (RFC 9562 section 5.8), for everything that identifies clients
    /// by UUID.
    pub fn client_id(&self) -> ClientId {
        self.digest().id()
    }

    pub fn digest(&self) -> ClientDigest {
        let mut hash = Sha256::new_with_prefix(b"client document v1");
        hash.update(self.as_str().as_bytes());
        ClientDigest::from_bytes(hash.finalize().into())
    }
}

impl fmt::Display for DocumentUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The reason why a document is not accepted for its client. The texts are constant, like those for
/// a registration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    #[error(transparent)]
    Unreadable(#[from] UnreadableBody),
    #[error(
        "the document repeats client_id, client_secret or token_endpoint_auth_methods_supported: \
         write each once"
    )]
    DuplicateMember,
    #[error("client_id is missing: it must be the URL of the document")]
    NoClientId,
    #[error(
        "client_id is not the URL of the document: both must be the same, character for character"
    )]
    OtherClientId,
    #[error("client_secret is present: remove it, because the document is public")]
    Secret,
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// The members that a document has in addition to those of a registration.
#[derive(Deserialize)]
struct OwnMembers {
    client_id: Option<Value>,
    client_secret: Option<Value>,
    token_endpoint_auth_methods_supported: Option<Value>,
}

pub struct ClientDocument;

impl ClientDocument {
    /// Applies the rules for registrations, except that nothing is tolerated. A document can list
    /// values for several servers, so it never needs a value that this server does not support.
    pub fn parse(
        url: &DocumentUrl,
        body: &[u8],
        rules: &RegistrationRules<'_>,
    ) -> Result<ClientMetadata, DocumentError> {
        let raw = RawClientMetadata::from_json(body)?;
        let own: OwnMembers =
            serde_json::from_slice(body).map_err(|_| DocumentError::DuplicateMember)?;
        match &own.client_id {
            None => return Err(DocumentError::NoClientId),
            Some(Value::String(named)) if named == url.as_str() => {}
            Some(_) => return Err(DocumentError::OtherClientId),
        }
        if own.client_secret.is_some() {
            return Err(DocumentError::Secret);
        }
        let raw = with_auth_method(raw, &own);
        let raw = with_known_only(raw, Member::GrantTypes, |name| GrantType::named(name).is_some());
        let raw = with_known_only(raw, Member::ResponseTypes, |name| name == "code");
        let rules = RegistrationRules { tolerate: &BTreeSet::new(), ..*rules };
        Ok(ClientMetadata::parse(&raw, &rules)?)
    }
}

/// A client can list all its supported methods in addition to the preferred one (OpenID Connect
/// Relying Party Metadata Choices 1.0). The metadata of this server offers only `none`, so such a
/// client uses `none`.
fn with_auth_method(raw: RawClientMetadata, own: &OwnMembers) -> RawClientMetadata {
    let methods = own.token_endpoint_auth_methods_supported.as_ref().and_then(Value::as_array);
    let may_use_none = methods.is_some_and(|methods| methods.iter().any(|method| method == "none"));
    if may_use_none { raw.with(Member::TokenEndpointAuthMethod, "none".into()) } else { raw }
}

/// Removes the unsupported names from a list. If no name would remain, the list stays as it is, so
/// that the error names an unsupported value.
fn with_known_only(
    raw: RawClientMetadata,
    member: Member,
    is_known: impl Fn(&str) -> bool,
) -> RawClientMetadata {
    let items = raw.value(member).and_then(Value::as_array).cloned().unwrap_or_default();
    let known: Vec<Value> =
        items.into_iter().filter(|item| item.as_str().is_none_or(&is_known)).collect();
    if known.is_empty() { raw } else { raw.with(member, known.into()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::client::metadata_error::Problem;
    use crate::client::registration::RegistrationBounds;
    use crate::redirect::uri::RedirectUriError;
    use crate::scope::catalog::{SHIPPED, ScopeCatalog};

    const URL: &str = "https://app.example/oauth/client.json";

    fn url(text: &str) -> DocumentUrl {
        DocumentUrl::parse(text).expect(text)
    }

    fn parse(body: &str) -> Result<ClientMetadata, DocumentError> {
        let rules = RegistrationRules {
            catalog: &ScopeCatalog::from_toml(SHIPPED).expect("a catalog"),
            tolerate: &BTreeSet::from(["client_secret_post".to_owned()]),
            private_schemes: None,
            bounds: RegistrationBounds::default(),
        };
        ClientDocument::parse(&url(URL), body.as_bytes(), &rules)
    }

    fn parse_with(members: Value) -> Result<ClientMetadata, DocumentError> {
        let mut document = json!({"client_id": URL, "client_name": "App", "redirect_uris": ["http://127.0.0.1/callback"]});
        if let (Some(document), Value::Object(members)) = (document.as_object_mut(), members) {
            document.extend(members);
        }
        parse(&document.to_string())
    }

    #[test]
    fn an_https_url_with_a_path_can_be_a_client() {
        for text in [
            URL,
            "https://app.example:8443/c",
            "https://app.example/c/",
            "https://app.example//c",
            "https://app.example/c?version=1",
            "https://app.example/c?next=/../x",
            "https://app.example/...",
            "https://app.example/.well-known/client",
            "https://8.8.8.8/c",
            "http://localhost:8000/c",
            "http://127.0.0.1/c",
            "http://[::1]:1/c",
        ] {
            assert!(DocumentUrl::has_url_scheme(text));
            assert_eq!(DocumentUrl::parse(text).map(|url| url.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn other_urls_cannot_be_a_client() {
        use DocumentUrlError as Error;
        let long = format!("https://app.example/{}", "x".repeat(DocumentUrl::MAX_BYTES - 20));
        assert!(DocumentUrl::parse(&long).is_ok());
        let too_long = format!("{long}x");
        for (text, expected) in [
            (too_long.as_str(), Error::TooLong),
            ("https://app.example", Error::NoPath),
            ("https://app.example/", Error::NoPath),
            ("https://app.example?/c", Error::NoPath),
            ("https://app.example/?c", Error::NoPath),
            ("https://app.example/c#", Error::Fragment),
            ("https://app.example/c#x", Error::Fragment),
            ("https://app.example/./c", Error::Syntax(UriSyntaxError::DotSegments)),
            ("https://app.example/a/../c", Error::Syntax(UriSyntaxError::DotSegments)),
            ("https://app.example/a/..", Error::Syntax(UriSyntaxError::DotSegments)),
            ("https://app.example/a/%2e%2E/c", Error::Syntax(UriSyntaxError::DotSegments)),
            ("https://app.example/a/.%2e", Error::Syntax(UriSyntaxError::DotSegments)),
            ("https://app.example/%2e?x", Error::Syntax(UriSyntaxError::DotSegments)),
            ("HTTPS://app.example/c", Error::Syntax(UriSyntaxError::Uppercase)),
            ("https://APP.example/c", Error::Syntax(UriSyntaxError::Uppercase)),
            ("https://app.example:443/c", Error::Syntax(UriSyntaxError::DefaultPort)),
            ("https://app.example/c?a='b'", Error::Syntax(UriSyntaxError::Apostrophe)),
            ("http://app.example/c", Error::NotHttps),
            ("http://127.0.0.2/c", Error::NotHttps),
            ("http://localhost.app.example/c", Error::NotHttps),
            ("ftp://app.example/c", Error::NotHttps),
            ("https:/app.example/c", Error::Syntax(UriSyntaxError::NoHost)),
            ("https://user:pass@app.example/c", Error::Syntax(UriSyntaxError::UserInfo)),
            ("https://app.example:0/c", Error::Syntax(UriSyntaxError::BadPort)),
            ("https://app.example./c", Error::Syntax(UriSyntaxError::BadHost)),
            ("https://app.example/c d", Error::Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("https://app.example\\c/d", Error::Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("https://app.example/%zz", Error::Syntax(UriSyntaxError::BadPercentEncoding)),
        ] {
            assert_eq!(DocumentUrl::parse(text), Err(expected), "{text}");
        }
        for text in
            ["", "72b68208-36a6-11f0-b21b-da7ad0900002", "httpsx", "h", "ht\u{20ac}ps://x/y"]
        {
            assert!(!DocumentUrl::has_url_scheme(text), "{text}");
        }
    }

    /// Clients and restrictions of organizations store these ids, so they must never change.
    #[test]
    fn the_id_of_a_url_never_changes_and_another_spelling_has_another_id() {
        assert_eq!(url(URL).client_id().to_string(), "73097ba8-73ab-8d6f-8c4d-0560237cbb93");
        for other in
            ["https://app.example/oauth/client.json?", "https://app.example/oauth/Client.json"]
        {
            assert_ne!(url(other).client_id(), url(URL).client_id(), "{other}");
        }
        assert_eq!((url(URL).host(), url("http://[::1]:1/c").host()), ("app.example", "[::1]"));
        assert!(url(URL).is_https() && !url("http://localhost/c").is_https());
    }

    #[test]
    fn a_document_is_parsed_like_a_registration() {
        let metadata = parse_with(
            json!({"client_uri": "https://app.example", "software_id": "x", "application_type": 7}),
        );

        assert_eq!(
            serde_json::to_value(metadata.expect("metadata")).expect("serializes"),
            json!({
                "client_name": "App",
                "redirect_uris": ["http://127.0.0.1/callback"],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
                "client_uri": "https://app.example",
            }),
        );
    }

    #[test]
    fn a_document_that_does_not_describe_the_client_is_refused() {
        let unusable =
            |member, problem: Problem| DocumentError::Metadata(MetadataError::new(member, problem));
        let method = || unusable(Member::TokenEndpointAuthMethod, Problem::UnsupportedAuthMethod);
        let cases = [
            (json!({"client_id": null}), DocumentError::NoClientId),
            (json!({"client_id": 7}), DocumentError::OtherClientId),
            (json!({"client_id": format!("{URL}/")}), DocumentError::OtherClientId),
            (
                json!({"client_id": "https://APP.example/oauth/client.json"}),
                DocumentError::OtherClientId,
            ),
            (json!({"client_secret": "s"}), DocumentError::Secret),
            (json!({"client_secret": ""}), DocumentError::Secret),
            (json!({"client_name": null}), unusable(Member::ClientName, Problem::Missing)),
            (json!({"redirect_uris": null}), unusable(Member::RedirectUris, Problem::Missing)),
            (json!({"redirect_uris": []}), unusable(Member::RedirectUris, Problem::EmptyList)),
            (
                json!({"redirect_uris": ["javascript:x"]}),
                MetadataError::in_item(Member::RedirectUris, 0, RedirectUriError::DeniedScheme)
                    .into(),
            ),
            (json!({"token_endpoint_auth_method": "private_key_jwt"}), method()),
            (json!({"token_endpoint_auth_method": "client_secret_post"}), method()),
            (
                json!({"token_endpoint_auth_method": "private_key_jwt",
                       "token_endpoint_auth_methods_supported": ["private_key_jwt"]}),
                method(),
            ),
            (
                json!({"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_methods_supported": "none"}),
                method(),
            ),
            (
                json!({"grant_types": ["refresh_token"]}),
                unusable(Member::GrantTypes, Problem::NoAuthorizationCode),
            ),
            (
                json!({"grant_types": ["client_credentials"]}),
                MetadataError::in_item(Member::GrantTypes, 0, Problem::UnsupportedGrantType).into(),
            ),
        ];
        for (members, expected) in cases {
            assert_eq!(parse_with(members.clone()), Err(expected), "{members}");
        }
        let twice = format!(r#"{{"client_id": "{URL}", "client_id": "{URL}"}}"#);
        assert_eq!(parse(&twice), Err(DocumentError::DuplicateMember));
        assert_eq!(parse("[]"), Err(UnreadableBody::NotAnObject.into()));
        assert_eq!(parse("<html>"), Err(UnreadableBody::NotJson.into()));
    }

    #[test]
    fn unsupported_values_next_to_supported_ones_are_ignored() {
        let metadata = parse_with(json!({
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "urn:x"],
            "response_types": ["code", "code id_token"],
            "client_secret": null,
        }))
        .expect("metadata");

        assert_eq!(metadata.grant_types(), &BTreeSet::from([GrantType::AuthorizationCode]));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_an_accepted_url_has_a_host(text in "(https?:)?/{0,2}[a-z0-9.:@%\\[\\]#?/-]{0,24}") {
            if let Ok(url) = DocumentUrl::parse(&text) {
                prop_assert!(DocumentUrl::has_url_scheme(&text) && !url.host().is_empty() && url.as_str() == text);
                prop_assert_eq!(url::Url::parse(&text).map(String::from), Ok(text));
            }
        }
    }
}
