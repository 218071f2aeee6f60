//! What a route declares for the middleware: the shape of its errors, who may read its responses,
//! and how its requests are limited.

use crate::http::middleware::audience::Audience;

/// The rules of a route that apply before its handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub audience: Audience,
    pub cors: Cors,
    pub limit: Limit,
}

/// Which pages of other origins may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cors {
    /// All of them. Such a route must not use browser credentials.
    AnyOrigin,
    /// None.
    SameOrigin,
}

/// How requests count against the limits of their source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Every request counts against the general limit of its source.
    Source,
    /// A request counts against the limit of its caller. It counts against the general limit of its
    /// source if it has no credentials, or wrong ones.
    Caller,
    /// The handler counts its requests in a class of their own. They are so frequent that they must
    /// not use up the general limit of their source.
    Handler,
}

impl Policy {
    pub const OAUTH: Self =
        Self { audience: Audience::OAuth, cors: Cors::AnyOrigin, limit: Limit::Source };
    pub const TOKENS: Self = Self { limit: Limit::Handler, ..Self::OAUTH };
    /// Documents that anyone may read, whose errors are strings.
    pub const DOCUMENT: Self = Self { audience: Audience::Strings, ..Self::OAUTH };
    pub const JSON_API: Self =
        Self { audience: Audience::JsonApi, cors: Cors::SameOrigin, limit: Limit::Caller };
    pub const STRINGS_API: Self = Self { audience: Audience::Strings, ..Self::JSON_API };
    pub const PAGE: Self =
        Self { audience: Audience::Page, cors: Cors::SameOrigin, limit: Limit::Source };
    /// What browsers request, but people do not see as a page.
    pub const ASSET: Self = Self { audience: Audience::Strings, ..Self::PAGE };

    /// The policy of a path that no route serves.
    pub fn of_unknown(path: &str) -> Self {
        match Audience::of_unknown(path) {
            Audience::OAuth => Self::OAUTH,
            audience => Self { audience, ..Self::PAGE },
        }
    }
}

impl Limit {
    /// Whether requests may use the reserved in-flight slots: token requests and the management API
    /// may.
    pub const fn has_reserved_capacity(self) -> bool {
        matches!(self, Self::Caller | Self::Handler)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_may_call_unknown_paths_of_oauth_only() {
        let cases = [
            ("/.well-known/nothing", Cors::AnyOrigin),
            ("/oauth2/nothing", Cors::AnyOrigin),
            ("/authorize", Cors::SameOrigin),
            ("/api/v2/nothing", Cors::SameOrigin),
            ("/nothing", Cors::SameOrigin),
        ];
        for (path, cors) in cases {
            assert_eq!(Policy::of_unknown(path).cors, cors, "{path}");
            assert_eq!(Policy::of_unknown(path).limit, Limit::Source, "{path}");
        }
    }
}
