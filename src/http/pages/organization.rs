//! `GET` and `POST /organization` let users choose the organization to act in, if they belong to
//! several. `GET /choose-site` lets them choose a site, if the service has several.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use crate::app::App;
use crate::db::authorizations::requests;
use crate::http::error::PageError;
use crate::http::oauth::authorize::continue_flow;
use crate::http::oauth::pending::{Next, Pending};
use crate::http::pages::{read_browser, read_form, request_handle};
use crate::http::views::{ChooseOrganizationPage, ChooseSitePage, SiteLink};
use crate::rules::client::ClientId;
use crate::rules::id::OrgId;

pub async fn show(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let browser = read_browser(&app, &request).await?;
    let handle = request_handle(&request)?.ok_or(PageError::NotPending)?;
    let pending = Pending::find(&app, &browser, &handle).await?;
    match pending.next(&app, &browser).await? {
        Next::ChooseOrganization(orgs) => {
            let page = ChooseOrganizationPage { request: handle, csrf: browser.csrf(), app: pending.app_name(), orgs };
            Ok(browser.bound(page.render(pending.language(&browser))))
        }
        next => continue_flow(&app, &browser, &pending, next).await,
    }
}

pub async fn choose(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let (browser, form) = read_form(&app, request).await?;
    let handle = form.get("request").ok_or(PageError::NotPending)?;
    let mut pending = Pending::find(&app, &browser, handle).await?;
    let chosen = form.get("org").and_then(|text| ClientId::parse(text).ok()).map(|id| OrgId(id.uuid()));
    if let (Next::ChooseOrganization(orgs), Some(chosen)) = (pending.next(&app, &browser).await?, chosen)
        && orgs.iter().any(|(id, _)| *id == chosen)
    {
        requests::choose_org(&app.context.db, pending.digest(), browser.binding_digest(), chosen).await?;
        pending.stored.org_id = Some(chosen);
    }
    let next = pending.next(&app, &browser).await?;
    continue_flow(&app, &browser, &pending, next).await
}

/// Links to the same request at each site. This site continues the pending request. Every other
/// site starts a new one, because it has its own clients and users.
pub async fn choose_site(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let browser = read_browser(&app, &request).await?;
    let handle = request_handle(&request)?.ok_or(PageError::NotPending)?;
    let pending = Pending::find(&app, &browser, &handle).await?;
    if app.other_sites().next().is_none() {
        let next = pending.next(&app, &browser).await?;
        return continue_flow(&app, &browser, &pending, next).await;
    }
    let here = format!("{}/login?request={handle}", app.config.http.public_url);
    let here = SiteLink { host: app.host().to_owned(), url: here, is_here: true };
    let others = app.other_sites().map(|host| SiteLink {
        host: host.to_owned(),
        url: format!("https://{host}/oauth2/v1/authorize?{}", pending.as_query(host)),
        is_here: false,
    });
    let page = ChooseSitePage { sites: std::iter::once(here).chain(others).collect(), app: pending.app_name() };
    Ok(browser.bound(page.render(pending.language(&browser))))
}
