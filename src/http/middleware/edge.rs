//! The outermost middleware: request id, client address, limits, time limit, headers, tracing span
//! and metrics of every request.

use std::net::{Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;
use tracing::Instrument as _;

use crate::app::App;
use crate::http::error::{ApiError, Source, page_response, shaped_for};
use crate::http::headers::accept::{preferred_language, wants_a_page};
use crate::http::headers::credentials::presents_credentials;
use crate::http::middleware::audience::Audience;
use crate::http::middleware::body::BodyBounds;
use crate::http::middleware::client_ip::{Peer, client_address};
use crate::http::middleware::cors;
use crate::http::middleware::origin::Origin;
use crate::http::middleware::policy::{Cors, Limit, Policy};
use crate::http::middleware::unread::UnreadBody;
use crate::limits::intake::{Arrival, Precedence, Slot};
use crate::limits::rate_limit::{Class, Counted};
use crate::telemetry::current_request::{CurrentRequest, SpanName};

/// Marks a request with credentials of the management API. It counts against the limit of its
/// source only if the credentials turn out to be wrong.
#[derive(Clone, Default)]
pub struct DeferredCount {
    is_settled: Arc<AtomicBool>,
}

impl DeferredCount {
    fn of(request: &Request, limit: Limit) -> Option<Self> {
        let is_deferred = limit == Limit::Caller && presents_credentials(request.headers());
        is_deferred.then(Self::default)
    }

    /// Called when the credentials are valid, so that the request counts as a call of their owner.
    pub fn settle(&self) {
        self.is_settled.store(true, Ordering::Relaxed);
    }
}

/// The middleware around one route, or around all unknown paths.
#[derive(Clone)]
pub struct Edge {
    app: Arc<App>,
    /// The label of the route in metrics and logs. Unknown paths share one, so that the number of
    /// labels is bounded.
    label: &'static str,
    /// `None` for unknown paths, whose policy depends on the path.
    policy: Option<Policy>,
}

impl Edge {
    pub fn of_route(app: &Arc<App>, path: &'static str, policy: Policy) -> Self {
        Self { app: Arc::clone(app), label: path, policy: Some(policy) }
    }

    pub fn of_unknown_paths(app: &Arc<App>) -> Self {
        Self { app: Arc::clone(app), label: "unknown", policy: None }
    }
}

/// The number of headers that every response may get here.
const ADDED_HEADERS: usize = 8;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub async fn edge(State(edge): State<Edge>, request: Request, next: Next) -> Response {
    let origin = origin(&edge.app, &request);
    let current = CurrentRequest {
        id: origin.request_id,
        method: method_label(request.method()),
        route: edge.label,
        address: origin.address,
        name: SpanName::Request,
    };
    let span = current.span();
    // The state of a request is large. In a box it is not copied each time it is wrapped.
    current.scope(Box::pin(respond(edge, origin, request, next))).instrument(span).await
}

async fn respond(edge: Edge, origin: Origin, mut request: Request, next: Next) -> Response {
    let Edge { app, label: route, policy } = edge;
    let policy = policy.unwrap_or_else(|| Policy::of_unknown(request.uri().path()));
    let started = app.context.clock.elapsed();
    let method = method_label(request.method());
    request.extensions_mut().insert(origin);
    let unread = UnreadBody::lend(&mut request);

    let mut response = guarded(&app, policy, request, next, &origin).await;

    add_headers(&app, policy, response.headers_mut(), &origin);
    let took = app.context.clock.elapsed().saturating_sub(started);
    let status = response.status().as_u16();
    app.metrics.request(route, method, status, took);
    if let Some(class) = response.extensions().get::<Class>() {
        app.metrics.refused(class.name());
    }
    tracing::debug!(status, took_us = took.as_micros() as u64, "answered");
    if let Some(unread) = unread
        && !unread.drain(BodyBounds::of(&app.config).after(took)).await
    {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Runs the checks before the route, then the route with a time limit.
async fn guarded(
    app: &App,
    policy: Policy,
    mut request: Request,
    next: Next,
    origin: &Origin,
) -> Response {
    let is_page =
        policy.audience == Audience::Page && wants_a_page(request.method(), request.headers());
    let as_page = is_page.then(|| preferred_language(request.headers()));
    let refuse = |error: ApiError| match as_page {
        Some(language) => page_response(&error.into(), true, language, Some(origin)),
        None => error.response_for(policy.audience),
    };
    let deferred = DeferredCount::of(&request, policy.limit);
    let is_counted = deferred.is_none() && policy.limit != Limit::Handler;
    if let Err(refused) = check(app, &request, origin, is_counted) {
        return refuse(refused);
    }
    if let Some(deferred) = deferred.clone() {
        request.extensions_mut().insert(deferred);
    }
    if policy.cors == Cors::AnyOrigin && cors::is_preflight(request.method(), request.headers()) {
        return cors::preflight();
    }
    let Some(slot) = slot(app, policy.limit) else { return refuse(ApiError::Busy) };
    let (_owned, _shared) = match request.body().is_end_stream() {
        true => (Some(slot), None),
        false => (None, Some(attach_slot(app, slot, &mut request, origin))),
    };
    let response = AssertUnwindSafe(next.run(request)).catch_unwind();
    let response = match tokio::time::timeout(app.config.http.request_timeout, response).await {
        Ok(Ok(response)) => shaped_for(policy.audience, response),
        // A bug becomes a 500 and the connection stays open. The panic hook has logged the
        // location.
        Ok(Err(_)) => refuse(ApiError::Panicked),
        Err(_) => refuse(ApiError::TookTooLong),
    };
    match deferred {
        Some(deferred) if !deferred.is_settled.load(Ordering::Relaxed) => {
            count(app, origin).map_or_else(refuse, |()| response)
        }
        _ => response,
    }
}

fn slot(app: &App, limit: Limit) -> Option<Slot> {
    app.intake.enter(if limit.has_reserved_capacity() {
        Precedence::Reserved
    } else {
        Precedence::Normal
    })
}

/// Shares the slot with the function that reads the body, which releases it while the body arrives.
fn attach_slot(app: &App, slot: Slot, request: &mut Request, origin: &Origin) -> Arc<Slot> {
    let slot = Arc::new(slot);
    let arrival = Arrival {
        intake: Arc::clone(&app.intake),
        slot: Arc::clone(&slot),
        network: origin.address.into(),
    };
    request.extensions_mut().insert(arrival);
    slot
}

fn check(app: &App, request: &Request, origin: &Origin, is_counted: bool) -> Result<(), ApiError> {
    let hosts = request.headers().get_all(HOST).iter().count();
    // RFC 9112 section 3.2: exactly one, or a proxy and this server may route the request
    // differently.
    if request.version() == Version::HTTP_11 && hosts != 1 {
        let detail = "an HTTP/1.1 request must have exactly one Host header".to_owned();
        return Err(ApiError::BadRequest { detail, source: Source::Header("Host") });
    }
    if is_counted {
        count(app, origin)?;
    }
    if app.is_starting() { Err(ApiError::Starting) } else { Ok(()) }
}

fn count(app: &App, origin: &Origin) -> Result<(), ApiError> {
    app.limits
        .take(Class::Requests, Counted::Network(origin.address.into()))
        .map_err(ApiError::RateLimited)
}

fn origin(app: &App, request: &Request) -> Origin {
    let unknown = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let Peer(peer) = request.extensions().get::<Peer>().copied().unwrap_or(Peer(unknown));
    let address = client_address(peer.ip(), request.headers(), &app.config.http.trusted_proxies);
    Origin { request_id: app.request_ids.next(), address }
}

/// Maps unknown methods to one label, so that the number of labels is bounded.
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

fn add_headers(app: &App, policy: Policy, headers: &mut HeaderMap, origin: &Origin) {
    // At once, since a map that grows step by step is copied at each step.
    headers.reserve(ADDED_HEADERS);
    if let Ok(id) = HeaderValue::from_str(origin.request_id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(nothing);
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if app.config.http.public_url.starts_with("https://") {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if policy.cors == Cors::AnyOrigin {
        cors::allow_any_origin(headers);
    }
}
