//! The guarded HTTP client, the only one of the program: for client metadata documents, for
//! webhooks, and for commands that check servers.
//!
//! Others choose the URLs of its requests, so it connects only to the public internet. A name is
//! resolved once, all its addresses are checked, and the connection is made to a checked address.
//! So an attacker cannot return one address for the check and another for the connection.
//! Everything that is waited for or read has a limit.
//!
//! The client does not follow redirects, keep cookies, decompress, read a proxy from the
//! environment, or retry. Only webhooks keep connections open, for a limited time; each goes to the
//! address that was checked when it was made. [`Outgoing::for_operator`] can connect to any
//! address, since the operator of the server chooses the URL.

mod error;
mod per_key_limit;
mod resolver;
mod target;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ipnet::IpNet;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Proxy, redirect, retry};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

pub use crate::outgoing::error::OutgoingError;
pub use crate::outgoing::per_key_limit::{PerKeyLimit, PerKeyPermit};

use crate::outgoing::resolver::{CheckedResolver, PlainResolver};
use crate::outgoing::target::Target;
use crate::rules::secret::Secret;
use crate::rules::syntax::address::AddressRules;

/// The settings for requests of the server.
#[derive(Clone, Debug, Default)]
pub struct OutgoingRules {
    pub allow_networks: Vec<IpNet>,
    pub allow_loopback: bool,
    /// All requests go through this proxy. It resolves the names, so it must refuse private
    /// addresses.
    pub proxy: Option<Secret>,
}

/// The limit of bytes that are read of a response, and the time limit from the beginning of a
/// request to the last byte of the response.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub bytes: usize,
    pub time: Duration,
}

/// The limits of concurrent requests for webhooks.
#[derive(Clone, Copy, Debug)]
pub struct WebhookBounds {
    pub at_once: usize,
    /// The limit for one host and port, which is also the number of connections that are kept open.
    pub at_once_per_host: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Options,
}

/// An HTTP request. It has no `Debug`, since headers and bodies hold secrets.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub method: Method,
    pub url: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a str,
}

#[derive(Clone)]
pub struct Fetched {
    /// The host that responded, as errors name it.
    pub host: String,
    pub status: u16,
    pub body: Bytes,
    headers: HeaderMap,
}

/// Where requests may go.
#[derive(Clone)]
enum Reach {
    /// Only to addresses that these rules allow.
    Guarded(Arc<AddressRules>),
    /// Anywhere, also over http.
    Anywhere,
}

/// Cheap to clone; all clones share the bounds.
#[derive(Clone)]
pub struct Outgoing(Arc<Inner>);

struct Inner {
    reach: Reach,
    proxy: Option<Secret>,
    /// Built on first use: this reads the certificates of the system, and a system without
    /// certificates must not prevent the server from starting.
    client: OnceCell<Client>,
    at_once: Semaphore,
    per_destination: PerKeyLimit,
    /// The limit of idle connections to each host and port. `None`: no connections are kept, and
    /// requests are counted by host.
    max_idle: Option<usize>,
    /// The time limit for the name lookup, the connection and the first byte of the response
    /// together.
    first_byte_timeout: Option<Duration>,
}

#[expect(clippy::disallowed_types, reason = "this is the one place that may have a client")]
type Client = reqwest::Client;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The limit for documents, since any client can make the server fetch a document from any host.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(2);
/// The limits of requests that are not for webhooks. The limit per host is low, so that a
/// deliberately slow host cannot take all places.
const DEFAULT_BOUNDS: WebhookBounds = WebhookBounds { at_once: 32, at_once_per_host: 2 };
/// How long a request waits for a place before it fails.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Idle connections are closed after this time, so that names are soon resolved and checked again.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const USER_AGENT: &str = concat!("grantor/", env!("CARGO_PKG_VERSION"));

impl Outgoing {
    pub fn new(rules: OutgoingRules) -> Self {
        let (reach, proxy) = guarded(rules);
        Self::of(reach, proxy, DEFAULT_BOUNDS, None, Some(FIRST_BYTE_TIMEOUT))
    }

    /// A client for webhooks, and for the access tokens of their receivers.
    pub fn for_webhooks(rules: OutgoingRules, bounds: WebhookBounds) -> Self {
        let (reach, proxy) = guarded(rules);
        Self::of(reach, proxy, bounds, Some(bounds.at_once_per_host), None)
    }

    /// A client for commands that an operator runs with a URL of their own choice. It must never be
    /// used for a URL that someone else sent.
    pub fn for_operator() -> Self {
        Self::of(Reach::Anywhere, None, DEFAULT_BOUNDS, None, None)
    }

    fn of(
        reach: Reach,
        proxy: Option<Secret>,
        bounds: WebhookBounds,
        max_idle: Option<usize>,
        first_byte_timeout: Option<Duration>,
    ) -> Self {
        Self(Arc::new(Inner {
            reach,
            proxy,
            client: OnceCell::new(),
            at_once: Semaphore::new(bounds.at_once),
            per_destination: PerKeyLimit::new(bounds.at_once_per_host),
            max_idle,
            first_byte_timeout,
        }))
    }

    /// Sends a GET request. Any status is a success, except for a redirect.
    pub async fn get(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        bounds: Bounds,
    ) -> Result<Fetched, OutgoingError> {
        let fetched =
            self.send(Request { method: Method::Get, url, headers, body: "" }, bounds).await?;
        if fetched.is_redirect() {
            return Err(OutgoingError::Redirected { host: fetched.host });
        }
        Ok(fetched)
    }

