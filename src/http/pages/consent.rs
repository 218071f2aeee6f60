//! `GET /consent`: shows the user what a client requests. The form posts the decision to
//! `POST /oauth2/v1/authorize`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use crate::app::App;
use crate::http::error::PageError;
use crate::http::oauth::authorize::continue_flow;
use crate::http::oauth::pending::{Next, Pending};
use crate::http::pages::consent_page::consent_page;
use crate::http::pages::{read_browser, request_handle};

pub async fn show(State(app): State<Arc<App>>, request: Request) -> Result<Response, PageError> {
    let browser = read_browser(&app, &request).await?;
    let handle = request_handle(&request)?.ok_or(PageError::NotPending)?;
    let pending = Pending::find(&app, &browser, &handle).await?;
    match pending.next(&app, &browser).await? {
        Next::Consent(org_id, offer) => consent_page(&app, &browser, &pending, (org_id, &offer), None).await,
        next => continue_flow(&app, &browser, &pending, next).await,
    }
}
