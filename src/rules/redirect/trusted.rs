//! Authorization responses are sent only to redirect URIs that the client registered (RFC 6749
//! section 3.1.2).
//!
//! A [`TrustedRedirect`] can be created only by matching a registered URI, so this server is not an
//! open redirector (RFC 9700 section 4.11). Every response contains the issuer (`iss`, RFC 9207)
//! and the `state` of the request.

use crate::authorization::refusal::Refusal;
use crate::client::metadata::ClientMetadata;
use crate::id::OrgId;
use crate::redirect::uri::{RedirectKind, RedirectUri};

/// The redirect URI as it was requested. For a loopback address it has the port on which the client
/// listens, which can differ from the registered one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedRedirect {
    uri: RedirectUri,
    was_sent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Mismatching redirect URI")]
pub struct MismatchingRedirect;

/// A successful authorization response: the code (RFC 6749 section 4.1.2) and the site of the
/// user's organization.
#[derive(Clone, Copy)]
pub struct CodeResponse<'a> {
    pub code: &'a str,
    pub state: Option<&'a str>,
    pub issuer: &'a str,
    /// The domain of the user's site.
    pub domain: &'a str,
    /// The origin of the user's site.
    pub site: &'a str,
    pub org_id: OrgId,
    pub org_name: &'a str,
}

impl TrustedRedirect {
    /// A request may omit `redirect_uri` if the client registered exactly one (RFC 6749 section
    /// 3.1.2.3), unless the port of that URI can vary.
    pub fn of(
        requested: Option<&str>,
        client: &ClientMetadata,
    ) -> Result<Self, MismatchingRedirect> {
        match (requested, client.redirect_uris()) {
            (None, [only]) if !only.has_free_port() => {
                Ok(Self { uri: only.clone(), was_sent: false })
            }
            (None, _) => Err(MismatchingRedirect),
            (Some(requested), registered) => {
                let is_registered = registered.iter().any(|uri| uri.matches(requested));
                let uri = RedirectUri::parse_any_spelling(requested).ok().filter(|_| is_registered);
                let uri = uri.ok_or(MismatchingRedirect)?;
                Ok(Self { uri, was_sent: true })
            }
        }
    }

    /// Checks the redirect URI of a stored request again, because the client's redirect URIs may
    /// have changed since.
    pub fn from_stored(uri: &str, was_sent: bool, client: &ClientMetadata) -> Option<Self> {
        let trusted = Self::of(Some(uri), client).ok()?;
        Some(Self { was_sent, ..trusted })
    }

    pub fn kind(&self) -> RedirectKind {
        self.uri.kind()
    }

    pub fn as_str(&self) -> &str {
        self.uri.as_str()
    }

    /// Whether the request contained `redirect_uri`. If so, the token request must contain it too
    /// (RFC 6749 section 4.1.3).
    pub const fn was_sent(&self) -> bool {
        self.was_sent
    }

    /// Appends parameters to the query of the URI, which is kept (RFC 6749 section 3.1.2). A
    /// registered URI has no fragment, and the parameters are encoded, so the result has none
    /// either.
    fn with_parameters(&self, pairs: &[(&str, &str)]) -> String {
        let mut uri = self.as_str().to_owned();
        for (name, value) in pairs {
            match uri.split_once('?') {
                None => uri.push('?'),
                Some((_, query)) if query.is_empty() || query.ends_with('&') => {}
                Some(_) => uri.push('&'),
            }
            uri.push_str(&encode(name));
            uri.push('=');
            uri.push_str(&encode(value));
        }
        uri
    }

    pub fn with_refusal(&self, refusal: &Refusal, state: Option<&str>, issuer: &str) -> String {
        let mut pairs =
            vec![("error", refusal.code.as_str()), ("error_description", &refusal.description)];
        pairs.extend(state.map(|state| ("state", state)));
        pairs.push(("iss", issuer));
        self.with_parameters(&pairs)
    }

    pub fn with_code(&self, response: &CodeResponse<'_>) -> String {
        let org_id = response.org_id.to_string();
        let mut pairs = vec![("code", response.code)];
        pairs.extend(response.state.map(|state| ("state", state)));
        pairs.extend([
            ("iss", response.issuer),
            ("domain", response.domain),
            ("site", response.site),
            ("dd_oid", &org_id),
            ("dd_org_name", response.org_name),
        ]);
        self.with_parameters(&pairs)
    }
}

