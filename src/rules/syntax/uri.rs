//! The URI grammar (RFC 3986) for redirect URIs, the URIs of a client's pages, and webhooks,
//! applied to the raw text.
//!
//! URL libraries repair their input (`https:x` becomes `https://x`, a backslash becomes a slash),
//! so the text that they check is not the text that a browser gets later. This parser repairs
//! nothing, and every pass is linear.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::rules::syntax::address;

/// Why a text is not an absolute URI: the problem, a colon, and the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriSyntaxError {
    #[error("contains a character that is not allowed in a URI: percent-encode it")]
    ForbiddenCharacter,
    #[error("contains a % that is not followed by two hexadecimal digits: write %25 for a percent sign")]
    BadPercentEncoding,
    #[error("is not an absolute URI: start it with a scheme, such as https://")]
    NoScheme,
    #[error("has no host: write // and a host after the scheme")]
    NoHost,
    #[error("contains user information: remove the @ and everything before it")]
    UserInfo,
    #[error("has a malformed host: use a name of letters, digits, hyphens and dots, or a plain IP address")]
    BadHost,
    #[error("has a malformed port: use a number from 1 to 65535")]
    BadPort,
}

/// Accepts only the characters of RFC 3986 section 2 and complete percent-encodings. `#` is
/// refused: callers that allow a fragment split it off first.
pub fn check_characters(text: &str) -> Result<(), UriSyntaxError> {
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(()),
            [b'%', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            [b'%', ..] => return Err(UriSyntaxError::BadPercentEncoding),
            [byte, after @ ..] if is_uri_byte(*byte) => after,
            _ => return Err(UriSyntaxError::ForbiddenCharacter),
        }
    }
}

const fn is_uri_byte(byte: u8) -> bool {
    let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let gen_delim = matches!(byte, b':' | b'/' | b'?' | b'[' | b']' | b'@');
    let sub_delim = matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
    unreserved || gen_delim || sub_delim
}

/// Splits at the first colon: `scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )` (RFC 3986 section 3.1).
pub fn split_scheme(text: &str) -> Result<(&str, &str), UriSyntaxError> {
    let (scheme, rest) = text.split_once(':').ok_or(UriSyntaxError::NoScheme)?;
    let starts_with_letter = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_scheme_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if starts_with_letter && scheme.bytes().all(is_scheme_byte) {
        Ok((scheme, rest))
    } else {
        Err(UriSyntaxError::NoScheme)
    }
}

/// The text between `//` and the path, the query or the end. `None` if the scheme is not followed
/// by `//`.
pub fn authority_of(after_scheme: &str) -> Option<&str> {
    let rest = after_scheme.strip_prefix("//")?;
    rest.split(['/', '?', '#']).next()
}

/// The host of an `http` or `https` URI. Its authority has no user information and at most one
/// port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// The host as written, with the brackets of an IPv6 address.
    pub text: &'a str,
    /// The address, if the host is an address and not a name.
    pub address: Option<IpAddr>,
}

impl<'a> Host<'a> {
    pub fn parse(after_scheme: &'a str) -> Result<Self, UriSyntaxError> {
        let authority = authority_of(after_scheme).ok_or(UriSyntaxError::NoHost)?;
        if authority.contains('@') {
            return Err(UriSyntaxError::UserInfo);
        }
        let (text, port) = split_port(authority);
        if text.is_empty() {
            return Err(UriSyntaxError::NoHost);
        }
        let address = parse_host(text)?;
        port.map_or(Ok(()), check_port)?;
        Ok(Self { text, address })
    }

    /// Whether the host is an address that is not on the public internet (see [`address`]).
    pub fn is_private_address(&self) -> bool {
        self.address.is_some_and(|address| address::kind_of(address).is_some())
    }
}

/// Splits off the port. The colons of an IPv6 address are inside brackets; that of a port follows
/// them.
pub fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn check_port(port: &str) -> Result<(), UriSyntaxError> {
    let digits = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(1..) if digits => Ok(()),
        _ => Err(UriSyntaxError::BadPort),
    }
}

