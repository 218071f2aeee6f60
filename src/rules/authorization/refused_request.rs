//! Details of an authorization request that must not be redirected, because the client is unknown
//! or did not register the redirect URI (RFC 6749 section 4.1.2.1). The page and the log show them
//! for troubleshooting.
//!
//! The values come from an unknown party, so their length is limited and everything except
//! printable ASCII is escaped. Queries can contain secrets and are left out.

use crate::client::metadata::ClientMetadata;
use crate::redirect::uri::RedirectUri;

const MAX_CLIENT_ID: usize = 200;
const MAX_URI: usize = 300;
/// The maximum number of registered redirect URIs that are shown.
const MAX_REGISTERED: usize = 5;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedRequest {
    /// The `client_id` that was sent, if there was exactly one.
    pub client_id: Option<String>,
    /// The `redirect_uri` that was sent, if there was exactly one.
    pub redirect_uri: Option<String>,
    pub registered: Vec<String>,
    /// The number of registered redirect URIs that are not shown.
    pub more: usize,
}

impl RefusedRequest {
    pub fn new(
        client_id: Option<&str>,
        redirect_uri: Option<&str>,
        client: Option<&ClientMetadata>,
    ) -> Self {
        let registered = client.map(ClientMetadata::redirect_uris).unwrap_or_default();
        Self {
            client_id: client_id.map(|text| printable(text, MAX_CLIENT_ID)),
            redirect_uri: redirect_uri.map(uri),
            registered: registered
                .iter()
                .take(MAX_REGISTERED)
                .map(RedirectUri::as_str)
                .map(uri)
                .collect(),
            more: registered.len().saturating_sub(MAX_REGISTERED),
        }
    }
}

fn uri(text: &str) -> String {
    printable(text.split(['?', '#']).next().unwrap_or_default(), MAX_URI)
}

fn printable(text: &str, max: usize) -> String {
    let is_cut = text.chars().nth(max).is_some();
    let mut shown = String::new();
    for character in text.chars().take(max) {
        match character {
            ' '..='~' => shown.push(character),
            other => shown.extend(other.escape_unicode()),
        }
    }
    if is_cut { shown + "..." } else { shown }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_escaped_and_shortened_and_have_no_query() {
        let cases = [
            ("https://app.example/cb?code=secret", "https://app.example/cb".to_owned()),
            ("https://app.example/cb#secret", "https://app.example/cb".to_owned()),
            (
                "https://app.example/\u{202E}\n\u{1B}[31m",
                "https://app.example/\\u{202e}\\u{a}\\u{1b}[31m".to_owned(),
            ),
            ("https://аpp.example/", "https://\\u{430}pp.example/".to_owned()),
            ("?x", String::new()),
            (&"x".repeat(301), "x".repeat(300) + "..."),
        ];
        for (sent, expected) in cases {
            let facts = RefusedRequest::new(Some("c"), Some(sent), None);
            assert_eq!(facts.redirect_uri, Some(expected));
            assert_eq!(
                (facts.client_id.as_deref(), facts.registered.len(), facts.more),
                (Some("c"), 0, 0)
            );
        }
        assert_eq!(RefusedRequest::new(None, None, None), RefusedRequest::default());
        let long = RefusedRequest::new(Some(&"é".repeat(1000)), None, None)
            .client_id
            .expect("a client id");
        assert!(long.len() < 200 * "\\u{10ffff}".len() + 4 && long.ends_with("..."), "{long}");
    }

    proptest! {
        #[test]
        fn only_printable_ascii_is_shown(text in any::<String>()) {
            let facts = RefusedRequest::new(Some(&text), Some(&text), None);
            for shown in [facts.client_id, facts.redirect_uri].into_iter().flatten() {
                prop_assert!(shown.bytes().all(|byte| matches!(byte, b' '..=b'~')));
                let is_bounded = shown.len() <= 300 * "\\u{10ffff}".len() + 3;
                prop_assert!(is_bounded);
            }
        }
    }
}
