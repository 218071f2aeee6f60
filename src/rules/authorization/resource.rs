//! Resource indicators (RFC 8707): which API or MCP server a token is for, by its URI.
//!
//! Clients write the same resource in several ways, so that resources are compared in one canonical form: scheme and host
//! in lower case, no default port, and no slash at the end of the path. Nothing else is touched: what a path or a query
//! means is for its server to say (RFC 3986 section 6). What an operator has written is told byte for byte, since its
//! clients compare it so (RFC 9728 section 3.3); of a resource that nobody has made known, the canonical form is told.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize, Serializer};

use crate::rules::syntax::uri::{Host, UriSyntaxError, authority_of, check_characters, split_port, split_scheme};

/// A resource as it is written in `aud`. Two that differ in their spelling only are equal.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Resource {
    spelling: String,
    canonical: String,
}

/// What becomes of a resource that nobody told this server about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownResources {
    Accept,
    Refuse,
}

/// Why text is no resource, in the characters of `error_description`; constant, so that it never quotes what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    #[error("resource is longer than 2048 bytes: shorten it")]
    TooLong,
    #[error("resource has a fragment: remove the # and what follows it")]
    Fragment,
    #[error("resource {0}")]
    Syntax(#[from] UriSyntaxError),
    #[error("resource uses another scheme than https: use https, or http for a server on your own machine")]
    NotHttps,
    #[error("more than 10 resources are named: name fewer")]
    TooMany,
    #[error("resource is not known to this server: the operator of the server can add it")]
    Unknown,
}

const LOOPBACK_HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

impl Resource {
    pub const MAX_BYTES: usize = 2048;
    /// How many one request may name.
    pub const MAX_NAMED: usize = 10;

    /// An absolute URI without a fragment (RFC 8707 section 2), on the web. Its spelling stays as it is.
    pub fn parse(text: &str) -> Result<Self, ResourceError> {
        if text.len() > Self::MAX_BYTES {
            return Err(ResourceError::TooLong);
        }
        if text.contains('#') {
            return Err(ResourceError::Fragment);
        }
        check_characters(text)?;
        let (scheme, after_scheme) = split_scheme(text)?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return Err(ResourceError::NotHttps),
        };
        let host = Host::parse(after_scheme)?.text.to_ascii_lowercase();
        if scheme == "http" && !LOOPBACK_HOSTS.contains(&host.as_str()) {
            return Err(ResourceError::NotHttps);
        }
        let authority = authority_of(after_scheme).unwrap_or_default();
        let port = other_port(authority, default_port);
        let rest = after_scheme.get("//".len() + authority.len()..).unwrap_or_default();
        let canonical = format!("{scheme}://{host}{port}{}", without_last_slash(rest));
        Ok(Self { spelling: text.to_owned(), canonical })
    }

    /// What a request names, without repetitions and in canonical form: how a client spells it is nobody's wish.
    pub fn parse_all<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<Self>, ResourceError> {
        let mut resources = Vec::new();
        for (index, text) in texts.enumerate() {
            if index == Self::MAX_NAMED {
                return Err(ResourceError::TooMany);
            }
            let resource = Self::parse(text)?.in_canonical_form();
            if !resources.contains(&resource) {
                resources.push(resource);
            }
        }
        Ok(resources)
    }

    fn in_canonical_form(self) -> Self {
        Self { spelling: self.canonical.clone(), ..self }
    }

    /// In its own spelling.
    pub fn as_str(&self) -> &str {
        &self.spelling
    }

    /// What all spellings have in common.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The same resource as one of these spells it.
    pub fn as_one_of<'a>(&self, others: &'a [Self]) -> Option<&'a Self> {
        others.iter().find(|other| *other == self)
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Resource {}

impl PartialOrd for Resource {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Resource {
    fn cmp(&self, other: &Self) -> Ordering {
        self.canonical.cmp(&other.canonical)
    }
}

impl Hash for Resource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical.hash(state);
    }
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.spelling)
    }
}

/// The colon and number of a port that the scheme does not imply.
fn other_port(authority: &str, default_port: u16) -> String {
    let port = split_port(authority).1.and_then(|port| port.parse::<u16>().ok());
    port.filter(|port| *port != default_port).map(|port| format!(":{port}")).unwrap_or_default()
}

