//! Errors of the pages: browsers get a page with a reference code. Other clients on the same paths
//! get the same text as `{"errors": ["text"]}`.

use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::actions::authorize::approve::ApproveError;
use crate::actions::authorize::offer_scopes::OfferError;
use crate::actions::clients::find::FindClientError;
use crate::actions::grants::end::RevokeGrantError;
use crate::db::engine::error::DbError;
use crate::http::error::{JSON, add_retry_after, log, public_text};
use crate::http::extract::browser::wants_a_page;
use crate::http::middleware::body::BodyError;
use crate::http::middleware::edge::Origin;
use crate::http::middleware::rate_limit::TooManyRequests;
use crate::http::views::{Language, Problem, ProblemPage};
use crate::passwords::Busy;
use crate::rules::authorization::refused_request::RefusedRequest;
use crate::rules::syntax::parameters::ParametersError;

#[derive(Clone, Debug, thiserror::Error)]
pub enum PageError {
    /// RFC 6749 section 4.1.2.1: this error and the next are never sent to a redirect URI. The
    /// texts are those of the compatible API.
    #[error("invalid_request - Invalid client_id parameter value.")]
    UnknownClient(Box<RefusedRequest>),
    #[error("invalid_request - Mismatching redirect URI.")]
    MismatchingRedirect(Box<RefusedRequest>),
    #[error("invalid_request - {0}")]
    Unreadable(String),
    #[error("invalid_request - The document of this client cannot be used: {0}")]
    Document(String),
    #[error("the request was already answered, has expired, or was started in another browser")]
    NotPending,
    #[error("the form did not come from a page of this server in this browser")]
    Forged,
    #[error("this account does not belong to an organization that can be used here")]
    NoOrganization,
    #[error("there is nothing at this path")]
    NotFound,
    #[error("this method is not allowed here: the Allow header lists the allowed methods")]
    Method,
    #[error(transparent)]
    Body(BodyError),
    #[error("too many requests")]
    TooMany(TooManyRequests),
    #[error("too many authorization requests are pending; retry after the time in Retry-After")]
    TooManyWaiting(TooManyRequests),
    #[error("the server is overloaded; retry in a second")]
    Busy,
    /// Holds the text that API clients get.
    #[error("{0}")]
    Unavailable(String),
    #[error("internal server error")]
    Internal,
}

impl From<DbError> for PageError {
    fn from(cause: DbError) -> Self {
        let transient = cause.is_transient();
        log(if transient { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR }, &cause);
        if transient { Self::Unavailable(public_text(&cause).to_owned()) } else { Self::Internal }
    }
}

impl From<Busy> for PageError {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl From<ParametersError> for PageError {
    fn from(error: ParametersError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<BodyError> for PageError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooManyPending | BodyError::Busy => Self::Busy,
            error => Self::Body(error),
        }
    }
}

impl From<FindClientError> for PageError {
    fn from(error: FindClientError) -> Self {
        match error {
            FindClientError::Unknown => Self::UnknownClient(Box::default()),
            FindClientError::Document(reason) => Self::Document(reason),
            FindClientError::Busy => Self::Busy,
            FindClientError::Db(cause) => cause.into(),
        }
    }
}

impl From<RevokeGrantError> for PageError {
    fn from(error: RevokeGrantError) -> Self {
        match error {
            RevokeGrantError::NoSuchGrant => Self::NotFound,
            RevokeGrantError::Db(cause) => cause.into(),
        }
    }
}

