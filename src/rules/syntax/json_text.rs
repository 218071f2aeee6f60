//! Checks on a body before it is parsed as JSON (RFC 8259 section 8), in one linear pass without
//! allocation.
//!
//! The checks refuse input on which JSON parsers disagree or spend too much: a byte order mark,
//! deep nesting, and half of an escaped surrogate pair, which no UTF-8 string can represent (RFC
//! 7493 section 2.1). Everything else is left to the parser.

/// The maximum nesting of objects and lists. Valid requests need much less.
pub const MAX_DEPTH: usize = 32;

/// Why a body is not parsed as JSON. Messages never quote the body, so they are safe to return to
/// the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonTextError {
    #[error("the body is not UTF-8: encode it as UTF-8")]
    NotUtf8,
    #[error("the body begins with a byte order mark: remove it")]
    ByteOrderMark,
    #[error("the body is nested deeper than {MAX_DEPTH} levels: flatten it")]
    TooDeep,
    #[error(
        "the body escapes half of a surrogate pair: escape both halves or write the character itself"
    )]
    LoneSurrogate,
}

/// Returns the body as text that is safe to pass to a JSON parser.
pub fn check(body: &[u8]) -> Result<&str, JsonTextError> {
    let text = std::str::from_utf8(body).map_err(|_| JsonTextError::NotUtf8)?;
    if text.starts_with('\u{FEFF}') {
        return Err(JsonTextError::ByteOrderMark);
    }
    let mut depth = 0_usize;
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'"' => rest = skip_string(after)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(JsonTextError::TooDeep);
        }
    }
    Ok(text)
}

/// Returns the text after the closing quote, or nothing if there is no closing quote.
fn skip_string(mut rest: &[u8]) -> Result<&[u8], JsonTextError> {
    loop {
        rest = match rest {
            [] => return Ok(rest),
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'u', after @ ..] => skip_code_unit(after)?,
            [b'\\', _, after @ ..] | [_, after @ ..] => after,
        }
    }
}

/// Returns the text after the digits of `\u`, and after the second half if this is the first half
/// of a surrogate pair.
fn skip_code_unit(after_u: &[u8]) -> Result<&[u8], JsonTextError> {
    let Some((unit, rest)) = code_unit(after_u) else { return Ok(after_u) };
    match unit {
        0xD800..=0xDBFF => match rest {
            [b'\\', b'u', after @ ..] => match code_unit(after) {
                Some((0xDC00..=0xDFFF, rest)) => Ok(rest),
                _ => Err(JsonTextError::LoneSurrogate),
            },
            _ => Err(JsonTextError::LoneSurrogate),
        },
        0xDC00..=0xDFFF => Err(JsonTextError::LoneSurrogate),
        _ => Ok(rest),
    }
}

/// Splits off four hexadecimal digits.
fn code_unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let unit = digits
        .iter()
        .try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))?;
    Some((unit, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn text_that_parsers_agree_on_is_accepted_unchanged() {
        let texts = [
            "",
            "null",
            "{}",
            r#"{"a":["\"","\\","\u00e9","\ud83d\ude00","}]"]}"#,
            "\"ä€😀\"",
            r#""\uD83D\uDE00""#,
            "not json",
            r#""unterminated \"#,
            r#""\u12"#,
            r#""\uzzzz""#,
            "]]]]}}}}",
        ];
        for text in texts {
            assert_eq!(check(text.as_bytes()), Ok(text));
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_refused_anywhere() {
        for body in [&b"\xff"[..], b"{\"a\":\"\xc0\x80\"}", b"{\"\xed\xa0\x80\":1}", b"{}\xfe"] {
            assert_eq!(check(body), Err(JsonTextError::NotUtf8));
        }
    }

    #[test]
    fn a_byte_order_mark_is_refused_only_at_the_start() {
        assert_eq!(check("\u{FEFF}{}".as_bytes()), Err(JsonTextError::ByteOrderMark));
        assert_eq!(check("\"\u{FEFF}\"".as_bytes()), Ok("\"\u{FEFF}\""));
    }

    #[test]
    fn thirty_two_levels_are_accepted_and_one_more_is_refused() {
        let nested = |open: &str, levels| open.repeat(levels);
        for open in ["[", r#"{"a":"#, r#"[{"]":"#] {
            let levels_each = open.matches(['[', '{']).count();

            assert!(check(nested(open, MAX_DEPTH / levels_each).as_bytes()).is_ok(), "{open}");
            assert_eq!(
                check(nested(open, MAX_DEPTH / levels_each + 1).as_bytes()),
                Err(JsonTextError::TooDeep),
                "{open}"
            );
        }
    }

    #[test]
    fn siblings_and_brackets_in_strings_do_not_count_as_depth() {
        for text in [format!("[{}[]]", "[],".repeat(1000)), format!("\"{}\"", "[{".repeat(1000))] {
            assert_eq!(check(text.as_bytes()), Ok(text.as_str()));
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_refused() {
        let halves = [
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83d\ud83d\ude00""#,
            r#""\ude00\ud83d""#,
            r#""\ud83dx\ude00""#,
            r#"{"\uD800":1}"#,
            r#"["\ud83d\n"]"#,
            r#""\ud83d\u00e9""#,
            r#""\ud83d\u""#,
            r#""\\\udfff""#,
        ];
        for text in halves {
            assert_eq!(check(text.as_bytes()), Err(JsonTextError::LoneSurrogate), "{text}");
        }
        assert_eq!(
            check(br#""\\ud83d""#),
            Ok(r#""\\ud83d""#),
            "an escaped backslash escapes nothing after it"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = check(&body);
        }

        #[test]
        fn valid_json_is_accepted_unless_it_is_nested_too_deeply(text in r#"([\[\]{}:,"0 ]|"a"|\\ud83d|\\ude00|\\u00e9|\\){0,12}"#) {
            if serde_json::from_str::<Value>(&text).is_ok() {
                prop_assert_eq!(check(text.as_bytes()), Ok(text.as_str()));
            }
        }
    }
}
