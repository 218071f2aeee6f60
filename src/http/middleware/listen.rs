//! The accept loop.
//!
//! `axum::serve` sets no timer, so a client that sends its headers slowly, or nothing at all, keeps
//! its connection forever. Here every connection must send its first byte and then the headers of
//! each request in time, and must read its responses. The number of connections is limited in
//! total, which sources share fairly, and per source. On shutdown, open requests are finished
//! within a time limit.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use ipnet::IpNet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutWriter;
use tower::ServiceExt as _;

use crate::clock::Clock;
use crate::http::middleware::client_ip::Peer;
use crate::limits::fair_pool::{FairPool, PoolRules, Share};
use crate::rules::syntax::network::Network;
use crate::shutdown::Shutdown;

/// The limits on connections. For both numbers of connections, 0 means no limit.
#[derive(Clone, Debug)]
pub struct ConnectionBounds {
    pub first_byte: Duration,
    /// The time for the headers of a request to arrive, and for a client to read more of a
    /// response.
    pub headers: Duration,
    pub shutdown: Duration,
    pub connections: usize,
    pub connections_per_source: usize,
    /// The maximum size of the request line and headers together. A connection may use this much
    /// memory before its request is complete.
    pub header_bytes: usize,
    /// Trusted proxies, which are exempt from the limit per source.
    pub trusted: Vec<IpNet>,
}

const MAX_HEADERS: usize = 100;
/// A source may take at most one in this many of the free connections, so that a few dozen sources
/// cannot keep all others out.
const SOURCE_DIVISOR: usize = 32;
/// A source may always hold this many connections, while connections are free.
const MIN_CONNECTIONS_PER_SOURCE: usize = 16;
/// Refused connections are logged once per interval.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(60);
/// The pause after a failed accept (such as too many open files): an immediate retry would waste
/// CPU.
const ACCEPT_ERROR_PAUSE: Duration = Duration::from_millis(50);

/// Connection metrics.
#[derive(Clone, Default)]
pub struct Counts {
    pub open: Gauge,
    /// Connections beyond the total limit, or beyond the share of one source.
    pub refused: Counter,
    /// Connections beyond the limit per source.
    pub refused_of_source: Counter,
}

pub struct Listener {
    socket: TcpListener,
    bounds: Arc<ConnectionBounds>,
    places: FairPool,
    sources: Sources,
    counts: Counts,
    refusals: Refusals,
    failures: Refusals,
}

impl Listener {
    pub async fn bind(
        address: SocketAddr,
        bounds: ConnectionBounds,
        counts: Counts,
    ) -> std::io::Result<Self> {
        let total = if bounds.connections == 0 { usize::MAX } else { bounds.connections };
        let rules = PoolRules { total, part: SOURCE_DIVISOR, minimum: MIN_CONNECTIONS_PER_SOURCE };
        Ok(Self {
            socket: TcpListener::bind(address).await?,
            places: FairPool::new(rules),
            sources: Sources::new(bounds.connections_per_source),
            bounds: Arc::new(bounds),
            counts,
            refusals: Refusals::new(Clock::system()),
            failures: Refusals::new(Clock::system()),
        })
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until shutdown starts, then finishes open requests within the time limit.
    pub async fn serve(self, router: Router, stop: Shutdown) {
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = stop.stopped() => break,
            };
            match accepted {
                Ok((stream, peer)) => self.accept(stream, peer, &router, &graceful, &stop),
                Err(error) => {
                    if let Some(failed) = self.failures.take_if_due() {
                        tracing::warn!(%error, failed, "a connection could not be accepted");
                    }
                    sleep(ACCEPT_ERROR_PAUSE).await;
                }
            }
        }
        drop(self.socket);
        if timeout(self.bounds.shutdown, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests were still running when the shutdown timeout expired");
        }
    }

    /// Starts serving a connection. Beyond the limits it is closed without a response, which would
    /// cost more than it helps.
    fn accept(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        router: &Router,
        graceful: &GracefulShutdown,
        stop: &Shutdown,
    ) {
        let trusted =
            self.bounds.trusted.iter().any(|network| network.contains(&peer.ip().to_canonical()));
        // Without a limit per source, all clients may come through one proxy that is not
        // configured.
        let place = match trusted || self.bounds.connections_per_source == 0 {
            true => self.places.take_exempt(1),
            false => self.places.take(peer.ip().into(), 1),
        };
        let Some(place) = place else {
            self.counts.refused.inc();
            self.refusals.log(peer, "limits.connections");
            return;
        };
        let source = if trusted { None } else { Some(self.sources.enter(peer)) };
        if source.as_ref().is_some_and(Option::is_none) {
            self.counts.refused_of_source.inc();
            self.refusals.log(peer, "limits.connections_per_source");
            return;
        }
        let held = OpenConnection::new(place, source.flatten(), self.counts.open.clone());
        let router = router.clone();
        let bounds = Arc::clone(&self.bounds);
        let watcher = graceful.watcher();
        let stop = stop.clone();
        tokio::spawn(async move {
            if first_byte_arrives(&stream, bounds.first_byte, &stop).await {
                serve_connection(stream, peer, router, &bounds, watcher).await;
            }
            drop(held);
        });
    }
}

