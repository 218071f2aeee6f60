//! The parameters of a request, from a query, a form or a JSON object (RFC 6749 sections 3.1 and
//! 3.2, appendix B).
//!
//! Parsing is strict if two parsers could disagree: bytes that are not UTF-8, invalid
//! percent-encoding, NUL characters and repeated names are refused, never repaired. A parameter
//! without a value is treated as if it was not sent (RFC 6749 section 3.1).

use std::fmt;

use serde_json::Value;

use crate::syntax::json_object;
use crate::syntax::json_object::{AllMembers, NOT_JSON, Object, ReadError};
use crate::syntax::json_text::JsonTextError;

/// The only OAuth parameter that may be repeated (RFC 8707 section 2).
const RESOURCE: &str = "resource";

/// The `Debug` output has only the number of parameters, because codes, tokens and passwords are
/// sent as parameters.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
    repeated: Option<SafeName>,
}

/// Why parameters are not valid: the problem, a colon, and the remedy, in the characters that
/// `error_description` allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    #[error("the parameters are longer than {0} bytes: shorten them")]
    TooLong(usize),
    #[error("there are more than {} parameters: send fewer", Parameters::MAX_PAIRS)]
    TooMany,
    #[error(
        "the parameters contain a % that is not followed by two hexadecimal digits: write %25 for a percent sign"
    )]
    BadPercentEncoding,
    #[error("the parameters are not UTF-8: encode them as UTF-8")]
    NotUtf8,
    #[error("{0} contains a NUL character: remove it")]
    Nul(SafeName),
    #[error("{0} is sent more than once: send it once")]
    Repeated(SafeName),
    #[error(transparent)]
    JsonText(JsonTextError),
    #[error("{NOT_JSON}")]
    NotJson,
    #[error("the body is not a JSON object: send the parameters as members of one object")]
    NotAnObject,
    #[error("{0} is not a string: send a JSON string")]
    NotAString(SafeName),
}

impl From<ReadError> for ParametersError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Text(error) => Self::JsonText(error),
            ReadError::NotJson => Self::NotJson,
            ReadError::NotAnObject => Self::NotAnObject,
        }
    }
}

/// The name of a parameter for use in a message. Anyone can choose it, so only a short name of
/// plain characters is quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeName(Option<String>);

impl SafeName {
    const MAX_LENGTH: usize = 40;

    fn of(name: &str) -> Self {
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let is_safe = (1..=Self::MAX_LENGTH).contains(&name.len()) && name.bytes().all(is_plain);
        Self(is_safe.then(|| name.to_owned()))
    }
}

impl fmt::Display for SafeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_deref().unwrap_or("a parameter"))
    }
}

impl Parameters {
    const MAX_QUERY: usize = 8 * 1024;
    const MAX_BODY: usize = 64 * 1024;
    const MAX_PAIRS: usize = 100;

    pub fn from_query(query: &str) -> Result<Self, ParametersError> {
        Self::read(query.as_bytes(), Self::MAX_QUERY, &[])?.reject_repeated()
    }

    pub fn from_form(body: &[u8]) -> Result<Self, ParametersError> {
        Self::from_form_with_lists(body, &[])
    }

    /// Parses a form of this server's own pages. The names in `lists` may be repeated, for example
    /// for checkboxes.
    pub fn from_form_with_lists(body: &[u8], lists: &[&str]) -> Result<Self, ParametersError> {
        Self::read(body, Self::MAX_BODY, lists)?.reject_repeated()
    }

    /// Parses an authorization request. Its errors are reported to the redirect URI if that is
    /// valid (RFC 6749 section 4.1.2.1). So a repeated name is not an error here: it has no value,
    /// and [`Self::repeated`] returns it after the redirect URI is known.
    pub fn from_authorization_request(bytes: &[u8]) -> Result<Self, ParametersError> {
        Self::read(bytes, Self::MAX_QUERY, &[])
    }

    /// Parses an object of strings. `resource` may be a list of strings, and `null` counts as not
    /// sent.
    pub fn from_json(body: &[u8]) -> Result<Self, ParametersError> {
        check_length(body, Self::MAX_BODY)?;
        let Object { members, repeated } = json_object::read::<AllMembers>(body)?;
        let members = members.into_vec();
        if members.len() > Self::MAX_PAIRS {
            return Err(ParametersError::TooMany);
        }
        if let Some(name) = repeated {
            return Err(ParametersError::Repeated(SafeName::of(&name)));
        }
        let mut parameters = Self::default();
        for (name, value) in &members {
            parameters.push_json(name, value)?;
        }
        Ok(parameters)
    }

