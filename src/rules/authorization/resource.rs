//! Resource indicators (RFC 8707): the URI of the API or MCP server that a token is for.
//!
//! Clients spell the same resource in different ways, so resources are compared in a canonical
//! form: scheme and host in lower case, no default port, and no slash at the end of the path. Other
//! spellings are refused like those of any URI (`syntax/uri.rs`), because only the resource server
//! knows what its paths and queries mean (RFC 3986 section 6). The URI of a known resource is used
//! byte for byte as it was declared, because its clients compare it that way (RFC 9728 section
//! 3.3). For an unknown resource, the canonical form is used.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize, Serializer};

use crate::syntax::uri::{Uri, UriSyntaxError};

/// A resource, spelled as in `aud`. Two resources that differ only in their spelling are equal.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Resource {
    spelling: String,
    canonical: String,
}

/// Whether a resource that this server does not know is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownResources {
    Accept,
    Refuse,
}

/// The reason why a resource is refused, in the characters that `error_description` allows. The
/// texts are constant and never quote the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    #[error("resource is longer than 2048 bytes: shorten it")]
    TooLong,
    #[error("resource has a fragment: remove the # and what follows it")]
    Fragment,
    #[error("resource {0}")]
    Syntax(#[from] UriSyntaxError),
    #[error("resource must use https; http is allowed only for 127.0.0.1, [::1] and localhost")]
    NotHttps,
    #[error("more than 10 resources were sent: send fewer")]
    TooMany,
    #[error("resource is not known to this server: the operator of the server can add it")]
    Unknown,
}

impl Resource {
    pub const MAX_BYTES: usize = 2048;
    /// The maximum number of resources in one request.
    const MAX_NAMED: usize = 10;

    /// Parses an absolute URI without a fragment (RFC 8707 section 2), and keeps its spelling. The
    /// scheme must be https, or http on loopback.
    pub fn parse(text: &str) -> Result<Self, ResourceError> {
        Self::read(text, Uri::parse_equivalent)
    }

    /// Reads a resource that was stored before. Earlier versions accepted spellings that are refused
    /// now, and one unreadable resource would stop all tokens that involve it.
    pub fn from_stored(text: &str) -> Result<Self, ResourceError> {
        Self::read(text, Uri::parse_any_spelling)
    }

    fn read(
        text: &str,
        parse: fn(&str) -> Result<Uri, UriSyntaxError>,
    ) -> Result<Self, ResourceError> {
        if text.len() > Self::MAX_BYTES {
            return Err(ResourceError::TooLong);
        }
        if text.contains('#') {
            return Err(ResourceError::Fragment);
        }
        let uri = parse(text)?;
        if uri.scheme() != "https" && !uri.is_http_on_loopback() {
            return Err(ResourceError::NotHttps);
        }
        uri.host()?;
        Ok(Self { spelling: text.to_owned(), canonical: canonical(&uri) })
    }

    /// Parses the resources of a request, in canonical form and without duplicates. The spelling of
    /// the client is not significant.
    pub fn parse_all<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<Self>, ResourceError> {
        let mut resources = Vec::new();
        for (index, text) in texts.enumerate() {
            if index == Self::MAX_NAMED {
                return Err(ResourceError::TooMany);
            }
            let resource = Self::parse(text)?.into_canonical();
            if !resources.contains(&resource) {
                resources.push(resource);
            }
        }
        Ok(resources)
    }

    fn into_canonical(self) -> Self {
        Self { spelling: self.canonical.clone(), ..self }
    }

    /// The URI as it was spelled.
    pub fn as_str(&self) -> &str {
        &self.spelling
    }

    /// The canonical form, which is the same for all spellings.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Finds this resource in a list, where its spelling can differ.
    pub fn find_in<'a>(&self, others: &'a [Self]) -> Option<&'a Self> {
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

/// Removes the slash at the end of the path. Two slashes are both kept, because otherwise the
/// canonical form of a canonical form would differ from it.
fn canonical(uri: &Uri) -> String {
    let path =
        if uri.path().ends_with("//") { uri.path() } else { uri.path().trim_end_matches('/') };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{path}{query}", uri.origin())
}

/// The requested resources, with the spelling of the known ones. An unknown resource is an error
/// (`invalid_target`, RFC 8707 section 2) unless the policy accepts it.
pub fn admit(
    requested: &[Resource],
    known: &[Resource],
    policy: UnknownResources,
) -> Result<Vec<Resource>, ResourceError> {
    let admitted = |resource: &Resource| match (resource.find_in(known), policy) {
        (Some(known), _) => Ok(known.clone()),
        (None, UnknownResources::Accept) => Ok(resource.clone()),
        (None, UnknownResources::Refuse) => Err(ResourceError::Unknown),
    };
    requested.iter().map(admitted).collect()
}

/// For stored resources only. Those of requests and settings are parsed.
impl TryFrom<String> for Resource {
    type Error = ResourceError;

