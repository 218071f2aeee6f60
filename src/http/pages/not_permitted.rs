//! `GET /not-permitted`: a user began to connect a client from its tile, and their role lacks a
//! permission that the client requests. The only button leads back to the client.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::actions::authorize::next_step::NextStep;
use crate::app::App;
use crate::db::orgs;
use crate::http::error::PageError;
use crate::http::extract::RequestHandle;
use crate::http::extract::browser::Browser;
use crate::http::oauth::authorize::flow::Flow;
use crate::http::views::NotPermittedPage;
use crate::rules::id::OrgId;
use crate::rules::scope::ScopeSet;

pub async fn show(
    State(app): State<Arc<App>>,
    browser: Browser,
    RequestHandle(handle): RequestHandle,
) -> Result<Response, PageError> {
    let handle = handle.ok_or(PageError::NotPending)?;
    let flow = Flow::find(&app, &browser, &handle).await?;
    match flow.next_step().await? {
        NextStep::NotPermitted(org_id, missing) => page(&flow, org_id, &missing).await,
        step => flow.go_to(step).await,
    }
}

async fn page(flow: &Flow<'_>, org_id: OrgId, missing: &ScopeSet) -> Result<Response, PageError> {
    let Flow { app, browser, pending } = flow;
    let org = orgs::find(&app.context.db, org_id).await?.ok_or(PageError::NotFound)?;
    let description = |name: &str| {
        let known = app.catalog.find(name).map(|scope| scope.description.clone());
        (name.to_owned(), known.unwrap_or_default())
    };
    let page = NotPermittedPage {
        request: pending.handle.expose().to_owned(),
        csrf: browser.csrf(),
        app: flow.app_name(),
        org_name: org.name,
        missing: missing.names().map(description).collect(),
    };
    Ok(browser.bound(page.render(flow.language())))
}