fn parse_host(text: &str) -> Result<Option<IpAddr>, UriSyntaxError> {
    let bad_host = |_| UriSyntaxError::BadHost;
    if let Some(literal) = text.strip_prefix('[') {
        let inside = literal.strip_suffix(']').ok_or(UriSyntaxError::BadHost)?;
        return inside.parse::<Ipv6Addr>().map(|address| Some(address.into())).map_err(bad_host);
    }
    if ends_in_number(text) {
        return text.parse::<Ipv4Addr>().map(|address| Some(address.into())).map_err(bad_host);
    }
    is_dns_name(text).then_some(None).ok_or(UriSyntaxError::BadHost)
}

/// Browsers parse a host whose last label is a number as an IPv4 address, even in old notations
/// such as `127.1`, `0x7f000001` and `2130706433`. Such a host must use the dotted decimal
/// notation.
fn ends_in_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    let is_decimal = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    is_decimal || hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Labels of letters, digits and inner hyphens (RFC 1123 section 2.1), including internationalized
/// names in their ASCII form.
fn is_dns_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(after_scheme: &str) -> Result<&str, UriSyntaxError> {
        Host::parse(after_scheme).map(|host| host.text)
    }

    #[test]
    fn exactly_the_characters_of_rfc_3986_are_allowed() {
        for character in (0..=0x7F_u8).map(char::from).chain(['ä', '\u{202e}', '／']) {
            let allowed = character.is_ascii_alphanumeric() || "-._~:/?[]@!$&'()*+,;=".contains(character);

            assert_eq!(
                check_characters(&format!("a{character}41")).is_ok(),
                allowed || character == '%',
                "{character:?}"
            );
        }
    }

    #[test]
    fn a_percent_sign_needs_two_hexadecimal_digits() {
        let cases = [("%41%fF", true), ("%", false), ("%4", false), ("%4g", false), ("%%41", false), ("%é1", false)];
        for (text, allowed) in cases {
            let expected = if allowed { Ok(()) } else { Err(UriSyntaxError::BadPercentEncoding) };
            assert_eq!(check_characters(text), expected, "{text}");
        }
    }

    #[test]
    fn a_scheme_starts_with_a_letter_and_ends_at_the_first_colon() {
        let cases = [
            ("https://x", Ok(("https", "//x"))),
            ("com.example.app:/cb", Ok(("com.example.app", "/cb"))),
            ("a+b-c.9:", Ok(("a+b-c.9", ""))),
            ("a:b:c", Ok(("a", "b:c"))),
            ("/path", Err(UriSyntaxError::NoScheme)),
            ("//host/a:b", Err(UriSyntaxError::NoScheme)),
            ("example.com/cb", Err(UriSyntaxError::NoScheme)),
            (":x", Err(UriSyntaxError::NoScheme)),
            ("1a:x", Err(UriSyntaxError::NoScheme)),
            ("a_b:x", Err(UriSyntaxError::NoScheme)),
            ("", Err(UriSyntaxError::NoScheme)),
        ];
        for (text, expected) in cases {
            assert_eq!(split_scheme(text), expected, "{text}");
        }
    }

    #[test]
    fn an_authority_ends_at_the_path_or_the_query() {
        let cases = [
            ("//host/path?q", Some("host")),
            ("//host?q/@", Some("host")),
            ("//host#f@", Some("host")),
            ("//user@host:1", Some("user@host:1")),
            ("///path", Some("")),
            ("/path", None),
            ("opaque", None),
        ];
        for (text, expected) in cases {
            assert_eq!(authority_of(text), expected, "{text}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_in_its_usual_notation() {
        let name_of_253 = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        let cases = [
            ("//example.com", Ok("example.com")),
            ("//intranet/x", Ok("intranet")),
            ("//xn--bcher-kva.example:443/x", Ok("xn--bcher-kva.example")),
            ("//192.0.2.1:8080", Ok("192.0.2.1")),
            ("//[2001:db8::1]:8080/x", Ok("[2001:db8::1]")),
            ("//[2001:db8::1]", Ok("[2001:db8::1]")),
            (&format!("//{name_of_253}"), Ok(name_of_253.as_str())),
            (&format!("//{name_of_253}d"), Err(UriSyntaxError::BadHost)),
            (&format!("//{}.example", "a".repeat(64)), Err(UriSyntaxError::BadHost)),
            ("/example.com", Err(UriSyntaxError::NoHost)),
            ("example.com", Err(UriSyntaxError::NoHost)),
            ("///example.com", Err(UriSyntaxError::NoHost)),
            ("//:443/x", Err(UriSyntaxError::NoHost)),
            ("//?x", Err(UriSyntaxError::NoHost)),
            ("//good.example@evil.example/", Err(UriSyntaxError::UserInfo)),
            ("//@example.com/", Err(UriSyntaxError::UserInfo)),
            ("//*.example.com", Err(UriSyntaxError::BadHost)),
            ("//example.com.", Err(UriSyntaxError::BadHost)),
            ("//.example.com", Err(UriSyntaxError::BadHost)),
            ("//a..b", Err(UriSyntaxError::BadHost)),
            ("//-a.example", Err(UriSyntaxError::BadHost)),
            ("//a-.example", Err(UriSyntaxError::BadHost)),
            ("//ex%61mple.com", Err(UriSyntaxError::BadHost)),
            ("//a_b.example", Err(UriSyntaxError::BadHost)),
            ("//2130706433", Err(UriSyntaxError::BadHost)),
            ("//0x7f000001", Err(UriSyntaxError::BadHost)),
            ("//0X7F.1", Err(UriSyntaxError::BadHost)),
            ("//127.1", Err(UriSyntaxError::BadHost)),
            ("//0177.0.0.1", Err(UriSyntaxError::BadHost)),
            ("//256.0.0.1", Err(UriSyntaxError::BadHost)),
            ("//[::1", Err(UriSyntaxError::BadHost)),
            ("//[::1]x", Err(UriSyntaxError::BadHost)),
            ("//[fe80::1%25eth0]", Err(UriSyntaxError::BadHost)),
            ("//[127.0.0.1]", Err(UriSyntaxError::BadHost)),
            ("//::1", Err(UriSyntaxError::BadHost)),
            ("//[]", Err(UriSyntaxError::BadHost)),
        ];
        for (text, expected) in cases {
            assert_eq!(host(text), expected, "{text}");
        }
    }

    #[test]
    fn a_port_is_a_number_from_1_to_65535() {
        for port in ["1", "80", "65535", "08080"] {
            assert_eq!(host(&format!("//example.com:{port}/")), Ok("example.com"), "{port}");
        }
        for port in ["", "0", "00000", "65536", "000001", "+80", "-1", "8 0", "http"] {
            assert_eq!(host(&format!("//example.com:{port}/")), Err(UriSyntaxError::BadPort), "{port}");
        }
    }

    #[test]
    fn private_and_public_addresses_are_distinguished() {
        let private = [
            "127.0.0.1",
            "127.8.9.10",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[fd00::1]",
            "[fe80::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "100.64.0.1",
            "192.0.2.1",
            "224.0.0.1",
            "[2001:db8::1]",
            "[64:ff9b::10.0.0.1]",
        ];
        let public = ["8.8.8.8", "172.32.0.1", "[2606:4700::1]", "[::ffff:8.8.8.8]", "localhost", "a.example"];
        for (hosts, expected) in [(&private[..], true), (&public[..], false)] {
            for text in hosts {
                let after_scheme = format!("//{text}/");
                let host = Host::parse(&after_scheme).expect("a host");

                assert_eq!(host.is_private_address(), expected, "{text}");
            }
        }
    }
}
