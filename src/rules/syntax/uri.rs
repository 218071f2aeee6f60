//! URIs (RFC 3986), read by the parser of the `url` crate, which also sends our requests.
//!
//! URL parsers repair their input: `https:x` becomes `https://x`, a backslash becomes a slash, and
//! `127.1` becomes `127.0.0.1`. A host that was checked in a repaired text can differ from the one
//! that another parser finds in it. So a URI is accepted only if the parser returns every byte of
//! it unchanged. The only exception is the slash that it adds to an empty path
//! (`https://example.com`).

use std::net::{IpAddr, Ipv4Addr};

use url::{ParseError, Position, Url};

use crate::syntax::address;

/// Why a text is not accepted as an absolute URI: the problem, a colon, and the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriSyntaxError {
    #[error("contains a character that is not allowed in a URI: percent-encode it")]
    ForbiddenCharacter,
    #[error(
        "contains a % that is not followed by two hexadecimal digits: write %25 for a percent sign"
    )]
    BadPercentEncoding,
    #[error("is not an absolute URI: start it with a scheme, such as https://")]
    NoScheme,
    #[error("has no host: write // and a host after the scheme")]
    NoHost,
    #[error("contains user information: remove the @ and everything before it")]
    UserInfo,
    #[error(
        "has a malformed host: use a name of letters, digits, hyphens and dots, or a plain IP address"
    )]
    BadHost,
    #[error(
        "has an IPv6 address in an unusual notation: write it in its shortest form, such as [2001:db8::1]"
    )]
    AddressNotation,
    #[error("has a malformed port: use a number from 1 to 65535 without leading zeros")]
    BadPort,
    #[error("has the default port of its scheme: remove the colon and the port")]
    DefaultPort,
    #[error("has uppercase letters in its scheme or host: use lowercase letters")]
    Uppercase,
    #[error("has . or .. in its path: use the resolved path")]
    DotSegments,
    #[error("has an apostrophe in its query: write %27")]
    Apostrophe,
}

impl From<ParseError> for UriSyntaxError {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::RelativeUrlWithoutBase => Self::NoScheme,
            ParseError::EmptyHost => Self::NoHost,
            ParseError::InvalidPort => Self::BadPort,
            _ => Self::BadHost,
        }
    }
}

/// The hosts for which `http` can be accepted, because they are always on the user's own machine.
pub const LOOPBACK_HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// An absolute URI without user information, spelled as URL parsers spell it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uri(Url);

impl Uri {
    /// Accepts a text that the parser returns unchanged.
    pub fn parse(text: &str) -> Result<Self, UriSyntaxError> {
        let uri = Self::parse_equivalent(text)?;
        Written::split(text).check_before_path(&uri.0)?;
        Ok(uri)
    }

    /// Also accepts uppercase letters in the scheme and the host, and the default port of the
    /// scheme (RFC 3986 section 6.2).
    pub fn parse_equivalent(text: &str) -> Result<Self, UriSyntaxError> {
        let uri = Self::parse_any_spelling(text)?;
        let written = Written::split(text);
        written.check_notation(&uri.0)?;
        written.check_path_and_query(&uri.0)?;
        Ok(uri)
    }

    /// Accepts any spelling in which the host is the one that the parser finds: also other notations
    /// of an IPv6 address, leading zeros in a port, dot segments and apostrophes. This is for URIs
    /// that were stored before, since earlier versions accepted these spellings.
    pub fn parse_any_spelling(text: &str) -> Result<Self, UriSyntaxError> {
        let (before_fragment, fragment) = text.split_once('#').unwrap_or((text, ""));
        check_characters(before_fragment)?;
        check_characters(fragment)?;
        let url = Url::parse(text)?;
        Written::split(text).check_host(&url)?;
        Ok(Self(url))
    }

