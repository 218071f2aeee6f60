//! Errors of the pages: browsers get a page with a reference code. Other clients on the same paths
//! get the same text as `{"errors": ["text"]}`.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::actions::authorize::approve::ApproveError;
use crate::actions::authorize::offer_scopes::OfferError;
use crate::actions::authorize::pending::PendingError;
use crate::actions::clients::find::FindClientError;
use crate::actions::grants::revoke_grant::RevokeGrantError;
use crate::db::engine::error::DbError;
use crate::http::error::{
    JSON, METHOD, NOTHING_HERE, OVERLOADED, TOO_MANY, add_retry_after, log_database, of_database,
};
use crate::http::headers::accept::{preferred_language, wants_a_page};
use crate::http::middleware::body::BodyError;
use crate::http::middleware::origin::Origin;
use crate::http::views::{Problem, ProblemPage};
use crate::limits::rate_limit::TooManyRequests;
use crate::passwords::Busy;
use crate::rules::authorization::language::Language;
use crate::rules::authorization::refused_request::RefusedRequest;
use crate::rules::syntax::parameters::ParametersError;

/// The middleware [`render_page_errors`] takes errors out of the response, so they can be cloned.
#[derive(Clone, Debug)]
pub enum PageError {
    /// RFC 6749 section 4.1.2.1: this error and the next are never sent to a redirect URI. The
    /// texts are those of the compatible API.
    UnknownClient(Box<RefusedRequest>),
    MismatchingRedirect(Box<RefusedRequest>),
    Unreadable(String),
    /// The reason why the document of the client cannot be used.
    Document(String),
    NotPending,
    Forged,
    NoOrganization,
    NotFound,
    Method,
    Body(BodyError),
    TooMany(TooManyRequests),
    TooManyWaiting(TooManyRequests),
    Busy,
    Db(Arc<DbError>),
    /// Holds the text that API clients get.
    Unavailable(String),
    Internal,
}

impl From<DbError> for PageError {
    fn from(cause: DbError) -> Self {
        Self::Db(Arc::new(cause))
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

/// What the response contains.
struct Answer<'a> {
    status: StatusCode,
    problem: Problem,
    /// For clients that are not browsers.
    text: Cow<'a, str>,
    /// Whether the page shows the text too, so that people can search for it.
    shows_text: bool,
}

impl<'a> Answer<'a> {
    fn new(status: StatusCode, problem: Problem, text: impl Into<Cow<'a, str>>) -> Self {
        Self { status, problem, text: text.into(), shows_text: false }
    }

    fn showing_text(self) -> Self {
        Self { shows_text: true, ..self }
    }
}

impl PageError {
    fn response(&self) -> Answer<'_> {
        const BAD_REQUEST: StatusCode = StatusCode::BAD_REQUEST;
        match self {
            Self::UnknownClient(_) => {
                Answer::new(BAD_REQUEST, Problem::UnknownClient, UNKNOWN_CLIENT).showing_text()
            }
            Self::MismatchingRedirect(_) => {
                Answer::new(BAD_REQUEST, Problem::MismatchingRedirect, MISMATCHING_REDIRECT)
                    .showing_text()
            }
            Self::Unreadable(detail) => {
                let text = format!("invalid_request - {detail}");
                Answer::new(BAD_REQUEST, Problem::BadRequest(detail.clone()), text).showing_text()
            }
            Self::Document(reason) => {
                let text = format!(
                    "invalid_request - The document of this client cannot be used: {reason}"
                );
                Answer::new(BAD_REQUEST, Problem::DocumentUnusable(reason.clone()), text)
                    .showing_text()
            }
            Self::NotPending => Answer::new(BAD_REQUEST, Problem::RequestExpired, NOT_PENDING),
            Self::Forged => Answer::new(StatusCode::FORBIDDEN, Problem::Forbidden, FORGED),
            Self::NoOrganization => {
                Answer::new(StatusCode::FORBIDDEN, Problem::NoOrganization, NO_ORGANIZATION)
            }
            Self::NotFound => Answer::new(StatusCode::NOT_FOUND, Problem::NotFound, NOTHING_HERE),
            Self::Method => Answer::new(StatusCode::METHOD_NOT_ALLOWED, Problem::NotFound, METHOD),
            Self::Body(error) => Answer::new(
                error.status(),
                Problem::BadRequest(error.to_string()),
                error.to_string(),
            ),
            Self::TooMany(_) => {
                Answer::new(StatusCode::TOO_MANY_REQUESTS, Problem::TooMany, TOO_MANY)
            }
            Self::TooManyWaiting(_) => Answer::new(
                StatusCode::TOO_MANY_REQUESTS,
                Problem::TooManyWaiting,
                TOO_MANY_WAITING,
            ),
            Self::Busy => {
                Answer::new(StatusCode::SERVICE_UNAVAILABLE, Problem::Unavailable, OVERLOADED)
            }
            Self::Db(cause) => match of_database(cause) {
                (StatusCode::SERVICE_UNAVAILABLE, text) => unavailable(text),
                _ => internal(),
            },
            Self::Unavailable(text) => unavailable(text.as_str()),
            Self::Internal => internal(),
        }
    }

