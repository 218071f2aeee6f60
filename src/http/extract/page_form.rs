//! What a browser sends to a page: a form, or the handle of a pending request.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;

use crate::app::App;
use crate::http::error::PageError;
use crate::http::extract::browser::Browser;
use crate::http::middleware::body;
use crate::http::middleware::body::BodyBounds;
use crate::rules::syntax::parameters::Parameters;

/// A form that was sent from a page of this server in the same browser.
pub struct PageForm {
    pub browser: Browser,
    pub form: Parameters,
}

impl FromRequest<Arc<App>> for PageForm {
    type Rejection = PageError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let browser = Browser::from_request_parts(&mut parts, app).await?;
        let headers = parts.headers.clone();
        let bytes = body::read(
            Request::from_parts(parts, body),
            &[body::FORM],
            BodyBounds::of(&app.config),
        )
        .await?;
        let form = Parameters::from_form(&bytes)?;
        browser.check_form(app, &headers, &form)?;
        Ok(Self { browser, form })
    }
}

/// The parameters of the query of a page.
pub struct PageQuery(pub Parameters);

impl<S: Sync> FromRequestParts<S> for PageQuery {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, PageError> {
        Ok(Self(Parameters::from_query(parts.uri.query().unwrap_or_default())?))
    }
}

/// The handle of a pending request, from the parameter `request` of the query.
pub struct RequestHandle(pub Option<String>);

impl<S: Sync> FromRequestParts<S> for RequestHandle {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, PageError> {
        let parameters = Parameters::from_query(parts.uri.query().unwrap_or_default())?;
        Ok(Self(parameters.get("request").map(str::to_owned)))
    }
}
