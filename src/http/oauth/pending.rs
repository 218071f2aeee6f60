//! A pending authorization request and its next step. `oauth/authorize.rs` describes the whole
//! flow.

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::actions::authorize::approve::{Answer, Approval, ApproveError, Approved, Requested, approve_request};
use crate::actions::authorize::offer_scopes::{ConsentRequest, Offer, OfferError, offer_scopes};
use crate::actions::webhooks::tell_of_hit::report_restriction_hit;
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
use crate::rules::authorization::request::{CodeResponse, ErrorCode, Refusal, TrustedRedirect};
use crate::rules::client::proof::{ClientProof, authority};
use crate::rules::id::OrgId;
use crate::rules::scope::offered::{ScopesRefused, withheld_by_organization};
use crate::secret::{Digest, Secret};

/// A pending request in the browser that started it.
pub struct Pending {
    pub handle: Secret,
    pub stored: PendingRequest,
    pub client: Client,
    pub redirect: TrustedRedirect,
    /// Whether the request is stored as a row, which its completion deletes. A request that does
    /// not wait for its user is not stored.
    pub is_stored: bool,
}

/// The next step of a pending request.
pub enum Next {
    SignIn,
    /// The user signed in with a generated password.
    ChoosePassword,
    ChooseSite,
    ChooseOrganization(Vec<(OrgId, String)>),
    Consent(OrgId, Box<Offer>),
    /// The user does not belong to an organization.
    NoOrganization,
    /// Issue a code now, since everything requested was granted before.
    Approve(OrgId),
    Refuse(Refusal),
    /// None of the requested scopes can be granted in this organization.
    Withheld(OrgId, ScopesRefused),
}

impl Next {
    /// Whether the request waits for the user to act.
    pub const fn waits(&self) -> bool {
        match self {
            Self::SignIn
            | Self::ChoosePassword
            | Self::ChooseSite
            | Self::ChooseOrganization(_)
            | Self::Consent(..) => true,
            Self::NoOrganization | Self::Approve(_) | Self::Refuse(_) | Self::Withheld(..) => false,
        }
    }
}

impl Pending {
    pub async fn find(app: &App, browser: &Browser, handle: &str) -> Result<Self, PageError> {
        let db = &app.context.db;
        let now = app.context.clock.now();
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

    /// The same request as a query for the site at `host`, with the parameter `site` that marks it
    /// as chosen.
    pub fn as_query(&self, host: &str) -> String {
        let request = &self.stored.request;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("response_type", "code").append_pair("client_id", &self.client.wire_id());
        let scope = request.scope.as_ref().map(ToString::to_string);
        let challenge = request.code_challenge.as_ref();
        let prompt = request.prompt.to_string();
        let max_age = request.max_age.map(|seconds| seconds.to_string());
        let org_id = request.org_id.map(|id| id.to_string());
        let pairs = [
            // If it were added, the client would have to send it to the token endpoint too (RFC
            // 6749 section 4.1.3).
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

    /// The proof of the client's identity that this request gives.
    pub fn proof(&self) -> ClientProof {
        ClientProof::of(self.client.document.as_deref(), self.redirect.as_str(), self.redirect.kind())
    }

    /// The client's name for the pages before the consent page.
    pub fn app_name(&self) -> AppName {
        let published_by = self.client.document.as_deref().filter(|_| self.proof() == ClientProof::Host);
        AppName {
            name: self.client.metadata.client_name().as_str().to_owned(),
            published_by: published_by.and_then(authority).map(str::to_owned),
        }
    }

    /// The language of the pages for this request.
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
        let consent_request = self.consent_request(app, &signed_in.user, org_id);
        match offer_scopes(&app.context.db, app.bounds(self.client.id), consent_request).await {
            Ok(offer) => {
                let is_remembered = offer.is_remembered;
                Ok(if is_remembered { Next::Approve(org_id) } else { Next::Consent(org_id, Box::new(offer)) })
            }
            Err(OfferError::Refused(refused)) => Ok(Next::Withheld(org_id, refused)),
            Err(OfferError::Disabled) => Ok(Next::Refuse(client_disabled())),
            Err(error) => Err(error.into()),
        }
    }

    /// The organization that the user chose, else the one that the client named, else the only one.
    /// A choice that is no longer valid is ignored.
    fn organization(&self, orgs: &[(OrgId, String)]) -> Option<OrgId> {
        let is_theirs = |id: &OrgId| orgs.iter().any(|(theirs, _)| theirs == id);
        let only = || if let [(only, _)] = orgs { Some(*only) } else { None };
        self.stored.org_id.or(self.stored.request.org_id).filter(is_theirs).or_else(only)
    }

    fn consent_request<'a>(&'a self, app: &'a App, user: &'a User, org_id: OrgId) -> ConsentRequest<'a> {
        ConsentRequest { client: &self.client, request: &self.stored.request, user, org_id, issuer: &app.issuer.name }
    }

    /// The digest of the consent page, which its form sends back.
    pub fn page_digest(&self, app: &App, signed_in: &SignedIn, org_id: OrgId, offer: &Offer) -> [u8; 32] {
        self.consent_request(app, &signed_in.user, org_id).page_digest(offer)
    }

    /// `max_age=0` is the same as `prompt=login` (OpenID Connect Core section 3.1.2.1). A sign-in
    /// after the request started is always fresh.
    fn is_fresh(&self, app: &App, signed_in: &SignedIn) -> bool {
        let age = app.context.clock.now().seconds_since(signed_in.session.signed_in_at);
        let age = u64::try_from(age).unwrap_or(0);
        match (self.stored.request.prompt.login, self.stored.request.max_age) {
            (false, None) => true,
            (true, _) | (_, Some(0)) => self.signed_in_after_request(signed_in),
            (false, Some(max_age)) => age <= max_age || self.signed_in_after_request(signed_in),
        }
    }

