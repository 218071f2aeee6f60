//! Payloads and headers with variables in them, as an organisation writes them for the receivers of its webhooks.
//!
//! `$NAME` stands for a value: the longest run of `A-Z`, `0-9` and `_` after the dollar sign is the name, so that `$ID` is
//! not looked for in `$IDENTITY`. A name that has no value stays as it is. Replacing happens once, in the parsed text and
//! not in its JSON: no value can end a string, add a member, or bring in another variable.

use std::collections::{BTreeMap, BTreeSet};
use std::{fmt, io};

use serde_json::{Map, Value};

use crate::rules::syntax::json_object::{JsonObject, JsonObjectError};
use crate::rules::syntax::json_text::{JsonTextError, MAX_DEPTH};

/// By name, without the dollar sign.
pub type Values = BTreeMap<String, Value>;

pub const LONGEST_PAYLOAD: usize = 32 * 1024;
pub const LONGEST_HEADERS: usize = 8 * 1024;
pub const MOST_HEADERS: usize = 50;
/// Of dollar signs in one template: so many values are looked up at most.
pub const MOST_USES: usize = 256;
/// Of all that is rendered from one template: values are longer than their names, and many deliveries are made at once.
pub const LONGEST_RENDERED: usize = 256 * 1024;
/// Of a rendered header: what common servers take.
pub const LONGEST_VALUE: usize = 8 * 1024;
/// Longer names of headers are not quoted in an error.
const LONGEST_QUOTED: usize = 64;

/// What is wrong with a template, to follow the name of the member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateMistake {
    #[error("is longer than {0} bytes: shorten it")]
    TooLong(usize),
    #[error("is not the text of one JSON object with each member at most once")]
    NotAnObject,
    #[error("is nested deeper than {MAX_DEPTH} levels: flatten it")]
    TooDeep,
    #[error("holds more than {MOST_USES} dollar signs: use fewer variables")]
    TooManyUses,
    #[error("has more than {MOST_HEADERS} headers: remove some")]
    TooManyHeaders,
    #[error("has a header{0} whose name is not one that HTTP allows: use letters, digits and hyphens")]
    HeaderName(Quoted),
    #[error("has the header{0} more than once: case does not tell headers apart")]
    HeaderTwice(Quoted),
    #[error("has the header{0}, which this server sets by itself: remove it")]
    OwnHeader(Quoted),
    #[error("has the header{0} beside an auth method, which sets it: remove one of the two")]
    Authorization(Quoted),
    #[error("has the header{0} whose value is not a string: write a JSON string")]
    HeaderType(Quoted),
    #[error("has the header{0} whose value holds a control character: remove it")]
    ControlCharacter(Quoted),
}

/// The name of a header, where it is short and plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted(Option<String>);

impl Quoted {
    fn of(name: &str) -> Self {
        Self((is_token(name) && name.len() <= LONGEST_QUOTED).then(|| name.to_owned()))
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(formatter, " \"{name}\""))
    }
}

/// A JSON object with variables in its strings. The names of members are as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload(Map<String, Value>);

impl Payload {
    pub fn parse(text: &str) -> Result<Self, TemplateMistake> {
        let members = read(text, LONGEST_PAYLOAD)?.into_members();
        Ok(Self(members.into_iter().collect()))
    }

    /// A string that is nothing but a variable becomes its value, of whatever type; within other text, strings are put in
    /// as they are and all else as JSON. Where a name is in several of `values`, the first has it.
    pub fn render(&self, values: &[&Values]) -> Result<Value, TooLong> {
        rendered_object(&self.0, values, &mut Room::of(LONGEST_RENDERED))
    }

    /// What it may look for in `values`.
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

fn rendered(value: &Value, values: &[&Values], room: &mut Room) -> Result<Value, TooLong> {
    match value {
        Value::String(text) => match text.strip_prefix('$').and_then(|name| find(values, name)) {
            Some(value) => room.take_json(value).map(|()| value.clone()),
            None => replaced(text, values, room).map(Value::String),
        },
        Value::Array(items) => items.iter().map(|item| rendered(item, values, room)).collect(),
        Value::Object(members) => rendered_object(members, values, room),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
    }
}

fn rendered_object(members: &Map<String, Value>, values: &[&Values], room: &mut Room) -> Result<Value, TooLong> {
    let member = |(name, value): (&String, &Value)| {
        room.take(name.len())?;
        Ok((name.clone(), rendered(value, values, room)?))
    };
    members.iter().map(member).collect()
}

/// Why something is not rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("longer than {0} bytes with its variables: use fewer or shorter ones")]
pub struct TooLong(pub usize);

/// As JSON, where that is short enough: quoting makes a text up to six times as long.
pub fn json_within(value: &Value, most: usize) -> Result<String, TooLong> {
    Room::of(most).take_json(value).map(|()| value.to_string())
}

/// What may still be put in. Taken before it is put in, so that the memory for what is too long never is.
struct Room {
    most: usize,
    left: usize,
}

impl Room {
    const fn of(most: usize) -> Self {
        Self { most, left: most }
    }

