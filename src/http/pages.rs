//! What people see and do at a browser, by path: signing in and out, what a pending request asks of them, their account.
//! How the pages look is in `views/`.

pub mod consent_page;

pub mod account;
pub mod consent;
pub mod login;
pub mod organization;
pub mod password;

use axum::extract::Request;

use crate::app::App;
use crate::http::error::PageError;
use crate::http::extract::browser::Browser;
use crate::http::middleware::body;
use crate::rules::syntax::parameters::Parameters;

/// A form of ours, from a page of ours, in the browser that it was made for.
async fn form(app: &App, request: Request) -> Result<(Browser, Parameters), PageError> {
    let headers = request.headers().clone();
    let browser = visitor(app, &request).await?;
    let bytes = body::read(request, &[body::FORM], app.body_bounds()).await?;
    let form = Parameters::from_form(&bytes)?;
    browser.check_form(app, &headers, &form)?;
    Ok((browser, form))
}

/// Not itself async: what waits holds the headers only, since a body cannot be shared between threads.
fn visitor<'a>(app: &'a App, request: &'a Request) -> impl Future<Output = Result<Browser, PageError>> + use<'a> {
    Browser::of(app, request.headers(), request.extensions().get().cloned())
}

/// The handle of a pending request in the address of a page.
fn handle(request: &Request) -> Result<Option<String>, PageError> {
    let parameters = Parameters::from_query(request.uri().query().unwrap_or_default())?;
    Ok(parameters.get("request").map(str::to_owned))
}
