//! The checks of a registration (RFC 7591 section 2), one function for each member.
//! `ClientMetadata::parse` calls them in the order in which errors are reported.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::client::grant_types::{GrantType, ResponseType, TokenEndpointAuthMethod};
use crate::client::member::Member;
use crate::client::metadata_error::{MetadataError, Problem};
use crate::client::name::ClientName;
use crate::client::raw_metadata::RawClientMetadata;
use crate::redirect::uri::{RedirectKind, RedirectUri};
use crate::scope::ScopeSet;
use crate::scope::catalog::ScopeCatalog;
use crate::syntax::web_uri::{PublicHttpsUri, WebUri, WebUriError};

/// The settings for registrations.
#[derive(Clone, Copy, Debug)]
pub struct RegistrationRules<'a> {
    pub catalog: &'a ScopeCatalog,
    /// Auth methods that are replaced with `none`, and grant types that are ignored next to a
    /// supported one. All other unsupported values are refused. RFC 7591 section 3.2.1 allows both.
    pub tolerate: &'a BTreeSet<String>,
    /// The private-use schemes that redirect URIs may have. `None` allows all that are not denied.
    pub private_schemes: Option<&'a [String]>,
    pub bounds: RegistrationBounds,
}

/// The size limits of a registration. Registration is open to everyone and is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrationBounds {
    /// The maximum size of the stored metadata.
    pub metadata_bytes: usize,
    pub redirect_uris: usize,
}

impl Default for RegistrationBounds {
    fn default() -> Self {
        Self { metadata_bytes: 8_192, redirect_uris: 20 }
    }
}

const MAX_SCOPE_LENGTH: usize = 1000;

/// Optional in RFC 7591 section 2, but required here, because users must see which client asks.
pub(crate) fn client_name(raw: &RawClientMetadata) -> Result<ClientName, MetadataError> {
    let member = Member::ClientName;
    let text = raw.text(member)?.ok_or_else(|| MetadataError::new(member, Problem::Missing))?;
    ClientName::parse(text).map_err(|error| MetadataError::new(member, error))
}

/// RFC 7591 sections 2 and 5. One invalid item refuses the list. Duplicates are removed, and the
/// order is kept.
pub(crate) fn redirect_uris(
    raw: &RawClientMetadata,
    rules: &RegistrationRules<'_>,
) -> Result<Vec<RedirectUri>, MetadataError> {
    let member = Member::RedirectUris;
    let items = raw.list(member)?.ok_or_else(|| MetadataError::new(member, Problem::Missing))?;
    let max = rules.bounds.redirect_uris;
    if items.len() > max {
        return Err(MetadataError::new(member, Problem::TooManyItems { max }));
    }
    let mut uris = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let uri = redirect_uri(item, rules)
            .map_err(|problem| MetadataError::in_item(member, index, problem))?;
        if !uris.contains(&uri) {
            uris.push(uri);
        }
    }
    Ok(uris)
}

fn redirect_uri(item: &Value, rules: &RegistrationRules<'_>) -> Result<RedirectUri, Problem> {
    let uri = RedirectUri::parse(item.as_str().ok_or(Problem::NotAString)?)?;
    let listed =
        |schemes: &[String]| schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case(uri.scheme()));
    if uri.kind() == RedirectKind::PrivateUse && !rules.private_schemes.is_none_or(listed) {
        return Err(Problem::UnlistedScheme);
    }
    Ok(uri)
}

/// RFC 7591 sections 2 and 2.1: only the authorization code grant uses redirect URIs, so it is
/// required.
pub(crate) fn grant_types(
    raw: &RawClientMetadata,
    rules: &RegistrationRules<'_>,
) -> Result<BTreeSet<GrantType>, MetadataError> {
    let member = Member::GrantTypes;
    let Some(items) = raw.list(member)? else { return Ok(GrantType::ALL.into()) };
    let mut grant_types = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let grant_type = grant_type(item, rules)
            .map_err(|problem| MetadataError::in_item(member, index, problem))?;
        grant_types.extend(grant_type);
    }
    if !grant_types.contains(&GrantType::AuthorizationCode) {
        return Err(MetadataError::new(member, Problem::NoAuthorizationCode));
    }
    Ok(grant_types)
}