    fn take(&mut self, bytes: usize) -> Result<(), TooLong> {
        self.left = self.left.checked_sub(bytes).ok_or(TooLong(self.most))?;
        Ok(())
    }

    fn take_json(&mut self, value: &Value) -> Result<(), TooLong> {
        let most = self.most;
        serde_json::to_writer(self, value).map_err(|_| TooLong(most))
    }
}

/// Counts what is written, and keeps none of it.
impl io::Write for Room {
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

/// The names alone: people put credentials into the values.
impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Headers {
    pub fn parse(text: &str) -> Result<Self, TemplateMistake> {
        let members = read(text, LONGEST_HEADERS)?.into_members();
        if members.len() > MOST_HEADERS {
            return Err(TemplateMistake::TooManyHeaders);
        }
        let mut known = BTreeSet::new();
        let headers = members.into_iter().map(|(name, value)| header(name, value, &mut known));
        headers.collect::<Result<_, _>>().map(Self)
    }

    /// The access token goes where `Authorization` would.
    pub fn check_beside_auth_method(&self) -> Result<(), TemplateMistake> {
        let own = self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        own.map_or(Ok(()), |(name, _)| Err(TemplateMistake::Authorization(Quoted::of(name))))
    }

    /// What [`check_header_value`] refuses may be among it, since a value may be anything.
    pub fn render(&self, values: &[&Values]) -> Result<Vec<(String, String)>, TooLong> {
        let room = &mut Room::of(LONGEST_RENDERED);
        self.0.iter().map(|(name, text)| Ok((name.clone(), replaced(text, values, room)?))).collect()
    }

    /// What it may look for in `values`.
    pub fn names(&self) -> BTreeSet<&str> {
        self.0.iter().flat_map(|(_, text)| names_in(text)).collect()
    }
}

/// Why a rendered header cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderValueMistake {
    #[error("a variable brings a control character into it")]
    ControlCharacter,
    #[error("it is longer than {LONGEST_VALUE} bytes")]
    TooLong,
}

/// RFC 9110 section 5.5: what could end the header and begin another one is in no value.
pub fn check_header_value(value: &str) -> Result<(), HeaderValueMistake> {
    if value.len() > LONGEST_VALUE {
        return Err(HeaderValueMistake::TooLong);
    }
    if value.chars().any(char::is_control) { Err(HeaderValueMistake::ControlCharacter) } else { Ok(()) }
}

fn header(name: String, value: Value, known: &mut BTreeSet<String>) -> Result<(String, String), TemplateMistake> {
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

/// What says how the request is framed, and those between two neighbours on the way (RFC 9110 section 7.6.1), among them
/// some that are registered no more and obeyed by some.
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
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token_byte)
}

fn read(text: &str, longest: usize) -> Result<JsonObject, TemplateMistake> {
    if text.len() > longest {
        return Err(TemplateMistake::TooLong(longest));
    }
    if text.matches('$').count() > MOST_USES {
        return Err(TemplateMistake::TooManyUses);
    }
    JsonObject::parse(text.as_bytes()).map_err(|error| match error {
        JsonObjectError::Text(JsonTextError::TooDeep) => TemplateMistake::TooDeep,
        JsonObjectError::Text(_) | JsonObjectError::NotJson | JsonObjectError::NotAnObject => {
            TemplateMistake::NotAnObject
        }
    })
}