impl PageError {
    fn status(&self) -> StatusCode {
        match self {
            Self::UnknownClient(_)
            | Self::MismatchingRedirect(_)
            | Self::Unreadable(_)
            | Self::Document(_)
            | Self::NotPending => StatusCode::BAD_REQUEST,
            Self::Forged | Self::NoOrganization => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Body(error) => error.status(),
            Self::TooMany(_) | Self::TooManyWaiting(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn problem(&self) -> Problem {
        match self {
            Self::UnknownClient(_) => Problem::UnknownClient,
            Self::MismatchingRedirect(_) => Problem::MismatchingRedirect,
            Self::Unreadable(detail) => Problem::BadRequest(detail.clone()),
            Self::Document(reason) => Problem::DocumentUnusable(reason.clone()),
            Self::NotPending => Problem::RequestExpired,
            Self::Forged => Problem::Forbidden,
            Self::NoOrganization => Problem::NoOrganization,
            Self::Body(error) => Problem::BadRequest(error.to_string()),
            Self::NotFound | Self::Method => Problem::NotFound,
            Self::TooMany(_) => Problem::TooMany,
            Self::TooManyWaiting(_) => Problem::TooManyWaiting,
            Self::Busy | Self::Unavailable(_) | Self::Internal => Problem::Unavailable,
        }
    }

    fn facts(&self) -> Option<&RefusedRequest> {
        match self {
            Self::UnknownClient(facts) | Self::MismatchingRedirect(facts) => Some(facts),
            _ => None,
        }
    }

    /// The text that API clients get. The page shows it so that people can search for it.
    fn exact_words(&self) -> Option<String> {
        match self {
            Self::UnknownClient(_)
            | Self::MismatchingRedirect(_)
            | Self::Unreadable(_)
            | Self::Document(_)
            | Self::Unavailable(_) => Some(self.to_string()),
            _ => None,
        }
    }
}

/// An empty response with the error in its extensions. [`render_page_errors`] knows the request and
/// renders it.
impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Middleware around every page that renders its errors as HTML or JSON, in the browser's language.
pub async fn render_page_errors(request: Request, next: Next) -> Response {
    let as_page = wants_a_page(request.method(), request.headers());
    let language = Language::of(request.headers());
    let origin = request.extensions().get::<Origin>().cloned();
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<PageError>() {
        Some(error) => {
            let mut rendered = page_response(&error, as_page, language, origin.as_ref());
            let allow = response.headers_mut().remove(ALLOW);
            rendered.headers_mut().extend(allow.map(|allow| (ALLOW, allow)));
            rendered
        }
        None => response,
    }
}

/// The facts about the refused request are already escaped and bounded.
fn log_page(error: &PageError, reference: Option<&str>) {
    match error.facts() {
        Some(facts) => {
            tracing::info!(%error, reference, client.id = facts.client_id, redirect_uri = facts.redirect_uri,
            registered = facts.registered.join(" "), more = facts.more, "a page request failed")
        }
        None => tracing::info!(%error, reference, "a page request failed"),
    }
}

pub fn page_response(error: &PageError, as_page: bool, language: Language, origin: Option<&Origin>) -> Response {
    let reference = origin.map(|origin| &*origin.request_id);
    log_page(error, reference);
    if let (PageError::TooMany(refusal) | PageError::TooManyWaiting(refusal), false) = (error, as_page) {
        return refusal.into_response();
    }
    let mut response = if as_page {
        let page = ProblemPage {
            status: error.status(),
            problem: error.problem(),
            exact_words: error.exact_words(),
            reference: reference.map(str::to_owned),
            facts: error.facts().cloned(),
        };
        page.render(language)
    } else {
        let mut response = json!({"errors": [error.to_string()]}).to_string().into_response();
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        response
    };
    *response.status_mut() = error.status();
    if let PageError::TooMany(refusal) | PageError::TooManyWaiting(refusal) = error {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(refusal.reset));
        response.extensions_mut().insert(refusal.class);
    }
    add_retry_after(&mut response);
    response
}

impl From<OfferError> for PageError {
    fn from(error: OfferError) -> Self {
        match error {
            OfferError::NotAMember => Self::NoOrganization,
            // The caller reports these to the client's redirect URI before it converts the rest.
            OfferError::Disabled | OfferError::Refused(_) => Self::NotPending,
            OfferError::Db(cause) => cause.into(),
        }
    }
}

impl From<ApproveError> for PageError {
    fn from(error: ApproveError) -> Self {
        match error {
            ApproveError::NotPending | ApproveError::NothingChosen | ApproveError::Changed => Self::NotPending,
            ApproveError::Offer(error) => error.into(),
            ApproveError::Db(cause) => cause.into(),
        }
    }
}
