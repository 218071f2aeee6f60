//! What a user may be asked to give a client, in one organisation.

use crate::actions::clients::restrict_scopes::Bounds;
use crate::db::authorizations::consents;
use crate::db::authorizations::consents::Granted;
use crate::db::clients::Client;
use crate::db::engine::DbHandle;
use crate::db::engine::error::DbError;
use crate::db::users::User;
use crate::rules::authorization::consent::{ConsentShown, Decided, Reach, is_remembered};
use crate::rules::authorization::request::AuthorizationRequest;
use crate::rules::id::OrgId;
use crate::rules::redirect::uri::RedirectUri;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::offered::{Asked, OfferedScopes, Refused, judge};
use crate::rules::scope::restriction::ceiling;
use crate::rules::webhook::event::{ClientTold, UserTold};

/// Who asks whom for what, and for which organisation.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    pub client: &'a Client,
    pub request: &'a AuthorizationRequest,
    pub user: &'a User,
    pub org_id: OrgId,
    /// The issuer of tokens: what a client that names no resource can reach.
    pub issuer: &'a str,
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
            reach: &self.reach(),
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

    pub fn reach(&self) -> Reach<'_> {
        Reach::of(&self.request.resources, self.issuer)
    }
}

/// Who it is, for whoever is told.
pub(in crate::actions) fn parties<'a>(client: &'a Client, user: &'a User) -> (ClientTold<'a>, UserTold<'a>) {
    let client = ClientTold { id: client.id, name: client.metadata.client_name().as_str() };
    (client, UserTold { id: user.id, email: &user.email })
}

#[derive(Clone, Debug)]
pub struct Offer {
    pub org_name: String,
    pub scopes: OfferedScopes,
    /// What the user has given this client before, and not taken back.
    pub granted: Option<Granted>,
    /// The part that the user has given before for this redirect and for all that the request wants to reach.
    pub given_before: ScopeSet,
    /// All of it was decided before, for the same redirect and resources, and need not be asked again.
    pub is_remembered: bool,
}

impl Offer {
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
    let Asking { client, request, user, org_id, .. } = asking;
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
    let agreed = found.granted.as_ref().map(|granted| agreed_before(asking, granted));
    let is_remembered = match (&found.granted, &agreed) {
        (Some(granted), Some(agreed)) => is_remembered_by(bounds, asking, &scopes, granted, agreed),
        _ => false,
    };
    let given_before = scopes.all().intersection(&agreed.unwrap_or_default());
    Ok(Offer { org_name: found.org_name, scopes, granted: found.granted, given_before, is_remembered })
}

/// Never more than the grant holds now: what was taken from it since is not remembered.
fn agreed_before(asking: Asking<'_>, granted: &Granted) -> ScopeSet {
    asking.reach().agreed_for_all(&granted.agreed).intersection(&granted.scopes)
}

fn is_remembered_by(
    bounds: Bounds<'_>,
    asking: Asking<'_>,
    scopes: &OfferedScopes,
    granted: &Granted,
    agreed: &ScopeSet,
) -> bool {
    let Some(redirect) = asking.redirect() else { return false };
    let decided = Decided {
        granted: agreed,
        declined: &granted.declined,
        on_the_same_page: granted.consent_digest == asking.page(scopes),
    };
    is_remembered(bounds.remember, redirect.kind(), Some(decided), scopes, asking.request.prompt)
}
