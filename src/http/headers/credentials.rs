//! Reads the secret of an `Authorization` header: HTTP Basic (RFC 7617) as RFC 6749 section 2.3.1
//! profiles it, or a bearer token (RFC 6750 section 2.1). The management API also accepts two keys,
//! in headers of their own.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::rules::secret::Secret;

pub const API_KEY: &str = "dd-api-key";
pub const APPLICATION_KEY: &str = "dd-application-key";

/// The possible readings of the Basic password, or the bearer token. The caller tries each of them,
/// since not every client form-encodes both halves (RFC 6749 section 2.3.1), and a user name that
/// is a URI contains a colon. Empty if the header is not valid.
pub fn secrets_of(value: &HeaderValue) -> Vec<Secret> {
    let Some((scheme, rest)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
        return Vec::new();
    };
    let rest = rest.trim();
    let readings = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => vec![rest.to_owned()],
        "basic" => passwords(rest),
        _ => Vec::new(),
    };
    readings.into_iter().filter(|reading| !reading.is_empty()).map(Secret::new).collect()
}

/// The credentials of HTTP Basic.
#[derive(Debug, PartialEq, Eq)]
pub struct Basic {
    pub client_id: String,
    /// The possible readings of the password, as in [`secrets_of`].
    pub secrets: Vec<Secret>,
}

/// Reads `Authorization: Basic`. The header of another scheme, or one that is not valid, is an
/// error.
pub fn basic_of(value: &HeaderValue) -> Option<Basic> {
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = decoded(rest.trim())?;
    // The id of a client without a secret can be a URL, which contains a colon.
    if let Some(id) = decoded.strip_suffix(':') {
        return Some(Basic { client_id: form_decoded(id), secrets: Vec::new() });
    }
    let (id, _) = decoded.split_once(':')?;
    Some(Basic { client_id: form_decoded(id), secrets: secrets_of(value) })
}

fn decoded(encoded: &str) -> Option<String> {
    BASE64_STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok())
}

fn passwords(encoded: &str) -> Vec<String> {
    let Some(decoded) = decoded(encoded) else { return Vec::new() };
    let halves = [decoded.split_once(':'), decoded.rsplit_once(':')];
    let mut readings: Vec<String> = Vec::new();
    for (_, password) in halves.into_iter().flatten() {
        for reading in [form_decoded(password), password.to_owned()] {
            if !readings.contains(&reading) {
                readings.push(reading);
            }
        }
    }
    readings
}

fn form_decoded(text: &str) -> String {
    // Parses the text as the value of a pair without a name. A `&` in it is not a separator.
    form_urlencoded::parse(format!("={}", text.replace('&', "%26")).as_bytes())
        .map(|(_, value)| value.into_owned())
        .collect()
}

/// The token of `Authorization: Bearer`, if the header has that scheme.
pub fn bearer_token(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Whether the request has credentials of the management API, valid or not.
pub fn presents_credentials(headers: &HeaderMap) -> bool {
    let has_keys = headers.contains_key(API_KEY) && headers.contains_key(APPLICATION_KEY);
    has_keys || headers.get(AUTHORIZATION).and_then(bearer_token).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header, and the id and the secrets that are read from it.
    type BasicCase = (&'static str, Option<(&'static str, &'static [&'static str])>);

    #[test]
    fn basic_has_an_id_and_perhaps_a_secret() {
        let cases: [BasicCase; 7] = [
            ("Basic aWQ6c2VjcmV0", Some(("id", &["secret"]))),
            ("basic aWQ6", Some(("id", &[]))),
            // "https%3A%2F%2Fa.example%2Fc:" and "https://a.example/c:"
            ("Basic aHR0cHMlM0ElMkYlMkZhLmV4YW1wbGUlMkZjOg==", Some(("https://a.example/c", &[]))),
            ("Basic aHR0cHM6Ly9hLmV4YW1wbGUvYzo=", Some(("https://a.example/c", &[]))),
            ("Basic aWQ=", None),
            ("Basic !", None),
            ("Bearer aWQ6c2VjcmV0", None),
        ];
        for (header, expected) in cases {
            let found = basic_of(&HeaderValue::from_static(header));
            let found = found.as_ref().map(|basic| {
                let secrets: Vec<&str> = basic.secrets.iter().map(Secret::expose).collect();
                (basic.client_id.as_str(), secrets)
            });
            assert_eq!(found, expected.map(|(id, secrets)| (id, secrets.to_vec())), "{header}");
        }
    }

    #[test]
    fn a_secret_is_read_from_basic_and_bearer_however_clients_encode_it() {
        let cases: [(&'static str, &[&str]); 13] = [
            ("Basic aWQ6cnNfc2VjcmV0", &["rs_secret"]),
            ("basic aWQ6cnNfc2VjcmV0", &["rs_secret"]),
            ("Bearer rs_secret", &["rs_secret"]),
            // "id:a%2Bb" and "https://r.example:s"
            ("Basic aWQ6YSUyQmI=", &["a+b", "a%2Bb"]),
            ("Basic aHR0cHM6Ly9yLmV4YW1wbGU6cw==", &["//r.example:s", "s"]),
            ("Basic aWQ6", &[]),
            ("Basic aWQ=", &[]),
            ("Basic !", &[]),
            ("Basic", &[]),
            ("Bearer", &[]),
            ("Bearer  ", &[]),
            ("", &[]),
            ("Digest x", &[]),
        ];
        for (header, expected) in cases {
            let secrets = secrets_of(&HeaderValue::from_static(header));
            assert_eq!(
                secrets.iter().map(Secret::expose).collect::<Vec<_>>(),
                expected,
                "{header}"
            );
        }
    }
}