/// Returns `None` for a tolerated grant type, which is left out.
fn grant_type(item: &Value, rules: &RegistrationRules<'_>) -> Result<Option<GrantType>, Problem> {
    let name = item.as_str().ok_or(Problem::NotAString)?;
    match GrantType::named(name) {
        None if !rules.tolerate.contains(name) => Err(Problem::UnsupportedGrantType),
        known => Ok(known),
    }
}

/// RFC 7591 section 2.1: `code` belongs to the authorization code grant, which every client has.
pub(crate) fn response_types(raw: &RawClientMetadata) -> Result<[ResponseType; 1], MetadataError> {
    let member = Member::ResponseTypes;
    for (index, item) in raw.list(member)?.unwrap_or_default().iter().enumerate() {
        let problem = match item.as_str() {
            Some("code") => continue,
            Some(_) => Problem::UnsupportedResponseType,
            None => Problem::NotAString,
        };
        return Err(MetadataError::in_item(member, index, problem));
    }
    Ok([ResponseType::Code])
}

/// RFC 7591 section 2. The default of the RFC, `client_secret_basic`, is for confidential clients,
/// but registered clients are public.
pub(crate) fn token_endpoint_auth_method(
    raw: &RawClientMetadata,
    rules: &RegistrationRules<'_>,
) -> Result<TokenEndpointAuthMethod, MetadataError> {
    let member = Member::TokenEndpointAuthMethod;
    match raw.text(member)? {
        None | Some("none") => Ok(TokenEndpointAuthMethod::None),
        Some(method) if rules.tolerate.contains(method) => Ok(TokenEndpointAuthMethod::None),
        Some(_) => Err(MetadataError::new(member, Problem::UnsupportedAuthMethod)),
    }
}

/// RFC 7591 section 2 and RFC 6749 section 3.3: scopes that are not in the catalog, or that it
/// reserves for confidential clients, are left out. The response shows the registered scopes.
pub(crate) fn scope(
    raw: &RawClientMetadata,
    rules: &RegistrationRules<'_>,
) -> Result<ScopeSet, MetadataError> {
    let member = Member::Scope;
    let text = raw.text(member)?.unwrap_or_default();
    if text.chars().nth(MAX_SCOPE_LENGTH).is_some() {
        return Err(MetadataError::new(member, Problem::ScopeTooLong));
    }
    let sent = ScopeSet::parse(text).map_err(|error| MetadataError::new(member, error))?;
    let is_open = |name: &str| rules.catalog.find(name).is_some_and(|scope| !scope.private);
    Ok(sent.into_iter().filter(|token| is_open(token.as_str())).collect())
}

pub(crate) fn web_uri(
    raw: &RawClientMetadata,
    member: Member,
) -> Result<Option<WebUri>, MetadataError> {
    optional_uri(raw, member, WebUri::parse)
}

pub(crate) fn logo_uri(raw: &RawClientMetadata) -> Result<Option<PublicHttpsUri>, MetadataError> {
    optional_uri(raw, Member::LogoUri, PublicHttpsUri::parse)
}

/// RFC 7591 section 2: `jwks` and `jwks_uri` must not both be present.
pub(crate) fn jwks_uri(raw: &RawClientMetadata) -> Result<Option<PublicHttpsUri>, MetadataError> {
    let member = Member::JwksUri;
    let uri = optional_uri(raw, member, PublicHttpsUri::parse)?;
    if uri.is_some() && raw.value(Member::Jwks).is_some() {
        return Err(MetadataError::new(member, Problem::ConflictsWithJwks));
    }
    Ok(uri)
}

/// Some clients send `""` for a page that they do not have.
fn optional_uri<T>(
    raw: &RawClientMetadata,
    member: Member,
    parse: impl Fn(&str) -> Result<T, WebUriError>,
) -> Result<Option<T>, MetadataError> {
    let text = raw.text(member)?.filter(|text| !text.is_empty());
    text.map(|text| parse(text).map_err(|error| MetadataError::new(member, error))).transpose()
}
