//! Parsers for single values whose type alone does not define what is allowed.
//!
//! Each function is used by a `deserialize_with` in `sections/`. Its error text follows the name of
//! the setting.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use serde::de::{Deserialize, Deserializer, Error};

use crate::rules::authorization::resource::Resource;
use crate::rules::secret::{Digest, Secret};
use crate::rules::syntax::uri::{Uri, UriSyntaxError, is_host_name};
use crate::sealing::KeyRing;

const DAY: u64 = 86_400;
/// More than any setting needs, and small enough that sums of times cannot overflow.
const CENTURY: u64 = 36_525 * DAY;

// The `allowed` texts that several settings share.
pub const SWITCH: &str = "true or false";
pub const COUNT: &str = "a whole number, at least 1";
pub const LIMIT: &str = "a whole number; 0 means no limit";
pub const TIMEOUT: &str = "whole seconds from 1 to 86400";
pub const MILLISECONDS: &str = "whole milliseconds from 1 to 600000";
pub const LIFETIME: &str = "whole seconds up to 100 years; 0 means no limit";
pub const NETWORKS: &str = "a list of networks or addresses, such as [\"10.0.0.0/8\", \"::1\"]";

/// A timeout in seconds.
pub fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    between(1, DAY, from).map(Duration::from_secs)
}

/// A timeout in milliseconds.
pub fn milliseconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    between(1, 600_000, from).map(Duration::from_millis)
}

/// The HTTP library needs at least 8 KiB.
pub fn header_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let bytes = between(8_192, 1_048_576, from)?;
    usize::try_from(bytes).map_err(Error::custom)
}

/// Lifetime of an authorization code: RFC 6749 section 4.1.2 recommends at most ten minutes.
pub fn code_lifetime<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    between(1, 600, from)
}

pub fn lifetime<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    between(1, CENTURY, from)
}

pub fn lifetime_or_zero<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    between(0, CENTURY, from)
}

pub fn hour_or_zero<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    between(0, 3_600, from)
}

/// A lifetime of 0, or of at least a day, so that no recent client or key is affected.
pub fn day_or_zero<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    match between(0, CENTURY, from)? {
        short @ 1..DAY => Err(Error::custom(format!("{short} is less than a day"))),
        lifetime => Ok(lifetime),
    }
}

fn between<'de, D: Deserializer<'de>>(least: u64, most: u64, from: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(from)?;
    if number < least || number > most {
        return Err(Error::custom(format!("{number} is not between {least} and {most}")));
    }
    Ok(number)
}

pub fn at_least_one<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default + PartialEq,
{
    let number = T::deserialize(from)?;
    if number == T::default() { Err(Error::custom("0 is not at least 1")) } else { Ok(number) }
}

pub fn address_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    match String::deserialize(from)?.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(Error::custom),
    }
}

pub fn key_ring_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<KeyRing>, D::Error> {
    let text = Secret::new(String::deserialize(from)?);
    if text.expose().is_empty() {
        return Ok(None);
    }
    KeyRing::parse(&text).map(Some).map_err(Error::custom)
}

/// The error does not show the value, because it may contain a password.
pub fn proxy_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() {
        return Ok(None);
    }
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic())
        && !user.contains(['/', '?', '#', '@', '\\']);
    if is_plain && is_equivalent_to_an_origin(&format!("{scheme}://{host}")) {
        return Ok(Some(Secret::new(text)));
    }
    Err(Error::custom("is not the URL of an http or https proxy"))
}

/// Networks. A single address is a network that contains only this address.
pub fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    each(from, "is not a network", |text| {
        text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
    })
}

/// The URI of a resource, in any spelling (RFC 8707 section 2).
pub fn resource<'de, D: Deserializer<'de>>(from: D) -> Result<Resource, D::Error> {
    Resource::parse(&String::deserialize(from)?).map_err(Error::custom)
}

/// A SHA-256 in hexadecimal digits.
pub fn digest<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(from)?;
    Digest::from_hex(&text).ok_or_else(|| Error::custom("is not 64 hexadecimal digits"))
}

pub fn hosts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    each(from, "is not a host name", |text| is_host_name(text).then(|| text.to_owned()))
}

/// Names of schemes in lower case, as RFC 3986 section 3.1 normalizes them.
pub fn schemes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    each(from, "is not a lowercase scheme", |text| {
        let letters =
            text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'));
        (letters && text.starts_with(|first: char| first.is_ascii_lowercase()))
            .then(|| text.to_owned())
    })
}

pub fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    each(from, "is not one word", |text| is_word(text).then(|| text.to_owned()))
}