/// Waits for the first byte. A connection that has sent nothing yet does not delay a shutdown.
async fn first_byte_arrives(stream: &TcpStream, within: Duration, stop: &Shutdown) -> bool {
    let mut byte = [0];
    tokio::select! {
        biased;
        peeked = timeout(within, stream.peek(&mut byte)) => matches!(peeked, Ok(Ok(1))),
        () = stop.stopped() => false,
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    bounds: &ConnectionBounds,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // Responses are written in one piece; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let service =
        hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            router.clone().oneshot(request)
        });
    // hyper limits how long a client may take to send, but not how long it may take to read. A
    // client that keeps sending requests and never reads would keep its connection open forever.
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(bounds.headers));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.headers)
        .max_buf_size(bounds.header_bytes)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The resources that a connection holds while it is open.
struct OpenConnection {
    _place: Share,
    _source: Option<SourcePlace>,
    open: Gauge,
}

impl OpenConnection {
    fn new(place: Share, source: Option<SourcePlace>, open: Gauge) -> Self {
        open.inc();
        Self { _place: place, _source: source, open }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// The number of open connections per network.
#[derive(Clone)]
struct Sources {
    max: usize,
    open: Arc<Mutex<HashMap<Network, usize>>>,
}

struct SourcePlace {
    network: Network,
    sources: Sources,
}

impl Sources {
    fn new(max: usize) -> Self {
        Self { max, open: Arc::default() }
    }

    fn enter(&self, peer: SocketAddr) -> Option<SourcePlace> {
        let network = Network::from(peer.ip());
        let mut open = self.lock();
        let is_full = |(network, times): (Network, u32)| {
            let max = self.max.saturating_mul(times as usize);
            self.max > 0 && open.get(&network).is_some_and(|count| *count >= max)
        };
        if network.counted_networks().any(is_full) {
            return None;
        }
        for (network, _) in network.counted_networks() {
            *open.entry(network).or_default() += 1;
        }
        drop(open);
        Some(SourcePlace { network, sources: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SourcePlace {
    fn drop(&mut self) {
        let mut open = self.sources.lock();
        for (network, _) in self.network.counted_networks() {
            if let Some(count) = open.get_mut(&network) {
                *count -= 1;
                if *count == 0 {
                    open.remove(&network);
                }
            }
        }
    }
}

/// Counts refused or failed connections, which are logged together.
struct Refusals {
    clock: Clock,
    since_last: Mutex<(Option<Duration>, u64)>,
}

impl Refusals {
    fn new(clock: Clock) -> Self {
        Self { clock, since_last: Mutex::default() }
    }

    /// Logs at most one line a minute, with the number of refusals since the previous line.
    fn log(&self, peer: SocketAddr, setting: &'static str) {
        if let Some(refused) = self.take_if_due() {
            let address = peer.ip();
            tracing::warn!(refused, %address, setting, "connections were refused: too many are open");
        }
    }

    fn take_if_due(&self) -> Option<u64> {
        let now = self.clock.elapsed();
        let mut since_last = self.since_last.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, refused) = *since_last;
        let is_due = last.is_none_or(|last| now.saturating_sub(last) >= REFUSAL_LOG_INTERVAL);
        *since_last = if is_due { (Some(now), 0) } else { (last, refused + 1) };
        is_due.then_some(refused + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::timestamp::Timestamp;

    #[test]
    fn refusals_are_logged_once_a_minute_with_their_count() {
        let (clock, time) = Clock::manual(Timestamp::from_seconds(0));
        let refusals = Refusals::new(clock);

        assert_eq!((refusals.take_if_due(), refusals.take_if_due()), (Some(1), None));
        time.advance(REFUSAL_LOG_INTERVAL - Duration::from_secs(1));
        assert_eq!(refusals.take_if_due(), None);
        time.advance(Duration::from_secs(1));
        assert_eq!((refusals.take_if_due(), refusals.take_if_due()), (Some(3), None));
    }

    #[test]
    fn the_subnets_of_one_ipv6_subscriber_hold_at_most_four_times_the_connections_of_one_address() {
        let sources = Sources::new(10);
        let peer =
            |subnet: u32| format!("[2001:db8:0:{subnet:x}::1]:1").parse().expect("an address");
        let places: Vec<_> = (0..65_536).filter_map(|subnet| sources.enter(peer(subnet))).collect();

        assert_eq!(places.len(), 40);
        assert!(sources.enter("[2001:db8:1::1]:1".parse().expect("an address")).is_some());
        drop(places);
        assert_eq!(sources.lock().len(), 0);
    }
}
