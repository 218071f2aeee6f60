//! The guarded HTTP client, the only one of the program: for documents of clients, for webhooks, and for the commands with
//! which the operator looks at servers.
//!
//! Somebody else says where its requests go, so it goes to the public internet only. A name is resolved once, every
//! address of it is checked, and the connection is made to an address that was checked: nobody can answer the check with
//! one address and the connection with another. Everything it waits for or reads has a bound. What it does not do: follow
//! redirects, keep cookies, decompress, take a proxy from the environment, or try again. Connections are kept for webhooks
//! only, for a while: each goes on to the address that was checked when it was made. Only where the operator says where a
//! request goes, [`Outgoing::for_operator`], may that be anywhere.

mod error;
mod resolver;
mod target;
mod turns;

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
pub use crate::outgoing::turns::{Turn, Turns};

use crate::outgoing::resolver::{CheckedResolver, PlainResolver};
use crate::outgoing::target::Target;
use crate::rules::syntax::address::AddressRules;
use crate::secret::Secret;

/// What the operator decides about requests of the server.
#[derive(Clone, Debug, Default)]
pub struct OutgoingRules {
    pub allow_networks: Vec<IpNet>,
    pub allow_loopback: bool,
    /// All requests go through it, and it resolves the names: then it has to refuse what is private.
    pub proxy: Option<Secret>,
}

/// How much of an answer is read, and how long a request may take from its beginning to its last byte.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub bytes: usize,
    pub time: Duration,
}

/// How many requests of webhooks are under way at the same time.
#[derive(Clone, Copy, Debug)]
pub struct WebhookBounds {
    pub at_once: usize,
    /// To one host and port. As many connections to it are kept.
    pub at_once_per_host: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Options,
}

/// A request with everything that is said in it. It has no `Debug`: headers and bodies hold secrets.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub method: Method,
    pub url: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a str,
}

#[derive(Clone)]
pub struct Fetched {
    /// Who answered, as errors name it.
    pub host: String,
    pub status: u16,
    pub body: Bytes,
    headers: HeaderMap,
}

/// Where requests may go.
#[derive(Clone)]
enum Reach {
    /// To what these rules let pass.
    Guarded(Arc<AddressRules>),
    /// Anywhere, by http as well.
    Anywhere,
}

/// Cheap to clone; all clones share the bounds.
#[derive(Clone)]
pub struct Outgoing(Arc<Inner>);

struct Inner {
    reach: Reach,
    proxy: Option<Secret>,
    /// Made when it is first needed: that reads the certificates of the system, and must not keep the server from
    /// starting where there are none.
    client: OnceCell<Client>,
    at_once: Semaphore,
    of_destination: Turns,
    /// To each host and port, when they are not in use. None: none are kept, and a destination is a host.
    kept: Option<usize>,
    /// For the name, the connection and the first byte of the answer together.
    first_byte_within: Option<Duration>,
}

#[expect(clippy::disallowed_types, reason = "this is the one place that may have a client")]
type Client = reqwest::Client;

const CONNECTS_WITHIN: Duration = Duration::from_secs(3);
/// For documents, which a stranger can make the server fetch from wherever they like.
const FIRST_BYTE_WITHIN: Duration = Duration::from_secs(2);
/// What is not for webhooks: few to a host, so that one that is slow on purpose does not take all places.
const OF_OTHERS: WebhookBounds = WebhookBounds { at_once: 32, at_once_per_host: 2 };
/// Beyond this it is better to say so than to queue.
const WAITS_WITHIN: Duration = Duration::from_secs(1);
/// A connection that nobody uses for so long is closed, so that names are looked up and checked again before long.
const KEPT_FOR: Duration = Duration::from_secs(60);
const USER_AGENT: &str = concat!("grantor/", env!("CARGO_PKG_VERSION"));

impl Outgoing {
    pub fn new(rules: OutgoingRules) -> Self {
        let (reach, proxy) = guarded(rules);
        Self::of(reach, proxy, OF_OTHERS, None, Some(FIRST_BYTE_WITHIN))
    }

    /// For webhooks, and for the access tokens of their receivers.
    pub fn for_webhooks(rules: OutgoingRules, bounds: WebhookBounds) -> Self {
        let (reach, proxy) = guarded(rules);
        Self::of(reach, proxy, bounds, Some(bounds.at_once_per_host), None)
    }

    /// For commands that an operator runs against a URL of their own choice: never for a URL that somebody else sent.
    pub fn for_operator() -> Self {
        Self::of(Reach::Anywhere, None, OF_OTHERS, None, None)
    }

    fn of(
        reach: Reach,
        proxy: Option<Secret>,
        bounds: WebhookBounds,
        kept: Option<usize>,
        first_byte_within: Option<Duration>,
    ) -> Self {
        Self(Arc::new(Inner {
            reach,
            proxy,
            client: OnceCell::new(),
            at_once: Semaphore::new(bounds.at_once),
            of_destination: Turns::new(bounds.at_once_per_host),
            kept,
            first_byte_within,
        }))
    }