pub fn word<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if is_word(&text) { Ok(text) } else { Err(Error::custom(format!("{text:?} is not one word"))) }
}

fn each<'de, D: Deserializer<'de>, T>(
    from: D,
    wrong: impl Display,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts
        .iter()
        .map(|text| parse(text).ok_or_else(|| Error::custom(format!("{text:?} {wrong}"))))
        .collect()
}

/// The issuer of RFC 8414 section 2, without a path, kept byte for byte: clients compare it as a string.
pub fn public_url<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() {
        return Ok(text);
    }
    match web_origin(&text) {
        Ok(Some(origin)) if origin == text => Ok(text),
        Ok(_) => Err(Error::custom(format!("{text:?} is not an origin"))),
        Err(error) => Err(Error::custom(format!("{text:?} {error}"))),
    }
}

/// The origin of an http or https URL.
fn web_origin(text: &str) -> Result<Option<String>, UriSyntaxError> {
    let uri = Uri::parse(text)?;
    uri.host()?;
    Ok(is_web(&uri).then(|| uri.origin()))
}

/// Like an origin, but also with uppercase letters or the default port.
fn is_equivalent_to_an_origin(text: &str) -> bool {
    let has_path = |uri: &Uri| {
        uri.path() != "/" || uri.query().is_some() || text.ends_with('/') || text.contains('#')
    };
    Uri::parse_equivalent(text)
        .is_ok_and(|uri| is_web(&uri) && uri.host().is_ok() && !has_path(&uri))
}

