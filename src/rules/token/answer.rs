//! What a token endpoint answers to a client that asks for a token of its own (RFC 6749 sections 4.4.3, 5.1 and 5.2).
//!
//! The other side may be anybody's and in any state, so nothing of it is taken as it comes: a token is text that a header
//! can hold, its lifetime is bounded, and of an error nothing but its code is repeated.

use serde_json::{Map, Value};

use crate::rules::syntax::json_text;
use crate::secret::Secret;

/// A bearer token, and for how long it may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenToken {
    pub token: Secret,
    /// In seconds, from 0 to a day.
    pub good_for: i64,
    /// As it is written, where it is a list of scope names.
    pub scope: Option<String>,
}

/// Why there is no token, in words that follow "it answered".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    #[error("with status {status}{}", in_brackets(.code.as_ref()))]
    Refused { status: u16, code: Option<ErrorCode> },
    #[error("with a redirect, which is not followed")]
    Redirected,
    #[error("with something that is no JSON object")]
    NotJson,
    #[error("without an access_token")]
    Missing,
    #[error("with an access_token that is longer than {LONGEST_TOKEN} bytes or no printable ASCII without spaces")]
    Unusable,
    #[error("with a token of another token_type than Bearer")]
    NotBearer,
}

/// `error`, of characters that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorCode(String);

const LONGEST_TOKEN: usize = 8 * 1024;
const LONGEST_CODE: usize = 64;
const LONGEST_SCOPE: usize = 2_048;
/// Where nothing is said that can be read.
const GOOD_FOR_BY_DEFAULT: i64 = 300;
const GOOD_FOR_AT_MOST: i64 = 24 * 60 * 60;

pub fn read(status: u16, body: &[u8]) -> Result<GivenToken, NoToken> {
    if (300..400).contains(&status) {
        return Err(NoToken::Redirected);
    }
    let members = members(body);
    let code = members.as_ref().and_then(|members| ErrorCode::parse(members.get("error")?.as_str()?));
    // Some say 200 and that it went wrong.
    if !(200..300).contains(&status) || code.is_some() {
        return Err(NoToken::Refused { status, code });
    }
    let members = members.ok_or(NoToken::NotJson)?;
    let token = members.get("access_token").and_then(Value::as_str).ok_or(NoToken::Missing)?;
    if token.is_empty() || token.len() > LONGEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(NoToken::Unusable);
    }
    let kind = members.get("token_type").and_then(Value::as_str).unwrap_or_default();
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(NoToken::NotBearer);
    }
    Ok(GivenToken {
        token: Secret::new(token.to_owned()),
        good_for: good_for(members.get("expires_in")),
        scope: members.get("scope").and_then(Value::as_str).filter(|scope| is_scope(scope)).map(str::to_owned),
    })
}

impl NoToken {
    /// The client was not recognised: perhaps because it said who it is in a way that the endpoint does not know.
    pub fn is_about_the_client(&self) -> bool {
        match self {
            Self::Refused { status: 401, .. } => true,
            Self::Refused { code: Some(code), .. } => code.0 == "invalid_client",
            _ => false,
        }
    }

    /// The client was recognised, and something else is wrong.
    pub fn is_about_something_else(&self) -> bool {
        match self {
            Self::Refused { code: Some(code), .. } => code.0 != "invalid_request" && !self.is_about_the_client(),
            Self::Refused { code: None, .. } => false,
            _ => true,
        }
    }

    /// Without a code that repeats a secret.
    pub fn without(self, secret: &Secret) -> Self {
        match self {
            Self::Refused { status, code } => {
                Self::Refused { status, code: code.filter(|code| !repeats(&code.0, secret)) }
            }
            other => other,
        }
    }
}

impl GivenToken {
    /// Without a scope that repeats the token or the secret.
    pub fn without(mut self, secret: &Secret) -> Self {
        self.scope = self.scope.take().filter(|scope| !repeats(scope, secret) && !repeats(scope, &self.token));
        self
    }
}