    /// Sends a request. Any status is a success, including a redirect.
    pub async fn send(
        &self,
        request: Request<'_>,
        bounds: Bounds,
    ) -> Result<Fetched, OutgoingError> {
        let target = self.0.target(request.url)?;
        let sent = timeout(bounds.time, self.0.send(&target, request, bounds.bytes)).await;
        sent.unwrap_or_else(|_| Err(timed_out(&target)))
    }
}

impl Inner {
    fn target(&self, url: &str) -> Result<Target, OutgoingError> {
        let rules = match &self.reach {
            Reach::Anywhere => return Target::parse_any(url),
            Reach::Guarded(rules) => rules,
        };
        let target = Target::parse(url, rules)?;
        if self.proxy.is_some() {
            target.check_name(rules)?;
        }
        Ok(target)
    }

    async fn send(
        &self,
        target: &Target,
        request: Request<'_>,
        max_bytes: usize,
    ) -> Result<Fetched, OutgoingError> {
        let busy = || OutgoingError::Busy { host: target.host.clone() };
        let permit = self.per_destination.take(&self.destination(target), MAX_WAIT).await;
        let _permit = permit.ok_or_else(busy)?;
        let place = timeout(MAX_WAIT, self.at_once.acquire()).await;
        let _place = place.ok().and_then(Result::ok).ok_or_else(busy)?;
        let client = self.client.get_or_try_init(|| self.build_client()).await?;
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Options => reqwest::Method::OPTIONS,
        };
        let headers = header_map(request.headers)?;
        let mut builder = client.request(method, target.url.clone()).headers(headers);
        if request.method == Method::Post {
            builder = builder.body(request.body.to_owned());
        }
        let response =
            async { builder.send().await.map_err(|error| OutgoingError::of(&target.host, error)) };
        let response = match self.first_byte_timeout {
            None => response.await,
            Some(limit) => {
                timeout(limit, response).await.unwrap_or_else(|_| Err(timed_out(target)))
            }
        }?;
        read(response, &target.host, max_bytes).await
    }

    /// The key by which concurrent requests are limited.
    fn destination(&self, target: &Target) -> String {
        match self.max_idle {
            None => target.host.clone(),
            Some(_) => format!(
                "{} {}",
                target.host,
                target.url.port_or_known_default().unwrap_or_default()
            ),
        }
    }

    #[expect(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        reason = "this is the one place that makes a client"
    )]
    async fn build_client(&self) -> Result<Client, OutgoingError> {
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .pool_max_idle_per_host(self.max_idle.unwrap_or_default())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT);
        let builder = match &self.proxy {
            None => match &self.reach {
                Reach::Guarded(rules) => {
                    builder.dns_resolver(CheckedResolver::new(Arc::clone(rules)))
                }
                Reach::Anywhere => builder.dns_resolver(PlainResolver),
            },
            Some(url) => builder
                .proxy(Proxy::all(url.expose()).map_err(no_client)?)
                .dns_resolver(PlainResolver),
        };
        // Reading the certificates blocks.
        let built = tokio::task::spawn_blocking(move || builder.build()).await;
        built.map_err(no_client)?.map_err(no_client)
    }
}

fn timed_out(target: &Target) -> OutgoingError {
    OutgoingError::TimedOut { host: target.host.clone() }
}

const NOT_MODIFIED: u16 = 304;
/// Longer header names are cut off in error messages.
const MAX_NAME_LENGTH: usize = 100;

fn guarded(rules: OutgoingRules) -> (Reach, Option<Secret>) {
    let OutgoingRules { allow_networks, allow_loopback, proxy } = rules;
    (Reach::Guarded(Arc::new(AddressRules { allow_networks, allow_loopback })), proxy)
}

fn no_client(cause: impl std::error::Error + 'static) -> OutgoingError {
    OutgoingError::NoClient { cause: error::deepest(&cause) }
}

/// Marks the values as sensitive, so that the HTTP library does not log them.
fn header_map(headers: &[(&str, &str)]) -> Result<HeaderMap, OutgoingError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let bad =
            || OutgoingError::BadHeader { name: name.chars().take(MAX_NAME_LENGTH).collect() };
        let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
        value.set_sensitive(true);
        map.append(HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?, value);
    }
    Ok(map)
}

/// Reads the body to its end or to the limit. The announced length is not trusted, but a response
/// that announces too much is refused at once.
async fn read(
    mut response: reqwest::Response,
    host: &str,
    max_bytes: usize,
) -> Result<Fetched, OutgoingError> {
    let status = response.status().as_u16();
    let too_large = || OutgoingError::TooLarge { host: host.to_owned(), status, max_bytes };
    if response.content_length().is_some_and(|announced| announced > max_bytes as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| OutgoingError::of(host, error))?
    {
        if body.len() + chunk.len() > max_bytes {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    let headers = std::mem::take(response.headers_mut());
    Ok(Fetched { host: host.to_owned(), status, body: body.freeze(), headers })
}

impl Fetched {
    fn is_redirect(&self) -> bool {
        (300..400).contains(&self.status) && self.status != NOT_MODIFIED
    }

    /// Returns each line of a header whose values cannot be combined, such as `set-cookie`.
    pub fn header_lines(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// Returns the value of a header. Several lines are combined into one list (RFC 9110 section
    /// 5.3).
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self.header_lines(name).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

/// Omits the body and the headers, which may hold secrets.
impl fmt::Debug for Fetched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Fetched");
        fields
            .field("host", &self.host)
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
