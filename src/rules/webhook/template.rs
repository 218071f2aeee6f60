//! Templates for the payloads and headers of an organization's webhooks.
//!
//! `$NAME` is replaced by the value of a variable. The name is the longest run of `A-Z`, `0-9` and
//! `_` after the dollar sign, so `$IDENTITY` does not contain `$ID`. An unknown name is left
//! unchanged. Variables are replaced once, in the parsed strings and not in the JSON text: no value
//! can end a string, add a member, or insert another variable.

use std::collections::{BTreeMap, BTreeSet};
use std::{fmt, io};

use serde_json::{Map, Value};

use crate::syntax::json_object::{JsonObject, JsonObjectError};
use crate::syntax::json_text::{JsonTextError, MAX_DEPTH};

/// The values of variables, by name without the dollar sign.
pub type Values = BTreeMap<String, Value>;

const MAX_PAYLOAD_LENGTH: usize = 32 * 1024;
const MAX_HEADERS_LENGTH: usize = 8 * 1024;
pub const MAX_HEADERS: usize = 50;
/// The maximum number of dollar signs in one template, which limits the number of lookups.
const MAX_USES: usize = 256;
/// The maximum size in bytes of a rendered template. Values are longer than their names, and many
/// deliveries are rendered at the same time.
pub const MAX_RENDERED_LENGTH: usize = 256 * 1024;
/// The maximum size in bytes of a rendered header, which common servers accept.
const MAX_HEADER_VALUE_LENGTH: usize = 8 * 1024;
/// Longer header names are not quoted in errors.
const MAX_QUOTED_LENGTH: usize = 64;

/// Why a template is not valid, to follow the name of the member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateMistake {
    #[error("is longer than {0} bytes: shorten it")]
    TooLong(usize),
    #[error("must contain one JSON object in which no member is repeated")]
    NotAnObject,
    #[error("is nested deeper than {MAX_DEPTH} levels: flatten it")]
    TooDeep,
    #[error("contains more than {MAX_USES} dollar signs: use fewer variables")]
    TooManyUses,
    #[error("has more than {MAX_HEADERS} headers: remove some")]
    TooManyHeaders,
    #[error(
        "has a header{0} with a name that HTTP does not allow: use letters, digits and hyphens"
    )]
    HeaderName(Quoted),
    #[error("has the header{0} more than once: header names are case-insensitive")]
    HeaderTwice(Quoted),
    #[error("has the header{0}, which this server sets itself: remove it")]
    OwnHeader(Quoted),
    #[error("has the header{0}, which the auth method also sets: remove one of the two")]
    Authorization(Quoted),
    #[error("has the header{0} with a value that is not a string: use a JSON string")]
    HeaderType(Quoted),
    #[error("has the header{0} with a control character in its value: remove it")]
    ControlCharacter(Quoted),
}

/// The quoted name of a header, or nothing if the name is long or not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted(Option<String>);

impl Quoted {
    fn of(name: &str) -> Self {
        Self((is_token(name) && name.len() <= MAX_QUOTED_LENGTH).then(|| name.to_owned()))
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(formatter, " \"{name}\""))
    }
}

/// A JSON object with variables in its strings. The names of members are not replaced.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload(Map<String, Value>);

impl Payload {
    pub fn parse(text: &str) -> Result<Self, TemplateMistake> {
        let members = read(text, MAX_PAYLOAD_LENGTH)?.into_members();
        Ok(Self(members.into_iter().collect()))
    }

    /// Renders the payload. A string that is only a variable becomes its value, of any type. In
    /// other text, strings are inserted as they are and other values as JSON. If several of
    /// `values` have a name, the first one is used.
    pub fn render(&self, values: &[&Values]) -> Result<Value, TooLong> {
        rendered_object(&self.0, values, &mut SizeBudget::of(MAX_RENDERED_LENGTH))
    }

    /// The names of all variables in the payload.
    pub fn names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.0.values().for_each(|value| collect_names(value, &mut names));
        names
    }
}

