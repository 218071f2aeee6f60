//! Handles the user's decision, which the form of the consent page posts.

use axum::http::HeaderMap;
use axum::response::Response;

use crate::actions::authorize::approve::Answer;
use crate::actions::authorize::next_step::NextStep;
use crate::app::App;
use crate::http::error::PageError;
use crate::http::extract::browser::Browser;
use crate::http::middleware::origin::Origin;
use crate::http::oauth::authorize::flow::Flow;
use crate::http::pages::consent::consent_page;
use crate::rules::authorization::next_step::Interaction;
use crate::rules::authorization::refusal::Refusal;
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::rules::secret::Digest;
use crate::rules::syntax::parameters::Parameters;

pub async fn decide(
    app: &App,
    headers: &HeaderMap,
    origin: Option<Origin>,
    form: &Parameters,
) -> Result<Response, PageError> {
    let browser = Browser::of(app, headers, origin).await?;
    browser.check_form(app, headers, form)?;
    let handle = form.get("request").ok_or(PageError::NotPending)?;
    let flow = Flow::find(app, &browser, handle).await?;
    let decision = Decision::of(form);
    if decision == Decision::Deny {
        return flow.refuse(why_denied(&flow).await?).await;
    }
    let ticked: ScopeSet =
        form.all("scope").filter_map(|name| ScopeToken::parse(name).ok()).collect();
    match flow.next_step().await? {
        NextStep::Consent(org_id, offer) if decision == Decision::None => {
            consent_page(&flow, org_id, &offer, Some(&ticked)).await
        }
        NextStep::Consent(org_id, _) | NextStep::Approve(org_id)
            if decision == Decision::Approve =>
        {
            let shown = form
                .get("shown")
                .and_then(Digest::from_hex)
                .map(|digest| *digest.bytes())
                .unwrap_or_default();
            let answer = Answer { page_digest: shown, chosen: &ticked };
            let response = flow.approve(org_id, Some(answer)).await?;
            Ok(response.unwrap_or_else(|| flow.to_page(Interaction::Consent)))
        }
        // The state has changed since the page was shown, for example by signing out.
        step => flow.go_to(step).await,
    }
}

/// Users deny requests on the consent page, and leave the page of a disabled client.
async fn why_denied(flow: &Flow<'_>) -> Result<Refusal, PageError> {
    Ok(match flow.next_step().await? {
        NextStep::Disabled(_) => Refusal::client_disabled(),
        _ => Refusal::user_denied(),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Decision {
    Approve,
    Deny,
    /// The form was submitted with Enter: the same page is shown again.
    None,
}

impl Decision {
    fn of(form: &Parameters) -> Self {
        match form.get("decision") {
            Some("approve") => Self::Approve,
            Some("none") => Self::None,
            _ => Self::Deny,
        }
    }
}