/// Path and query without the slash that ends the path. Of two slashes none is dropped, or what is canonical could be
/// made shorter once more.
fn without_last_slash(path_and_query: &str) -> String {
    let (path, query) = path_and_query.split_at(path_and_query.find('?').unwrap_or(path_and_query.len()));
    let path = if path.ends_with("//") { path } else { path.strip_suffix('/').unwrap_or(path) };
    format!("{path}{query}")
}

/// What of the named resources a token may be for (RFC 8707 section 2, `invalid_target`), each as its operator spells it.
pub fn admit(
    requested: &[Resource],
    known: &[Resource],
    policy: UnknownResources,
) -> Result<Vec<Resource>, ResourceError> {
    let admitted = |resource: &Resource| match (resource.as_one_of(known), policy) {
        (Some(known), _) => Ok(known.clone()),
        (None, UnknownResources::Accept) => Ok(resource.clone()),
        (None, UnknownResources::Refuse) => Err(ResourceError::Unknown),
    };
    requested.iter().map(admitted).collect()
}

impl TryFrom<String> for Resource {
    type Error = ResourceError;

    fn try_from(text: String) -> Result<Self, ResourceError> {
        Self::parse(&text)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.spelling)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> Result<String, ResourceError> {
        Resource::parse(text).map(|resource| resource.canonical().to_owned())
    }

    fn resource(text: &str) -> Resource {
        Resource::parse(text).expect("a resource")
    }