impl ErrorCode {
    fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let is_code = !text.is_empty() && text.len() <= LONGEST_CODE && text.bytes().all(is_plain);
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

/// A number of seconds, which some write as text. What is no number is as good as absent.
fn good_for(expires_in: Option<&Value>) -> i64 {
    let seconds = match expires_in {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    // As casts go: what is beyond the range becomes its end.
    let whole = seconds.filter(|seconds: &f64| !seconds.is_nan()).map(|seconds| seconds as i64);
    whole.map_or(GOOD_FOR_BY_DEFAULT, |seconds| seconds.clamp(0, GOOD_FOR_AT_MOST))
}

/// RFC 6749 section 3.3.
fn is_scope(text: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
    !text.is_empty() && text.len() <= LONGEST_SCOPE && text.bytes().all(is_allowed)
}

/// A short secret may stand in any word by chance; then it has to be the whole of it.
fn repeats(text: &str, secret: &Secret) -> bool {
    const LONG_ENOUGH: usize = 8;
    let secret = secret.expose();
    text == secret || secret.len() >= LONG_ENOUGH && text.contains(secret)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read_value(status: u16, value: Value) -> Result<GivenToken, NoToken> {
        read(status, value.to_string().as_bytes())
    }

    fn given(good_for: i64, scope: Option<&str>) -> GivenToken {
        GivenToken { token: Secret::new("t-1".to_owned()), good_for, scope: scope.map(str::to_owned) }
    }

    fn refused(status: u16, code: Option<&str>) -> NoToken {
        NoToken::Refused { status, code: code.map(|code| ErrorCode(code.to_owned())) }
    }

    #[test]
    fn a_bearer_token_is_taken_with_its_lifetime_and_scope() {
        let plain = json!({"access_token": "t-1", "token_type": "Bearer", "expires_in": 3600, "scope": "a b:c"});

        assert_eq!(read_value(200, plain.clone()), Ok(given(3600, Some("a b:c"))));
        for (name, value) in [("token_type", json!("bEARER")), ("refresh_token", json!("x")), ("error", Value::Null)] {
            let mut told = plain.clone();
            told[name] = value;
            assert_eq!(read_value(201, told), Ok(given(3600, Some("a b:c"))), "{name}");
        }
        for scope in [json!(null), json!(""), json!(["a"]), json!("a\nb"), json!("\"a\""), json!("a".repeat(2_049))] {
            let mut told = plain.clone();
            told["scope"] = scope.clone();
            assert_eq!(read_value(200, told), Ok(given(3600, None)), "{scope}");
        }
    }

    #[test]
    fn whatever_is_said_of_the_lifetime_it_is_between_none_and_a_day() {
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
            let told = json!({"access_token": "t-1", "token_type": "Bearer", "expires_in": expires_in});
            assert_eq!(read_value(200, told).map(|given| given.good_for), Ok(expected), "{expires_in}");
        }
        let absent = json!({"access_token": "t-1", "token_type": "Bearer"});
        assert_eq!(read_value(200, absent), Ok(given(300, None)));
    }

    #[test]
    fn an_answer_without_a_usable_token_says_what_is_wrong_with_it() {
        let with = |token: Value| json!({"access_token": token, "token_type": "Bearer"});
        let cases = [
            (json!({}), NoToken::Missing),
            (with(json!(null)), NoToken::Missing),
            (with(json!(7)), NoToken::Missing),
            (with(json!("")), NoToken::Unusable),
            (with(json!("a b")), NoToken::Unusable),
            (with(json!("a\r\nx: y")), NoToken::Unusable),
            (with(json!("tök")), NoToken::Unusable),
            (with(json!("a".repeat(8_193))), NoToken::Unusable),
            (json!({"access_token": "t-1", "token_type": "mac"}), NoToken::NotBearer),
            (json!({"access_token": "t-1"}), NoToken::NotBearer),
            (json!(["t-1"]), NoToken::NotJson),
            (json!("t-1"), NoToken::NotJson),
        ];
        for (body, expected) in cases {
            assert_eq!(read_value(200, body.clone()), Err(expected), "{body}");
        }
        let longest = "a".repeat(8_192);
        assert!(read_value(200, with(json!(longest))).is_ok());
        for body in ["", "access_token=t-1", "{", "\u{FEFF}{}", &"[".repeat(100_000)] {
            assert_eq!(read(200, body.as_bytes()), Err(NoToken::NotJson), "{body:.20}");
        }
    }

    #[test]
    fn of_an_error_nothing_is_repeated_but_a_code_of_plain_characters() {
        let long = "a".repeat(65);
        let cases = [
            (400, json!({"error": "invalid_scope", "error_description": "x", "error_uri": "y"}), Some("invalid_scope")),
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
            assert_eq!(read_value(status, body.clone()), Err(refused(status, code)), "{body}");
        }
        assert_eq!(refused(400, Some("invalid_scope")).to_string(), "with status 400 (invalid_scope)");
        assert_eq!(read_value(302, json!({"error": "x"})), Err(NoToken::Redirected));
        assert_eq!(read(502, b"<html>").map_err(|error| error.to_string()), Err("with status 502".to_owned()));
    }

    #[test]
    fn who_is_refused_for_how_it_said_who_it_is_may_say_it_otherwise() {
        let cases = [
            (refused(401, None), true, false),
            (refused(401, Some("unauthorized")), true, false),
            (refused(400, Some("invalid_client")), true, false),
            (refused(400, Some("invalid_request")), false, false),
            (refused(400, Some("invalid_scope")), false, true),
            (refused(400, None), false, false),
            (NoToken::NotBearer, false, true),
        ];
        for (error, about_the_client, about_something_else) in cases {
            let told = (error.is_about_the_client(), error.is_about_something_else());
            assert_eq!(told, (about_the_client, about_something_else), "{error}");
        }
    }

    #[test]
    fn what_repeats_a_secret_is_left_out() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let scoped = |scope: &str| given(1, Some(scope)).without(&secret("s3cret-s3cret")).scope;

        assert_eq!(refused(400, Some("s3cret-s3cret")).without(&secret("s3cret-s3cret")), refused(400, None));
        assert_eq!(refused(400, Some("a.s3cret-s3cret")).without(&secret("s3cret-s3cret")), refused(400, None));
        assert_eq!(refused(400, Some("invalid")).without(&secret("a")), refused(400, Some("invalid")));
        assert_eq!(scoped("a s3cret-s3cret"), None);
        assert_eq!(scoped("t-1"), None);
        assert_eq!(scoped("a b"), Some("a b".to_owned()));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_no_words_are_long(status in 100..600_u16, body in proptest::collection::vec(any::<u8>(), 0..128)) {
            if let Err(error) = read(status, &body) {
                prop_assert!(error.to_string().len() < 200);
            }
        }

        #[test]
        fn no_error_repeats_more_than_its_code(text in ".{0,80}") {
            let told = read_value(400, json!({"error": text, "error_description": text})).expect_err("is refused").to_string();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-. ()".contains(c);
            prop_assert!(told.chars().all(is_plain), "{told}");
        }
    }
}
