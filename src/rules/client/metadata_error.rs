//! Errors in client metadata, with the text of `error_description` (RFC 7591 section 3.2.2).
//!
//! A text names the member, the problem and the remedy. The texts are constant and never quote the
//! input. They are printable ASCII without `"` and `\`, as RFC 6749 section 5.2 requires for this
//! member.

use std::fmt;

use crate::client::member::Member;
use crate::client::name::ClientNameError;
use crate::redirect::uri::RedirectUriError;
use crate::scope::ScopeError;
use crate::syntax::web_uri::WebUriError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataError {
    /// `None` if the error concerns the metadata as a whole.
    pub member: Option<Member>,
    /// The position of the item, if the member is a list.
    pub index: Option<usize>,
    pub problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("is missing: it is required")]
    Missing,
    #[error("is not a string: send a JSON string")]
    NotAString,
    #[error("is not a list: send a JSON list of strings")]
    NotAList,
    #[error("is an empty list: send at least one value")]
    EmptyList,
    #[error("has more than {max} items: register fewer")]
    TooManyItems { max: usize },
    #[error("takes more than {max} bytes: shorten its values or register fewer redirect URIs")]
    TooLarge { max: usize },
    #[error(transparent)]
    ClientName(#[from] ClientNameError),
    #[error(transparent)]
    RedirectUri(#[from] RedirectUriError),
    #[error(
        "uses a private-use scheme that this server does not allow: use https, or ask its operator to \
         allow the scheme"
    )]
    UnlistedScheme,
    #[error("is not supported: use authorization_code and refresh_token")]
    UnsupportedGrantType,
    #[error("does not contain authorization_code: add it")]
    NoAuthorizationCode,
    #[error("is not supported: use code")]
    UnsupportedResponseType,
    #[error("is not supported: use none, since registered clients are public")]
    UnsupportedAuthMethod,
    #[error("is longer than 1000 characters: list fewer scopes")]
    ScopeTooLong,
    #[error("is not a space-separated list of scope names: {0}")]
    Scope(#[from] ScopeError),
    #[error(transparent)]
    WebUri(#[from] WebUriError),
    #[error("conflicts with jwks: send only one of the two")]
    ConflictsWithJwks,
}

impl MetadataError {
    pub fn new(member: Member, problem: impl Into<Problem>) -> Self {
        Self { member: Some(member), index: None, problem: problem.into() }
    }

    pub const fn of_all(problem: Problem) -> Self {
        Self { member: None, index: None, problem }
    }

    pub fn in_item(member: Member, index: usize, problem: impl Into<Problem>) -> Self {
        Self { member: Some(member), index: Some(index), problem: problem.into() }
    }
}

impl std::error::Error for MetadataError {}

impl fmt::Display for MetadataError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.member.map_or("the metadata", Member::name))?;
        if let Some(index) = self.index {
            write!(formatter, "[{index}]")?;
        }
        write!(formatter, " {}", self.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::uri::UriSyntaxError;

    fn every_problem() -> Vec<Problem> {
        let names = [
            ClientNameError::Blank,
            ClientNameError::TooLong,
            ClientNameError::ControlCharacter,
            ClientNameError::FormatCharacter,
            ClientNameError::LineSeparator,
            ClientNameError::UnassignedCharacter,
            ClientNameError::TooManyMarks,
        ];
        let redirects = [
            RedirectUriError::Empty,
            RedirectUriError::TooLong,
            RedirectUriError::Fragment,
            RedirectUriError::HttpBeyondLoopback,
            RedirectUriError::DeniedScheme,
            RedirectUriError::Wildcard,
            RedirectUriError::NothingAfterScheme,
        ];
        let syntax = [
            UriSyntaxError::ForbiddenCharacter,
            UriSyntaxError::BadPercentEncoding,
            UriSyntaxError::NoScheme,
            UriSyntaxError::NoHost,
            UriSyntaxError::UserInfo,
            UriSyntaxError::BadHost,
            UriSyntaxError::AddressNotation,
            UriSyntaxError::BadPort,
            UriSyntaxError::DefaultPort,
            UriSyntaxError::Uppercase,
            UriSyntaxError::DotSegments,
            UriSyntaxError::Apostrophe,
        ];
        let pages = [
            WebUriError::TooLong,
            WebUriError::NotWeb,
            WebUriError::NotHttps,
            WebUriError::PrivateAddress,
        ];
        let scopes = [
            ScopeError::EmptyName,
            ScopeError::NameTooLong,
            ScopeError::ForbiddenCharacter,
            ScopeError::TooManyNames,
        ];
        let own = [
            Problem::Missing,
            Problem::NotAString,
            Problem::NotAList,
            Problem::EmptyList,
            Problem::TooManyItems { max: 20 },
            Problem::TooLarge { max: 8192 },
            Problem::UnlistedScheme,
            Problem::UnsupportedGrantType,
            Problem::NoAuthorizationCode,
            Problem::UnsupportedResponseType,
            Problem::UnsupportedAuthMethod,
            Problem::ScopeTooLong,
            Problem::ConflictsWithJwks,
        ];
        own.into_iter()
            .chain(names.map(Problem::from))
            .chain(redirects.map(Problem::from))
            .chain(syntax.map(|error| RedirectUriError::from(error).into()))
            .chain(syntax.map(|error| WebUriError::from(error).into()))
            .chain(pages.map(Problem::from))
            .chain(scopes.map(Problem::from))
            .collect()
    }

    #[test]
    fn every_description_has_only_allowed_characters_and_a_remedy() {
        for problem in every_problem() {
            let description = MetadataError::in_item(Member::RedirectUris, 49, problem).to_string();

            assert!(
                description
                    .bytes()
                    .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
            );
            assert!(description.starts_with("redirect_uris[49] "), "{description}");
            assert!(description.contains([':', ';']), "{description}");
        }
    }

    #[test]
    fn a_description_names_the_member_the_rule_and_the_remedy() {
        let cases = [
            (
                MetadataError::new(Member::ClientName, Problem::Missing),
                "client_name is missing: it is required",
            ),
            (
                MetadataError::in_item(Member::RedirectUris, 2, RedirectUriError::Fragment),
                "redirect_uris[2] has a fragment: remove the # and what follows it",
            ),
            (
                MetadataError::new(Member::Scope, ScopeError::TooManyNames),
                "scope is not a space-separated list of scope names: more than 100 scope names",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(error.to_string(), expected);
        }
    }
}
