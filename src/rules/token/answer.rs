//! The response of a token endpoint to a client credentials request of this server (RFC 6749
//! sections 4.4.3, 5.1 and 5.2).
//!
//! The endpoint belongs to a third party, so the response is not trusted: a token must be valid in
//! a header, its lifetime is limited, and only the code of an error is repeated.

use serde_json::{Map, Value};

use crate::secret::Secret;
use crate::syntax::json_text;

/// A bearer token and its lifetime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedToken {
    pub token: Secret,
    /// Seconds, from 0 to a day.
    pub lifetime: i64,
    /// The scope as it was received, if it is valid.
    pub scope: Option<String>,
}

/// The reason why the response has no usable token. The text continues "HOST responded".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenResponseError {
    #[error("with status {status}{}", in_brackets(.code.as_ref()))]
    Refused { status: u16, code: Option<ErrorCode> },
    #[error("with a redirect, which is not followed")]
    Redirected,
    #[error("with a body that is not a JSON object")]
    NotJson,
    #[error("without an access_token")]
    Missing,
    #[error(
        "with an access_token that is longer than {MAX_TOKEN_BYTES} bytes or contains characters \
         other than visible ASCII"
    )]
    Unusable,
    #[error("with a token_type other than Bearer")]
    NotBearer,
}

/// The `error` of the response, which has only plain characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorCode(String);

const MAX_TOKEN_BYTES: usize = 8 * 1024;
const MAX_CODE_BYTES: usize = 64;
const MAX_SCOPE_BYTES: usize = 2_048;
/// Used if `expires_in` is absent or invalid.
const DEFAULT_LIFETIME: i64 = 300;
const MAX_LIFETIME: i64 = 24 * 60 * 60;

pub fn parse_token_response(status: u16, body: &[u8]) -> Result<ReceivedToken, TokenResponseError> {
    if (300..400).contains(&status) {
        return Err(TokenResponseError::Redirected);
    }
    let members = members(body);
    let code =
        members.as_ref().and_then(|members| ErrorCode::parse(members.get("error")?.as_str()?));
    // Some endpoints send errors with status 200.
    if !(200..300).contains(&status) || code.is_some() {
        return Err(TokenResponseError::Refused { status, code });
    }
    let members = members.ok_or(TokenResponseError::NotJson)?;
    let token =
        members.get("access_token").and_then(Value::as_str).ok_or(TokenResponseError::Missing)?;
    if token.is_empty()
        || token.len() > MAX_TOKEN_BYTES
        || !token.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(TokenResponseError::Unusable);
    }
    let kind = members.get("token_type").and_then(Value::as_str).unwrap_or_default();
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(TokenResponseError::NotBearer);
    }
    Ok(ReceivedToken {
        token: Secret::new(token.to_owned()),
        lifetime: lifetime(members.get("expires_in")),
        scope: members
            .get("scope")
            .and_then(Value::as_str)
            .filter(|scope| is_scope(scope))
            .map(str::to_owned),
    })
}

impl TokenResponseError {
    /// Whether client authentication failed, possibly because the endpoint expects the credentials
    /// in another place.
    pub fn is_authentication_failure(&self) -> bool {
        match self {
            Self::Refused { status: 401, .. } => true,
            Self::Refused { code: Some(code), .. } => code.0 == "invalid_client",
            _ => false,
        }
    }

    /// Whether client authentication succeeded and the request failed for another reason.
    pub fn is_after_authentication(&self) -> bool {
        match self {
            Self::Refused { code: Some(code), .. } => {
                code.0 != "invalid_request" && !self.is_authentication_failure()
            }
            Self::Refused { code: None, .. } => false,
            _ => true,
        }
    }

    /// Removes a code that contains the secret.
    pub fn redacted(self, secret: &Secret) -> Self {
        match self {
            Self::Refused { status, code } => Self::Refused {
                status,
                code: code.filter(|code| !contains_secret(&code.0, secret)),
            },
            other => other,
        }
    }
}

impl ReceivedToken {
    /// Removes a scope that contains the token or the secret.
    pub fn redacted(mut self, secret: &Secret) -> Self {
        self.scope = self.scope.take().filter(|scope| {
            !contains_secret(scope, secret) && !contains_secret(scope, &self.token)
        });
        self
    }
}