fn replaced(text: &str, values: &[&Values], room: &mut Room) -> Result<String, TooLong> {
    room.take(text.len())?;
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        replaced.push_str(before);
        let (name, after) = split_name(after);
        match find(values, name) {
            Some(Value::String(value)) => {
                room.take(value.len())?;
                replaced.push_str(value);
            }
            Some(value) => {
                room.take_json(value)?;
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

/// After a dollar sign: the name, and the rest.
fn split_name(after: &str) -> (&str, &str) {
    after.split_at(after.find(|c| !is_of_name(c)).unwrap_or(after.len()))
}

/// What the name of a variable is made of.
pub const fn is_of_name(character: char) -> bool {
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
        Payload::parse(text).expect(text).render(&[&values(with)]).expect("is short")
    }

    fn headers(text: &str, with: Value) -> Vec<(String, String)> {
        Headers::parse(text).expect(text).render(&[&values(with)]).expect("are short")
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
            assert_eq!(payload(&json!({"a": text}).to_string(), with.clone()), json!({"a": expected}), "{text}");
        }
    }

    #[test]
    fn a_string_that_is_a_variable_becomes_its_value_and_within_text_it_is_json() {
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
            assert_eq!(payload(&json!({"a": text}).to_string(), with.clone()), json!({"a": expected}), "{text}");
        }
    }

    #[test]
    fn variables_are_found_in_lists_and_objects_at_any_depth_but_not_in_names() {
        let text = r#"{"$A": ["$A", ["$A", {"$A": "x$A", "n": 1}], null, true], "b": {"c": {"d": "$A"}}}"#;

        let rendered = payload(text, json!({"A": "v"}));

        let expected = json!({"$A": ["v", ["v", {"$A": "xv", "n": 1}], null, true], "b": {"c": {"d": "v"}}});
        assert_eq!(rendered, expected);
    }

    #[test]
    fn no_value_can_leave_its_string_or_bring_in_another_variable() {
        let hostile =
            ["\"", "\", \"admin\": true, \"x\": \"", "\\", "\n\r\t\0", "}]}", "\u{2028}", "$SECRET", "$", "</script>"];
        for value in hostile {
            let with = json!({"V": value, "SECRET": "hunter2"});
            let rendered = payload(r#"{"a": "x${V", "b": "$V", "c": "-$V-", "d": ["$VSECRET", "$V$"]}"#, with);

            let expected =
                json!({"a": "x${V", "b": value, "c": format!("-{value}-"), "d": ["$VSECRET", format!("{value}$")]});
            assert_eq!(rendered, expected, "{value:?}");
            let sent = serde_json::from_str::<Value>(&rendered.to_string()).expect("JSON");
            assert_eq!(sent, expected, "{value:?}");
        }
    }

    #[test]
    fn what_is_no_payload_is_refused_by_name() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(32), "]".repeat(32));
        let fits = format!("{{\"a\":\"{}\"}}", "x".repeat(LONGEST_PAYLOAD - 8));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(LONGEST_PAYLOAD - 7));
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
            (&long, Some(TemplateMistake::TooLong(LONGEST_PAYLOAD))),
            (&uses(257), Some(TemplateMistake::TooManyUses)),
        ];
        for (text, mistake) in cases {
            let shown = text.get(..40).unwrap_or(text);
            assert_eq!(Payload::parse(text).err(), mistake, "{shown}");
        }
    }

    #[test]
    fn headers_are_rendered_in_their_order_with_what_is_no_string_as_json() {
        let rendered =
            headers(r#"{"X-B": "$A", "x-a": "n $N o $O", "X-C": "$UNKNOWN"}"#, json!({"A": "a", "N": 1, "O": {}}));

        let expected = [("X-B", "a"), ("x-a", "n 1 o {}"), ("X-C", "$UNKNOWN")];
        assert_eq!(rendered, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_no_set_of_headers_is_refused_by_name() {
        use TemplateMistake::{
            ControlCharacter, HeaderName, HeaderTwice, HeaderType, NotAnObject, OwnHeader, TooLong, TooManyHeaders,
        };
        let many = |count| (0..count).map(|n| (format!("X-{n}"), json!("v"))).collect::<Value>().to_string();
        let quoted = |name: &str| Quoted(Some(name.to_owned()));
        let long = json!({"X": "x".repeat(LONGEST_HEADERS)}).to_string();
        let endless = json!({("x".repeat(65)): 1}).to_string();
        let cases = [
            (r#"{"Authorization": "Basic abc", "Cookie": "a=b", "User-Agent": "x", "X-_.~": ""}"#, None),
            (&many(50), None),
            (&many(51), Some(TooManyHeaders)),
            (&long, Some(TooLong(LONGEST_HEADERS))),
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
            let shown = text.get(..40).unwrap_or(text);
            assert_eq!(Headers::parse(text).err(), mistake, "{shown}");
        }
    }

    #[test]
    fn authorization_is_for_one_of_the_two() {
        let with = Headers::parse(r#"{"X-A": "a", "AUTHORIZATION": "b"}"#).expect("headers");
        let without = Headers::parse(r#"{"X-A": "authorization"}"#).expect("headers");

        let told = with.check_beside_auth_method().expect_err("is refused").to_string();
        assert_eq!(
            told,
            "has the header \"AUTHORIZATION\" beside an auth method, which sets it: remove one of the two"
        );
        assert_eq!(without.check_beside_auth_method(), Ok(()));
    }

    #[test]
    fn a_value_that_would_begin_another_header_is_found_once_it_is_there() {
        for (value, expected) in [
            ("plain", Ok(())),
            ("Gr\u{f6}\u{df}e \u{1f600}", Ok(())),
            ("a\r\nX-Admin: true", Err(HeaderValueMistake::ControlCharacter)),
            ("a\n", Err(HeaderValueMistake::ControlCharacter)),
            ("\0", Err(HeaderValueMistake::ControlCharacter)),
            (&"x".repeat(LONGEST_VALUE + 1), Err(HeaderValueMistake::TooLong)),
        ] {
            let [(_, rendered)] = &headers(r#"{"X-A": "$V"}"#, json!({"V": value}))[..] else { panic!("one header") };
            assert_eq!((rendered.as_str(), check_header_value(rendered)), (value, expected));
        }
    }

    #[test]
    fn the_first_that_has_a_name_gives_its_value() {
        let (first, second) = (values(json!({"A": 1})), values(json!({"A": 2, "B": 2})));
        let payload = Payload::parse(r#"{"a": "$A", "b": "$B"}"#).expect("a payload");

        assert_eq!(payload.render(&[&first, &second]), Ok(json!({"a": 1, "b": 2})));
    }

    #[test]
    fn a_template_knows_the_names_that_it_looks_for() {
        let text = r#"{"$A": ["$B-$C", {"x": "$$D_1$", "y": "$e"}, 1], "z": "$B"}"#;

        assert_eq!(Payload::parse(text).expect("a payload").names(), BTreeSet::from(["B", "C", "D_1"]));
        let headers = Headers::parse(r#"{"X-$A": "Key $B", "Y": "$C$"}"#).expect("headers");
        assert_eq!(headers.names(), BTreeSet::from(["B", "C"]));
    }

    #[test]
    fn what_is_rendered_ends_at_a_fixed_size() {
        let too_long = Err(TooLong(LONGEST_RENDERED));
        // 64 uses of 4096 bytes are all that fits, but for the name of the member and what stands between them.
        let quarter = |bytes: usize| json!({"V": "x".repeat(bytes)});
        let text = "$V".repeat(64);
        let fits = LONGEST_RENDERED / 64 - 3;
        let of = |text: &str, with: Value| {
            let payload = Payload::parse(&json!({"a": text}).to_string()).expect("a payload");
            payload.render(&[&values(with)]).map(|rendered| rendered.to_string().len())
        };
        assert_eq!(of(&text, quarter(fits)), Ok(64 * fits + 8));
        assert_eq!(of(&text, quarter(fits + 2)), too_long);
        let object = |bytes: usize| json!({"V": {"k": "x".repeat(bytes)}});
        assert_eq!(of("$V", object(LONGEST_RENDERED - 9)), Ok(LONGEST_RENDERED + 5), "the whole is measured as JSON");
        assert_eq!(of("$V", object(LONGEST_RENDERED - 8)), too_long);
        assert_eq!(of("$V $V", object(LONGEST_RENDERED / 2)), too_long);

        let list = json!({"a": vec!["$V"; 256]}).to_string();
        let list = Payload::parse(&list).expect("a payload");
        assert_eq!(list.render(&[&values(quarter(4096))]).map(drop), too_long.map(drop));
        let headers = Headers::parse(&json!({"X-A": "$V".repeat(128), "X-B": "$V"}).to_string()).expect("headers");
        assert_eq!(headers.render(&[&values(quarter(4096))]), Err(TooLong(LONGEST_RENDERED)));
    }

    #[test]
    fn json_is_measured_with_its_quoting() {
        let value = json!("\u{1}".repeat(10));

        assert_eq!(json_within(&value, 62), Ok(value.to_string()));
        assert_eq!(json_within(&value, 61), Err(TooLong(61)));
    }

    #[test]
    fn headers_print_their_names_only() {
        let headers = Headers::parse(r#"{"X-Key": "hunter2"}"#).expect("headers");

        assert_eq!(format!("{headers:?}"), r#"["X-Key"]"#);
    }
}
