//! The parameters of a request, from a query, a form or a JSON object (RFC 6749 sections 3.1 and 3.2, appendix B).
//!
//! Reading is strict where two readers could differ: bytes that are not UTF-8, broken percent-encoding, NUL and names
//! that repeat are refused and never repaired. A parameter without a value counts as one that was not sent.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use crate::rules::syntax::json_text;
use crate::rules::syntax::json_text::JsonTextError;

/// The one parameter of OAuth that may repeat (RFC 8707 section 2).
const RESOURCE: &str = "resource";

/// `Debug` tells how many there are and none of them: codes, tokens and passwords come this way.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
    repeated: Option<ShownName>,
}

/// Why bytes are no parameters: the problem, a colon, the remedy, in the characters of `error_description`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    #[error("the parameters are longer than {0} bytes: shorten them")]
    TooLong(usize),
    #[error("there are more than {} parameters: send fewer", Parameters::MAX_PAIRS)]
    TooMany,
    #[error("the parameters hold a % that two hexadecimal digits do not follow: write %25 for a percent sign")]
    BadPercentEncoding,
    #[error("the parameters are not UTF-8: encode them as UTF-8")]
    NotUtf8,
    #[error("{0} holds a NUL character: remove it")]
    Nul(ShownName),
    #[error("{0} is sent more than once: send it once")]
    Repeated(ShownName),
    #[error(transparent)]
    JsonText(#[from] JsonTextError),
    #[error("the body is not valid JSON: send one JSON object and nothing else")]
    NotJson,
    #[error("the body is not a JSON object: send the parameters as members of one object")]
    NotAnObject,
    #[error("{0} is not a string: send a JSON string")]
    NotAString(ShownName),
}

/// The name of a parameter as a message may hold it: a stranger chose it, so that only a short and plain one is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownName(Option<String>);

impl ShownName {
    const MAX_LENGTH: usize = 40;

    fn of(name: &str) -> Self {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let is_shown = (1..=Self::MAX_LENGTH).contains(&name.len()) && name.bytes().all(is_plain);
        Self(is_shown.then(|| name.to_owned()))
    }
}

impl fmt::Display for ShownName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_deref().unwrap_or("a parameter"))
    }
}

impl Parameters {
    pub const MAX_QUERY: usize = 8 * 1024;
    pub const MAX_BODY: usize = 64 * 1024;
    pub const MAX_PAIRS: usize = 100;

    pub fn from_query(query: &str) -> Result<Self, ParametersError> {
        Self::read(query.as_bytes(), Self::MAX_QUERY, &[])?.refusing_repetition()
    }

    pub fn from_form(body: &[u8]) -> Result<Self, ParametersError> {
        Self::form_with_lists(body, &[])
    }

    /// A form of our own pages, in which boxes that share a name may be ticked.
    pub fn form_with_lists(body: &[u8], lists: &[&str]) -> Result<Self, ParametersError> {
        Self::read(body, Self::MAX_BODY, lists)?.refusing_repetition()
    }

    /// An authorization request, whose errors are told by a redirect where that can be trusted: a name that repeats is
    /// as if it had not been sent, and [`Self::repeated`] tells it, so that the redirect can be found before the
    /// request is refused (RFC 6749 section 4.1.2.1).
    pub fn of_authorization(bytes: &[u8]) -> Result<Self, ParametersError> {
        Self::read(bytes, Self::MAX_QUERY, &[])
    }

