//! What every request passes, whatever it is for: a name, a source, limits, a time limit, headers, a span and a count.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;
use tracing::Instrument as _;

use crate::app::App;
use crate::http::error::{About, ApiError, page_told};
use crate::http::extract::browser::wants_a_page;
use crate::http::extract::presents_credentials;
use crate::http::middleware::audience::{
    Audience, has_a_reserve, is_counted_by_itself, is_of_operators, is_open_to_scripts,
};
use crate::http::middleware::client_ip::{Peer, client_address};
use crate::http::middleware::cors;
use crate::http::middleware::intake::{Arrival, Place, Precedence};
use crate::http::middleware::rate_limit::{Class, Counted};
use crate::http::middleware::unread::Unread;
use crate::http::routes::known_route;
use crate::http::views::Language;
use crate::telemetry::{RequestSource, of_request};

/// Which request this is and where it comes from, for whoever comes after.
#[derive(Clone, Debug)]
pub struct Origin {
    pub request_id: Arc<str>,
    pub address: IpAddr,
}

impl Origin {
    pub fn of(parts: &Parts) -> Option<Self> {
        parts.extensions.get::<Self>().cloned()
    }
}

/// A request with an operator's credentials. It counts as a request of its source only if these turn out to be wrong.
#[derive(Clone, Default)]
pub struct CountedLater {
    is_settled: Arc<AtomicBool>,
}

impl CountedLater {
    fn of(request: &Request) -> Option<Self> {
        let is_later = is_of_operators(request.uri().path()) && presents_credentials(request.headers());
        is_later.then(Self::default)
    }

    /// The credentials are right, so the request counts as a call of the operator.
    pub fn settle(&self) {
        self.is_settled.store(true, Ordering::Relaxed);
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub async fn edge(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = app.context.clock.elapsed();
    let origin = origin(&app, &request);
    let method = method_label(request.method());
    let route = known_route(request.extensions().get::<MatchedPath>().map(MatchedPath::as_str));
    let open_to_scripts = is_open_to_scripts(request.uri().path());
    let span = tracing::info_span!(
        "request",
        request.id = &*origin.request_id,
        method,
        route,
        address = %origin.address,
    );
    request.extensions_mut().insert(origin.clone());
    let unread = Unread::lend(&mut request);

    let source = RequestSource { route, network: origin.address.into() };
    let mut answer = of_request(source, guarded(&app, request, next, &origin)).instrument(span.clone()).await;

    add_headers(&app, answer.headers_mut(), &origin, open_to_scripts);
    let took = app.context.clock.elapsed().saturating_sub(started);
    let status = answer.status().as_u16();
    app.metrics.request(route, method, status, took);
    if let Some(class) = answer.extensions().get::<Class>() {
        app.metrics.refused(class.name());
    }
    span.in_scope(|| tracing::debug!(status, took_us = took.as_micros() as u64, "answered"));
    if let Some(unread) = unread
        && !unread.read(app.body_bounds().after(took)).await
    {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// The checks that come before any route, and the time limit around it.
async fn guarded(app: &App, mut request: Request, next: Next, origin: &Origin) -> Response {
    let path = request.uri().path();
    let audience = Audience::of(path);
    let language = Language::of(request.headers());
    let a_page = audience == Audience::Page && wants_a_page(request.method(), request.headers());
    let tell = |error: ApiError| match a_page {
        true => page_told(&error.into(), true, language, Some(origin)),
        false => error.told_to(audience),
    };
    let later = CountedLater::of(&request);
    if let Err(refused) = check(app, &request, origin, later.is_some()) {
        return tell(refused);
    }
    if let Some(later) = later.clone() {
        request.extensions_mut().insert(later);
    }
    if is_open_to_scripts(request.uri().path()) && cors::is_preflight(request.method(), request.headers()) {
        return cors::preflight();
    }
    let Some(place) = place(app, &request) else { return tell(ApiError::Busy) };
    let (_held, _lent) = match request.body().is_end_stream() {
        true => (Some(place), None),
        false => (None, Some(lend(app, place, &mut request, origin))),
    };
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let answer = match tokio::time::timeout(app.config.http.request_timeout, answer).await {
        Ok(Ok(answer)) => answer,
        // A defect: told as one, and the connection lives on. The hook has logged where it happened.
        Ok(Err(_)) => tell(ApiError::Panicked),
        Err(_) => tell(ApiError::TookTooLong),
    };
    match later {
        Some(later) if !later.is_settled.load(Ordering::Relaxed) => count(app, origin).map_or_else(tell, |()| answer),
        _ => answer,
    }
}

fn place(app: &App, request: &Request) -> Option<Place> {
    let reserved = has_a_reserve(request.uri().path());
    app.intake.enter(if reserved { Precedence::Reserved } else { Precedence::Normal })
}

/// Lends the place to the function that reads the body, which gives it up while the body arrives.
fn lend(app: &App, place: Place, request: &mut Request, origin: &Origin) -> Arc<Place> {
    let place = Arc::new(place);
    let arrival =
        Arrival { intake: Arc::clone(&app.intake), place: Arc::clone(&place), network: origin.address.into() };
    request.extensions_mut().insert(arrival);
    place
}

fn check(app: &App, request: &Request, origin: &Origin, is_counted_later: bool) -> Result<(), ApiError> {
    let hosts = request.headers().get_all(HOST).iter().count();
    // RFC 9112 section 3.2: exactly one, or a proxy and this server may disagree about whom the request is for.
    if request.version() == Version::HTTP_11 && hosts != 1 {
        let detail = "a request of HTTP/1.1 has exactly one Host header".to_owned();
        return Err(ApiError::BadRequest { detail, about: About::Header("Host") });
    }
    if !is_counted_later && !is_counted_by_itself(request.uri().path()) {
        count(app, origin)?;
    }
    if app.is_starting() { Err(ApiError::Starting) } else { Ok(()) }
}

fn count(app: &App, origin: &Origin) -> Result<(), ApiError> {
    app.limits.take(Class::Requests, Counted::Network(origin.address.into())).map_err(ApiError::RateLimited)
}

fn origin(app: &App, request: &Request) -> Origin {
    let unknown = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let Peer(peer) = request.extensions().get::<Peer>().copied().unwrap_or(Peer(unknown));
    let address = client_address(peer.ip(), request.headers(), &app.config.http.trusted_proxies);
    let request_id = app.request_ids.next().into();
    Origin { request_id, address }
}

/// A bounded set of labels, whatever is sent.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn add_headers(app: &App, headers: &mut HeaderMap, origin: &Origin, open_to_scripts: bool) {
    if let Ok(id) = HeaderValue::from_str(&origin.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if app.config.http.public_url.starts_with("https://") {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if open_to_scripts {
        cors::allow_any_origin(headers);
    }
}