impl ErrorCode {
    fn parse(text: &str) -> Option<Self> {
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let is_code =
            !text.is_empty() && text.len() <= MAX_CODE_BYTES && text.bytes().all(is_plain);
        is_code.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn in_brackets(code: Option<&ErrorCode>) -> String {
    code.map_or_else(String::new, |code| format!(" ({})", code.0))
}

fn members(body: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_str(json_text::check(body).ok()?).ok()
}

/// Some endpoints send the number of seconds as a string. Other values count as absent.
fn lifetime(expires_in: Option<&Value>) -> i64 {
    let seconds = match expires_in {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    // The cast saturates: values beyond the range become its limit.
    let whole = seconds.filter(|seconds: &f64| !seconds.is_nan()).map(|seconds| seconds as i64);
    whole.map_or(DEFAULT_LIFETIME, |seconds| seconds.clamp(0, MAX_LIFETIME))
}

/// RFC 6749 section 3.3.
fn is_scope(text: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
    !text.is_empty() && text.len() <= MAX_SCOPE_BYTES && text.bytes().all(is_allowed)
}

/// Whether the text contains the secret. A short secret can occur in any word by chance, so it
/// counts only if it is the whole text.
fn contains_secret(text: &str, secret: &Secret) -> bool {
    const MIN_LENGTH: usize = 8;
    let secret = secret.expose();
    text == secret || secret.len() >= MIN_LENGTH && text.contains(secret)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse_value(status: u16, value: Value) -> Result<ReceivedToken, TokenResponseError> {
        parse_token_response(status, value.to_string().as_bytes())
    }

    fn received(lifetime: i64, scope: Option<&str>) -> ReceivedToken {
        ReceivedToken {
            token: Secret::new("t-1".to_owned()),
            lifetime,
            scope: scope.map(str::to_owned),
        }
    }

    fn refused(status: u16, code: Option<&str>) -> TokenResponseError {
        TokenResponseError::Refused { status, code: code.map(|code| ErrorCode(code.to_owned())) }
    }

    #[test]
    fn a_bearer_token_is_accepted_with_its_lifetime_and_scope() {
        let plain = json!({"access_token": "t-1", "token_type": "Bearer", "expires_in": 3600, "scope": "a b:c"});

        assert_eq!(parse_value(200, plain.clone()), Ok(received(3600, Some("a b:c"))));
        for (name, value) in
            [("token_type", json!("bEARER")), ("refresh_token", json!("x")), ("error", Value::Null)]
        {
            let mut body = plain.clone();
            body[name] = value;
            assert_eq!(parse_value(201, body), Ok(received(3600, Some("a b:c"))), "{name}");
        }
        for scope in [
            json!(null),
            json!(""),
            json!(["a"]),
            json!("a\nb"),
            json!("\"a\""),
            json!("a".repeat(2_049)),
        ] {
            let mut body = plain.clone();
            body["scope"] = scope.clone();
            assert_eq!(parse_value(200, body), Ok(received(3600, None)), "{scope}");
        }
    }

    #[test]
    fn the_lifetime_is_limited_to_between_0_seconds_and_a_day() {
        let cases = [
            (json!(1), 1),
            (json!("1800"), 1800),
            (json!(" 60 "), 60),
            (json!(59.9), 59),
            (json!(0), 0),
            (json!(-5), 0),
            (json!(i64::MIN), 0),
            (json!(86_401), 86_400),
            (json!(u64::MAX), 86_400),
            (json!(1e300), 86_400),
            (json!("1e400"), 86_400),
            (json!("-inf"), 0),
            (json!("nan"), 300),
            (json!("soon"), 300),
            (json!(""), 300),
            (json!(null), 300),
            (json!(true), 300),
            (json!([60]), 300),
        ];
        for (expires_in, expected) in cases {
            let body =
                json!({"access_token": "t-1", "token_type": "Bearer", "expires_in": expires_in});
            assert_eq!(
                parse_value(200, body).map(|received| received.lifetime),
                Ok(expected),
                "{expires_in}"
            );
        }
        let absent = json!({"access_token": "t-1", "token_type": "Bearer"});
        assert_eq!(parse_value(200, absent), Ok(received(300, None)));
    }

    #[test]
    fn a_response_without_a_usable_token_is_an_error_with_a_reason() {
        let with = |token: Value| json!({"access_token": token, "token_type": "Bearer"});
        let cases = [
            (json!({}), TokenResponseError::Missing),
            (with(json!(null)), TokenResponseError::Missing),
            (with(json!(7)), TokenResponseError::Missing),
            (with(json!("")), TokenResponseError::Unusable),
            (with(json!("a b")), TokenResponseError::Unusable),
            (with(json!("a\r\nx: y")), TokenResponseError::Unusable),
            (with(json!("tök")), TokenResponseError::Unusable),
            (with(json!("a".repeat(8_193))), TokenResponseError::Unusable),
            (json!({"access_token": "t-1", "token_type": "mac"}), TokenResponseError::NotBearer),
            (json!({"access_token": "t-1"}), TokenResponseError::NotBearer),
            (json!(["t-1"]), TokenResponseError::NotJson),
            (json!("t-1"), TokenResponseError::NotJson),
        ];
        for (body, expected) in cases {
            assert_eq!(parse_value(200, body.clone()), Err(expected), "{body}");
        }
        let longest = "a".repeat(8_192);
        assert!(parse_value(200, with(json!(longest))).is_ok());
        for body in ["", "access_token=t-1", "{", "\u{FEFF}{}", &"[".repeat(100_000)] {
            assert_eq!(
                parse_token_response(200, body.as_bytes()),
                Err(TokenResponseError::NotJson),
                "{body:.20}"
            );
        }
    }

    #[test]
    fn only_a_code_of_plain_characters_is_kept_from_an_error() {
        let long = "a".repeat(65);
        let cases = [
            (
                400,
                json!({"error": "invalid_scope", "error_description": "x", "error_uri": "y"}),
                Some("invalid_scope"),
            ),
            (401, json!({"error": "invalid_client"}), Some("invalid_client")),
            (400, json!({"error": "urn.x-y_1"}), Some("urn.x-y_1")),
            (200, json!({"error": "bad_verification_code"}), Some("bad_verification_code")),
            (500, json!({"error": {"message": "x"}}), None),
            (400, json!({"error": "<script>alert(1)</script>"}), None),
            (400, json!({"error": "a b"}), None),
            (400, json!({"error": "\u{1b}[31mred"}), None),
            (400, json!({"error": long}), None),
            (400, json!({"error": ""}), None),
            (503, json!("x"), None),
        ];
        for (status, body, code) in cases {
            assert_eq!(parse_value(status, body.clone()), Err(refused(status, code)), "{body}");
        }
        assert_eq!(
            refused(400, Some("invalid_scope")).to_string(),
            "with status 400 (invalid_scope)"
        );
        assert_eq!(parse_value(302, json!({"error": "x"})), Err(TokenResponseError::Redirected));
        let not_json = parse_token_response(502, b"<html>").map_err(|error| error.to_string());
        assert_eq!(not_json, Err("with status 502".to_owned()));
    }

    #[test]
    fn authentication_failures_are_distinguished_from_other_errors() {
        let cases = [
            (refused(401, None), true, false),
            (refused(401, Some("unauthorized")), true, false),
            (refused(400, Some("invalid_client")), true, false),
            (refused(400, Some("invalid_request")), false, false),
            (refused(400, Some("invalid_scope")), false, true),
            (refused(400, None), false, false),
            (TokenResponseError::NotBearer, false, true),
        ];
        for (error, is_failure, is_after) in cases {
            let result = (error.is_authentication_failure(), error.is_after_authentication());
            assert_eq!(result, (is_failure, is_after), "{error}");
        }
    }

    #[test]
    fn text_that_contains_a_secret_is_removed() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let scoped =
            |scope: &str| received(1, Some(scope)).redacted(&secret("s3cret-s3cret")).scope;

        assert_eq!(
            refused(400, Some("s3cret-s3cret")).redacted(&secret("s3cret-s3cret")),
            refused(400, None)
        );
        assert_eq!(
            refused(400, Some("a.s3cret-s3cret")).redacted(&secret("s3cret-s3cret")),
            refused(400, None)
        );
        assert_eq!(
            refused(400, Some("invalid")).redacted(&secret("a")),
            refused(400, Some("invalid"))
        );
        assert_eq!(scoped("a s3cret-s3cret"), None);
        assert_eq!(scoped("t-1"), None);
        assert_eq!(scoped("a b"), Some("a b".to_owned()));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_error_texts_are_short(status in 100..600_u16, body in proptest::collection::vec(any::<u8>(), 0..128)) {
            if let Err(error) = parse_token_response(status, &body) {
                prop_assert!(error.to_string().len() < 200);
            }
        }

        #[test]
        fn an_error_repeats_only_its_code(text in ".{0,80}") {
            let body = json!({"error": text, "error_description": text});
            let shown = parse_value(400, body).expect_err("is refused").to_string();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-. ()".contains(c);
            prop_assert!(shown.chars().all(is_plain), "{shown}");
        }
    }
}
