//! The error response to an authorization request, which the client receives in the redirect (RFC
//! 6749 section 4.1.2.1).

use std::fmt;

/// The `error` parameter (RFC 6749 section 4.1.2.1, OpenID Connect Core 1.0 section 3.1.2.6, RFC
/// 8707 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    InvalidRequest,
    UnauthorizedClient,
    AccessDenied,
    UnsupportedResponseType,
    InvalidScope,
    ServerError,
    TemporarilyUnavailable,
    InteractionRequired,
    LoginRequired,
    AccountSelectionRequired,
    ConsentRequired,
    RequestNotSupported,
    RequestUriNotSupported,
    RegistrationNotSupported,
    InvalidTarget,
}

impl ErrorCode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InteractionRequired => "interaction_required",
            Self::LoginRequired => "login_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::InvalidTarget => "invalid_target",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// An error that is sent to the client. The description names the value, the problem and the
/// remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
pub struct Refusal {
    pub code: ErrorCode,
    pub description: String,
}

impl Refusal {
    /// Characters that `error_description` must not contain (RFC 6749 section 4.1.2.1) are replaced
    /// with question marks.
    pub fn new(code: ErrorCode, description: impl fmt::Display) -> Self {
        let is_allowed =
            |character: char| matches!(character, ' '..='~') && !matches!(character, '"' | '\\');
        let plain = |character| if is_allowed(character) { character } else { '?' };
        Self { code, description: description.to_string().chars().map(plain).collect() }
    }

    pub fn user_denied() -> Self {
        Self::new(ErrorCode::AccessDenied, "the user did not agree")
    }

    pub fn no_organization() -> Self {
        Self::new(ErrorCode::AccessDenied, "the user does not belong to an organization")
    }

    pub fn client_disabled() -> Self {
        let reason = "the organization of the user has disabled this client: its administrators can enable it again";
        Self::new(ErrorCode::AccessDenied, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_has_only_the_characters_that_the_rfc_allows() {
        let cases = [
            ("plain: text, with 'marks' !~", "plain: text, with 'marks' !~"),
            ("a \"quoted\" \\ one", "a ?quoted? ? one"),
            ("tab\tline\r\nnul\0del\u{7f}", "tab?line??nul?del?"),
            ("größe…", "gr??e?"),
        ];
        for (text, expected) in cases {
            assert_eq!(Refusal::new(ErrorCode::InvalidRequest, text).description, expected);
        }
    }

    #[test]
    fn a_refusal_is_displayed_as_its_code_and_description() {
        assert_eq!(Refusal::new(ErrorCode::AccessDenied, "no").to_string(), "access_denied: no");
    }
}