    /// Whether the user signed in after the request started. If the request started without a
    /// session, the times decide, since a form that another site posts comes without cookies.
    fn signed_in_after_request(&self, signed_in: &SignedIn) -> bool {
        let session = &signed_in.session;
        match self.stored.session_id {
            Some(before) => session.id != before,
            None => session.signed_in_at >= self.stored.created_at,
        }
    }

    /// Whether the user has to choose a site: the service has several, and nothing shows that this
    /// is the user's. A request for a resource was sent here by that resource, so this is the right
    /// site.
    fn asks_for_site(&self, app: &App) -> bool {
        let request = &self.stored.request;
        app.other_sites().next().is_some()
            && !request.from_tile
            && request.resources.is_empty()
            && self.stored.org_id.is_none()
    }

    /// Redirects to a page of this server with the handle of the request.
    pub fn to_page(&self, page: &str) -> Response {
        see_other(&format!("/{page}?request={}", self.handle.expose()))
    }

    /// Grants the request. `answer` is as in [`Approval`]. Returns `None` if the user has to
    /// consent, or to consent again.
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
        let response = match approve_request(&app.context, app.bounds(self.client.id), approval, &browser.by()).await {
            Ok(approved) => {
                app.metrics.authorization("approved");
                tracing::info!(client.id = %self.client.id, org.id = %org_id, user.id = %signed_in.user.id,
                    scope = %approved.scopes, "client authorized");
                self.with_code(app, org_id, &approved)
            }
            Err(ApproveError::Changed) => return Ok(None),
            Err(ApproveError::NothingChosen) => self.refuse(app, browser, user_denied()).await?,
            Err(ApproveError::Offer(OfferError::Refused(refused))) => {
                self.refuse_withheld(app, browser, org_id, refused).await?
            }
            Err(ApproveError::Offer(OfferError::Disabled)) => self.refuse(app, browser, client_disabled()).await?,
            Err(error) => return Err(error.into()),
        };
        Ok(Some(response))
    }

    fn requested(&self, browser: &Browser) -> Requested<'_> {
        match self.is_stored {
            true => Requested::Waiting { handle: self.digest(), browser: browser.binding_digest() },
            false => Requested::New(&self.stored.request),
        }
    }

    fn with_code(&self, app: &App, org_id: OrgId, approved: &Approved) -> Response {
        let response = CodeResponse {
            code: approved.code.expose(),
            state: self.stored.request.state.as_deref(),
            issuer: &app.config.http.public_url,
            domain: app.domain(),
            site: &app.config.http.public_url,
            org_id,
            org_name: &approved.org_name,
        };
        see_other(&self.redirect.with_code(&response))
    }

    /// Refuses the request and, if the organization's restriction is the reason, sends an event to
    /// its webhooks. Repeated requests cause at most one event a minute per server.
    pub async fn refuse_withheld(
        &self,
        app: &App,
        browser: &Browser,
        org_id: OrgId,
        refused: ScopesRefused,
    ) -> Result<Response, PageError> {
        let ScopesRefused { refusal, withheld } = refused;
        let response = self.refuse(app, browser, refusal).await?;
        let (withheld, Some(signed_in)) = (withheld_by_organization(&withheld), &browser.signed_in) else {
            return Ok(response);
        };
        let user = &signed_in.user;
        let key = Digest::of(&format!("{org_id} {} {}", self.client.id, user.id));
        if !withheld.is_empty() && app.limits.take(Class::RestrictionHit, Counted::Digest(key)).is_ok() {
            let consent_request = self.consent_request(app, user, org_id);
            if let Err(error) = report_restriction_hit(&app.context, consent_request, &withheld).await {
                tracing::warn!(%error, client.id = %self.client.id, org.id = %org_id,
                    "the restriction hit could not be reported to webhooks");
            }
        }
        Ok(response)
    }

    /// Refuses the request and deletes its row.
    pub async fn refuse(&self, app: &App, browser: &Browser, refusal: Refusal) -> Result<Response, PageError> {
        if self.is_stored {
            self.consume(app, browser).await?;
        }
        let state = self.stored.request.state.as_deref();
        Ok(refusal_response(app, &self.client, &self.redirect, &refusal, state, browser.reference()))
    }

    async fn consume(&self, app: &App, browser: &Browser) -> Result<(), PageError> {
        let mut tx = app.context.db.begin().await?;
        let now = app.context.clock.now();
        let taken = requests::take(&mut tx, self.digest(), browser.binding_digest(), now).await?;
        tx.commit().await?;
        taken.map(drop).ok_or(PageError::NotPending)
    }
}

/// The error response to the client (RFC 6749 section 4.1.2.1). It contains a reference that the
/// user can give to the operator, who finds it in the log.
pub fn refusal_response(
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

pub fn user_denied() -> Refusal {
    Refusal::new(ErrorCode::AccessDenied, "the user did not agree")
}

fn client_disabled() -> Refusal {
    let reason = "the organization of the user has disabled this client: its administrators can enable it again";
    Refusal::new(ErrorCode::AccessDenied, reason)
}

/// Redirects with 303. RFC 9700 section 4.12 forbids 307, which would forward a password.
pub fn see_other(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response(),
        Err(_) => PageError::Internal.into_response(),
    }
}