fn is_web(uri: &Uri) -> bool {
    matches!(uri.scheme(), "https" | "http")
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control())
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{
        Error as ValueError, SeqDeserializer, StrDeserializer, U64Deserializer,
    };

    use super::*;

    fn text(raw: &str) -> StrDeserializer<'_, ValueError> {
        raw.into_deserializer()
    }

    fn number(raw: u64) -> U64Deserializer<ValueError> {
        raw.into_deserializer()
    }

    fn list<'a>(
        raw: &'a [&'a str],
    ) -> SeqDeserializer<std::iter::Copied<std::slice::Iter<'a, &'a str>>, ValueError> {
        SeqDeserializer::new(raw.iter().copied())
    }

    #[test]
    fn a_public_url_is_an_origin_and_is_kept_verbatim() {
        for raw in [
            "",
            "https://auth.example.com",
            "https://auth.example.com:8443",
            "http://localhost:8080",
            "http://192.0.2.1",
            "http://[::1]",
            "http://[2001:db8::1]:8080",
        ] {
            assert_eq!(public_url(text(raw)), Ok(raw.to_owned()));
        }
        for raw in [
            "ftp://auth.example.com",
            "https://auth.example.com/",
            "https://auth.example.com/oauth",
            "https://auth.example.com?a",
            "https://auth.example.com#a",
        ] {
            let refused = public_url(text(raw)).expect_err(raw);
            assert_eq!(refused.to_string(), format!("{raw:?} is not an origin"));
        }
    }

    #[test]
    fn a_malformed_public_url_is_refused_with_the_reason() {
        use UriSyntaxError::{
            BadHost, BadPort, DefaultPort, ForbiddenCharacter, NoHost, NoScheme, Uppercase,
            UserInfo,
        };
        let cases = [
            ("auth.example.com", NoScheme),
            ("HTTPS://auth.example.com", Uppercase),
            ("https://AUTH.example.com", Uppercase),
            ("https://auth.example.com:443", DefaultPort),
            ("http://auth.example.com:80", DefaultPort),
            ("https://", NoHost),
            ("https://user@auth.example.com", UserInfo),
            ("https://auth.example.com:", BadPort),
            ("https://auth.example.com:0", BadPort),
            ("https://auth.example.com:+80", BadPort),
            ("https://auth.example.com:65536", BadPort),
            ("https://auth..example.com", BadHost),
            ("https://-auth.example.com", BadHost),
            ("https://auth.example.com ", ForbiddenCharacter),
            ("https://[::1", BadHost),
            ("https://[::g]", BadHost),
            ("https://::1", NoHost),
        ];
        for (raw, reason) in cases {
            let refused = public_url(text(raw)).expect_err(raw);
            assert_eq!(refused.to_string(), format!("{raw:?} {reason}"));
        }
    }

    #[test]
    fn numbers_outside_their_bounds_are_refused() {
        assert_eq!(seconds(number(1)), Ok(Duration::from_secs(1)));
        assert_eq!(milliseconds(number(1500)), Ok(Duration::from_millis(1500)));
        assert_eq!(lifetime_or_zero(number(0)), Ok(0));
        assert_eq!(day_or_zero(number(0)), Ok(0));
        assert_eq!(day_or_zero(number(DAY)), Ok(DAY));
        assert_eq!(at_least_one::<_, u32>(number(1)), Ok(1));
        let refused = [
            (seconds(number(0)).err(), "0 is not between 1 and 86400"),
            (seconds(number(DAY + 1)).err(), "86401 is not between 1 and 86400"),
            (milliseconds(number(600_001)).err(), "600001 is not between 1 and 600000"),
            (header_bytes(number(8_191)).err(), "8191 is not between 8192 and 1048576"),
            (code_lifetime(number(601)).err(), "601 is not between 1 and 600"),
            (lifetime(number(0)).err(), "0 is not between 1 and 3155760000"),
            (
                lifetime_or_zero(number(u64::MAX)).err(),
                "18446744073709551615 is not between 0 and 3155760000",
            ),
            (day_or_zero(number(DAY - 1)).err(), "86399 is less than a day"),
            (at_least_one::<_, u32>(number(0)).err(), "0 is not at least 1"),
        ];
        for (error, expected) in refused {
            assert_eq!(error.map(|error| error.to_string()).as_deref(), Some(expected));
        }
    }

    fn shown(raw: &[&str]) -> Result<Vec<String>, ValueError> {
        Ok(networks(list(raw))?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_network_may_be_a_single_address() {
        assert_eq!(
            shown(&["10.0.0.0/8", "192.0.2.7", "::1", "fd00::/8"]),
            Ok(["10.0.0.0/8", "192.0.2.7/32", "::1/128", "fd00::/8"].map(str::to_owned).to_vec())
        );
        for raw in ["", "10.0.0.0/33", "10.0.0", "proxy.example"] {
            let refused = shown(&[raw]).expect_err(raw);
            assert_eq!(refused.to_string(), format!("{raw:?} is not a network"));
        }
    }

    #[test]
    fn every_item_of_a_list_is_checked() {
        assert_eq!(hosts(list(&["app.example.com", "localhost"])).map(|hosts| hosts.len()), Ok(2));
        assert_eq!(
            schemes(list(&["cursor", "com.example.app"])).map(|schemes| schemes.len()),
            Ok(2)
        );
        assert_eq!(words(list(&["client_secret_post"])).map(|words| words.len()), Ok(1));
        for raw in ["https://app.example.com", "app.example.com:8080", "app_x.example.com", ""] {
            assert!(hosts(list(&["app.example.com", raw])).is_err(), "{raw}");
        }
        for raw in ["Cursor", "cursor:", "cursor://", "1password", ""] {
            assert!(schemes(list(&["cursor", raw])).is_err(), "{raw}");
        }
        for raw in ["two words", "", "bell\u{7}"] {
            assert!(words(list(&[raw])).is_err() && word(text(raw)).is_err(), "{raw}");
        }
    }

    #[test]
    fn an_empty_value_is_none() {
        assert_eq!(address_or_none(text("")), Ok(None));
        assert_eq!(address_or_none(text("[::1]:80")), Ok("[::1]:80".parse().ok()));
        assert!(address_or_none(text("localhost:80")).is_err());
        assert_eq!(key_ring_or_none(text("")), Ok(None));
    }

    #[test]
    fn a_key_ring_is_parsed_and_an_invalid_one_is_refused_without_showing_it() {
        let key = "2026:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
        let ring =
            key_ring_or_none(text(key)).map(|ring| ring.map(|ring| ring.newest().id().to_owned()));
        assert_eq!(ring, Ok(Some("2026".to_owned())));
        assert_eq!(
            key_ring_or_none(text(&format!("{key},hunter2"))).map_err(|error| error.to_string()),
            Err("key 2 is shorter than 32 characters and has no id in front of it".to_owned())
        );
    }

    #[test]
    fn a_proxy_is_an_origin_with_an_optional_user_and_is_never_shown() {
        assert_eq!(proxy_or_none(text("")), Ok(None));
        for raw in [
            "http://proxy:3128",
            "https://proxy.example",
            "http://user:p%40ss@[::1]:8080",
            "http://a@PROXY:80",
        ] {
            assert_eq!(proxy_or_none(text(raw)), Ok(Some(Secret::new(raw.to_owned()))), "{raw}");
        }
        for raw in [
            "proxy:3128",
            "socks5://proxy",
            "http://user:hunter2@proxy/path",
            "http://hunter2@",
            "http://a b",
            "http://a/b@proxy",
            "http://proxy/",
            "http://proxy#a",
            "http:proxy",
        ] {
            let refused = proxy_or_none(text(raw)).expect_err(raw);
            assert_eq!(refused.to_string(), "is not the URL of an http or https proxy");
        }
    }
}
