//! What a user may be asked to give a client, in one organisation.

use super::Bounds;
use crate::db::clients::Client;
use crate::db::consents::{self, Granted};
use crate::db::users::User;
use crate::db::{DbError, DbHandle};
use crate::oauth::OrgId;
use crate::oauth::authorization_request::AuthorizationRequest;
use crate::oauth::consent::{ConsentShown, Decided, is_remembered};
use crate::oauth::event::{ClientTold, UserTold};
use crate::oauth::offered_scopes::{Asked, OfferedScopes, Refused, judge};
use crate::oauth::redirect_uri::RedirectUri;
use crate::oauth::resource::Resource;
use crate::oauth::scope::ScopeSet;
use crate::oauth::scopes_restriction::ceiling;

/// Who asks whom for what, and for which organisation.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    pub client: &'a Client,
    pub request: &'a AuthorizationRequest,
    pub user: &'a User,
    pub org_id: OrgId,
}

/// What the user is shown of it, and agrees to.
impl Asking<'_> {
    pub fn shown(&self, offer: &Offer) -> [u8; 32] {
        self.page(&offer.scopes)
    }

    fn page(&self, offered: &OfferedScopes) -> [u8; 32] {
        let shown = ConsentShown {
            client_id: self.client.id,
            client_name: self.client.metadata.client_name().as_str(),
            redirect: &self.request.redirect_uri,
            org_id: self.org_id,
            user_id: self.user.id,
            offered,
            resources: &self.request.resources,
        };
        shown.digest()
    }

    /// Where the answer goes. The port of a loopback address is another one each time.
    fn redirect(&self) -> Option<RedirectUri> {
        RedirectUri::parse(&self.request.redirect_uri).ok()
    }

    pub fn redirect_uri(&self) -> String {
        self.redirect().map(|uri| uri.without_loopback_port().into_owned()).unwrap_or_default()
    }

    /// What the tokens are for, in canonical form, so that another spelling is no other wish; "" where nothing is named.
    pub fn resources(&self) -> Vec<&str> {
        let named: Vec<&str> = self.request.resources.iter().map(Resource::canonical).collect();
        if named.is_empty() { vec![""] } else { named }
    }
}

/// Who it is, for whoever is told.
pub(super) fn parties<'a>(client: &'a Client, user: &'a User) -> (ClientTold<'a>, UserTold<'a>) {
    let client = ClientTold { id: client.id, name: client.metadata.client_name().as_str() };
    (client, UserTold { id: user.id, email: &user.email })
}

#[derive(Clone, Debug)]
pub struct Offer {
    pub org_name: String,
    pub scopes: OfferedScopes,
    /// What the user has given this client before, and not taken back.
    pub granted: Option<Granted>,
    /// All of it was decided before, for the same redirect and resources, and need not be asked again.
    pub is_remembered: bool,
}

impl Offer {
    /// What of it the user has given before.
    pub fn given_before(&self) -> ScopeSet {
        let granted = self.granted.as_ref().map(|granted| self.scopes.all().intersection(&granted.scopes));
        granted.unwrap_or_default()
    }

    /// Boxes that the user cleared when they were last shown.
    pub fn declined_before(&self) -> ScopeSet {
        let granted = self.granted.as_ref().map(|granted| granted.declined.difference(&granted.scopes));
        granted.unwrap_or_default()
    }

    /// What is declined once these are chosen of it: what was declined before stays so until it is offered again.
    pub fn declined_now(&self, chosen: &ScopeSet) -> ScopeSet {
        let not_offered = self.declined_before().difference(&self.scopes.optional);
        not_offered.union(&self.scopes.optional.difference(chosen))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    #[error("the user does not belong to the organisation")]
    NotAMember,
    #[error("the organisation has disabled this client")]
    Disabled,
    #[error("nothing of what was asked for can be given")]
    Refused(Refused),
    #[error(transparent)]
    Db(#[from] DbError),
}

pub async fn offer_scopes(db: impl DbHandle, bounds: Bounds<'_>, asking: Asking<'_>) -> Result<Offer, OfferError> {
    let Asking { client, request, user, org_id } = asking;
    let found =
        consents::find(db, org_id, client.id, user.id, &asking.redirect_uri()).await?.ok_or(OfferError::NotAMember)?;
    if found.disabled_at.is_some() {
        return Err(OfferError::Disabled);
    }
    let ceiling =
        ceiling(found.restriction.as_ref(), found.default_client_scopes.as_ref(), bounds.required, bounds.catalog);
    let asked = Asked {
        requested: request.scope.as_ref(),
        registered: client.metadata.scope(),
        ceiling: &ceiling,
        required: bounds.required,
        role: found.role,
        catalog: bounds.catalog,
        on_excess: bounds.on_excess,
    };
    let scopes = judge(asked).map_err(OfferError::Refused)?;
    let is_remembered = is_remembered_by(bounds, asking, &scopes, found.granted.as_ref());
    Ok(Offer { org_name: found.org_name, scopes, granted: found.granted, is_remembered })
}

fn is_remembered_by(bounds: Bounds<'_>, asking: Asking<'_>, scopes: &OfferedScopes, granted: Option<&Granted>) -> bool {
    let (Some(granted), Some(redirect)) = (granted, asking.redirect()) else { return false };
    let agreed = |resource: &&str| granted.resources.iter().any(|agreed| agreed == resource);
    let decided = Decided {
        granted: &granted.scopes,
        declined: &granted.declined,
        on_the_same_page: granted.consent_digest == asking.page(scopes),
    };
    is_remembered(bounds.remember, redirect.kind(), Some(decided), scopes, asking.request.prompt)
        && asking.resources().iter().all(agreed)
}
