//! The scopes that an organization allows a client.
//!
//! Three states must not be confused: no restriction (`Option::None`: every scope of the catalog),
//! a restriction with names (exactly these scopes), and a restriction with empty lists (no scopes).
//! Required scopes of a first-party client are exempt from restrictions and are not part of them.

use sha2::{Digest as _, Sha256};

use crate::client::ClientId;
use crate::id::OrgId;
use crate::scope::catalog::{ScopeCatalog, ScopeKind};
use crate::scope::{ScopeSet, ScopeToken};

/// The lists in the order in which they were sent, without duplicates, so that a response shows
/// what the administrator wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopesRestriction {
    oidc_scopes: Vec<ScopeToken>,
    permission_scopes: Vec<ScopeToken>,
}

/// Which member of a request is not valid, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestrictionError {
    #[error("{list} has {count} items; at most {max} are allowed", list = .kind.list())]
    TooLong { kind: ScopeKind, count: usize, max: usize },
    #[error("{list}[{index}]{name} is not in the scope catalog; see `scopes.toml` of this server",
        list = .kind.list(), name = quoted(.name.as_ref()))]
    Unknown { kind: ScopeKind, index: usize, name: Option<ScopeToken> },
    #[error("{list}[{index}] \"{name}\" is {article} scope and belongs in {other}",
        list = .kind.list(), article = .kind.other().article(), other = .kind.other().list())]
    WrongKind { kind: ScopeKind, index: usize, name: ScopeToken },
}

/// Quotes only a valid scope name: it is short and cannot break out of a line or a string.
fn quoted(name: Option<&ScopeToken>) -> String {
    name.map(|name| format!(" \"{name}\"")).unwrap_or_default()
}

impl ScopeKind {
    /// The member of the request and the response with scopes of this kind.
    pub const fn list(self) -> &'static str {
        match self {
            Self::Oidc => "oidc_scopes",
            Self::Permission => "permission_scopes",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Oidc => Self::Permission,
            Self::Permission => Self::Oidc,
        }
    }

    const fn article(self) -> &'static str {
        match self {
            Self::Oidc => "an OpenID Connect",
            Self::Permission => "a permission",
        }
    }
}

impl RestrictionError {
    /// JSON Pointer to the invalid member (RFC 6901).
    pub fn pointer(&self) -> String {
        match self {
            Self::TooLong { kind, .. } => format!("/data/attributes/{}", kind.list()),
            Self::Unknown { kind, index, .. } | Self::WrongKind { kind, index, .. } => {
                format!("/data/attributes/{}/{index}", kind.list())
            }
        }
    }
}

impl ScopesRestriction {
    const MAX_NAMES: usize = 500;

    pub fn parse(
        oidc_scopes: &[String],
        permission_scopes: &[String],
        catalog: &ScopeCatalog,
    ) -> Result<Self, RestrictionError> {
        Ok(Self {
            oidc_scopes: parse_list(oidc_scopes, ScopeKind::Oidc, catalog)?,
            permission_scopes: parse_list(permission_scopes, ScopeKind::Permission, catalog)?,
        })
    }

    /// Builds a restriction from a stored row, which may have names that are no longer in the
    /// catalog.
    pub fn from_stored(oidc_scopes: Vec<ScopeToken>, permission_scopes: Vec<ScopeToken>) -> Self {
        Self { oidc_scopes, permission_scopes }
    }

    pub fn oidc_scopes(&self) -> &[ScopeToken] {
        &self.oidc_scopes
    }

    pub fn permission_scopes(&self) -> &[ScopeToken] {
        &self.permission_scopes
    }

    /// Converts the default of an organization to a restriction. A name that is no longer in the
    /// catalog counts as a permission scope.
    pub fn from_defaults(defaults: &ScopeSet, catalog: &ScopeCatalog) -> Self {
        let is_oidc = |name: &&ScopeToken| {
            catalog.find(name.as_str()).is_some_and(|scope| scope.kind == ScopeKind::Oidc)
        };
        let (oidc_scopes, permission_scopes): (Vec<_>, Vec<_>) = defaults.iter().partition(is_oidc);
        Self::from_stored(
            oidc_scopes.into_iter().cloned().collect(),
            permission_scopes.into_iter().cloned().collect(),
        )
    }

    pub fn to_defaults(&self) -> ScopeSet {
        self.names().cloned().collect()
    }

    fn names(&self) -> impl Iterator<Item = &ScopeToken> {
        self.oidc_scopes.iter().chain(&self.permission_scopes)
    }
}