    /// The value of a parameter, if it was sent once and is not empty.
    /// Adds a parameter that was sent in another place, if it is missing.
    pub fn add_missing(&mut self, name: &str, value: &str) {
        if self.get(name).is_none() {
            self.pairs.push((name.to_owned(), value.to_owned()));
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a parameter that may be repeated, in the order in which they were sent.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(sent, _)| sent == name).map(|(_, value)| value.as_str())
    }

    /// The error for a repeated name, if the constructor leaves it to the caller.
    pub fn repeated(&self) -> Option<ParametersError> {
        self.repeated.clone().map(ParametersError::Repeated)
    }

    fn read(bytes: &[u8], max: usize, lists: &[&str]) -> Result<Self, ParametersError> {
        check_length(bytes, max)?;
        let sent = decode(bytes)?;
        let may_repeat = |name: &str| name == RESOURCE || lists.contains(&name);
        let repeats = |name: &str| {
            !may_repeat(name) && sent.iter().filter(|(other, _)| other == name).count() > 1
        };
        let repeated =
            sent.iter().find(|(name, _)| repeats(name)).map(|(name, _)| SafeName::of(name));
        let kept = sent.iter().filter(|(name, value)| !value.is_empty() && !repeats(name));
        let pairs = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Self { pairs, repeated })
    }

    fn reject_repeated(self) -> Result<Self, ParametersError> {
        self.repeated().map_or(Ok(self), Err)
    }

    fn push_json(&mut self, name: &str, value: &Value) -> Result<(), ParametersError> {
        match value {
            Value::Null => Ok(()),
            Value::Array(items) if name == RESOURCE => {
                items.iter().try_for_each(|item| self.push_text(name, item))
            }
            text => self.push_text(name, text),
        }
    }

    fn push_text(&mut self, name: &str, value: &Value) -> Result<(), ParametersError> {
        let text = value.as_str().ok_or_else(|| ParametersError::NotAString(SafeName::of(name)))?;
        check_no_nul(name, text)?;
        if self.pairs.len() == Self::MAX_PAIRS {
            return Err(ParametersError::TooMany);
        }
        if !text.is_empty() {
            self.pairs.push((name.to_owned(), text.to_owned()));
        }
        Ok(())
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Parameters({} pairs)", self.pairs.len())
    }
}

fn check_length(bytes: &[u8], max: usize) -> Result<(), ParametersError> {
    if bytes.len() > max { Err(ParametersError::TooLong(max)) } else { Ok(()) }
}

fn check_no_nul(name: &str, value: &str) -> Result<(), ParametersError> {
    let has_nul = name.contains('\0') || value.contains('\0');
    if has_nul { Err(ParametersError::Nul(SafeName::of(name))) } else { Ok(()) }
}

/// Decodes `application/x-www-form-urlencoded` (RFC 6749 appendix B).
fn decode(bytes: &[u8]) -> Result<Vec<(String, String)>, ParametersError> {
    let mut pairs = Vec::new();
    for piece in bytes.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()) {
        if pairs.len() == Parameters::MAX_PAIRS {
            return Err(ParametersError::TooMany);
        }
        let mut halves = piece.splitn(2, |byte| *byte == b'=');
        let name = decode_half(halves.next().unwrap_or_default())?;
        let value = decode_half(halves.next().unwrap_or_default())?;
        check_no_nul(&name, &value)?;
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// Decodes one name or value. Libraries repair invalid input, which is refused here.
fn decode_half(mut rest: &[u8]) -> Result<String, ParametersError> {
    let mut decoded = Vec::with_capacity(rest.len());
    while let [byte, after @ ..] = rest {
        rest = after;
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (digits, after) =
                    after.split_first_chunk::<2>().ok_or(ParametersError::BadPercentEncoding)?;
                rest = after;
                hex_byte(*digits).ok_or(ParametersError::BadPercentEncoding)?
            }
            byte => *byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| ParametersError::NotUtf8)
}

