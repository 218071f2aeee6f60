//! Who is spoken to on a path, and so in which shape: also where the path or the method does not exist.

/// The shape that errors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// `{"error", "error_description"}`: RFC 6749 section 5.2, RFC 7591 section 3.2.2.
    OAuth,
    /// `{"errors": [{"status", "title", "detail", "source"}]}`: JSON:API.
    JsonApi,
    /// `{"errors": ["text"]}`.
    Strings,
    /// A page, where a person looks at it, and the same as strings elsewhere.
    Page,
}

/// What people open in a browser.
const PAGES: [&str; 8] = [
    "/oauth2/v1/authorize",
    "/authorize",
    "/login",
    "/logout",
    "/password",
    "/consent",
    "/organization",
    "/choose-site",
];

/// Paths of OAuth clients, at which a browser-based client may call too.
const OAUTH: [&str; 5] = ["/api/v2/oauth2/register", "/api/v2/oauth2/token", "/oauth2/", "/token", "/register"];

/// Where clients look for metadata, also before and behind the paths that there are (RFC 8414 section 3.1, OpenID Connect
/// Discovery 1.0 section 4): programs, whatever they say that they accept.
const WELL_KNOWN: &str = "/.well-known/";

/// Documents of another kind that any page may read, whatever its origin.
const PUBLIC_DOCUMENTS: [&str; 2] = ["/api/v2/oauth2/.well-known/sites", "/openapi.json"];

/// Operators' resources.
const JSON_API: [&str; 3] =
    ["/api/v2/oauth2/clients/", "/api/v2/oauth2/default_scopes_restriction", "/api/v2/org_authorized_clients"];

impl Audience {
    pub fn of(path: &str) -> Self {
        let is_among = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        if PAGES.contains(&path) || path == "/account" || path.starts_with("/account/") {
            Self::Page
        } else if PUBLIC_DOCUMENTS.contains(&path) {
            Self::Strings
        } else if is_among(&OAUTH) || path.contains(WELL_KNOWN) {
            Self::OAuth
        } else if is_among(&JSON_API) {
            Self::JsonApi
        } else {
            Self::Strings
        }
    }
}

/// Whether pages of other origins may call: wherever no credential of a browser is involved.
pub fn is_open_to_scripts(path: &str) -> bool {
    Audience::of(path) == Audience::OAuth || PUBLIC_DOCUMENTS.contains(&path)
}

/// What has a limit of its own, by source or by whoever calls, and comes so often that it must not use up the limit of
/// all other requests.
const COUNTED_BY_THEMSELVES: [&str; 5] =
    ["/oauth2/v1/token", "/api/v2/oauth2/token", "/token", "/oauth2/v1/revoke", "/oauth2/v1/introspect"];

pub fn is_counted_by_itself(path: &str) -> bool {
    COUNTED_BY_THEMSELVES.contains(&path)
}

/// What may use the places in flight that are kept in reserve: requests of tokens, and the management API.
pub fn has_a_reserve(path: &str) -> bool {
    is_counted_by_itself(path) || is_of_operators(path)
}

/// The management API.
pub fn is_of_operators(path: &str) -> bool {
    path.starts_with("/api/") && !is_open_to_scripts(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_an_audience() {
        let cases = [
            ("/api/v2/oauth2/register", Audience::OAuth, true),
            ("/.well-known/oauth-authorization-server", Audience::OAuth, true),
            ("/oauth2/v1/token", Audience::OAuth, true),
            ("/oauth2/v1/authorize", Audience::Page, false),
            ("/authorize", Audience::Page, false),
            ("/login", Audience::Page, false),
            ("/password", Audience::Page, false),
            ("/account/revoke", Audience::Page, false),
            ("/api/v2/oauth2/.well-known/sites", Audience::Strings, true),
            ("/api/v2/oauth2/.well-known/oauth-authorization-server", Audience::OAuth, true),
            ("/t/.well-known/openid-configuration", Audience::OAuth, true),
            ("/account/.well-known/x", Audience::Page, false),
            ("/.well-known", Audience::Strings, false),
            ("/openapi.json", Audience::Strings, true),
            ("/api/v2/oauth2/clients/x/scopes_restriction", Audience::JsonApi, false),
            ("/api/v2/oauth2/default_scopes_restriction", Audience::JsonApi, false),
            ("/api/v2/something", Audience::Strings, false),
            ("/", Audience::Strings, false),
        ];
        for (path, audience, open) in cases {
            assert_eq!((Audience::of(path), is_open_to_scripts(path)), (audience, open), "{path}");
        }
    }

    #[test]
    fn tokens_and_the_management_api_have_a_reserve() {
        let cases = [
            ("/oauth2/v1/token", true),
            ("/api/v2/oauth2/token", true),
            ("/oauth2/v1/revoke", true),
            ("/oauth2/v1/introspect", true),
            ("/api/v2/oauth2/clients/x/scopes_restriction", true),
            ("/api/v2/org_authorized_clients", true),
            ("/api/v1/integration/webhooks/configuration/webhooks", true),
            ("/api/v2/oauth2/register", false),
            ("/api/v2/oauth2/.well-known/sites", false),
            ("/login", false),
            ("/", false),
        ];
        for (path, expected) in cases {
            assert_eq!(has_a_reserve(path), expected, "{path}");
        }
    }
}
