//! `GET` and `POST /organization` let users choose the organization to act in, if they belong to
//! several. `GET /choose-site` lets them choose a site, if the service has several.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::actions::authorize::next_step::NextStep;
use crate::app::App;
use crate::http::error::PageError;
use crate::http::extract::browser::Browser;
use crate::http::extract::{PageForm, RequestHandle};
use crate::http::oauth::authorize::flow::Flow;
use crate::http::views::{ChooseOrganizationPage, ChooseSitePage, SiteLink};
use crate::rules::authorization::other_site::query_for_site;
use crate::rules::client::ClientId;
use crate::rules::id::OrgId;

pub async fn show(
    State(app): State<Arc<App>>,
    browser: Browser,
    RequestHandle(handle): RequestHandle,
) -> Result<Response, PageError> {
    let handle = handle.ok_or(PageError::NotPending)?;
    let flow = Flow::find(&app, &browser, &handle).await?;
    match flow.next_step().await? {
        NextStep::ChooseOrganization(orgs) => {
            let page = ChooseOrganizationPage {
                request: handle,
                csrf: browser.csrf(),
                app: flow.app_name(),
                orgs,
            };
            Ok(browser.bound(page.render(flow.language())))
        }
        step => flow.go_to(step).await,
    }
}

pub async fn choose(
    State(app): State<Arc<App>>,
    PageForm { browser, form }: PageForm,
) -> Result<Response, PageError> {
    let handle = form.get("request").ok_or(PageError::NotPending)?;
    let mut flow = Flow::find(&app, &browser, handle).await?;
    let chosen =
        form.get("org").and_then(|text| ClientId::parse(text).ok()).map(|id| OrgId(id.uuid()));
    let step = match chosen {
        Some(chosen) => flow.choose_organization(chosen).await?,
        None => flow.next_step().await?,
    };
    flow.go_to(step).await
}

/// Links to the same request at each site. This site continues the pending request. Every other
/// site starts a new one, because it has its own clients and users.
pub async fn choose_site(
    State(app): State<Arc<App>>,
    browser: Browser,
    RequestHandle(handle): RequestHandle,
) -> Result<Response, PageError> {
    let handle = handle.ok_or(PageError::NotPending)?;
    let flow = Flow::find(&app, &browser, &handle).await?;
    if app.other_sites().next().is_none() {
        let step = flow.next_step().await?;
        return flow.go_to(step).await;
    }
    let here = format!("{}/login?request={handle}", app.config.http.public_url);
    let here = SiteLink { host: app.host().to_owned(), url: here, is_here: true };
    let client_id = flow.pending.client.wire_id();
    let others = app.other_sites().map(|host| {
        let query = query_for_site(&flow.pending.request, &client_id, host);
        SiteLink {
            host: host.to_owned(),
            url: format!("https://{host}/oauth2/v1/authorize?{query}"),
            is_here: false,
        }
    });
    let page = ChooseSitePage {
        sites: std::iter::once(here).chain(others).collect(),
        app: flow.app_name(),
    };
    Ok(browser.bound(page.render(flow.language())))
}
