//! The measured endpoints of a server that issues tokens, and the server.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Issuer {
    Ours,
    /// oidc-provider on the same Postgres.
    Peer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// A code for tokens.
    Exchange,
    /// Precedes [`Self::IntrospectNew`], which introspects the resulting access tokens.
    Refresh,
    /// The same token again.
    IntrospectSeen,
    /// Each token once.
    IntrospectNew,
    Discovery,
    Jwks,
}

impl Endpoint {
    pub const ALL: [Self; 6] = [
        Self::Exchange,
        Self::Refresh,
        Self::IntrospectSeen,
        Self::IntrospectNew,
        Self::Discovery,
        Self::Jwks,
    ];

    pub fn name(self, issuer: Issuer) -> &'static str {
        match (issuer, self) {
            (Issuer::Ours, Self::Exchange) => "code exchange",
            (Issuer::Ours, Self::Refresh) => "refresh",
            (Issuer::Ours, Self::IntrospectSeen) => "introspection, seen before",
            (Issuer::Ours, Self::IntrospectNew) => "introspection, new",
            (Issuer::Ours, Self::Discovery) => "discovery",
            (Issuer::Ours, Self::Jwks) => "JWKS",
            (Issuer::Peer, Self::Exchange) => "oidc-provider code exchange",
            (Issuer::Peer, Self::Refresh) => "oidc-provider refresh",
            (Issuer::Peer, Self::IntrospectSeen) => "oidc-provider introspection, seen",
            (Issuer::Peer, Self::IntrospectNew) => "oidc-provider introspection, new",
            (Issuer::Peer, Self::Discovery) => "oidc-provider discovery",
            (Issuer::Peer, Self::Jwks) => "oidc-provider JWKS",
        }
    }
}
