//! A request that waits for its user, and what it waits for: `oauth/authorize.rs` tells the whole way.

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::actions::authorize::approve::{Answer, Approval, ApproveError, Approved, Requested, approve_request};
use crate::actions::authorize::offer_scopes::{Asking, Offer, OfferError, offer_scopes};
use crate::actions::webhooks::tell_of_hit::tell_of_hit;
use crate::app::App;
use crate::db::authorizations::requests;
use crate::db::authorizations::requests::PendingRequest;
use crate::db::clients;
use crate::db::clients::Client;
use crate::db::orgs::memberships;
use crate::db::users::User;
use crate::http::error::PageError;
use crate::http::extract::browser::{Browser, SignedIn};
use crate::http::middleware::rate_limit::{Class, Counted};
use crate::http::views::{AppName, Language};
use crate::rules::authorization::refused_request::RefusedRequest;
use crate::rules::authorization::request::{CodeAnswer, ErrorCode, Refusal, TrustedRedirect};
use crate::rules::client::proof::{ClientProof, authority};
use crate::rules::id::OrgId;
use crate::rules::scope::offered::{Refused, withheld_by_organization};
use crate::secret::{Digest, Secret};

/// One pending request, in the browser that brought it.
pub struct Pending {
    pub handle: Secret,
    pub stored: PendingRequest,
    pub client: Client,
    pub redirect: TrustedRedirect,
    /// Whether it is a row, which the answer takes out. A request that need not wait for its user is answered without one.
    pub is_stored: bool,
}

/// What a pending request waits for.
pub enum Next {
    SignIn,
    /// The present one was made by this server.
    ChoosePassword,
    ChooseSite,
    ChooseOrganization(Vec<(OrgId, String)>),
    Consent(OrgId, Box<Offer>),
    /// The user belongs to none.
    NoOrganization,
    /// Everything has been given before.
    Nothing(OrgId),
    Refuse(Refusal),
    /// Nothing of what is asked can be given there.
    Withheld(OrgId, Refused),
}

impl Next {
    /// Whether the request waits until the user has done something.
    pub const fn waits(&self) -> bool {
        match self {
            Self::SignIn
            | Self::ChoosePassword
            | Self::ChooseSite
            | Self::ChooseOrganization(_)
            | Self::Consent(..) => true,
            Self::NoOrganization | Self::Nothing(_) | Self::Refuse(_) | Self::Withheld(..) => false,
        }
    }
}

impl Pending {
    pub async fn find(app: &App, browser: &Browser, handle: &str) -> Result<Self, PageError> {
        let (db, now) = (&app.context.db, app.context.clock.now());
        let handle = Secret::new(handle.to_owned());
        let found = requests::find(db, handle.digest(), browser.binding_digest(), now).await?;
        let stored = found.ok_or(PageError::NotPending)?;
        let client_id = stored.client_id.to_string();
        let unknown = || PageError::UnknownClient(RefusedRequest::new(Some(&client_id), None, None).into());
        let client = clients::find(db, stored.client_id).await?.ok_or_else(unknown)?;
        let redirect = TrustedRedirect::from_stored(&stored.request, &client.metadata);
        let Some(redirect) = redirect else {
            let sent = Some(stored.request.redirect_uri.as_str());
            let refused = RefusedRequest::new(Some(&client.wire_id()), sent, Some(&client.metadata));
            return Err(PageError::MismatchingRedirect(refused.into()));
        };
        Ok(Self { handle, stored, redirect, client, is_stored: true })
    }

    /// The same request for the site at this host, which is told that it was chosen.
    pub fn as_query(&self, host: &str) -> String {
        let request = &self.stored.request;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("response_type", "code").append_pair("client_id", &self.client.wire_id());
        let scope = request.scope.as_ref().map(ToString::to_string);
        let challenge = request.code_challenge.as_ref();
        let (prompt, max_age) = (request.prompt.to_string(), request.max_age.map(|seconds| seconds.to_string()));
        let org_id = request.org_id.map(|id| id.to_string());
        let pairs = [
            // Named there, it would have to be named at the token endpoint too (RFC 6749 section 4.1.3).
            ("redirect_uri", request.redirect_uri_was_sent.then_some(request.redirect_uri.as_str())),
            ("scope", scope.as_deref()),
            ("state", request.state.as_deref()),
            ("nonce", request.nonce.as_deref()),
            ("login_hint", request.login_hint.as_deref()),
            ("code_challenge", challenge.map(|challenge| challenge.as_str())),
            ("code_challenge_method", challenge.map(|_| "S256")),
            ("prompt", (!prompt.is_empty()).then_some(prompt.as_str())),
            ("max_age", max_age.as_deref()),
            ("ui_locales", request.ui_locale.map(Language::tag)),
            ("dd_oid", org_id.as_deref()),
        ];
        for (name, value) in pairs {
            query.extend_pairs(value.map(|value| (name, value)));
        }
        query.extend_pairs(request.resources.iter().map(|resource| ("resource", resource.as_str())));
        query.append_pair("site", &format!("https://{host}"));
        query.finish()
    }