    /// An object of strings; `resource` may be a list of them, and `null` counts as nothing.
    pub fn from_json(body: &[u8]) -> Result<Self, ParametersError> {
        check_length(body, Self::MAX_BODY)?;
        let text = json_text::check(body)?;
        let Members(members) = serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Data => ParametersError::NotAnObject,
            Category::Syntax | Category::Eof | Category::Io => ParametersError::NotJson,
        })?;
        if members.len() > Self::MAX_PAIRS {
            return Err(ParametersError::TooMany);
        }
        let mut parameters = Self::default();
        for (index, (name, value)) in members.iter().enumerate() {
            if members.iter().take(index).any(|(earlier, _)| earlier == name) {
                return Err(ParametersError::Repeated(ShownName::of(name)));
            }
            parameters.push_json(name, value)?;
        }
        Ok(parameters)
    }

    /// The value of a parameter that was sent, once and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a parameter that may repeat, in the order in which they were sent.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(sent, _)| sent == name).map(|(_, value)| value.as_str())
    }

    /// The error that a name which repeats is, where the constructor left it to the caller.
    pub fn repeated(&self) -> Option<ParametersError> {
        self.repeated.clone().map(ParametersError::Repeated)
    }

    fn read(bytes: &[u8], most: usize, lists: &[&str]) -> Result<Self, ParametersError> {
        check_length(bytes, most)?;
        let sent = decode(bytes)?;
        let may_repeat = |name: &str| name == RESOURCE || lists.contains(&name);
        let repeats = |name: &str| !may_repeat(name) && sent.iter().filter(|(other, _)| other == name).count() > 1;
        let repeated = sent.iter().find(|(name, _)| repeats(name)).map(|(name, _)| ShownName::of(name));
        let kept = sent.iter().filter(|(name, value)| !value.is_empty() && !repeats(name));
        let pairs = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Self { pairs, repeated })
    }

    fn refusing_repetition(self) -> Result<Self, ParametersError> {
        self.repeated().map_or(Ok(self), Err)
    }

    fn push_json(&mut self, name: &str, value: &Value) -> Result<(), ParametersError> {
        match value {
            Value::Null => Ok(()),
            Value::Array(items) if name == RESOURCE => items.iter().try_for_each(|item| self.push_text(name, item)),
            text => self.push_text(name, text),
        }
    }

    fn push_text(&mut self, name: &str, value: &Value) -> Result<(), ParametersError> {
        let text = value.as_str().ok_or_else(|| ParametersError::NotAString(ShownName::of(name)))?;
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

fn check_length(bytes: &[u8], most: usize) -> Result<(), ParametersError> {
    if bytes.len() > most { Err(ParametersError::TooLong(most)) } else { Ok(()) }
}

fn check_no_nul(name: &str, value: &str) -> Result<(), ParametersError> {
    let has_nul = name.contains('\0') || value.contains('\0');
    if has_nul { Err(ParametersError::Nul(ShownName::of(name))) } else { Ok(()) }
}

/// `application/x-www-form-urlencoded` (RFC 6749 appendix B).
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

/// Own code, since libraries repair what is refused here.
fn decode_half(mut rest: &[u8]) -> Result<String, ParametersError> {
    let mut decoded = Vec::with_capacity(rest.len());
    while let [byte, after @ ..] = rest {
        rest = after;
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = after.split_first_chunk::<2>().ok_or(ParametersError::BadPercentEncoding)?;
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

/// The members of an object in the order in which they stand, repeated names among them.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Members;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<Members, M::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
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

    fn shown(name: &str) -> ShownName {
        ShownName(Some(name.to_owned()))
    }

    #[test]
    fn a_form_is_decoded_and_what_has_no_value_was_not_sent() {
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
    fn what_a_lenient_reader_would_repair_is_refused() {
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
            (b"code=x%00", ParametersError::Nul(shown("code"))),
            (b"co%00de=x", ParametersError::Nul(ShownName(None))),
        ];
        for (body, expected) in cases {
            assert_eq!(Parameters::from_form(body), Err(expected), "{body:?}");
        }
    }

    #[test]
    fn only_a_resource_may_be_named_twice() {
        let cases = [
            ("scope=a&scope=a", Err(shown("scope"))),
            ("scope=&scope=a", Err(shown("scope"))),
            ("scope&sc%6Fpe", Err(shown("scope"))),
            ("unheard_of=1&unheard_of=2", Err(shown("unheard_of"))),
            ("a+b=1&a+b=2", Err(ShownName(None))),
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
    fn the_boxes_of_a_form_may_share_a_name() {
        let body = b"scope=a&request=x&scope=b";
        let parameters = Parameters::form_with_lists(body, &["scope"]).expect("parameters");

        assert_eq!(parameters.all("scope").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(Parameters::from_form(body), Err(ParametersError::Repeated(shown("scope"))));
        assert!(Parameters::form_with_lists(b"csrf=a&csrf=b", &["scope"]).is_err());
    }

    #[test]
    fn a_name_that_repeats_in_an_authorization_request_is_told_and_has_no_value() {
        let parameters = Parameters::of_authorization(b"client_id=c&state=1&scope=a&state=2").expect("parameters");

        assert_eq!(parameters.repeated(), Some(ParametersError::Repeated(shown("state"))));
        assert_eq!((parameters.get("client_id"), parameters.get("state")), (Some("c"), None));
        assert_eq!(Parameters::of_authorization(b"resource=a&resource=b").expect("parameters").repeated(), None);
    }

    #[test]
    fn a_json_object_holds_strings_and_a_list_of_resources() {
        let cases = [
            ("{}", Ok(pairs(&[]))),
            (r#"{"a":"1","b":null,"c":""}"#, Ok(pairs(&[("a", "1")]))),
            (r#"{"resource":"r"}"#, Ok(pairs(&[("resource", "r")]))),
            (r#"{"resource":["r","s",""]}"#, Ok(pairs(&[("resource", "r"), ("resource", "s")]))),
            (r#"{"c\u006fde":"\u00e4"}"#, Ok(pairs(&[("code", "ä")]))),
            (r#"{"a":1}"#, Err(ParametersError::NotAString(shown("a")))),
            (r#"{"a":true}"#, Err(ParametersError::NotAString(shown("a")))),
            (r#"{"a":{}}"#, Err(ParametersError::NotAString(shown("a")))),
            (r#"{"scope":["a"]}"#, Err(ParametersError::NotAString(shown("scope")))),
            (r#"{"resource":[1]}"#, Err(ParametersError::NotAString(shown("resource")))),
            (r#"{"resource":[["r"]]}"#, Err(ParametersError::NotAString(shown("resource")))),
            (r#"{"resource":[null]}"#, Err(ParametersError::NotAString(shown("resource")))),
            (r#"{"a":"x","a":"x"}"#, Err(ParametersError::Repeated(shown("a")))),
            (r#"{"a":null,"\u0061":"x"}"#, Err(ParametersError::Repeated(shown("a")))),
            (r#"{"resource":"r","resource":"s"}"#, Err(ParametersError::Repeated(shown("resource")))),
            (r#"{"a":"\u0000"}"#, Err(ParametersError::Nul(shown("a")))),
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
    fn a_hundred_parameters_fit_and_one_more_does_not() {
        let form_of = |count: usize| (0..count).map(|index| format!("p{index}=1&")).collect::<String>();
        let json_of = |count: usize| {
            let members: Vec<_> = (0..count).map(|index| format!("\"p{index}\":\"1\"")).collect();
            format!("{{{}}}", members.join(","))
        };
        let list_of = |count: usize| format!("{{\"resource\":[{}]}}", vec!["\"r\""; count].join(","));

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
    fn length_is_bounded_before_anything_is_read() {
        let long = |length: usize| format!("a={}", "x".repeat(length - 2));

        assert!(Parameters::from_query(&long(8192)).is_ok() && form(&long(65536)).is_ok());
        assert_eq!(Parameters::from_query(&long(8193)), Err(ParametersError::TooLong(8192)));
        assert_eq!(Parameters::of_authorization(long(8193).as_bytes()), Err(ParametersError::TooLong(8192)));
        assert_eq!(form(&long(65537)), Err(ParametersError::TooLong(65536)));
        assert_eq!(json(&" ".repeat(65537)), Err(ParametersError::TooLong(65536)));
    }

    #[test]
    fn a_value_that_was_sent_does_not_print() {
        let parameters = Parameters::from_form(b"password=hunter2&code=x").expect("parameters");

        assert_eq!(format!("{parameters:?}"), "Parameters(2 pairs)");
    }

    #[test]
    fn a_message_names_a_parameter_only_where_its_name_is_short_and_plain() {
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
            assert_eq!(ParametersError::Repeated(ShownName::of(name)).to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (Parameters::from_form(&body), Parameters::from_json(&body), Parameters::of_authorization(&body));
        }

        #[test]
        fn what_is_accepted_is_what_every_reader_of_forms_reads(
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
        fn what_is_written_as_a_form_is_read_as_it_was(
            values in proptest::collection::btree_map("[^\0]{0,6}", "[^\0]{1,8}", 0..5),
        ) {
            let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(&values).finish();
            let mut read = form(&body).expect("parameters");
            read.sort();
            prop_assert_eq!(read, values.into_iter().collect::<Vec<_>>());
        }
    }
}