fn collect_names<'a>(value: &'a Value, names: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) => names.extend(names_in(text)),
        Value::Array(items) => items.iter().for_each(|item| collect_names(item, names)),
        Value::Object(members) => members.values().for_each(|value| collect_names(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn rendered(value: &Value, values: &[&Values], budget: &mut SizeBudget) -> Result<Value, TooLong> {
    match value {
        Value::String(text) => match text.strip_prefix('$').and_then(|name| find(values, name)) {
            Some(value) => budget.take_json(value).map(|()| value.clone()),
            None => replaced(text, values, budget).map(Value::String),
        },
        Value::Array(items) => items.iter().map(|item| rendered(item, values, budget)).collect(),
        Value::Object(members) => rendered_object(members, values, budget),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
    }
}

fn rendered_object(
    members: &Map<String, Value>,
    values: &[&Values],
    budget: &mut SizeBudget,
) -> Result<Value, TooLong> {
    let member = |(name, value): (&String, &Value)| {
        budget.take(name.len())?;
        Ok((name.clone(), rendered(value, values, budget)?))
    };
    members.iter().map(member).collect()
}

/// A rendered text is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("longer than {0} bytes with its variables: use fewer or shorter variables")]
pub struct TooLong(pub usize);

/// Formats a value as JSON if the result is short enough. Escaping makes a text up to six times as
/// long.
pub fn json_within(value: &Value, max: usize) -> Result<String, TooLong> {
    SizeBudget::of(max).take_json(value).map(|()| value.to_string())
}

/// The remaining size of a rendered text. Bytes are subtracted before they are written, so a text
/// that is too long is never allocated.
struct SizeBudget {
    max: usize,
    left: usize,
}

impl SizeBudget {
    const fn of(max: usize) -> Self {
        Self { max, left: max }
    }

    fn take(&mut self, bytes: usize) -> Result<(), TooLong> {
        self.left = self.left.checked_sub(bytes).ok_or(TooLong(self.max))?;
        Ok(())
    }

    fn take_json(&mut self, value: &Value) -> Result<(), TooLong> {
        let max = self.max;
        serde_json::to_writer(self, value).map_err(|_| TooLong(max))
    }
}

/// Counts the written bytes and discards them.
impl io::Write for SizeBudget {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes.len()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Headers with variables in their values, in the order in which they were written.
#[derive(Clone, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

/// Shows only the names, because values often contain credentials.
impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Headers {
    pub fn parse(text: &str) -> Result<Self, TemplateMistake> {
        let members = read(text, MAX_HEADERS_LENGTH)?.into_members();
        if members.len() > MAX_HEADERS {
            return Err(TemplateMistake::TooManyHeaders);
        }
        let mut known = BTreeSet::new();
        let headers = members.into_iter().map(|(name, value)| header(name, value, &mut known));
        headers.collect::<Result<_, _>>().map(Self)
    }

    /// Refuses `Authorization`, which an auth method sets to the access token.
    pub fn check_beside_auth_method(&self) -> Result<(), TemplateMistake> {
        let authorization =
            self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        authorization
            .map_or(Ok(()), |(name, _)| Err(TemplateMistake::Authorization(Quoted::of(name))))
    }

    /// Renders the headers. The result must be checked with [`check_header_value`], because
    /// variables can contain any characters.
    pub fn render(&self, values: &[&Values]) -> Result<Vec<(String, String)>, TooLong> {
        let budget = &mut SizeBudget::of(MAX_RENDERED_LENGTH);
        self.0
            .iter()
            .map(|(name, text)| Ok((name.clone(), replaced(text, values, budget)?)))
            .collect()
    }

    /// The names of all variables in the headers.
    pub fn names(&self) -> BTreeSet<&str> {
        self.0.iter().flat_map(|(_, text)| names_in(text)).collect()
    }
}

/// Why a rendered header cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderValueMistake {
    #[error("a variable in it contains a control character")]
    ControlCharacter,
    #[error("it is longer than {MAX_HEADER_VALUE_LENGTH} bytes")]
    TooLong,
}

/// Refuses control characters, which could end the header and start another one (RFC 9110 section
/// 5.5).
pub fn check_header_value(value: &str) -> Result<(), HeaderValueMistake> {
    if value.len() > MAX_HEADER_VALUE_LENGTH {
        return Err(HeaderValueMistake::TooLong);
    }
    if value.chars().any(char::is_control) {
        Err(HeaderValueMistake::ControlCharacter)
    } else {
        Ok(())
    }
}

fn header(
    name: String,
    value: Value,
    known: &mut BTreeSet<String>,
) -> Result<(String, String), TemplateMistake> {
    let quoted = Quoted::of(&name);
    if !is_token(&name) {
        return Err(TemplateMistake::HeaderName(quoted));
    }
    let lower = name.to_ascii_lowercase();
    if OWN_HEADERS.contains(&lower.as_str()) || lower.starts_with("webhook-") {
        return Err(TemplateMistake::OwnHeader(quoted));
    }
    if !known.insert(lower) {
        return Err(TemplateMistake::HeaderTwice(quoted));
    }
    let Value::String(text) = value else { return Err(TemplateMistake::HeaderType(quoted)) };
    if text.chars().any(char::is_control) {
        return Err(TemplateMistake::ControlCharacter(quoted));
    }
    Ok((name, text))
}

/// Headers that control the framing of the request, and hop-by-hop headers (RFC 9110 section
/// 7.6.1), including obsolete ones that some servers still obey.
const OWN_HEADERS: [&str; 15] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// RFC 9110 section 5.6.2.
fn is_token(name: &str) -> bool {
    let is_token_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token_byte)
}

fn read(text: &str, max_length: usize) -> Result<JsonObject, TemplateMistake> {
    if text.len() > max_length {
        return Err(TemplateMistake::TooLong(max_length));
    }
    if text.matches('$').count() > MAX_USES {
        return Err(TemplateMistake::TooManyUses);
    }
    JsonObject::parse(text.as_bytes()).map_err(|error| match error {
        JsonObjectError::Text(JsonTextError::TooDeep) => TemplateMistake::TooDeep,
        JsonObjectError::Text(_) | JsonObjectError::NotJson | JsonObjectError::NotAnObject => {
            TemplateMistake::NotAnObject
        }
    })
}

fn replaced(text: &str, values: &[&Values], budget: &mut SizeBudget) -> Result<String, TooLong> {
    budget.take(text.len())?;
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        replaced.push_str(before);
        let (name, after) = split_name(after);
        match find(values, name) {
            Some(Value::String(value)) => {
                budget.take(value.len())?;
                replaced.push_str(value);
            }
            Some(value) => {
                budget.take_json(value)?;
                replaced.push_str(&value.to_string());
            }
            None => {
                replaced.push('$');
                replaced.push_str(name);
            }
        }
        rest = after;
    }
    replaced.push_str(rest);
    Ok(replaced)
}

