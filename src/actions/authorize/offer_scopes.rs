//! Decides which scopes a user can grant to a client in one organization.

use crate::actions::clients::scopes_restriction::RestrictionRules;
use crate::db::authorizations::consents;
use crate::db::authorizations::consents::ConsentedGrant;
use crate::db::clients::Client;
use crate::db::engine::DbHandle;
use crate::db::engine::error::DbError;
use crate::db::users::User;
use crate::rules::authorization::consent::{
    ConsentContent, PreviousDecision, Reach, is_remembered,
};
use crate::rules::authorization::request::AuthorizationRequest;
use crate::rules::id::OrgId;
use crate::rules::redirect::uri::RedirectUri;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::offered::{OfferedScopes, ScopeRequest, ScopesRefused, offered_scopes};
use crate::rules::scope::scopes_restriction::Ceiling;
use crate::rules::webhook::event::{ClientInfo, UserInfo};

/// A client that asks a user for consent in one organization.
#[derive(Clone, Copy, Debug)]
pub struct ConsentRequest<'a> {
    pub client: &'a Client,
    pub request: &'a AuthorizationRequest,
    pub user: &'a User,
    pub org_id: OrgId,
    /// The issuer, which is the audience of tokens if the request does not name a resource.
    pub issuer: &'a str,
}

impl ConsentRequest<'_> {
    /// Identifies what the consent page shows, and what the user agrees to.
    pub fn page_digest(&self, offer: &Offer) -> [u8; 32] {
        self.digest_of(&offer.scopes)
    }

    fn digest_of(&self, offered: &OfferedScopes) -> [u8; 32] {
        let content = ConsentContent {
            client_id: self.client.id,
            client_name: self.client.metadata.client_name().as_str(),
            redirect: &self.request.redirect_uri,
            org_id: self.org_id,
            user_id: self.user.id,
            offered,
            reach: &self.reach(),
        };
        content.digest()
    }

    /// The redirect URI of the request. The port of a loopback address can differ each time.
    fn redirect(&self) -> Option<RedirectUri> {
        RedirectUri::parse_any_spelling(&self.request.redirect_uri).ok()
    }

    pub fn redirect_uri(&self) -> String {
        self.redirect().map(|uri| uri.without_loopback_port().into_owned()).unwrap_or_default()
    }

    pub fn reach(&self) -> Reach<'_> {
        Reach::of(&self.request.resources, self.issuer)
    }
}

/// The client and the user, as events describe them.
pub(in crate::actions) fn client_and_user_info<'a>(
    client: &'a Client,
    user: &'a User,
) -> (ClientInfo<'a>, UserInfo<'a>) {
    let client = ClientInfo { id: client.id, name: client.metadata.client_name().as_str() };
    (client, UserInfo { id: user.id, email: &user.email })
}

#[derive(Clone, Debug)]
pub struct Offer {
    pub org_name: String,
    pub scopes: OfferedScopes,
    /// What the user granted to this client before and has not revoked.
    pub granted: Option<ConsentedGrant>,
    /// The offered scopes that the user granted before, for this redirect URI and all requested
    /// resources.
    pub given_before: ScopeSet,
    /// Whether the user decided all of this before, for the same redirect URI and resources. If so,
    /// the consent page is skipped.
    pub is_remembered: bool,
}

impl Offer {
    /// The scopes that the user left unchecked when they were last offered.
    pub fn declined_before(&self) -> ScopeSet {
        let granted =
            self.granted.as_ref().map(|granted| granted.declined.difference(&granted.scopes));
        granted.unwrap_or_default()
    }

    /// The declined scopes if the user chooses `chosen`. Scopes that were declined before stay
    /// declined until they are offered again.
    pub fn declined_now(&self, chosen: &ScopeSet) -> ScopeSet {
        let not_offered = self.declined_before().difference(&self.scopes.optional);
        not_offered.union(&self.scopes.optional.difference(chosen))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    #[error("the user is not a member of the organization")]
    NotAMember,
    #[error("the organization has disabled this client")]
    Disabled,
    #[error("none of the requested scopes can be granted")]
    Refused(ScopesRefused),
    #[error(transparent)]
    Db(#[from] DbError),
}

pub async fn offer_scopes(
    db: impl DbHandle,
    rules: RestrictionRules<'_>,
    consent: ConsentRequest<'_>,
) -> Result<Offer, OfferError> {
    let ConsentRequest { client, request, user, org_id, .. } = consent;
    let found = consents::find(db, org_id, client.id, user.id, &consent.redirect_uri())
        .await?
        .ok_or(OfferError::NotAMember)?;
    if found.disabled_at.is_some() {
        return Err(OfferError::Disabled);
    }
    let configured = client.configured_scopes();
    let request = ScopeRequest {
        requested: request.scope.as_ref(),
        registered: client.metadata.scope(),
        configured,
        ceiling: Ceiling::of(
            found.restriction.as_ref(),
            // The default is for public clients only.
            found.default_client_scopes.as_ref().filter(|_| configured.is_none()),
            rules.catalog,
        ),
        required: rules.required,
        role: found.role,
        catalog: rules.catalog,
        on_excess: rules.on_excess,
    };
    let scopes = offered_scopes(request).map_err(OfferError::Refused)?;
    let agreed = found.granted.as_ref().map(|granted| agreed_before(consent, granted));
    let is_remembered = match (&found.granted, &agreed) {
        (Some(granted), Some(agreed)) => is_remembered_by(rules, consent, &scopes, granted, agreed),
        _ => false,
    };
    let given_before = scopes.all().intersection(&agreed.unwrap_or_default());
    Ok(Offer {
        org_name: found.org_name,
        scopes,
        granted: found.granted,
        given_before,
        is_remembered,
    })
}

/// Never more than the grant holds now: scopes that were removed since are not remembered.
fn agreed_before(consent: ConsentRequest<'_>, granted: &ConsentedGrant) -> ScopeSet {
    consent.reach().agreed_for_all(&granted.agreed).intersection(&granted.scopes)
}

fn is_remembered_by(
    rules: RestrictionRules<'_>,
    consent: ConsentRequest<'_>,
    scopes: &OfferedScopes,
    granted: &ConsentedGrant,
    agreed: &ScopeSet,
) -> bool {
    let Some(redirect) = consent.redirect() else { return false };
    let previous = PreviousDecision {
        granted: agreed,
        declined: &granted.declined,
        is_same_page: granted.consent_digest == consent.digest_of(scopes),
    };
    is_remembered(rules.remember, redirect.kind(), Some(previous), scopes, consent.request.prompt)
}