/// Encodes like a form, except that a space becomes `%20`, which form parsers and URI parsers both
/// accept.
fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::authorization::refusal::ErrorCode;

    fn client(redirects: &[&str]) -> ClientMetadata {
        let stored = json!({
            "client_name": "App", "redirect_uris": redirects, "grant_types": ["authorization_code"],
            "response_types": ["code"], "token_endpoint_auth_method": "none",
        });
        ClientMetadata::from_stored(&stored.to_string()).expect("metadata")
    }

    fn trusted(uri: &str) -> TrustedRedirect {
        TrustedRedirect::of(Some(uri), &client(&[uri])).expect("a redirect")
    }

    #[test]
    fn only_registered_uris_are_trusted_and_they_are_used_as_requested() {
        let several = [
            "https://app.example/cb",
            "http://localhost/cb",
            "http://127.0.0.1:33418/",
            "cursor://anysphere/cb",
        ];
        let cases = [
            (&several[..], Some("https://app.example/cb"), true),
            (&several[..], Some("http://localhost:3118/cb"), true),
            (&several[..], Some("http://127.0.0.1/"), true),
            (&several[..], Some("cursor://anysphere/cb"), true),
            (&several[..], Some("https://app.example/cb/"), false),
            (&several[..], Some("https://app.example/cb?x=1"), false),
            (&several[..], Some("https://APP.example/cb"), false),
            (&several[..], Some("https://app.example:443/cb"), false),
            (&several[..], Some("http://localhost:3118/cb#x"), false),
            (&several[..], Some("http://localhost:3118@evil.example/cb"), false),
            (&several[..], Some("cursor://anysphere:1/cb"), false),
            (&several[..], Some("javascript:alert(1)"), false),
            (&several[..], Some(""), false),
            (&several[..], None, false),
            (&several[..1], None, true),
            (&several[1..2], None, false),
            (&several[3..], None, true),
            (&["https://localhost:8443/cb"], None, true),
            (&["https://localhost:8443/cb"], Some("https://localhost:8444/cb"), false),
            (&[], None, false),
            (&[], Some("https://app.example/cb"), false),
        ];
        for (registered, requested, expected) in cases {
            let found = TrustedRedirect::of(requested, &client(registered));

            let uri = found.as_ref().map(TrustedRedirect::as_str).ok();
            assert_eq!(uri.is_some(), expected, "{requested:?} of {registered:?}");
            assert_eq!(uri, requested.or(registered.first().copied()).filter(|_| expected));
            assert_eq!(
                found.is_ok_and(|redirect| redirect.was_sent()),
                expected && requested.is_some()
            );
        }
    }

    #[test]
    fn a_client_of_an_earlier_version_keeps_its_redirect_uri_byte_for_byte() {
        for uri in
            ["https://App.example:443/cb", "com.Example.App:/cb", "https://app.example/a/../cb"]
        {
            let registered = client(&[uri]);
            let other = uri.to_lowercase().replace(":443", "").replace("/a/..", "");

            assert_eq!(
                TrustedRedirect::of(Some(uri), &registered).as_ref().map(TrustedRedirect::as_str),
                Ok(uri)
            );
            assert_eq!(
                TrustedRedirect::of(None, &registered).as_ref().map(TrustedRedirect::as_str),
                Ok(uri)
            );
            assert_eq!(
                TrustedRedirect::of(Some(&other), &registered),
                Err(MismatchingRedirect),
                "{uri}"
            );
        }
    }

    #[test]
    fn parameters_are_added_to_every_kind_of_uri() {
        let pairs = [("code", "c"), ("state", "a b+c&d=e#f\"ä/")];
        let added = "code=c&state=a%20b%2Bc%26d%3De%23f%22%C3%A4%2F";
        let cases = [
            ("https://app.example/cb", "?"),
            ("https://app.example", "?"),
            ("https://app.example/cb?", ""),
            ("https://app.example/cb?tenant=1", "&"),
            ("https://app.example/cb?tenant=1&", ""),
            ("https://app.example/cb?next=a?b", "&"),
            ("http://localhost:3118/cb", "?"),
            ("cursor://host/path", "?"),
            ("cursor://host", "?"),
            ("com.example:/cb", "?"),
            ("app:cb", "?"),
            ("app:cb?x", "&"),
        ];
        for (uri, separator) in cases {
            assert_eq!(trusted(uri).with_parameters(&pairs), format!("{uri}{separator}{added}"));
            assert_eq!(trusted(uri).with_parameters(&[]), uri);
        }
    }

    #[test]
    fn every_response_contains_the_issuer_and_the_state() {
        let redirect = trusted("https://app.example/cb?x=1");
        let refusal = Refusal::new(ErrorCode::AccessDenied, "the user said no");
        let code = CodeResponse {
            code: "c0de",
            state: Some("s"),
            issuer: "https://id.example",
            domain: "id.example",
            site: "https://id.example",
            org_id: OrgId(Uuid::nil()),
            org_name: "Acme & Söhne",
        };

        assert_eq!(
            redirect.with_refusal(&refusal, Some("s"), code.issuer),
            "https://app.example/cb?x=1&error=access_denied&error_description=the%20user%20said%20no&state=s\
             &iss=https%3A%2F%2Fid.example",
        );
        assert_eq!(
            redirect.with_code(&code),
            "https://app.example/cb?x=1&code=c0de&state=s&iss=https%3A%2F%2Fid.example&domain=id.example\
             &site=https%3A%2F%2Fid.example&dd_oid=00000000-0000-0000-0000-000000000000\
             &dd_org_name=Acme%20%26%20S%C3%B6hne",
        );
        assert!(!redirect.with_refusal(&refusal, None, code.issuer).contains("state"));
        assert!(!redirect.with_code(&CodeResponse { state: None, ..code }).contains("state"));
    }

    proptest! {
        #[test]
        fn added_parameters_are_read_back_and_do_not_start_a_fragment(
            uri in "(https://app[.]example|http://localhost:8080|cursor://x|app:)/[a-z]{0,3}([?][a-z=&]{0,5})?",
            values in proptest::collection::vec(("[a-z_]{1,5}", "\\PC{0,8}|[\\x00-\\x7f]{0,8}"), 0..4),
        ) {
            let pairs: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let written = trusted(&uri).with_parameters(&pairs);
            let query = written.split_once('?').map(|(_, query)| query).unwrap_or_default();
            let own = uri.split_once('?').map(|(_, query)| query).unwrap_or_default();
            let read: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let kept: Vec<_> = form_urlencoded::parse(own.as_bytes()).into_owned().collect();

            prop_assert!(written.starts_with(&uri) && RedirectUri::parse(&written).is_ok());
            prop_assert_eq!(read, [kept, values].concat());
        }
    }
}