fn parse_list(
    names: &[String],
    kind: ScopeKind,
    catalog: &ScopeCatalog,
) -> Result<Vec<ScopeToken>, RestrictionError> {
    let count = names.len();
    let max = ScopesRestriction::MAX_NAMES;
    if count > max {
        return Err(RestrictionError::TooLong { kind, count, max });
    }
    let mut list: Vec<ScopeToken> = Vec::with_capacity(count);
    for (index, name) in names.iter().enumerate() {
        let unknown =
            || RestrictionError::Unknown { kind, index, name: ScopeToken::parse(name).ok() };
        let scope = catalog.find(name).ok_or_else(unknown)?;
        if scope.kind != kind {
            return Err(RestrictionError::WrongKind { kind, index, name: scope.name.clone() });
        }
        if !list.contains(&scope.name) {
            list.push(scope.name.clone());
        }
    }
    Ok(list)
}

/// The limit of a client in an organization, whatever it requests. Required scopes are exempt from
/// it.
#[derive(Clone, Copy, Debug)]
pub enum Ceiling<'a> {
    /// Nothing is restricted.
    Catalog(&'a ScopeCatalog),
    Restriction(&'a ScopesRestriction),
    Scopes(&'a ScopeSet),
}

impl<'a> Ceiling<'a> {
    /// A restriction of the client replaces the default of its organization.
    pub fn of(
        restriction: Option<&'a ScopesRestriction>,
        default_client_scopes: Option<&'a ScopeSet>,
        catalog: &'a ScopeCatalog,
    ) -> Self {
        match (restriction, default_client_scopes) {
            (Some(restriction), _) => Self::Restriction(restriction),
            (None, Some(default)) => Self::Scopes(default),
            (None, None) => Self::Catalog(catalog),
        }
    }

    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Catalog(catalog) => catalog.find(name).is_some(),
            Self::Restriction(restriction) => {
                restriction.names().any(|listed| listed.as_str() == name)
            }
            Self::Scopes(scopes) => scopes.contains(name),
        }
    }
}

/// The scopes that a client may be granted in an organization, whatever it requests.
pub fn ceiling(
    restriction: Option<&ScopesRestriction>,
    default_client_scopes: Option<&ScopeSet>,
    required: &ScopeSet,
    catalog: &ScopeCatalog,
) -> ScopeSet {
    let required = required.iter().cloned();
    match Ceiling::of(restriction, default_client_scopes, catalog) {
        Ceiling::Catalog(catalog) => {
            catalog.iter().map(|scope| scope.name.clone()).chain(required).collect()
        }
        Ceiling::Restriction(restriction) => restriction.names().cloned().chain(required).collect(),
        Ceiling::Scopes(scopes) => scopes.iter().cloned().chain(required).collect(),
    }
}

/// The scopes that replacing a restriction adds and removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestrictionChange {
    pub scopes_added: ScopeSet,
    pub scopes_removed: ScopeSet,
}

impl RestrictionChange {
    /// Compares two ceilings. Going from no restriction to lists removes every scope that is not
    /// listed.
    pub fn between(before: &ScopeSet, after: &ScopeSet) -> Self {
        let lacking = |these: &ScopeSet, those: &ScopeSet| {
            these.iter().filter(|name| !those.contains(name.as_str())).cloned().collect()
        };
        Self { scopes_added: lacking(after, before), scopes_removed: lacking(before, after) }
    }
}

/// A digest of the state that a dry run was based on, so that the change can require the same
/// state. The digest includes the current ceiling, because the organization's default, the required
/// scopes and the catalog also affect what a change adds and removes.
pub fn state_digest(
    org_id: OrgId,
    client_id: ClientId,
    restriction: Option<&ScopesRestriction>,
    ceiling: &ScopeSet,
) -> String {
    let mut hash = Sha256::new_with_prefix("scopes restriction v1");
    hash.update(org_id.0.as_bytes());
    hash.update(client_id.uuid().as_bytes());
    ceiling.iter().for_each(|name| hash_name(&mut hash, name));
    match restriction {
        None => hash.update([0]),
        Some(restriction) => {
            hash.update([1]);
            for list in [&restriction.oidc_scopes, &restriction.permission_scopes] {
                hash.update((list.len() as u64).to_be_bytes());
                list.iter().for_each(|name| hash_name(&mut hash, name));
            }
        }
    }
    hex(&hash.finalize())
}

/// The same digest for the default of an organization, which limits every client without a
/// restriction of its own.
pub fn defaults_digest(
    org_id: OrgId,
    defaults: Option<&ScopeSet>,
    catalog: &ScopeCatalog,
) -> String {
    let mut hash = Sha256::new_with_prefix("default scopes restriction v1");
    hash.update(org_id.0.as_bytes());
    hash.update([u8::from(defaults.is_some())]);
    let ceiling = ceiling(None, defaults, &ScopeSet::default(), catalog);
    ceiling.iter().for_each(|name| hash_name(&mut hash, name));
    hex(&hash.finalize())
}

fn hash_name(hash: &mut Sha256, name: &ScopeToken) {
    hash.update((name.as_str().len() as u64).to_be_bytes());
    hash.update(name.as_str());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