    /// What is proven about the client that this request comes from.
    pub fn proof(&self) -> ClientProof {
        ClientProof::of(self.client.document.as_deref(), self.redirect.as_str(), self.redirect.kind())
    }

    /// The client, for the pages before the consent page.
    pub fn app_name(&self) -> AppName {
        let published_by = self.client.document.as_deref().filter(|_| self.proof() == ClientProof::Host);
        AppName {
            name: self.client.metadata.client_name().as_str().to_owned(),
            published_by: published_by.and_then(authority).map(str::to_owned),
        }
    }

    /// Of the pages that this request leads to.
    pub fn language(&self, browser: &Browser) -> Language {
        self.stored.request.ui_locale.unwrap_or(browser.language)
    }

    pub fn digest(&self) -> Digest {
        self.handle.digest()
    }

    pub async fn next(&self, app: &App, browser: &Browser) -> Result<Next, PageError> {
        if browser.choosing_password.is_some() {
            return Ok(Next::ChoosePassword);
        }
        let Some(signed_in) = browser.signed_in.as_ref().filter(|signed_in| self.is_fresh(app, signed_in)) else {
            let asks_for_site = browser.signed_in.is_none() && self.asks_for_site(app);
            return Ok(if asks_for_site { Next::ChooseSite } else { Next::SignIn });
        };
        let orgs = memberships::list_of_user(&app.context.db, signed_in.user.id).await?;
        let orgs: Vec<(OrgId, String)> = orgs.into_iter().map(|(id, name, _)| (id, name)).collect();
        let Some(org_id) = self.organization(&orgs) else {
            return Ok(if orgs.is_empty() { Next::NoOrganization } else { Next::ChooseOrganization(orgs) });
        };
        self.next_in(app, signed_in, org_id).await
    }

    async fn next_in(&self, app: &App, signed_in: &SignedIn, org_id: OrgId) -> Result<Next, PageError> {
        let asking = self.asking(app, &signed_in.user, org_id);
        match offer_scopes(&app.context.db, app.bounds(self.client.id), asking).await {
            Ok(offer) => {
                let is_remembered = offer.is_remembered;
                Ok(if is_remembered { Next::Nothing(org_id) } else { Next::Consent(org_id, Box::new(offer)) })
            }
            Err(OfferError::Refused(refused)) => Ok(Next::Withheld(org_id, refused)),
            Err(OfferError::Disabled) => Ok(Next::Refuse(disabled())),
            Err(error) => Err(error.into()),
        }
    }

    /// Chosen here, or named by the client, or the only one. A choice that cannot hold any more is made again.
    fn organization(&self, orgs: &[(OrgId, String)]) -> Option<OrgId> {
        let is_theirs = |id: &OrgId| orgs.iter().any(|(theirs, _)| theirs == id);
        let only = || if let [(only, _)] = orgs { Some(*only) } else { None };
        self.stored.org_id.or(self.stored.request.org_id).filter(is_theirs).or_else(only)
    }

