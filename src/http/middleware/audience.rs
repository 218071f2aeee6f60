//! The audience of a path, which decides the shape of its errors. Unknown paths and methods have
//! one too.

/// The shape of error responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// `{"error", "error_description"}`: RFC 6749 section 5.2, RFC 7591 section 3.2.2.
    OAuth,
    /// `{"errors": [{"status", "title", "detail", "source"}]}`: JSON:API.
    JsonApi,
    /// `{"errors": ["text"]}`.
    Strings,
    /// A page for browsers, and the same as strings for other clients.
    Page,
}

/// Paths that people open in a browser.
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

/// Paths for OAuth clients, including browser-based ones.
const OAUTH: [&str; 5] = ["/api/v2/oauth2/register", "/api/v2/oauth2/token", "/oauth2/", "/token", "/register"];

/// Clients look for metadata at this path, with other path segments before or after it (RFC 8414
/// section 3.1, OpenID Connect Discovery 1.0 section 4). They get JSON whatever their `Accept`
/// header.
const WELL_KNOWN: &str = "/.well-known/";

/// Other documents that pages of any origin may read.
const PUBLIC_DOCUMENTS: [&str; 2] = ["/api/v2/oauth2/.well-known/sites", "/openapi.json"];

/// Paths of the management API whose errors are JSON:API.
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

/// Whether pages of other origins may call the path: only if no browser credentials are involved.
pub fn is_open_to_scripts(path: &str) -> bool {
    Audience::of(path) == Audience::OAuth || PUBLIC_DOCUMENTS.contains(&path)
}

/// Paths with their own rate limit. They are called so often that they must not use up the general
/// limit of their source.
const OWN_RATE_LIMIT: [&str; 5] =
    ["/oauth2/v1/token", "/api/v2/oauth2/token", "/token", "/oauth2/v1/revoke", "/oauth2/v1/introspect"];

pub fn has_own_rate_limit(path: &str) -> bool {
    OWN_RATE_LIMIT.contains(&path)
}

/// Whether requests may use the reserved in-flight slots: token requests and the management API
/// may.
pub fn has_reserved_capacity(path: &str) -> bool {
    has_own_rate_limit(path) || is_management_api(path)
}

pub fn is_management_api(path: &str) -> bool {
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
    fn token_requests_and_the_management_api_have_reserved_capacity() {
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
            assert_eq!(has_reserved_capacity(path), expected, "{path}");
        }
    }
}