    /// The URI with the slash of an empty path.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn into_url(self) -> Url {
        self.0
    }

    /// The scheme in lower case.
    pub fn scheme(&self) -> &str {
        self.0.scheme()
    }

    /// The scheme, the host and the port (RFC 6454 section 6.2) of an `http` or `https` URI.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    pub fn path(&self) -> &str {
        self.0.path()
    }

    pub fn query(&self) -> Option<&str> {
        self.0.query()
    }

    /// The text of the host, which is empty if there is none.
    pub fn host_text(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The host of an `http` or `https` URI. The parser accepts more names than DNS does.
    pub fn host(&self) -> Result<Host<'_>, UriSyntaxError> {
        let text = self.0.host_str().ok_or(UriSyntaxError::NoHost)?;
        let address = match self.0.host() {
            Some(url::Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(url::Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ if is_host_name(text) => None,
            _ => return Err(UriSyntaxError::BadHost),
        };
        Ok(Host { text, address })
    }

    /// Whether this is an `http` URI on the user's own machine.
    pub fn is_http_on_loopback(&self) -> bool {
        self.scheme() == "http" && LOOPBACK_HOSTS.contains(&self.host_text())
    }
}

/// The host of an `http` or `https` URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// The host in lower case, with the brackets of an IPv6 address.
    pub text: &'a str,
    /// The address, if the host is an address and not a name.
    pub address: Option<IpAddr>,
}

impl Host<'_> {
    /// Whether the host is an address that is not on the public internet (see [`address`]).
    pub fn is_private_address(&self) -> bool {
        self.address.is_some_and(|address| address::kind_of(address).is_some())
    }

    /// The address that is known without DNS: a literal address, or loopback for `localhost` and
    /// the names below it (RFC 6761 section 6.3).
    pub fn known_address(&self) -> Option<IpAddr> {
        let is_localhost = self.text.rsplit('.').next() == Some("localhost");
        self.address.or_else(|| is_localhost.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)))
    }
}

/// Labels of letters, digits and inner hyphens (RFC 1123 section 2.1), including internationalized
/// names in their ASCII form. IPv4 addresses match too.
pub fn is_host_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

/// Accepts only the characters of RFC 3986 section 2 and complete percent-encodings, which the
/// parser does not check.
fn check_characters(text: &str) -> Result<(), UriSyntaxError> {
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(()),
            [b'%', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                after
            }
            [b'%', ..] => return Err(UriSyntaxError::BadPercentEncoding),
            [byte, after @ ..] if is_uri_byte(*byte) => after,
            _ => return Err(UriSyntaxError::ForbiddenCharacter),
        }
    }
}

const fn is_uri_byte(byte: u8) -> bool {
    let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let gen_delim = matches!(byte, b':' | b'/' | b'?' | b'[' | b']' | b'@');
    let sub_delim =
        matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
    unreserved || gen_delim || sub_delim
}

/// The components of a text as it was written, to compare them with those that the parser returns.
struct Written<'a> {
    scheme: &'a str,
    /// The host and the port. `None` if the scheme is not followed by `//`.
    authority: Option<&'a str>,
    /// The path, the query and the fragment.
    rest: &'a str,
}

impl<'a> Written<'a> {
    fn split(text: &'a str) -> Self {
        let (scheme, after_scheme) = text.split_once(':').unwrap_or(("", text));
        let Some(after_slashes) = after_scheme.strip_prefix("//") else {
            return Self { scheme, authority: None, rest: after_scheme };
        };
        let end = after_slashes.find(['/', '?', '#']).unwrap_or(after_slashes.len());
        let (authority, rest) = after_slashes.split_at(end);
        Self { scheme, authority: Some(authority), rest }
    }

    /// The host is the one that the parser found, and the port can be used. An IPv6 address may have
    /// another notation, since a text in brackets is nothing else to any parser.
    fn check_host(&self, url: &Url) -> Result<(), UriSyntaxError> {
        let authority = self.authority.unwrap_or_default();
        if authority.contains('@') {
            return Err(UriSyntaxError::UserInfo);
        }
        let Some(host) = url.host_str() else { return Ok(()) };
        let (written_host, port) = split_port(authority);
        if written_host.is_empty() {
            return Err(UriSyntaxError::NoHost);
        }
        let is_ipv6 = host.starts_with('[') && written_host.starts_with('[');
        if !is_ipv6 && !written_host.eq_ignore_ascii_case(host) {
            return Err(UriSyntaxError::BadHost);
        }
        // The parser has checked that a port is a number, but it accepts an empty one and 0.
        match port.map(str::parse::<u16>) {
            None | Some(Ok(1..)) => Ok(()),
            Some(_) => Err(UriSyntaxError::BadPort),
        }
    }