    #[test]
    fn spellings_of_one_resource_have_one_form_and_nothing_else_is_touched() {
        let cases = [
            ("https://mcp.example", "https://mcp.example"),
            ("https://mcp.example/", "https://mcp.example"),
            ("HTTPS://MCP.Example:443/", "https://mcp.example"),
            ("https://mcp.example:0443", "https://mcp.example"),
            ("https://mcp.example:8443/", "https://mcp.example:8443"),
            ("https://mcp.example:80", "https://mcp.example:80"),
            ("https://mcp.example/MCP/", "https://mcp.example/MCP"),
            ("https://mcp.example/a//", "https://mcp.example/a//"),
            ("https://mcp.example/a/../b/./%7Ec%2f", "https://mcp.example/a/../b/./%7Ec%2f"),
            ("https://mcp.example/mcp?Tenant=A/", "https://mcp.example/mcp?Tenant=A/"),
            ("https://mcp.example/mcp/?x", "https://mcp.example/mcp?x"),
            ("https://mcp.example?x=/", "https://mcp.example?x=/"),
            ("https://[2001:DB8::1]:443/x", "https://[2001:db8::1]/x"),
            ("https://10.0.0.1/x", "https://10.0.0.1/x"),
            ("http://localhost:80/mcp", "http://localhost/mcp"),
            ("http://LOCALHOST:3000/mcp/", "http://localhost:3000/mcp"),
            ("http://127.0.0.1:443", "http://127.0.0.1:443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_resource_on_the_web_is_refused_with_its_reason() {
        use ResourceError::{Fragment, NotHttps, Syntax};
        let cases = [
            ("", Syntax(UriSyntaxError::NoScheme)),
            ("mcp.example", Syntax(UriSyntaxError::NoScheme)),
            ("/mcp", Syntax(UriSyntaxError::NoScheme)),
            ("urn:example:resource", NotHttps),
            ("api://something", NotHttps),
            ("wss://mcp.example", NotHttps),
            ("http://mcp.example", NotHttps),
            ("http://127.0.0.2", NotHttps),
            ("http://localhost.evil.example", NotHttps),
            ("https://mcp.example/#", Fragment),
            ("https://mcp.example/mcp#x", Fragment),
            ("https://user@mcp.example", Syntax(UriSyntaxError::UserInfo)),
            ("https:/mcp.example", Syntax(UriSyntaxError::NoHost)),
            ("https://", Syntax(UriSyntaxError::NoHost)),
            ("https://mcp.example:0", Syntax(UriSyntaxError::BadPort)),
            ("https://*.example", Syntax(UriSyntaxError::BadHost)),
            ("https://mcp.example/ x", Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("https://mcp.example/ä", Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("https://mcp.example/%", Syntax(UriSyntaxError::BadPercentEncoding)),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_request_is_answered_in_the_spelling_of_the_operator_and_else_in_the_canonical_one() {
        let known = [resource("HTTPS://Known.example:443/mcp/"), resource("https://other.example")];
        let cases = [
            ("https://known.example/mcp", "HTTPS://Known.example:443/mcp/"),
            ("https://KNOWN.example/mcp/", "HTTPS://Known.example:443/mcp/"),
            ("https://other.example/", "https://other.example"),
            ("https://UNKNOWN.example/", "https://unknown.example"),
        ];
        for (named, told) in cases {
            let requested = Resource::parse_all([named].into_iter()).expect("a resource");
            let admitted = admit(&requested, &known, UnknownResources::Accept).expect("is admitted");

            assert_eq!(admitted.iter().map(Resource::as_str).collect::<Vec<_>>(), [told], "{named}");
        }
    }

    #[test]
    fn length_and_number_are_bounded() {
        let longest = format!("https://a.example/{}", "x".repeat(Resource::MAX_BYTES - 18));
        let numbered: Vec<_> = (0..11).map(|index| format!("https://a.example/{index}")).collect();
        let all = |count: usize| Resource::parse_all(numbered.iter().take(count).map(String::as_str));

        assert_eq!(canonical(&longest).map(|text| text.len()), Ok(2048));
        assert_eq!(canonical(&format!("{longest}x")), Err(ResourceError::TooLong));
        assert_eq!(all(10).map(|resources| resources.len()), Ok(10));
        assert_eq!(all(11), Err(ResourceError::TooMany));
    }

    #[test]
    fn named_twice_in_two_spellings_it_is_one_resource() {
        let spellings = ["https://a.example/", "HTTPS://A.EXAMPLE", "https://b.example"];

        assert_eq!(
            Resource::parse_all(spellings.into_iter()),
            Ok(vec![resource("https://a.example"), resource("https://b.example")]),
        );
        assert_eq!(Resource::parse_all(std::iter::empty()), Ok(Vec::new()));
    }

    #[test]
    fn an_unknown_resource_is_admitted_where_the_operator_says_so() {
        let known = [resource("https://known.example/mcp"), resource("https://other.example")];
        let cases = [
            (vec![], true),
            (vec!["https://KNOWN.example:443/mcp/"], true),
            (vec!["https://other.example/", "https://known.example/mcp"], true),
            (vec!["https://unknown.example"], false),
            (vec!["https://known.example/mcp", "https://unknown.example"], false),
            (vec!["https://known.example/MCP"], false),
            (vec!["https://known.example/mcp/x"], false),
        ];
        for (requested, all_known) in cases {
            let requested: Vec<_> = requested.into_iter().map(resource).collect();
            let refused = if all_known { Ok(requested.clone()) } else { Err(ResourceError::Unknown) };

            assert_eq!(admit(&requested, &known, UnknownResources::Refuse), refused, "{requested:?}");
            assert_eq!(admit(&requested, &known, UnknownResources::Accept), Ok(requested));
        }
    }

    #[test]
    fn a_resource_is_stored_in_its_spelling_and_is_equal_to_every_other() {
        let stored = serde_json::to_string(&resource("HTTPS://A.example/")).expect("serialises");
        let read: Resource = serde_json::from_str(&stored).expect("reads");

        assert_eq!(stored, "\"HTTPS://A.example/\"");
        assert_eq!((read.as_str(), read.canonical()), ("HTTPS://A.example/", "https://a.example"));
        assert_eq!(read, resource("https://a.example"));
        assert_eq!(BTreeSet::from([read.clone(), resource("https://a.example")]).len(), 1);
        assert_eq!(HashSet::from([read, resource("https://a.example")]).len(), 1);
        assert!(serde_json::from_str::<Resource>("\"urn:x\"").is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*|[\\x00-\\x7f]{0,60}") {
            let _ = Resource::parse(&text);
        }

        #[test]
        fn what_is_canonical_stays_as_it_is(
            text in "(https|HTTPS|http)://(localhost|[a-zA-Z0-9.]{1,8}|\\[::1\\])(:[0-9]{1,5})?[/?a-zA-Z%20.&=]{0,12}",
        ) {
            if let Ok(resource) = Resource::parse(&text) {
                prop_assert_eq!(resource.as_str(), &text);
                prop_assert_eq!(canonical(resource.canonical()), Ok(resource.canonical().to_owned()));
                prop_assert!(resource.canonical().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
                prop_assert!(resource.canonical().len() <= text.len());
            }
        }
    }
}
