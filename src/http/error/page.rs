//! What a person is told at a browser: a page with a reference code. Clients that come to the same paths without a
//! browser are told the same words as `{"errors": ["text"]}`.

use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::actions::authorize::approve::ApproveError;
use crate::actions::authorize::offer_scopes::OfferError;
use crate::actions::clients::find::FindClientError;
use crate::actions::grants::end::EndGrantError;
use crate::db::engine::error::DbError;
use crate::http::error::{JSON, log, tell_when_to_come_back, told_of};
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
    /// RFC 6749 section 4.1.2.1: these two are never told to a redirect URI. The words are those of the compatible API.
    #[error("invalid_request - Invalid client_id parameter value.")]
    UnknownClient(Box<RefusedRequest>),
    #[error("invalid_request - Mismatching redirect URI.")]
    MismatchingRedirect(Box<RefusedRequest>),
    #[error("invalid_request - {0}")]
    Unreadable(String),
    #[error("invalid_request - The document of this client cannot be used: {0}")]
    Document(String),
    #[error("the request has been answered already, has waited for too long, or began in another browser")]
    NotPending,
    #[error("the form did not come from a page of this server in this browser")]
    Forged,
    #[error("this account belongs to no organization that could be used here")]
    NoOrganization,
    #[error("there is nothing at this path")]
    NotFound,
    #[error("this path does not take this method: the Allow header names those it takes")]
    Method,
    #[error(transparent)]
    Body(BodyError),
    #[error("too many requests")]
    TooMany(TooManyRequests),
    #[error("too many authorization requests wait for their user: try again when Retry-After says")]
    TooManyWaiting(TooManyRequests),
    #[error("the server has too much to do: try again in a second")]
    Busy,
    /// In the words that programs are told.
    #[error("{0}")]
    Unavailable(String),
    #[error("something went wrong inside the server")]
    Internal,
}

impl From<DbError> for PageError {
    fn from(cause: DbError) -> Self {
        let transient = cause.is_transient();
        log(if transient { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR }, &cause);
        if transient { Self::Unavailable(told_of(&cause).to_owned()) } else { Self::Internal }
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

impl From<EndGrantError> for PageError {
    fn from(error: EndGrantError) -> Self {
        match error {
            EndGrantError::NoSuchGrant => Self::NotFound,
            EndGrantError::Db(cause) => cause.into(),
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

    /// The words that programs are told, which people search for.
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

/// Told by [`in_their_language`], which knows the request.
impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut answer = self.status().into_response();
        answer.extensions_mut().insert(self);
        answer
    }
}

/// Around every page: tells its errors as the browser, or whatever else has come there, can read them.
pub async fn in_their_language(request: Request, next: Next) -> Response {
    let a_page = wants_a_page(request.method(), request.headers());
    let language = Language::of(request.headers());
    let origin = request.extensions().get::<Origin>().cloned();
    let mut answer = next.run(request).await;
    match answer.extensions_mut().remove::<PageError>() {
        Some(error) => {
            let mut told = told(&error, a_page, language, origin.as_ref());
            told.headers_mut().extend(answer.headers_mut().remove(ALLOW).map(|allow| (ALLOW, allow)));
            told
        }
        None => answer,
    }
}

/// With the facts, which are escaped and bounded.
fn log_page(error: &PageError, reference: Option<&str>) {
    match error.facts() {
        Some(facts) => {
            tracing::info!(%error, reference, client.id = facts.client_id, redirect_uri = facts.redirect_uri,
            registered = facts.registered.join(" "), more = facts.more, "a page could not be shown")
        }
        None => tracing::info!(%error, reference, "a page could not be shown"),
    }
}

pub fn told(error: &PageError, a_page: bool, language: Language, origin: Option<&Origin>) -> Response {
    let reference = origin.map(|origin| &*origin.request_id);
    log_page(error, reference);
    if let (PageError::TooMany(refusal) | PageError::TooManyWaiting(refusal), false) = (error, a_page) {
        return refusal.into_response();
    }
    let mut answer = if a_page {
        let page = ProblemPage {
            status: error.status(),
            problem: error.problem(),
            exact_words: error.exact_words(),
            reference: reference.map(str::to_owned),
            facts: error.facts().cloned(),
        };
        page.render(language)
    } else {
        let mut answer = json!({"errors": [error.to_string()]}).to_string().into_response();
        answer.headers_mut().insert(CONTENT_TYPE, JSON);
        answer
    };
    *answer.status_mut() = error.status();
    if let PageError::TooMany(refusal) | PageError::TooManyWaiting(refusal) = error {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(refusal.reset));
        answer.extensions_mut().insert(refusal.class);
    }
    tell_when_to_come_back(&mut answer);
    answer
}

impl From<OfferError> for PageError {
    fn from(error: OfferError) -> Self {
        match error {
            OfferError::NotAMember => Self::NoOrganization,
            // Told to the client's redirect URI by whoever asks; nothing else is left to say.
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
