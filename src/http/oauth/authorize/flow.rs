//! Takes a pending request from step to step, in the browser that started it. The pages of the
//! steps are in `http/pages`.

use axum::response::Response;

use crate::actions::authorize::approve::{Answer, Approval, ApproveError, approve_request};
use crate::actions::authorize::next_step::{NextStep, Visit, choose_organization, find_next_step};
use crate::actions::authorize::offer_scopes::{ConsentRequest, OfferError};
use crate::actions::authorize::pending::Pending;
use crate::actions::webhooks::report_restriction_hit::report_restriction_hit;
use crate::app::App;
use crate::db::authorizations::connection_starts;
use crate::db::users::User;
use crate::http::error::PageError;
use crate::http::extract::browser::Browser;
use crate::http::oauth::authorize::respond::{Recipient, respond_with_code, respond_with_refusal};
use crate::http::redirect::see_other;
use crate::http::views::AppName;
use crate::limits::rate_limit::{Class, Counted};
use crate::rules::authorization::language::Language;
use crate::rules::authorization::next_step::{BrowserSession, Interaction};
use crate::rules::authorization::refusal::Refusal;
use crate::rules::authorization::refused_request::RefusedRequest;
use crate::rules::client::proof::{ClientProof, authority};
use crate::rules::id::OrgId;
use crate::rules::scope::offered::{ScopesRefused, withheld_by_organization};
use crate::rules::secret::Digest;

/// A pending request in the browser that started it.
pub struct Flow<'a> {
    pub app: &'a App,
    pub browser: &'a Browser,
    pub pending: Pending,
}

/// What became of a request at its next step.
pub enum Advance {
    Completed(Response),
    WaitsFor(Interaction),
}

impl<'a> Flow<'a> {
    pub async fn find(app: &'a App, browser: &'a Browser, handle: &str) -> Result<Self, PageError> {
        let pending = Pending::find(&app.context, handle, browser.binding_digest()).await?;
        Ok(Self { app, browser, pending })
    }

    pub async fn next_step(&self) -> Result<NextStep, PageError> {
        let rules = self.app.restriction_rules(self.pending.client.id);
        Ok(find_next_step(&self.app.context, rules, &self.pending, self.visit()).await?)
    }

    /// Returns the step that is next after the choice.
    pub async fn choose_organization(&mut self, chosen: OrgId) -> Result<NextStep, PageError> {
        let (app, visit) = (self.app, self.visit());
        let rules = app.restriction_rules(self.pending.client.id);
        Ok(choose_organization(&app.context, rules, &mut self.pending, visit, chosen).await?)
    }