    fn asking<'a>(&'a self, app: &'a App, user: &'a User, org_id: OrgId) -> Asking<'a> {
        Asking { client: &self.client, request: &self.stored.request, user, org_id, issuer: &app.issuer.name }
    }

    /// The digest of the consent page, for its form.
    pub fn shown(&self, app: &App, signed_in: &SignedIn, org_id: OrgId, offer: &Offer) -> [u8; 32] {
        self.asking(app, &signed_in.user, org_id).shown(offer)
    }

    /// OpenID Connect Core section 3.1.2.1: `max_age=0` is the same as `prompt=login`, and a sign-in that came after the
    /// request is always fresh.
    fn is_fresh(&self, app: &App, signed_in: &SignedIn) -> bool {
        let age = app.context.clock.now().seconds_since(signed_in.session.signed_in_at);
        let age = u64::try_from(age).unwrap_or(0);
        match (self.stored.request.prompt.login, self.stored.request.max_age) {
            (false, None) => true,
            (true, _) | (_, Some(0)) => self.came_after(signed_in),
            (false, Some(most)) => age <= most || self.came_after(signed_in),
        }
    }

    /// Whether the sign-in came after the request. A form that another site posts comes without cookies, so where no
    /// session was seen the time is looked at too.
    fn came_after(&self, signed_in: &SignedIn) -> bool {
        let session = &signed_in.session;
        match self.stored.session_id {
            Some(before) => session.id != before,
            None => session.signed_in_at >= self.stored.created_at,
        }
    }

    /// Where the service has several sites, and nothing says that this is the user's. A request for a resource was sent
    /// here by that resource, which knows no other site.
    fn asks_for_site(&self, app: &App) -> bool {
        let request = &self.stored.request;
        app.other_sites().next().is_some()
            && !request.from_tile
            && request.resources.is_empty()
            && self.stored.org_id.is_none()
    }

    /// The page of this server that it waits for.
    pub fn to_page(&self, page: &str) -> Response {
        see_other(&format!("/{page}?request={}", self.handle.expose()))
    }

    /// The user lets the client in. `answer` as in [`Approval`]. `None`: the user has to be asked, or asked again.
    pub async fn approve(
        &self,
        app: &App,
        browser: &Browser,
        org_id: OrgId,
        answer: Option<Answer<'_>>,
    ) -> Result<Option<Response>, PageError> {
        let Some(signed_in) = &browser.signed_in else { return Err(PageError::NotPending) };
        let approval = Approval {
            request: self.requested(browser),
            client: &self.client,
            user: &signed_in.user,
            signed_in_at: signed_in.session.signed_in_at,
            org_id,
            answer,
            code_ttl: app.issuer.lifetimes.code,
        };
        let answer = match approve_request(&app.context, app.bounds(self.client.id), approval, &browser.by()).await {
            Ok(approved) => {
                app.metrics.authorization("approved");
                tracing::info!(client.id = %self.client.id, org.id = %org_id, user.id = %signed_in.user.id,
                    scope = %approved.scopes, "client authorized");
                self.with_code(app, org_id, &approved)
            }
            Err(ApproveError::Changed) => return Ok(None),
            Err(ApproveError::NothingChosen) => self.refuse(app, browser, denied()).await?,
            Err(ApproveError::Offer(OfferError::Refused(refused))) => {
                self.refuse_withheld(app, browser, org_id, refused).await?
            }
            Err(ApproveError::Offer(OfferError::Disabled)) => self.refuse(app, browser, disabled()).await?,
            Err(error) => return Err(error.into()),
        };
        Ok(Some(answer))
    }

    fn requested(&self, browser: &Browser) -> Requested<'_> {
        match self.is_stored {
            true => Requested::Waiting { handle: self.digest(), browser: browser.binding_digest() },
            false => Requested::New(&self.stored.request),
        }
    }

    fn with_code(&self, app: &App, org_id: OrgId, approved: &Approved) -> Response {
        let answer = CodeAnswer {
            code: approved.code.expose(),
            state: self.stored.request.state.as_deref(),
            issuer: &app.config.http.public_url,
            domain: app.domain(),
            site: &app.config.http.public_url,
            org_id,
            org_name: &approved.org_name,
        };
        see_other(&self.redirect.with_code(&answer))
    }

    /// Tells the client why not, and the organisation where it was by its restriction. Whoever asks again and again is told
    /// of once a minute by this server.
    pub async fn refuse_withheld(
        &self,
        app: &App,
        browser: &Browser,
        org_id: OrgId,
        refused: Refused,
    ) -> Result<Response, PageError> {
        let Refused { refusal, withheld } = refused;
        let answer = self.refuse(app, browser, refusal).await?;
        let (withheld, Some(signed_in)) = (withheld_by_organization(&withheld), &browser.signed_in) else {
            return Ok(answer);
        };
        let user = &signed_in.user;
        let whose = Digest::of(&format!("{org_id} {} {}", self.client.id, user.id));
        if !withheld.is_empty() && app.limits.take(Class::RestrictionHit, Counted::Digest(whose)).is_ok() {
            let asking = self.asking(app, user, org_id);
            if let Err(error) = tell_of_hit(&app.context, asking, &withheld).await {
                tracing::warn!(%error, client.id = %self.client.id, org.id = %org_id,
                    "webhooks were not told that a restriction was hit");
            }
        }
        Ok(answer)
    }

    /// Tells the client why not. The request waits no more.
    pub async fn refuse(&self, app: &App, browser: &Browser, refusal: Refusal) -> Result<Response, PageError> {
        if self.is_stored {
            self.take(app, browser).await?;
        }
        let state = self.stored.request.state.as_deref();
        Ok(refused(app, &self.client, &self.redirect, &refusal, state, browser.reference()))
    }

    async fn take(&self, app: &App, browser: &Browser) -> Result<(), PageError> {
        let mut tx = app.context.db.begin().await?;
        let (handle, binding, now) = (self.digest(), browser.binding_digest(), app.context.clock.now());
        let taken = requests::take(&mut tx, handle, binding, now).await?;
        tx.commit().await?;
        taken.map(drop).ok_or(PageError::NotPending)
    }
}

/// The answer to a client whose request is not granted (RFC 6749 section 4.1.2.1), with a reference that its user can
/// give the operator of this server, who finds it in the log.
pub fn refused(
    app: &App,
    client: &Client,
    redirect: &TrustedRedirect,
    refusal: &Refusal,
    state: Option<&str>,
    reference: &str,
) -> Response {
    let code = refusal.code.as_str();
    app.metrics.authorization(code);
    tracing::info!(client.id = %client.id, error = code, reason = refusal.description, reference,
        "authorization refused");
    let description = format!("{} (reference {reference})", refusal.description);
    let refusal = Refusal { code: refusal.code, description };
    see_other(&redirect.with_refusal(&refusal, state, &app.config.http.public_url))
}

pub fn denied() -> Refusal {
    Refusal::new(ErrorCode::AccessDenied, "the user did not agree")
}

fn disabled() -> Refusal {
    let reason = "the organization of the user has disabled this client: its administrators can enable it again";
    Refusal::new(ErrorCode::AccessDenied, reason)
}

/// RFC 9700 section 4.12: never 307, which would send a password on.
pub fn see_other(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response(),
        Err(_) => PageError::Internal.into_response(),
    }
}