    /// The host and the port may differ from those of the parser only in their case, and in a
    /// default port.
    fn check_notation(&self, url: &Url) -> Result<(), UriSyntaxError> {
        let Some(host) = url.host_str() else { return Ok(()) };
        let (written_host, port) = split_port(self.authority.unwrap_or_default());
        if !written_host.eq_ignore_ascii_case(host) {
            return Err(UriSyntaxError::AddressNotation);
        }
        if port.is_some_and(|port| port.starts_with('0')) {
            return Err(UriSyntaxError::BadPort);
        }
        Ok(())
    }

    fn check_path_and_query(&self, url: &Url) -> Result<(), UriSyntaxError> {
        let (from_path, after_path) = (&url[Position::BeforePath..], &url[Position::AfterPath..]);
        if self.rest == from_path || (url.path() == "/" && self.rest == after_path) {
            return Ok(());
        }
        let path = self.rest.split(['?', '#']).next().unwrap_or_default();
        let is_same_path = path.is_empty() || path == url.path();
        Err(if is_same_path { UriSyntaxError::Apostrophe } else { UriSyntaxError::DotSegments })
    }

    fn check_before_path(&self, url: &Url) -> Result<(), UriSyntaxError> {
        let authority =
            url.has_authority().then(|| &url[Position::BeforeHost..Position::AfterPort]);
        if self.scheme == url.scheme() && self.authority == authority {
            return Ok(());
        }
        let has_port = self.authority.is_some_and(|authority| split_port(authority).1.is_some());
        Err(if has_port && url.port().is_none() {
            UriSyntaxError::DefaultPort
        } else {
            UriSyntaxError::Uppercase
        })
    }
}