fn hex_byte([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(body: &str) -> Result<Vec<(String, String)>, ParametersError> {
        Parameters::from_form(body.as_bytes()).map(|parameters| parameters.pairs)
    }

    fn json(body: &str) -> Result<Vec<(String, String)>, ParametersError> {
        Parameters::from_json(body.as_bytes()).map(|parameters| parameters.pairs)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn safe(name: &str) -> SafeName {
        SafeName(Some(name.to_owned()))
    }

    #[test]
    fn a_form_is_decoded_and_parameters_without_a_value_are_dropped() {
        let cases = [
            ("", pairs(&[])),
            ("a=1&b=2", pairs(&[("a", "1"), ("b", "2")])),
            ("&&a=1&", pairs(&[("a", "1")])),
            ("a=x+y%20z%2B&b=%c3%A4%E2%82%ac", pairs(&[("a", "x y z+"), ("b", "ä€")])),
            ("a=b=c%3D&%61b=1", pairs(&[("a", "b=c="), ("ab", "1")])),
            ("a=&b&c=1", pairs(&[("c", "1")])),
            ("=1", pairs(&[("", "1")])),
            ("a=ä", pairs(&[("a", "ä")])),
            ("a=%EF%BF%BD", pairs(&[("a", "\u{FFFD}")])),
        ];
        for (body, expected) in cases {
            assert_eq!(form(body), Ok(expected), "{body}");
        }
    }

    #[test]
    fn input_that_lenient_parsers_repair_is_refused() {
        let cases = [
            (&b"a=%"[..], ParametersError::BadPercentEncoding),
            (b"a=%4", ParametersError::BadPercentEncoding),
            (b"a=%4g", ParametersError::BadPercentEncoding),
            (b"%+1=a", ParametersError::BadPercentEncoding),
            (b"a=%2&1", ParametersError::BadPercentEncoding),
            (b"a=%ff", ParametersError::NotUtf8),
            (b"a=\xff", ParametersError::NotUtf8),
            (b"%c3=%a4", ParametersError::NotUtf8),
            (b"a=%ed%a0%80", ParametersError::NotUtf8),
            (b"code=x%00", ParametersError::Nul(safe("code"))),
            (b"co%00de=x", ParametersError::Nul(SafeName(None))),
        ];
        for (body, expected) in cases {
            assert_eq!(Parameters::from_form(body), Err(expected), "{body:?}");
        }
    }

    #[test]
    fn only_resource_may_be_repeated() {
        let cases = [
            ("scope=a&scope=a", Err(safe("scope"))),
            ("scope=&scope=a", Err(safe("scope"))),
            ("scope&sc%6Fpe", Err(safe("scope"))),
            ("unheard_of=1&unheard_of=2", Err(safe("unheard_of"))),
            ("a+b=1&a+b=2", Err(SafeName(None))),
            ("Scope=a&scope=a", Ok(pairs(&[("Scope", "a"), ("scope", "a")]))),
            ("resource=a&resource=b&resource=", Ok(pairs(&[("resource", "a"), ("resource", "b")]))),
        ];
        for (body, expected) in cases {
            let expected = expected.map_err(ParametersError::Repeated);
            assert_eq!(form(body), expected, "{body}");
            assert_eq!(Parameters::from_query(body).map(|read| read.pairs), expected, "{body}");
        }
    }

    #[test]
    fn checkboxes_of_a_form_may_share_a_name() {
        let body = b"scope=a&request=x&scope=b";
        let parameters = Parameters::from_form_with_lists(body, &["scope"]).expect("parameters");

        assert_eq!(parameters.all("scope").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(Parameters::from_form(body), Err(ParametersError::Repeated(safe("scope"))));
        assert!(Parameters::from_form_with_lists(b"csrf=a&csrf=b", &["scope"]).is_err());
    }

    #[test]
    fn a_repeated_name_in_an_authorization_request_is_reported_and_has_no_value() {
        let parameters =
            Parameters::from_authorization_request(b"client_id=c&state=1&scope=a&state=2")
                .expect("parameters");

        assert_eq!(parameters.repeated(), Some(ParametersError::Repeated(safe("state"))));
        assert_eq!((parameters.get("client_id"), parameters.get("state")), (Some("c"), None));
        assert_eq!(
            Parameters::from_authorization_request(b"resource=a&resource=b")
                .expect("parameters")
                .repeated(),
            None
        );
    }

    #[test]
    fn a_json_object_may_have_strings_and_a_list_of_resources() {
        let cases = [
            ("{}", Ok(pairs(&[]))),
            (r#"{"a":"1","b":null,"c":""}"#, Ok(pairs(&[("a", "1")]))),
            (r#"{"resource":"r"}"#, Ok(pairs(&[("resource", "r")]))),
            (r#"{"resource":["r","s",""]}"#, Ok(pairs(&[("resource", "r"), ("resource", "s")]))),
            (r#"{"c\u006fde":"\u00e4"}"#, Ok(pairs(&[("code", "ä")]))),
            (r#"{"a":1}"#, Err(ParametersError::NotAString(safe("a")))),
            (r#"{"a":true}"#, Err(ParametersError::NotAString(safe("a")))),
            (r#"{"a":{}}"#, Err(ParametersError::NotAString(safe("a")))),
            (r#"{"scope":["a"]}"#, Err(ParametersError::NotAString(safe("scope")))),
            (r#"{"resource":[1]}"#, Err(ParametersError::NotAString(safe("resource")))),
            (r#"{"resource":[["r"]]}"#, Err(ParametersError::NotAString(safe("resource")))),
            (r#"{"resource":[null]}"#, Err(ParametersError::NotAString(safe("resource")))),
            (r#"{"a":"x","a":"x"}"#, Err(ParametersError::Repeated(safe("a")))),
            (r#"{"a":null,"\u0061":"x"}"#, Err(ParametersError::Repeated(safe("a")))),
            (
                r#"{"resource":"r","resource":"s"}"#,
                Err(ParametersError::Repeated(safe("resource"))),
            ),
            (r#"{"a":"\u0000"}"#, Err(ParametersError::Nul(safe("a")))),
            ("", Err(ParametersError::NotJson)),
            ("a=1", Err(ParametersError::NotJson)),
            ("{} {}", Err(ParametersError::NotJson)),
            ("[]", Err(ParametersError::NotAnObject)),
            ("null", Err(ParametersError::NotAnObject)),
            ("\u{FEFF}{}", Err(ParametersError::JsonText(JsonTextError::ByteOrderMark))),
            (r#"{"a":"\ud800"}"#, Err(ParametersError::JsonText(JsonTextError::LoneSurrogate))),
        ];
        for (body, expected) in cases {
            assert_eq!(json(body), expected, "{body}");
        }
    }

    #[test]
    fn a_hundred_parameters_are_accepted_and_one_more_is_refused() {
        let form_of =
            |count: usize| (0..count).map(|index| format!("p{index}=1&")).collect::<String>();
        let json_of = |count: usize| {
            let members: Vec<_> = (0..count).map(|index| format!("\"p{index}\":\"1\"")).collect();
            format!("{{{}}}", members.join(","))
        };
        let list_of =
            |count: usize| format!("{{\"resource\":[{}]}}", vec!["\"r\""; count].join(","));

        for (at_most, too_many) in [
            (form(&form_of(100)), form(&form_of(101))),
            (json(&json_of(100)), json(&json_of(101))),
            (json(&list_of(100)), json(&list_of(101))),
        ] {
            assert_eq!(at_most.map(|pairs| pairs.len()), Ok(100));
            assert_eq!(too_many, Err(ParametersError::TooMany));
        }
    }

    #[test]
    fn the_length_is_checked_before_anything_is_parsed() {
        let long = |length: usize| format!("a={}", "x".repeat(length - 2));

        assert!(Parameters::from_query(&long(8192)).is_ok() && form(&long(65536)).is_ok());
        assert_eq!(Parameters::from_query(&long(8193)), Err(ParametersError::TooLong(8192)));
        assert_eq!(
            Parameters::from_authorization_request(long(8193).as_bytes()),
            Err(ParametersError::TooLong(8192))
        );
        assert_eq!(form(&long(65537)), Err(ParametersError::TooLong(65536)));
        assert_eq!(json(&" ".repeat(65537)), Err(ParametersError::TooLong(65536)));
    }

    #[test]
    fn debug_output_has_no_values() {
        let parameters = Parameters::from_form(b"password=hunter2&code=x").expect("parameters");

        assert_eq!(format!("{parameters:?}"), "Parameters(2 pairs)");
    }

    #[test]
    fn a_message_quotes_a_name_only_if_it_is_short_and_plain() {
        let long = "x".repeat(41);
        let cases = [
            ("scope", "scope is sent more than once: send it once"),
            ("x-a.b_1", "x-a.b_1 is sent more than once: send it once"),
            ("", "a parameter is sent more than once: send it once"),
            ("a\"b", "a parameter is sent more than once: send it once"),
            ("größe", "a parameter is sent more than once: send it once"),
            (&long, "a parameter is sent more than once: send it once"),
        ];
        for (name, expected) in cases {
            assert_eq!(ParametersError::Repeated(SafeName::of(name)).to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (Parameters::from_form(&body), Parameters::from_json(&body));
            let _ = Parameters::from_authorization_request(&body);
        }

        #[test]
        fn an_accepted_form_parses_as_other_parsers_parse_it(
            body in "([a-c]|resource|=|&|[+]|%[0-9a-fA-F]{2}|%|ä){0,16}",
        ) {
            if let Ok(read) = form(&body) {
                let theirs: Vec<_> = form_urlencoded::parse(body.as_bytes())
                    .filter(|(_, value)| !value.is_empty())
                    .map(|(name, value)| (name.into_owned(), value.into_owned()))
                    .collect();
                prop_assert_eq!(read, theirs);
            }
        }

        #[test]
        fn a_serialized_form_parses_to_the_same_values(
            values in proptest::collection::btree_map("[^\0]{0,6}", "[^\0]{1,8}", 0..5),
        ) {
            let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(&values).finish();
            let mut read = form(&body).expect("parameters");
            read.sort();
            prop_assert_eq!(read, values.into_iter().collect::<Vec<_>>());
        }
    }
}