    fn try_from(text: String) -> Result<Self, ResourceError> {
        Self::from_stored(&text)
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

    fn canonical_form(text: &str) -> Result<String, ResourceError> {
        Resource::parse(text).map(|resource| resource.canonical().to_owned())
    }

    fn resource(text: &str) -> Resource {
        Resource::parse(text).expect("a resource")
    }

    #[test]
    fn spellings_of_a_resource_have_one_canonical_form() {
        let cases = [
            ("https://mcp.example", "https://mcp.example"),
            ("https://mcp.example/", "https://mcp.example"),
            ("HTTPS://MCP.Example:443/", "https://mcp.example"),
            ("https://mcp.example:443", "https://mcp.example"),
            ("https://mcp.example:8443/", "https://mcp.example:8443"),
            ("https://mcp.example:80", "https://mcp.example:80"),
            ("https://mcp.example/MCP/", "https://mcp.example/MCP"),
            ("https://mcp.example/a//", "https://mcp.example/a//"),
            ("https://mcp.example/a...b/%7Ec%2f", "https://mcp.example/a...b/%7Ec%2f"),
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
            assert_eq!(canonical_form(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn an_invalid_resource_is_refused_with_a_reason() {
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
            ("https://mcp.example:0443", Syntax(UriSyntaxError::BadPort)),
            ("https://mcp.example/a/../b", Syntax(UriSyntaxError::DotSegments)),
            ("https://mcp.example/./b", Syntax(UriSyntaxError::DotSegments)),
            ("https://mcp.example?a='b'", Syntax(UriSyntaxError::Apostrophe)),
            ("https://[2001:db8:0::1]", Syntax(UriSyntaxError::AddressNotation)),
            ("https://*.example", Syntax(UriSyntaxError::BadHost)),
            ("https://mcp.example/ x", Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("https://mcp.example/ä", Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("https://mcp.example/%", Syntax(UriSyntaxError::BadPercentEncoding)),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical_form(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_stored_resource_is_read_in_any_spelling_that_earlier_versions_accepted() {
        let cases = [
            ("https://mcp.example:0443/mcp", "https://mcp.example/mcp"),
            ("https://mcp.example/a/../b", "https://mcp.example/b"),
            ("https://mcp.example?a='b'", "https://mcp.example?a=%27b%27"),
            ("https://[2001:db8:0::1]/mcp", "https://[2001:db8::1]/mcp"),
        ];
        for (text, expected) in cases {
            let stored = Resource::from_stored(text).expect(text);
            let in_json: Resource = serde_json::from_value(serde_json::json!(text)).expect(text);

            assert!(Resource::parse(text).is_err(), "{text}");
            assert_eq!((stored.as_str(), stored.canonical()), (text, expected));
            assert_eq!((in_json.as_str(), in_json.canonical()), (text, expected));
        }
        for text in [
            "https://user@mcp.example",
            "http://mcp.example",
            "https://127.1/",
            "https://mcp.example/#",
        ] {
            assert!(Resource::from_stored(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_known_resource_keeps_its_declared_spelling_and_an_unknown_one_is_canonical() {
        let known = [resource("HTTPS://Known.example:443/mcp/"), resource("https://other.example")];
        let cases = [
            ("https://known.example/mcp", "HTTPS://Known.example:443/mcp/"),
            ("https://KNOWN.example/mcp/", "HTTPS://Known.example:443/mcp/"),
            ("https://other.example/", "https://other.example"),
            ("https://UNKNOWN.example/", "https://unknown.example"),
        ];
        for (named, expected) in cases {
            let requested = Resource::parse_all([named].into_iter()).expect("a resource");
            let admitted =
                admit(&requested, &known, UnknownResources::Accept).expect("is admitted");

            assert_eq!(
                admitted.iter().map(Resource::as_str).collect::<Vec<_>>(),
                [expected],
                "{named}"
            );
        }
    }

    #[test]
    fn the_length_and_the_number_of_resources_are_limited() {
        let longest = format!("https://a.example/{}", "x".repeat(Resource::MAX_BYTES - 18));
        let numbered: Vec<_> = (0..11).map(|index| format!("https://a.example/{index}")).collect();
        let all =
            |count: usize| Resource::parse_all(numbered.iter().take(count).map(String::as_str));

        assert_eq!(canonical_form(&longest).map(|text| text.len()), Ok(2048));
        assert_eq!(canonical_form(&format!("{longest}x")), Err(ResourceError::TooLong));
        assert_eq!(all(10).map(|resources| resources.len()), Ok(10));
        assert_eq!(all(11), Err(ResourceError::TooMany));
    }

    #[test]
    fn two_spellings_of_a_resource_are_one_resource() {
        let spellings = ["https://a.example/", "HTTPS://A.EXAMPLE", "https://b.example"];

        assert_eq!(
            Resource::parse_all(spellings.into_iter()),
            Ok(vec![resource("https://a.example"), resource("https://b.example")]),
        );
        assert_eq!(Resource::parse_all(std::iter::empty()), Ok(Vec::new()));
    }

    #[test]
    fn an_unknown_resource_is_admitted_if_the_policy_accepts_it() {
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
            let refused =
                if all_known { Ok(requested.clone()) } else { Err(ResourceError::Unknown) };

            assert_eq!(
                admit(&requested, &known, UnknownResources::Refuse),
                refused,
                "{requested:?}"
            );
            assert_eq!(admit(&requested, &known, UnknownResources::Accept), Ok(requested));
        }
    }

    #[test]
    fn a_resource_is_stored_as_it_was_spelled_and_equals_every_other_spelling() {
        let stored = serde_json::to_string(&resource("HTTPS://A.example/")).expect("serializes");
        let read: Resource = serde_json::from_str(&stored).expect("deserializes");

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
        fn a_canonical_form_is_unchanged_by_parsing_it_again(
            text in "(https|HTTPS|http)://(localhost|[a-zA-Z0-9.]{1,8}|\\[::1\\])(:[0-9]{1,5})?[/?a-zA-Z%20.&=]{0,12}",
        ) {
            if let Ok(resource) = Resource::parse(&text) {
                prop_assert_eq!(resource.as_str(), &text);
                prop_assert_eq!(canonical_form(resource.canonical()), Ok(resource.canonical().to_owned()));
                prop_assert!(resource.canonical().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
                prop_assert!(resource.canonical().len() <= text.len());
            }
        }
    }
}
