//! Handlers of the pages for people, one file per path: signing in and out, the steps of a pending
//! authorization request, and the account. The pages themselves are rendered in `views/`.

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

/// Reads the form of a page and checks that it comes from our own page in the same browser.
async fn read_form(app: &App, request: Request) -> Result<(Browser, Parameters), PageError> {
    let headers = request.headers().clone();
    let browser = read_browser(app, &request).await?;
    let bytes = body::read(request, &[body::FORM], app.body_bounds()).await?;
    let form = Parameters::from_form(&bytes)?;
    browser.check_form(app, &headers, &form)?;
    Ok((browser, form))
}

/// Not an `async fn`: the future may borrow only the headers, because a request body is not
/// `Sync`.
fn read_browser<'a>(app: &'a App, request: &'a Request) -> impl Future<Output = Result<Browser, PageError>> + use<'a> {
    Browser::of(app, request.headers(), request.extensions().get().cloned())
}

/// The handle of the pending request, from the `request` parameter in the query.
fn request_handle(request: &Request) -> Result<Option<String>, PageError> {
    let parameters = Parameters::from_query(request.uri().query().unwrap_or_default())?;
    Ok(parameters.get("request").map(str::to_owned))
}
