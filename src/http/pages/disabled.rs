//! `GET /disabled`: tells users that their organization has disabled the app, and why. The only
//! button leads back to the app.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::actions::authorize::next_step::NextStep;
use crate::app::App;
use crate::db::orgs;
use crate::db::orgs::org_clients;
use crate::http::error::PageError;
use crate::http::extract::RequestHandle;
use crate::http::extract::browser::Browser;
use crate::http::oauth::authorize::flow::Flow;
use crate::http::views::DisabledPage;
use crate::rules::id::OrgId;

pub async fn show(
    State(app): State<Arc<App>>,
    browser: Browser,
    RequestHandle(handle): RequestHandle,
) -> Result<Response, PageError> {
    let handle = handle.ok_or(PageError::NotPending)?;
    let flow = Flow::find(&app, &browser, &handle).await?;
    match flow.next_step().await? {
        NextStep::Disabled(org_id) => disabled_page(&flow, org_id).await,
        step => flow.go_to(step).await,
    }
}

async fn disabled_page(flow: &Flow<'_>, org_id: OrgId) -> Result<Response, PageError> {
    let Flow { app, browser, pending } = flow;
    let db = &app.context.db;
    let org = orgs::find(db, org_id).await?.ok_or(PageError::NotFound)?;
    let decided = org_clients::find(db, org_id, pending.client.id).await?.unwrap_or_default();
    let page = DisabledPage {
        request: pending.handle.expose().to_owned(),
        csrf: browser.csrf(),
        app: flow.app_name(),
        org_name: org.name,
        reason: decided.disabled_reason.map(|reason| reason.to_string()),
    };
    Ok(browser.bound(page.render(flow.language())))
}