    fn facts(&self) -> Option<&RefusedRequest> {
        match self {
            Self::UnknownClient(facts) | Self::MismatchingRedirect(facts) => Some(facts),
            _ => None,
        }
    }
}

const UNKNOWN_CLIENT: &str = "invalid_request - Invalid client_id parameter value.";
const MISMATCHING_REDIRECT: &str = "invalid_request - Mismatching redirect URI.";
const NOT_PENDING: &str =
    "the request was already answered, has expired, or was started in another browser";
const FORGED: &str = "the form did not come from a page of this server in this browser";
const NO_ORGANIZATION: &str =
    "this account does not belong to an organization that can be used here";
const TOO_MANY_WAITING: &str =
    "too many authorization requests are pending; retry after the time in Retry-After";

fn unavailable(text: &str) -> Answer<'_> {
    Answer::new(StatusCode::SERVICE_UNAVAILABLE, Problem::Unavailable, text).showing_text()
}

fn internal() -> Answer<'static> {
    Answer::new(StatusCode::INTERNAL_SERVER_ERROR, Problem::Unavailable, "internal server error")
}

/// An empty response with the error in its extensions. [`render_page_errors`] knows the request and
/// renders it.
impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = self.response().status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Middleware around every page that renders its errors as HTML or JSON, in the browser's language.
pub async fn render_page_errors(request: Request, next: Next) -> Response {
    let as_page = wants_a_page(request.method(), request.headers());
    let language = preferred_language(request.headers());
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
fn log(error: &PageError, answer: &Answer<'_>, reference: Option<&str>) {
    if let PageError::Db(cause) = error {
        log_database(answer.status, cause);
    }
    let text = &*answer.text;
    match error.facts() {
        Some(facts) => {
            tracing::info!(
                error = text,
                reference,
                client.id = facts.client_id,
                redirect_uri = facts.redirect_uri,
                registered = facts.registered.join(" "),
                more = facts.more,
                "a page request failed"
            )
        }
        None => tracing::info!(error = text, reference, "a page request failed"),
    }
}

pub fn page_response(
    error: &PageError,
    as_page: bool,
    language: Language,
    origin: Option<&Origin>,
) -> Response {
    let reference = origin.map(|origin| origin.request_id.as_str());
    let answer = error.response();
    log(error, &answer, reference);
    if let (PageError::TooMany(refusal) | PageError::TooManyWaiting(refusal), false) =
        (error, as_page)
    {
        return refusal.into_response();
    }
    let status = answer.status;
    let mut response = if as_page {
        let page = ProblemPage {
            status,
            problem: answer.problem,
            error_text: answer.shows_text.then(|| answer.text.into_owned()),
            reference: reference.map(str::to_owned),
            facts: error.facts().cloned(),
        };
        page.render(language)
    } else {
        let mut response = json!({"errors": [answer.text]}).to_string().into_response();
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        response
    };
    *response.status_mut() = status;
    if let PageError::TooMany(refusal) | PageError::TooManyWaiting(refusal) = error {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(refusal.reset));
        response.extensions_mut().insert(refusal.class);
    }
    add_retry_after(&mut response);
    response
}

impl From<PendingError> for PageError {
    fn from(error: PendingError) -> Self {
        match error {
            PendingError::NotPending => Self::NotPending,
            PendingError::UnknownClient(facts) => Self::UnknownClient(facts),
            PendingError::MismatchingRedirect(facts) => Self::MismatchingRedirect(facts),
            PendingError::Db(cause) => cause.into(),
        }
    }
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
            ApproveError::NotPending | ApproveError::NothingChosen | ApproveError::Changed => {
                Self::NotPending
            }
            ApproveError::Offer(error) => error.into(),
            ApproveError::Db(cause) => cause.into(),
        }
    }
}