fn find<'a>(values: &[&'a Values], name: &str) -> Option<&'a Value> {
    values.iter().find_map(|values| values.get(name))
}

fn names_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).map(|after| split_name(after).0).filter(|name| !name.is_empty())
}

/// Splits the text after a dollar sign into the name of the variable and the rest.
fn split_name(after: &str) -> (&str, &str) {
    after.split_at(after.find(|c| !is_name_character(c)).unwrap_or(after.len()))
}

/// Whether a character is allowed in the name of a variable.
pub const fn is_name_character(character: char) -> bool {
    matches!(character, 'A'..='Z' | '0'..='9' | '_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(value: Value) -> Values {
        value.as_object().expect("an object").clone().into_iter().collect()
    }

    fn payload(text: &str, with: Value) -> Value {
        Payload::parse(text).expect(text).render(&[&values(with)]).expect("a short payload")
    }

    fn headers(text: &str, with: Value) -> Vec<(String, String)> {
        Headers::parse(text).expect(text).render(&[&values(with)]).expect("short headers")
    }

    #[test]
    fn a_name_is_the_longest_run_after_the_dollar_sign() {
        let with = json!({"ID": "1", "ID_OF": "2", "A1": "3"});
        let cases = [
            ("$ID", "1"),
            ("$ID_OF", "2"),
            ("$IDENTITY", "$IDENTITY"),
            ("$ID_", "$ID_"),
            ("$ID$ID", "11"),
            ("<$ID>", "<1>"),
            ("$IDs", "1s"),
            ("$ID-OF", "1-OF"),
            ("$ID\u{c4}", "1\u{c4}"),
            ("$A1.$A", "3.$A"),
            ("$id $", "$id $"),
            ("$$ID", "$1"),
            ("${ID}", "${ID}"),
            ("\\$ID", "\\1"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(
                payload(&json!({"a": text}).to_string(), with.clone()),
                json!({"a": expected}),
                "{text}"
            );
        }
    }

    #[test]
    fn a_string_that_is_only_a_variable_becomes_its_value_and_other_text_gets_json() {
        let with = json!({"N": 1.5, "T": true, "Z": null, "O": {"a": ["b", 1]}, "S": "s"});
        let cases = [
            ("$N", json!(1.5)),
            ("$T", json!(true)),
            ("$Z", json!(null)),
            ("$O", json!({"a": ["b", 1]})),
            ("$S", json!("s")),
            ("n=$N t=$T z=$Z o=$O s=$S", json!(r#"n=1.5 t=true z=null o={"a":["b",1]} s=s"#)),
            (" $N", json!(" 1.5")),
        ];
        for (text, expected) in cases {
            assert_eq!(
                payload(&json!({"a": text}).to_string(), with.clone()),
                json!({"a": expected}),
                "{text}"
            );
        }
    }

    #[test]
    fn variables_are_replaced_at_any_depth_but_not_in_member_names() {
        let text =
            r#"{"$A": ["$A", ["$A", {"$A": "x$A", "n": 1}], null, true], "b": {"c": {"d": "$A"}}}"#;

        let rendered = payload(text, json!({"A": "v"}));

        let expected =
            json!({"$A": ["v", ["v", {"$A": "xv", "n": 1}], null, true], "b": {"c": {"d": "v"}}});
        assert_eq!(rendered, expected);
    }

    #[test]
    fn no_value_can_end_its_string_or_insert_another_variable() {
        let hostile = [
            "\"",
            "\", \"admin\": true, \"x\": \"",
            "\\",
            "\n\r\t\0",
            "}]}",
            "\u{2028}",
            "$SECRET",
            "$",
            "</script>",
        ];
        for value in hostile {
            let with = json!({"V": value, "SECRET": "hunter2"});
            let rendered =
                payload(r#"{"a": "x${V", "b": "$V", "c": "-$V-", "d": ["$VSECRET", "$V$"]}"#, with);

            let expected = json!({"a": "x${V", "b": value, "c": format!("-{value}-"), "d": ["$VSECRET", format!("{value}$")]});
            assert_eq!(rendered, expected, "{value:?}");
            let sent = serde_json::from_str::<Value>(&rendered.to_string()).expect("JSON");
            assert_eq!(sent, expected, "{value:?}");
        }
    }

    #[test]
    fn an_invalid_payload_is_refused_with_the_reason() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(32), "]".repeat(32));
        let fits = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_PAYLOAD_LENGTH - 8));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_PAYLOAD_LENGTH - 7));
        let uses = |count| json!({"a": "$".repeat(count)}).to_string();
        let cases = [
            ("{}", None),
            (" {\"a\": 1} ", None),
            (&fits, None),
            (&uses(256), None),
            ("", Some(TemplateMistake::NotAnObject)),
            ("[]", Some(TemplateMistake::NotAnObject)),
            ("\"$EVENT\"", Some(TemplateMistake::NotAnObject)),
            ("null", Some(TemplateMistake::NotAnObject)),
            ("{\"a\": $ID}", Some(TemplateMistake::NotAnObject)),
            ("{\"a\": 1, \"a\": 2}", Some(TemplateMistake::NotAnObject)),
            ("{\"a\": \"\n\"}", Some(TemplateMistake::NotAnObject)),
            (&deep, Some(TemplateMistake::TooDeep)),
            (&long, Some(TemplateMistake::TooLong(MAX_PAYLOAD_LENGTH))),
            (&uses(257), Some(TemplateMistake::TooManyUses)),
        ];
        for (text, mistake) in cases {
            let start = text.get(..40).unwrap_or(text);
            assert_eq!(Payload::parse(text).err(), mistake, "{start}");
        }
    }

    #[test]
    fn headers_are_rendered_in_their_order_and_values_that_are_not_strings_as_json() {
        let rendered = headers(
            r#"{"X-B": "$A", "x-a": "n $N o $O", "X-C": "$UNKNOWN"}"#,
            json!({"A": "a", "N": 1, "O": {}}),
        );

        let expected = [("X-B", "a"), ("x-a", "n 1 o {}"), ("X-C", "$UNKNOWN")];
        assert_eq!(rendered, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn invalid_headers_are_refused_with_the_reason() {
        use TemplateMistake::{
            ControlCharacter, HeaderName, HeaderTwice, HeaderType, NotAnObject, OwnHeader, TooLong,
            TooManyHeaders,
        };
        let many = |count| {
            (0..count).map(|n| (format!("X-{n}"), json!("v"))).collect::<Value>().to_string()
        };
        let quoted = |name: &str| Quoted(Some(name.to_owned()));
        let long = json!({"X": "x".repeat(MAX_HEADERS_LENGTH)}).to_string();
        let endless = json!({("x".repeat(65)): 1}).to_string();
        let cases = [
            (
                r#"{"Authorization": "Basic abc", "Cookie": "a=b", "User-Agent": "x", "X-_.~": ""}"#,
                None,
            ),
            (&many(50), None),
            (&many(51), Some(TooManyHeaders)),
            (&long, Some(TooLong(MAX_HEADERS_LENGTH))),
            ("[]", Some(NotAnObject)),
            (r#"{"": "a"}"#, Some(HeaderName(Quoted(None)))),
            (r#"{"X A": "a"}"#, Some(HeaderName(Quoted(None)))),
            (r#"{"X:": "a"}"#, Some(HeaderName(Quoted(None)))),
            (r#"{"X\r\nY": "a"}"#, Some(HeaderName(Quoted(None)))),
            (r#"{"X-\u00e9": "a"}"#, Some(HeaderName(Quoted(None)))),
            (r#"{"X-A": 1}"#, Some(HeaderType(quoted("X-A")))),
            (r#"{"X-A": null}"#, Some(HeaderType(quoted("X-A")))),
            (&endless, Some(HeaderType(Quoted(None)))),
            (r#"{"X-A": "a", "x-a": "b"}"#, Some(HeaderTwice(quoted("x-a")))),
            (r#"{"X-A": "a\r\nX-B: b"}"#, Some(ControlCharacter(quoted("X-A")))),
            (r#"{"X-A": "a\u0000"}"#, Some(ControlCharacter(quoted("X-A")))),
            (r#"{"X-A": "\u0085"}"#, Some(ControlCharacter(quoted("X-A")))),
            (r#"{"Host": "a"}"#, Some(OwnHeader(quoted("Host")))),
            (r#"{"Webhook-Signature": "a"}"#, Some(OwnHeader(quoted("Webhook-Signature")))),
            (r#"{"CONTENT-TYPE": "a"}"#, Some(OwnHeader(quoted("CONTENT-TYPE")))),
            (r#"{"content-length": "0"}"#, Some(OwnHeader(quoted("content-length")))),
            (r#"{"Transfer-Encoding": "chunked"}"#, Some(OwnHeader(quoted("Transfer-Encoding")))),
            (r#"{"Connection": "close"}"#, Some(OwnHeader(quoted("Connection")))),
            (r#"{"te": "a"}"#, Some(OwnHeader(quoted("te")))),
            (r#"{"Proxy-Authorization": "a"}"#, Some(OwnHeader(quoted("Proxy-Authorization")))),
        ];
        for (text, mistake) in cases {
            let start = text.get(..40).unwrap_or(text);
            assert_eq!(Headers::parse(text).err(), mistake, "{start}");
        }
    }

    #[test]
    fn authorization_conflicts_with_an_auth_method() {
        let with = Headers::parse(r#"{"X-A": "a", "AUTHORIZATION": "b"}"#).expect("headers");
        let without = Headers::parse(r#"{"X-A": "authorization"}"#).expect("headers");

        let error = with.check_beside_auth_method().expect_err("the header is refused").to_string();
        assert_eq!(
            error,
            "has the header \"AUTHORIZATION\", which the auth method also sets: remove one of the two"
        );
        assert_eq!(without.check_beside_auth_method(), Ok(()));
    }

    #[test]
    fn a_rendered_value_that_could_start_another_header_is_refused() {
        for (value, expected) in [
            ("plain", Ok(())),
            ("Gr\u{f6}\u{df}e \u{1f600}", Ok(())),
            ("a\r\nX-Admin: true", Err(HeaderValueMistake::ControlCharacter)),
            ("a\n", Err(HeaderValueMistake::ControlCharacter)),
            ("\0", Err(HeaderValueMistake::ControlCharacter)),
            (&"x".repeat(MAX_HEADER_VALUE_LENGTH + 1), Err(HeaderValueMistake::TooLong)),
        ] {
            let [(_, rendered)] = &headers(r#"{"X-A": "$V"}"#, json!({"V": value}))[..] else {
                panic!("one header")
            };
            assert_eq!((rendered.as_str(), check_header_value(rendered)), (value, expected));
        }
    }

    #[test]
    fn the_first_set_of_values_that_has_a_name_is_used() {
        let (first, second) = (values(json!({"A": 1})), values(json!({"A": 2, "B": 2})));
        let payload = Payload::parse(r#"{"a": "$A", "b": "$B"}"#).expect("a payload");

        assert_eq!(payload.render(&[&first, &second]), Ok(json!({"a": 1, "b": 2})));
    }

    #[test]
    fn a_template_lists_its_variables() {
        let text = r#"{"$A": ["$B-$C", {"x": "$$D_1$", "y": "$e"}, 1], "z": "$B"}"#;

        assert_eq!(
            Payload::parse(text).expect("a payload").names(),
            BTreeSet::from(["B", "C", "D_1"])
        );
        let headers = Headers::parse(r#"{"X-$A": "Key $B", "Y": "$C$"}"#).expect("headers");
        assert_eq!(headers.names(), BTreeSet::from(["B", "C"]));
    }

    #[test]
    fn the_size_of_a_rendered_template_is_limited() {
        let too_long = Err(TooLong(MAX_RENDERED_LENGTH));
        // 64 uses of 4096 bytes are the limit, minus the name of the member and the text of the
        // template.
        let quarter = |bytes: usize| json!({"V": "x".repeat(bytes)});
        let text = "$V".repeat(64);
        let fits = MAX_RENDERED_LENGTH / 64 - 3;
        let of = |text: &str, with: Value| {
            let payload = Payload::parse(&json!({"a": text}).to_string()).expect("a payload");
            payload.render(&[&values(with)]).map(|rendered| rendered.to_string().len())
        };
        assert_eq!(of(&text, quarter(fits)), Ok(64 * fits + 8));
        assert_eq!(of(&text, quarter(fits + 2)), too_long);
        let object = |bytes: usize| json!({"V": {"k": "x".repeat(bytes)}});
        assert_eq!(
            of("$V", object(MAX_RENDERED_LENGTH - 9)),
            Ok(MAX_RENDERED_LENGTH + 5),
            "the size is measured as JSON"
        );
        assert_eq!(of("$V", object(MAX_RENDERED_LENGTH - 8)), too_long);
        assert_eq!(of("$V $V", object(MAX_RENDERED_LENGTH / 2)), too_long);

        let list = json!({"a": vec!["$V"; 256]}).to_string();
        let list = Payload::parse(&list).expect("a payload");
        assert_eq!(list.render(&[&values(quarter(4096))]).map(drop), too_long.map(drop));
        let headers = Headers::parse(&json!({"X-A": "$V".repeat(128), "X-B": "$V"}).to_string())
            .expect("headers");
        assert_eq!(headers.render(&[&values(quarter(4096))]), Err(TooLong(MAX_RENDERED_LENGTH)));
    }

    #[test]
    fn json_is_measured_after_escaping() {
        let value = json!("\u{1}".repeat(10));

        assert_eq!(json_within(&value, 62), Ok(value.to_string()));
        assert_eq!(json_within(&value, 61), Err(TooLong(61)));
    }

    #[test]
    fn debug_output_of_headers_has_only_names() {
        let headers = Headers::parse(r#"{"X-Key": "hunter2"}"#).expect("headers");

        assert_eq!(format!("{headers:?}"), r#"["X-Key"]"#);
    }
}