/// Splits off the port. The colons of an IPv6 address are inside brackets; that of a port follows
/// them.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host(text: &str) -> Result<String, UriSyntaxError> {
        Uri::parse(text)?.host().map(|host| host.text.to_owned())
    }

    #[test]
    fn exactly_the_characters_of_rfc_3986_are_allowed() {
        for character in (0..=0x7F_u8).map(char::from).chain(['ä', '\u{202e}', '／']) {
            let allowed =
                character.is_ascii_alphanumeric() || "-._~:/?[]@!$&'()*+,;=".contains(character);

            assert_eq!(
                check_characters(&format!("a{character}41")).is_ok(),
                allowed || character == '%',
                "{character:?}"
            );
        }
    }

    #[test]
    fn a_percent_sign_needs_two_hexadecimal_digits() {
        let cases = [
            ("%41%fF", true),
            ("%", false),
            ("%4", false),
            ("%4g", false),
            ("%%41", false),
            ("%é1", false),
        ];
        for (text, allowed) in cases {
            let expected = if allowed { Ok(()) } else { Err(UriSyntaxError::BadPercentEncoding) };
            assert_eq!(check_characters(text), expected, "{text}");
        }
    }

    #[test]
    fn a_scheme_starts_with_a_letter_and_ends_at_the_first_colon() {
        let cases = [
            ("https://x", Ok("https")),
            ("com.example.app:/cb", Ok("com.example.app")),
            ("a+b-c.9:", Ok("a+b-c.9")),
            ("a:b:c", Ok("a")),
            ("/path", Err(UriSyntaxError::NoScheme)),
            ("//host/a:b", Err(UriSyntaxError::NoScheme)),
            ("example.com/cb", Err(UriSyntaxError::NoScheme)),
            (":x", Err(UriSyntaxError::NoScheme)),
            ("1a:x", Err(UriSyntaxError::NoScheme)),
            ("a_b:x", Err(UriSyntaxError::NoScheme)),
            ("", Err(UriSyntaxError::NoScheme)),
        ];
        for (text, expected) in cases {
            assert_eq!(
                Uri::parse(text).as_ref().map(Uri::scheme).map_err(|error| *error),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_host_ends_at_the_path_or_the_query() {
        for text in [
            "https://host/path?q",
            "https://host?q/@",
            "https://host#f@",
            "https://host",
            "https://host/a@b",
        ] {
            assert_eq!(host(text).as_deref(), Ok("host"), "{text}");
        }
        for text in ["a:/path", "a:opaque", "a:///path", "a:user@host"] {
            assert_eq!(host(text), Err(UriSyntaxError::NoHost), "{text}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_in_its_usual_notation() {
        let name_of_253 =
            ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        let cases = [
            ("//example.com", Ok("example.com")),
            ("//intranet/x", Ok("intranet")),
            ("//xn--bcher-kva.example:8443/x", Ok("xn--bcher-kva.example")),
            ("//192.0.2.1:8080", Ok("192.0.2.1")),
            ("//[2001:db8::1]:8080/x", Ok("[2001:db8::1]")),
            ("//[2001:db8::1]", Ok("[2001:db8::1]")),
            ("//[::ffff:7f00:1]", Ok("[::ffff:7f00:1]")),
            (&format!("//{name_of_253}"), Ok(name_of_253.as_str())),
            (&format!("//{name_of_253}d"), Err(UriSyntaxError::BadHost)),
            (&format!("//{}.example", "a".repeat(64)), Err(UriSyntaxError::BadHost)),
            ("/example.com", Err(UriSyntaxError::NoHost)),
            ("example.com", Err(UriSyntaxError::NoHost)),
            ("///example.com", Err(UriSyntaxError::NoHost)),
            ("//:443/x", Err(UriSyntaxError::NoHost)),
            ("//::1", Err(UriSyntaxError::NoHost)),
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
            // An A-label that no name encodes to.
            ("//xn--a.example", Err(UriSyntaxError::BadHost)),
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
            ("//[]", Err(UriSyntaxError::BadHost)),
        ];
        for (after_scheme, expected) in cases {
            assert_eq!(
                host(&format!("https:{after_scheme}")).as_deref(),
                expected.as_ref().map(|host| *host)
            );
        }
    }

    #[test]
    fn a_port_is_a_number_from_1_to_65535_that_is_not_the_default() {
        for port in ["1", "80", "8080", "65535"] {
            assert_eq!(
                host(&format!("https://example.com:{port}/")).as_deref(),
                Ok("example.com"),
                "{port}"
            );
        }
        for port in ["", "0", "00000", "65536", "000001", "08080", "0443", "+80", "-1", "http"] {
            assert_eq!(
                host(&format!("https://example.com:{port}/")),
                Err(UriSyntaxError::BadPort),
                "{port}"
            );
            assert_eq!(
                Uri::parse(&format!("app://example.com:{port}/")),
                Err(UriSyntaxError::BadPort),
                "{port}"
            );
        }
        for text in ["https://example.com:443/", "http://localhost:80", "HTTPS://EXAMPLE.com:443"] {
            assert_eq!(host(text), Err(UriSyntaxError::DefaultPort), "{text}");
        }
    }

    #[test]
    fn a_uri_that_the_parser_would_change_is_refused() {
        use UriSyntaxError::{
            AddressNotation, Apostrophe, DotSegments, ForbiddenCharacter, Uppercase,
        };
        let cases = [
            ("HTTPS://example.com/", Uppercase),
            ("https://Example.com/", Uppercase),
            ("https://[2001:DB8::1]/", Uppercase),
            ("App:/callback", Uppercase),
            ("https://[2001:db8:0::1]/", AddressNotation),
            ("https://[0:0:0:0:0:0:0:1]/", AddressNotation),
            ("https://[::ffff:127.0.0.1]/", AddressNotation),
            ("https://example.com/a/../b", DotSegments),
            ("https://example.com/a/./b", DotSegments),
            ("https://example.com/..", DotSegments),
            ("https://example.com/.", DotSegments),
            ("https://example.com/%2e%2E/b", DotSegments),
            ("https://example.com/.%2e?x", DotSegments),
            ("app://host/a/../b", DotSegments),
            ("app:/a/../b", DotSegments),
            ("https://example.com?a='b'", Apostrophe),
            ("https://example.com/a?a='b'", Apostrophe),
            ("https://example.com\\a", ForbiddenCharacter),
            ("https://exa\tmple.com/", ForbiddenCharacter),
            (" https://example.com/", ForbiddenCharacter),
        ];
        for (text, expected) in cases {
            assert_eq!(Uri::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_uri_that_the_parser_returns_unchanged_is_accepted() {
        for text in [
            "https://example.com/",
            "https://example.com//a//b/",
            "https://example.com/...",
            "https://example.com/%7Ea%2f?b=%20&c=/../d#e'f",
            "https://example.com/a'b?",
            "https://example.com/#",
            "http://localhost:8080/a[b]",
            "app://Host/Path?a='b'",
            "app://",
            "app:///a",
            "app:a/../b",
            "app:a@b:c",
        ] {
            assert_eq!(Uri::parse(text).as_ref().map(Uri::as_str), Ok(text));
        }
    }

    #[test]
    fn an_empty_path_may_be_written_without_its_slash() {
        let cases = [
            ("https://example.com", "https://example.com/"),
            ("https://example.com:8443?a=b", "https://example.com:8443/?a=b"),
            ("https://example.com#a", "https://example.com/#a"),
        ];
        for (text, expected) in cases {
            assert_eq!(Uri::parse(text).as_ref().map(Uri::as_str), Ok(expected));
        }
    }

    #[test]
    fn equivalent_spellings_differ_in_case_and_default_port_only() {
        for text in [
            "HTTPS://Example.COM:443/A?b",
            "https://example.com:443/A?b",
            "https://example.com/A?b",
        ] {
            assert_eq!(
                Uri::parse_equivalent(text).as_ref().map(Uri::as_str),
                Ok("https://example.com/A?b"),
                "{text}"
            );
        }
        for text in [
            "https://example.com/A/../B",
            "https://127.1/",
            "https:example.com",
            "https://example.com:0443",
        ] {
            assert!(Uri::parse_equivalent(text).is_err(), "{text}");
        }
    }

    #[test]
    fn any_spelling_has_the_host_and_the_port_that_the_parser_finds() {
        let cases = [
            ("HTTPS://Example.COM:443/A", "https://example.com/A"),
            ("https://example.com:08443/", "https://example.com:8443/"),
            ("https://[2001:db8:0::1]:443/", "https://[2001:db8::1]/"),
            ("https://[::ffff:127.0.0.1]", "https://[::ffff:7f00:1]/"),
            ("https://example.com/a/../b?c='d'", "https://example.com/b?c=%27d%27"),
            ("App.Example:/cb", "app.example:/cb"),
            ("app://Host:08080/a/./cb", "app://Host:8080/a/cb"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                Uri::parse_any_spelling(text).as_ref().map(Uri::as_str),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn no_spelling_hides_the_host_or_the_port() {
        use UriSyntaxError::{BadHost, BadPort, ForbiddenCharacter, NoHost, NoScheme, UserInfo};
        let cases = [
            ("https:example.com", NoHost),
            ("https:/example.com", NoHost),
            ("https:///example.com", NoHost),
            ("https://good.example@evil.example/", UserInfo),
            ("app://user@host/", UserInfo),
            ("https://good.example\\@evil.example/", ForbiddenCharacter),
            ("https://evil.example\t/", ForbiddenCharacter),
            ("https://127.1/", BadHost),
            ("https://0177.0.0.1/", BadHost),
            ("https://2130706433/", BadHost),
            ("https://0x7f.1/", BadHost),
            ("https://ex%61mple.com/", BadHost),
            ("https://[::1/", BadHost),
            ("https://xn--a.example/", BadHost),
            ("https://example.com:/", BadPort),
            ("https://example.com:0/", BadPort),
            ("https://example.com:00/", BadPort),
            ("https://example.com:65536/", BadPort),
            ("//example.com/", NoScheme),
        ];
        for (text, expected) in cases {
            assert_eq!(Uri::parse_any_spelling(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn http_on_loopback_has_three_spellings() {
        let cases = [
            ("http://localhost:3000", true),
            ("http://127.0.0.1/", true),
            ("http://[::1]:1/", true),
            ("https://localhost", false),
            ("http://127.0.0.2/", false),
            ("http://x.localhost/", false),
            ("http://localhost.example/", false),
        ];
        for (text, expected) in cases {
            assert_eq!(
                Uri::parse(text).map(|uri| uri.is_http_on_loopback()),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn localhost_and_literal_addresses_are_known_without_dns() {
        let cases = [
            ("localhost", Some("127.0.0.1")),
            ("app.localhost", Some("127.0.0.1")),
            ("localhost.example", None),
            ("notlocalhost", None),
            ("8.8.8.8", Some("8.8.8.8")),
            ("[::1]", Some("::1")),
        ];
        for (name, expected) in cases {
            let uri = Uri::parse(&format!("https://{name}/")).expect(name);
            let known = uri.host().expect(name).known_address().map(|address| address.to_string());

            assert_eq!(known.as_deref(), expected, "{name}");
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
            "[::ffff:7f00:1]",
            "[::ffff:a00:1]",
            "100.64.0.1",
            "192.0.2.1",
            "224.0.0.1",
            "[2001:db8::1]",
            "[64:ff9b::a00:1]",
        ];
        let public = [
            "8.8.8.8",
            "172.32.0.1",
            "[2606:4700::1]",
            "[::ffff:808:808]",
            "localhost",
            "a.example",
        ];
        for (hosts, expected) in [(&private[..], true), (&public[..], false)] {
            for text in hosts {
                let uri = Uri::parse(&format!("https://{text}/")).expect(text);

                assert_eq!(uri.host().expect("a host").is_private_address(), expected, "{text}");
            }
        }
    }

    /// Text that is close to the grammar, so that many cases are accepted.
    fn nearly_a_uri() -> impl Strategy<Value = String> {
        let scheme = prop_oneof!["https?", "HTTPS", "app", "file", "ws"];
        let authority =
            prop_oneof!["//[a-zA-Z0-9.:@%\\[\\]-]{0,12}", "//[a-z]{1,4}(:[0-9]{0,5})?", "/{0,3}"];
        (scheme, authority, "([/?#.][/?#.%2e':a-z]{0,12})?|\\PC{0,6}")
            .prop_map(|(scheme, authority, rest)| format!("{scheme}:{authority}{rest}"))
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*|[\\x00-\\x7f]{0,60}") {
            let _ = Uri::parse(&text);
        }

        #[test]
        fn the_parser_returns_an_accepted_uri_unchanged(text in nearly_a_uri()) {
            if Uri::parse(&text).is_ok() {
                let url = Url::parse(&text).expect("a URL");
                let without_slash = [&url[..Position::BeforePath], &url[Position::AfterPath..]].concat();

                prop_assert!(url.as_str() == text || (url.path() == "/" && without_slash == text));
                prop_assert!(url.username().is_empty() && url.password().is_none());
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }

        #[test]
        fn any_spelling_that_is_accepted_has_the_written_host(text in nearly_a_uri()) {
            if let Ok(uri) = Uri::parse_any_spelling(&text) {
                let written = Written::split(&text);
                let (host, _) = split_port(written.authority.unwrap_or_default());

                prop_assert!(written.scheme.eq_ignore_ascii_case(uri.scheme()));
                // The parser removes the host of file://localhost.
                prop_assert!(
                    host.starts_with('[') || host.eq_ignore_ascii_case(uri.host_text()) || uri.scheme() == "file"
                );
            }
        }

        #[test]
        fn what_the_parser_returns_is_accepted_if_its_characters_are(text in nearly_a_uri()) {
            if let Ok(url) = Url::parse(&text)
                && let Ok(uri) = Uri::parse_equivalent(&text)
            {
                prop_assert_eq!(uri.as_str(), url.as_str());
                prop_assert_eq!(Uri::parse(url.as_str()), Ok(uri));
            }
        }
    }
}