    fn visit(&self) -> Visit<'a> {
        let browser = self.browser;
        let session = match (&browser.choosing_password, &browser.signed_in) {
            (Some(_), _) => BrowserSession::GeneratedPassword,
            (None, Some(signed_in)) => BrowserSession::SignedIn {
                id: signed_in.session.id,
                at: signed_in.session.signed_in_at,
            },
            (None, None) => BrowserSession::None,
        };
        Visit {
            session,
            user: browser.signed_in.as_ref().map(|signed_in| &signed_in.user),
            has_other_sites: self.app.other_sites().next().is_some(),
        }
    }

    /// Completes the request, unless its next step needs the user.
    pub async fn advance(&self, step: NextStep) -> Result<Advance, PageError> {
        let response = match step {
            NextStep::ChoosePassword => return Ok(Advance::WaitsFor(Interaction::ChoosePassword)),
            NextStep::ChooseSite => return Ok(Advance::WaitsFor(Interaction::ChooseSite)),
            NextStep::SignIn => return Ok(Advance::WaitsFor(Interaction::SignIn)),
            NextStep::ChooseOrganization(_) => {
                return Ok(Advance::WaitsFor(Interaction::ChooseOrganization));
            }
            NextStep::Consent(..) => return Ok(Advance::WaitsFor(Interaction::Consent)),
            NextStep::Approve(org_id) => match self.approve(org_id, None).await? {
                Some(response) => response,
                // The earlier grant was revoked a moment ago.
                None => return Ok(Advance::WaitsFor(Interaction::Consent)),
            },
            // As for a client that does not exist, so that nobody learns which ones do.
            NextStep::ForeignClient => {
                let client_id = self.pending.client.wire_id();
                let redirect = Some(self.pending.redirect.as_str());
                let refused = RefusedRequest::new(Some(&client_id), redirect, None);
                return Err(PageError::UnknownClient(refused.into()));
            }
            NextStep::NoOrganization if self.pending.request.prompt.none => {
                self.refuse(Refusal::no_organization()).await?
            }
            NextStep::NoOrganization => return Err(PageError::NoOrganization),
            NextStep::Disabled(_) => return Ok(Advance::WaitsFor(Interaction::ReadWhyDisabled)),
            NextStep::NotPermitted(..) => {
                return Ok(Advance::WaitsFor(Interaction::ReadWhatIsMissing));
            }
            NextStep::Withheld(org_id, refused) => self.refuse_withheld(org_id, refused).await?,
        };
        Ok(Advance::Completed(response))
    }

    /// Completes the request, or sends the browser to the page of its next step.
    pub async fn go_to(&self, step: NextStep) -> Result<Response, PageError> {
        Ok(match self.advance(step).await? {
            Advance::Completed(response) => response,
            Advance::WaitsFor(interaction) => self.to_page(interaction),
        })
    }

    /// Redirects to a page of this server with the handle of the request.
    pub fn to_page(&self, interaction: Interaction) -> Response {
        let page = match interaction {
            Interaction::ChooseSite => "choose-site",
            Interaction::SignIn => "login",
            Interaction::ChoosePassword => "password",
            Interaction::ChooseOrganization => "organization",
            Interaction::Consent => "consent",
            Interaction::ReadWhyDisabled => "disabled",
            Interaction::ReadWhatIsMissing => "not-permitted",
        };
        see_other(&format!("/{page}?request={}", self.pending.handle.expose()))
    }

    /// Grants the request. `answer` is as in [`Approval`]. Returns `None` if the user has to
    /// consent, or to consent again.
    pub async fn approve(
        &self,
        org_id: OrgId,
        answer: Option<Answer<'_>>,
    ) -> Result<Option<Response>, PageError> {
        let Self { app, browser, pending } = self;
        let Some(signed_in) = &browser.signed_in else { return Err(PageError::NotPending) };
        let approval = Approval {
            request: pending.requested(),
            client: &pending.client,
            user: &signed_in.user,
            signed_in_at: signed_in.session.signed_in_at,
            org_id,
            answer,
            code_ttl: app.issuer.lifetimes.code,
        };
        let rules = app.restriction_rules(pending.client.id);
        let response = match approve_request(&app.context, rules, approval, &browser.by()).await {
            Ok(approved) => {
                app.metrics.authorization("approved");
                self.use_up_start().await?;
                tracing::info!(client.id = %pending.client.id, org.id = %org_id, user.id = %signed_in.user.id,
                    scope = %approved.scopes, "client authorized");
                respond_with_code(app, pending, org_id, &approved)
            }
            Err(ApproveError::Changed) => return Ok(None),
            Err(ApproveError::NothingChosen) => self.refuse(Refusal::user_denied()).await?,
            Err(ApproveError::Offer(OfferError::Refused(refused))) => {
                self.refuse_withheld(org_id, refused).await?
            }
            Err(ApproveError::Offer(OfferError::Disabled)) => {
                self.to_page(Interaction::ReadWhyDisabled)
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Some(response))
    }

    /// Refuses the request and deletes its row.
    pub async fn refuse(&self, refusal: Refusal) -> Result<Response, PageError> {
        self.pending.complete(&self.app.context).await?;
        self.use_up_start().await?;
        let to = Recipient {
            client_id: self.pending.client.id,
            redirect: &self.pending.redirect,
            state: self.pending.request.state.as_deref(),
            reference: self.browser.reference(),
        };
        Ok(respond_with_refusal(self.app, to, &refusal))
    }

    /// The next request of the client does not come from its tile.
    async fn use_up_start(&self) -> Result<(), PageError> {
        let pending = &self.pending;
        if pending.client.kind.is_confidential() {
            let db = &self.app.context.db;
            connection_starts::delete(db, pending.browser, pending.client.id).await?;
        }
        Ok(())
    }

    /// Refuses the request and, if the organization's restriction is the reason, sends an event to
    /// its webhooks. Repeated requests cause at most one event a minute per server.
    async fn refuse_withheld(
        &self,
        org_id: OrgId,
        refused: ScopesRefused,
    ) -> Result<Response, PageError> {
        let ScopesRefused { refusal, withheld } = refused;
        let response = self.refuse(refusal).await?;
        let (withheld, Some(signed_in)) =
            (withheld_by_organization(&withheld), &self.browser.signed_in)
        else {
            return Ok(response);
        };
        let (app, client_id, user) = (self.app, self.pending.client.id, &signed_in.user);
        let key = Digest::of(&format!("{org_id} {client_id} {}", user.id));
        if !withheld.is_empty()
            && app.limits.take(Class::RestrictionHit, Counted::Digest(key)).is_ok()
        {
            let consent_request = self.consent_request(user, org_id);
            if let Err(error) =
                report_restriction_hit(&app.context, consent_request, &withheld).await
            {
                tracing::warn!(%error, client.id = %client_id, org.id = %org_id,
                    "the restriction hit could not be reported to webhooks");
            }
        }
        Ok(response)
    }

    pub fn consent_request<'s>(&'s self, user: &'s User, org_id: OrgId) -> ConsentRequest<'s> {
        self.pending.consent_request(user, org_id, &self.app.issuer.name)
    }

    /// The client's name for the pages before the consent page.
    pub fn app_name(&self) -> AppName {
        let client = &self.pending.client;
        let published_by =
            client.document.as_deref().filter(|_| self.pending.proof() == ClientProof::Host);
        AppName {
            name: client.metadata.client_name().as_str().to_owned(),
            published_by: published_by.and_then(authority).map(str::to_owned),
        }
    }

    /// The language of the pages for this request.
    pub fn language(&self) -> Language {
        self.pending.request.ui_locale.unwrap_or(self.browser.language)
    }
}
