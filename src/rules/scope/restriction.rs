//! What one organisation lets one client have at most.
//!
//! Three states that must never be confused: no restriction (`Option::None`, everything the catalog offers), a
//! restriction with names (exactly these), and a restriction with empty lists (nothing). Required scopes of a first-party
//! client pass every restriction and are no part of it.

use sha2::{Digest as _, Sha256};

use crate::rules::client::ClientId;
use crate::rules::id::OrgId;
use crate::rules::scope::catalog::{ScopeCatalog, ScopeKind};
use crate::rules::scope::{ScopeSet, ScopeToken};

/// Lists as they were sent, without repetitions: an answer shows an operator what they wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopesRestriction {
    oidc_scopes: Vec<ScopeToken>,
    permission_scopes: Vec<ScopeToken>,
}

/// The member of a request that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestrictionError {
    #[error("{list} has {count} items, at most {most} are allowed", list = .kind.list())]
    TooLong { kind: ScopeKind, count: usize, most: usize },
    #[error("{list}[{index}]{name} is no scope of the catalog; `scopes.toml` of this server lists them",
        list = .kind.list(), name = quoted(.name.as_ref()))]
    Unknown { kind: ScopeKind, index: usize, name: Option<ScopeToken> },
    #[error("{list}[{index}] \"{name}\" is {article} scope and belongs into {other}",
        list = .kind.list(), article = .kind.other().article(), other = .kind.other().list())]
    WrongKind { kind: ScopeKind, index: usize, name: ScopeToken },
}

/// Only what could be a scope name is quoted: it is short, and holds nothing that could break a line or a string.
fn quoted(name: Option<&ScopeToken>) -> String {
    name.map(|name| format!(" \"{name}\"")).unwrap_or_default()
}

/// Names of the request's lists, as the wire has them.
impl ScopeKind {
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
    /// Where in the request it is, by RFC 6901.
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
    const MOST_NAMES: usize = 500;

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

    /// From the table, where names may be that the catalog has lost since.
    pub fn from_stored(oidc_scopes: Vec<ScopeToken>, permission_scopes: Vec<ScopeToken>) -> Self {
        Self { oidc_scopes, permission_scopes }
    }

    pub fn oidc_scopes(&self) -> &[ScopeToken] {
        &self.oidc_scopes
    }

    pub fn permission_scopes(&self) -> &[ScopeToken] {
        &self.permission_scopes
    }

    /// The default of an organization as a restriction: what the catalog does not know any more counts as a permission.
    pub fn from_defaults(defaults: &ScopeSet, catalog: &ScopeCatalog) -> Self {
        let is_oidc =
            |name: &&ScopeToken| catalog.find(name.as_str()).is_some_and(|scope| scope.kind == ScopeKind::Oidc);
        let (oidc_scopes, permission_scopes): (Vec<_>, Vec<_>) = defaults.iter().partition(is_oidc);
        Self::from_stored(oidc_scopes.into_iter().cloned().collect(), permission_scopes.into_iter().cloned().collect())
    }

    pub fn to_defaults(&self) -> ScopeSet {
        self.names().cloned().collect()
    }

    fn names(&self) -> impl Iterator<Item = &ScopeToken> {
        self.oidc_scopes.iter().chain(&self.permission_scopes)
    }
}

fn parse_list(names: &[String], kind: ScopeKind, catalog: &ScopeCatalog) -> Result<Vec<ScopeToken>, RestrictionError> {
    let (count, most) = (names.len(), ScopesRestriction::MOST_NAMES);
    if count > most {
        return Err(RestrictionError::TooLong { kind, count, most });
    }
    let mut list: Vec<ScopeToken> = Vec::with_capacity(count);
    for (index, name) in names.iter().enumerate() {
        let unknown = || RestrictionError::Unknown { kind, index, name: ScopeToken::parse(name).ok() };
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

/// What a client may be granted in an organisation, whatever it asks for.
pub fn ceiling(
    restriction: Option<&ScopesRestriction>,
    default_client_scopes: Option<&ScopeSet>,
    required: &ScopeSet,
    catalog: &ScopeCatalog,
) -> ScopeSet {
    let all = || catalog.iter().map(|scope| scope.name.clone()).collect();
    let allowed: ScopeSet = match (restriction, default_client_scopes) {
        (Some(restriction), _) => restriction.names().cloned().collect(),
        (None, Some(default)) => default.clone(),
        (None, None) => all(),
    };
    allowed.iter().chain(required.iter()).cloned().collect()
}

/// What replacing one restriction by another gives and takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestrictionChange {
    pub scopes_added: ScopeSet,
    pub scopes_removed: ScopeSet,
}

impl RestrictionChange {
    /// From one ceiling to another: going from no restriction to lists removes everything that is not listed.
    pub fn between(before: &ScopeSet, after: &ScopeSet) -> Self {
        let lacking = |these: &ScopeSet, those: &ScopeSet| {
            these.iter().filter(|name| !those.contains(name.as_str())).cloned().collect()
        };
        Self { scopes_added: lacking(after, before), scopes_removed: lacking(before, after) }
    }
}

/// A name for the state that a preview looked at, so that the change it announced can be tied to it.
/// It covers what the client may get now, too: an organisation's defaults, the required scopes and the catalog decide
/// what a change adds and removes.
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

/// The same for the default of an organization, which bounds every client that has no restriction of its own.
pub fn defaults_digest(org_id: OrgId, defaults: Option<&ScopeSet>, catalog: &ScopeCatalog) -> String {
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
