//! The audience of a route, which decides the shape of its errors. Unknown paths have one too.

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

/// OAuth clients guess paths that start like these.
const OAUTH: [&str; 5] =
    ["/api/v2/oauth2/register", "/api/v2/oauth2/token", "/oauth2/", "/token", "/register"];

/// Clients look for metadata at this path, with other path segments before or after it (RFC 8414
/// section 3.1, OpenID Connect Discovery 1.0 section 4). They get JSON whatever their `Accept`
/// header.
const WELL_KNOWN: &str = "/.well-known/";

const JSON_API: [&str; 3] = [
    "/api/v2/oauth2/clients/",
    "/api/v2/oauth2/default_scopes_restriction",
    "/api/v2/org_authorized_clients",
];

impl Audience {
    /// The audience of a path that no route serves, from the way it starts. Routes declare theirs.
    /// `/authorize` is such a path if `http.fallback_paths` is off.
    pub fn of_unknown(path: &str) -> Self {
        let is_among = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        if path == "/authorize" || path.starts_with("/account/") || path.starts_with("/invitation/")
        {
            Self::Page
        } else if is_among(&OAUTH) || path.contains(WELL_KNOWN) {
            Self::OAuth
        } else if is_among(&JSON_API) {
            Self::JsonApi
        } else {
            Self::Strings
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unknown_path_has_an_audience() {
        let cases = [
            ("/authorize", Audience::Page),
            ("/token", Audience::OAuth),
            ("/register", Audience::OAuth),
            ("/oauth2/v1/something", Audience::OAuth),
            ("/api/v2/oauth2/register/72b68208-36a6-11f0-b21b-da7ad0900002", Audience::OAuth),
            ("/api/v2/oauth2/.well-known/oauth-authorization-server", Audience::OAuth),
            ("/.well-known/oauth-authorization-server/mcp", Audience::OAuth),
            ("/t/.well-known/openid-configuration", Audience::OAuth),
            ("/account/something", Audience::Page),
            ("/account/.well-known/x", Audience::Page),
            ("/invitation/x/y", Audience::Page),
            ("/.well-known", Audience::Strings),
            ("/api/v2/oauth2/clients/x/something", Audience::JsonApi),
            ("/api/v2/oauth2/default_scopes_restriction/x", Audience::JsonApi),
            ("/api/v2/org_authorized_clients/x/y", Audience::JsonApi),
            ("/api/v2/something", Audience::Strings),
            ("/login/", Audience::Strings),
            ("/something", Audience::Strings),
        ];
        for (path, audience) in cases {
            assert_eq!(Audience::of_unknown(path), audience, "{path}");
        }
    }
}