    /// Whatever status was answered is a success, but for a redirect.
    pub async fn get(&self, url: &str, headers: &[(&str, &str)], bounds: Bounds) -> Result<Fetched, OutgoingError> {
        let fetched = self.send(Request { method: Method::Get, url, headers, body: "" }, bounds).await?;
        if fetched.is_redirect() {
            return Err(OutgoingError::Redirected { host: fetched.host });
        }
        Ok(fetched)
    }

    /// Whatever status was answered is a success, a redirect too.
    pub async fn send(&self, request: Request<'_>, bounds: Bounds) -> Result<Fetched, OutgoingError> {
        let target = self.0.target(request.url)?;
        let answered = timeout(bounds.time, self.0.send(&target, request, bounds.bytes)).await;
        answered.unwrap_or_else(|_| Err(timed_out(&target)))
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

    async fn send(&self, target: &Target, request: Request<'_>, most_bytes: usize) -> Result<Fetched, OutgoingError> {
        let busy = || OutgoingError::Busy { host: target.host.clone() };
        let _turn = self.of_destination.take(&self.destination(target), WAITS_WITHIN).await.ok_or_else(busy)?;
        let place = timeout(WAITS_WITHIN, self.at_once.acquire()).await;
        let _place = place.ok().and_then(Result::ok).ok_or_else(busy)?;
        let client = self.client.get_or_try_init(|| self.make_client()).await?;
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Options => reqwest::Method::OPTIONS,
        };
        let mut sent = client.request(method, target.url.clone()).headers(header_map(request.headers)?);
        if request.method == Method::Post {
            sent = sent.body(request.body.to_owned());
        }
        let answered = async { sent.send().await.map_err(|error| OutgoingError::of(&target.host, error)) };
        let response = match self.first_byte_within {
            None => answered.await,
            Some(within) => timeout(within, answered).await.unwrap_or_else(|_| Err(timed_out(target))),
        }?;
        read(response, &target.host, most_bytes).await
    }

    /// What requests are counted by.
    fn destination(&self, target: &Target) -> String {
        match self.kept {
            None => target.host.clone(),
            Some(_) => format!("{} {}", target.host, target.url.port_or_known_default().unwrap_or_default()),
        }
    }

    #[expect(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        reason = "this is the one place that makes a client"
    )]
    async fn make_client(&self) -> Result<Client, OutgoingError> {
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .pool_max_idle_per_host(self.kept.unwrap_or_default())
            .pool_idle_timeout(KEPT_FOR)
            .connect_timeout(CONNECTS_WITHIN);
        let builder = match &self.proxy {
            None => match &self.reach {
                Reach::Guarded(rules) => builder.dns_resolver(CheckedResolver::new(Arc::clone(rules))),
                Reach::Anywhere => builder.dns_resolver(PlainResolver),
            },
            Some(url) => builder.proxy(Proxy::all(url.expose()).map_err(no_client)?).dns_resolver(PlainResolver),
        };
        // Reading the certificates blocks.
        let made = tokio::task::spawn_blocking(move || builder.build()).await;
        made.map_err(no_client)?.map_err(no_client)
    }
}

fn timed_out(target: &Target) -> OutgoingError {
    OutgoingError::TimedOut { host: target.host.clone() }
}

const NOT_MODIFIED: u16 = 304;
/// Of a header, where it is told.
const LONGEST_NAME: usize = 100;

fn guarded(rules: OutgoingRules) -> (Reach, Option<Secret>) {
    let OutgoingRules { allow_networks, allow_loopback, proxy } = rules;
    (Reach::Guarded(Arc::new(AddressRules { allow_networks, allow_loopback })), proxy)
}

fn no_client(cause: impl std::error::Error + 'static) -> OutgoingError {
    OutgoingError::NoClient { cause: error::deepest(&cause) }
}

/// Their values are kept out of what the client's library logs.
fn header_map(headers: &[(&str, &str)]) -> Result<HeaderMap, OutgoingError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let bad = || OutgoingError::BadHeader { name: name.chars().take(LONGEST_NAME).collect() };
        let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
        value.set_sensitive(true);
        map.append(HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?, value);
    }
    Ok(map)
}

/// To the end, or to the first byte too much: what is announced is not believed, but refused at once where it is too much.
async fn read(mut response: reqwest::Response, host: &str, most: usize) -> Result<Fetched, OutgoingError> {
    let status = response.status().as_u16();
    let too_large = || OutgoingError::TooLarge { host: host.to_owned(), status, most };
    if response.content_length().is_some_and(|announced| announced > most as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| OutgoingError::of(host, error))? {
        if body.len() + chunk.len() > most {
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

    /// Each time that it stands there, such as `set-cookie`, of which no list can be made.
    pub fn header_lines(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// Where it stands several times, as the one list that this means (RFC 9110 section 5.3).
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self.header_lines(name).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

/// Without the body and the headers, which may hold a secret.
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
