//! The names of the members of client metadata.

/// The members of RFC 7591 section 2 that this server supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    ClientName,
    RedirectUris,
    GrantTypes,
    ResponseTypes,
    TokenEndpointAuthMethod,
    Scope,
    ClientUri,
    LogoUri,
    PolicyUri,
    TosUri,
    JwksUri,
    /// Never registered. It is known only because it must not be sent together with `jwks_uri`.
    Jwks,
}

impl Member {
    pub const ALL: [Self; 12] = [
        Self::ClientName,
        Self::RedirectUris,
        Self::GrantTypes,
        Self::ResponseTypes,
        Self::TokenEndpointAuthMethod,
        Self::Scope,
        Self::ClientUri,
        Self::LogoUri,
        Self::PolicyUri,
        Self::TosUri,
        Self::JwksUri,
        Self::Jwks,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientName => "client_name",
            Self::RedirectUris => "redirect_uris",
            Self::GrantTypes => "grant_types",
            Self::ResponseTypes => "response_types",
            Self::TokenEndpointAuthMethod => "token_endpoint_auth_method",
            Self::Scope => "scope",
            Self::ClientUri => "client_uri",
            Self::LogoUri => "logo_uri",
            Self::PolicyUri => "policy_uri",
            Self::TosUri => "tos_uri",
            Self::JwksUri => "jwks_uri",
            Self::Jwks => "jwks",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|member| member.name() == name)
    }
}
