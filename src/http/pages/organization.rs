//! `GET` and `POST /organization`, for which of their organisations somebody acts; `GET /choose-site`, where the service
//! has several sites and theirs is not known.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use crate::app::App;
use crate::db::authorizations::requests;
use crate::http::error::PageError;
use crate::http::oauth::authorize::go_on;
use crate::http::oauth::pending::{Next, Pending};
use crate::http::pages::{form, handle, visitor};
use crate::http::views::{ChooseOrganisationPage, ChooseSitePage, SiteShown};
use crate::rules::client::ClientId;
use crate::rules::id::OrgId;

pub async fn show(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let browser = visitor(&app, &request).await?;
    let handle = handle(&request)?.ok_or(PageError::NotPending)?;
    let pending = Pending::find(&app, &browser, &handle).await?;
    match pending.next(&app, &browser).await? {
        Next::ChooseOrganization(orgs) => {
            let page = ChooseOrganisationPage { request: handle, csrf: browser.csrf(), app: pending.app_name(), orgs };
            Ok(browser.bound(page.render(pending.language(&browser))))
        }
        next => go_on(&app, &browser, &pending, next).await,
    }
}

pub async fn choose(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let (browser, form) = form(&app, request).await?;
    let handle = form.get("request").ok_or(PageError::NotPending)?;
    let mut pending = Pending::find(&app, &browser, handle).await?;
    let chosen = form.get("org").and_then(|text| ClientId::parse(text).ok()).map(|id| OrgId(id.uuid()));
    if let (Next::ChooseOrganization(orgs), Some(chosen)) = (pending.next(&app, &browser).await?, chosen)
        && orgs.iter().any(|(id, _)| *id == chosen)
    {
        let (digest, binding) = (pending.digest(), browser.binding_digest());
        requests::choose_org(&app.context.db, digest, binding, chosen).await?;
        pending.stored.org_id = Some(chosen);
    }
    let next = pending.next(&app, &browser).await?;
    go_on(&app, &browser, &pending, next).await
}

/// The same request at each site, if there are several: this one goes on, the others begin anew, each with its own clients and users.
pub async fn choose_site(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let browser = visitor(&app, &request).await?;
    let handle = handle(&request)?.ok_or(PageError::NotPending)?;
    let pending = Pending::find(&app, &browser, &handle).await?;
    if app.other_sites().next().is_none() {
        let next = pending.next(&app, &browser).await?;
        return go_on(&app, &browser, &pending, next).await;
    }
    let here = format!("{}/login?request={handle}", app.config.http.public_url);
    let here = SiteShown { host: app.host().to_owned(), url: here, is_here: true };
    let others = app.other_sites().map(|host| SiteShown {
        host: host.to_owned(),
        url: format!("https://{host}/oauth2/v1/authorize?{}", pending.as_query(host)),
        is_here: false,
    });
    let page = ChooseSitePage { sites: std::iter::once(here).chain(others).collect(), app: pending.app_name() };
    Ok(browser.bound(page.render(pending.language(&browser))))
}
