//! The accept loop.
//!
//! `axum::serve` installs no timer, so that a client which trickles its headers, or sends nothing, keeps its connection for
//! ever. Here every connection must send its first byte, and then each request's headers, in time, and take its answers;
//! connections are bounded in all, which sources share fairly, and for each source; and stopping finishes what was accepted, up to a limit.

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
use tower::ServiceExt as _;

use crate::clock::Clock;
use crate::fair_pool::{FairPool, PoolRules, Share};
use crate::http::middleware::bounded_writes::BoundedWrites;
use crate::http::middleware::client_ip::Peer;
use crate::rules::syntax::network::Network;
use crate::stop::Stop;

/// Bounds on connections. 0 connections is no bound.
#[derive(Clone, Debug)]
pub struct ConnectionBounds {
    pub first_byte: Duration,
    /// For a request's headers to arrive, and for a client to take more of its answers.
    pub headers: Duration,
    pub shutdown: Duration,
    pub connections: usize,
    pub connections_per_source: usize,
    /// The largest request line and headers together. A connection may hold as much memory before a request is complete.
    pub header_bytes: usize,
    /// Proxies hold the connections of many.
    pub trusted: Vec<IpNet>,
}

const MAX_HEADERS: usize = 100;
/// One source may hold this part of the connections that are free, so that a few dozen sources do not keep all others out.
const PART_OF_A_SOURCE: usize = 32;
/// What a source may hold in any case, while connections are free.
const CONNECTIONS_IN_ANY_CASE: usize = 16;
/// Refused connections are logged once in this time.
const REFUSALS_ARE_LOGGED_EVERY: Duration = Duration::from_secs(60);
/// When no more connections can be accepted (too many open files), trying again at once would only burn CPU.
const PAUSE_AFTER_A_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// What is counted of connections.
#[derive(Clone, Default)]
pub struct Counts {
    pub open: Gauge,
    /// Beyond the bound on all, or beyond the part of it that a source may hold.
    pub refused: Counter,
    /// Beyond the bound on one source.
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
    pub async fn bind(address: SocketAddr, bounds: ConnectionBounds, counts: Counts) -> std::io::Result<Self> {
        let total = if bounds.connections == 0 { usize::MAX } else { bounds.connections };
        let rules = PoolRules { total, part: PART_OF_A_SOURCE, minimum: CONNECTIONS_IN_ANY_CASE };
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

    /// Serves until told to stop, then finishes what it has, up to the limit.
    pub async fn serve(self, router: Router, stop: Stop) {
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = stop.stopped() => break,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer, &router, &graceful, &stop),
                Err(error) => {
                    if let Some(failed) = self.failures.to_be_logged() {
                        tracing::warn!(%error, failed, "a connection could not be accepted");
                    }
                    sleep(PAUSE_AFTER_A_FAILED_ACCEPT).await;
                }
            }
        }
        drop(self.socket);
        if timeout(self.bounds.shutdown, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests were still under way when the time to stop was up");
        }
    }

    /// Beyond the bounds a connection is closed at once: an answer would cost more than it helps.
    fn take(&self, stream: TcpStream, peer: SocketAddr, router: &Router, graceful: &GracefulShutdown, stop: &Stop) {
        let trusted = self.bounds.trusted.iter().any(|network| network.contains(&peer.ip().to_canonical()));
        // Without a bound on one source, all may be one: a proxy that the server does not know.
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
        let held = Held::new(place, source.flatten(), self.counts.open.clone());
        let (router, bounds) = (router.clone(), Arc::clone(&self.bounds));
        let (watcher, stop) = (graceful.watcher(), stop.clone());
        tokio::spawn(async move {
            if says_something(&stream, bounds.first_byte, &stop).await {
                connection(stream, peer, router, &bounds, watcher).await;
            }
            drop(held);
        });
    }
}

/// A connection that has said nothing yet is owed nothing: it does not hold up the stop.
async fn says_something(stream: &TcpStream, within: Duration, stop: &Stop) -> bool {
    let mut byte = [0];
    tokio::select! {
        biased;
        said = timeout(within, stream.peek(&mut byte)) => matches!(said, Ok(Ok(1))),
        () = stop.stopped() => false,
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    bounds: &ConnectionBounds,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // Answers are written whole; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.headers)
        .max_buf_size(bounds.header_bytes)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(BoundedWrites::new(stream, bounds.headers)), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// What a connection holds while it lives.
struct Held {
    _place: Share,
    _source: Option<SourcePlace>,
    open: Gauge,
}

impl Held {
    fn new(place: Share, source: Option<SourcePlace>, open: Gauge) -> Self {
        open.inc();
        Self { _place: place, _source: source, open }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// Open connections of each network.
#[derive(Clone)]
struct Sources {
    most: usize,
    open: Arc<Mutex<HashMap<Network, usize>>>,
}

struct SourcePlace {
    network: Network,
    sources: Sources,
}

impl Sources {
    fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    fn enter(&self, peer: SocketAddr) -> Option<SourcePlace> {
        let network = Network::from(peer.ip());
        let mut open = self.lock();
        let is_full = |(network, times): (Network, u32)| {
            let most = self.most.saturating_mul(times as usize);
            self.most > 0 && open.get(&network).is_some_and(|count| *count >= most)
        };
        if network.counted().any(is_full) {
            return None;
        }
        for (network, _) in network.counted() {
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
        for (network, _) in self.network.counted() {
            if let Some(count) = open.get_mut(&network) {
                *count -= 1;
                if *count == 0 {
                    open.remove(&network);
                }
            }
        }
    }
}

/// Connections that were refused or failed, which are logged together.
struct Refusals {
    clock: Clock,
    since_last: Mutex<(Option<Duration>, u64)>,
}

impl Refusals {
    fn new(clock: Clock) -> Self {
        Self { clock, since_last: Mutex::default() }
    }

    /// At most one line in a minute, for the first refusal in it and for all since the line before.
    fn log(&self, peer: SocketAddr, setting: &'static str) {
        if let Some(refused) = self.to_be_logged() {
            let address = peer.ip();
            tracing::warn!(refused, %address, setting, "connections were refused: too many are open");
        }
    }

    fn to_be_logged(&self) -> Option<u64> {
        let now = self.clock.elapsed();
        let mut since_last = self.since_last.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, refused) = *since_last;
        let is_due = last.is_none_or(|last| now.saturating_sub(last) >= REFUSALS_ARE_LOGGED_EVERY);
        *since_last = if is_due { (Some(now), 0) } else { (last, refused + 1) };
        is_due.then_some(refused + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::timestamp::Timestamp;

    #[test]
    fn refusals_are_logged_once_a_minute_with_their_number() {
        let (clock, hand) = Clock::by_hand(Timestamp::from_seconds(0));
        let refusals = Refusals::new(clock);

        assert_eq!((refusals.to_be_logged(), refusals.to_be_logged()), (Some(1), None));
        hand.advance(REFUSALS_ARE_LOGGED_EVERY - Duration::from_secs(1));
        assert_eq!(refusals.to_be_logged(), None);
        hand.advance(Duration::from_secs(1));
        assert_eq!((refusals.to_be_logged(), refusals.to_be_logged()), (Some(3), None));
    }

    #[test]
    fn the_subnets_of_one_ipv6_subscriber_hold_at_most_four_times_the_connections_of_one_address() {
        let sources = Sources::new(10);
        let peer = |subnet: u32| format!("[2001:db8:0:{subnet:x}::1]:1").parse().expect("an address");
        let places: Vec<_> = (0..65_536).filter_map(|subnet| sources.enter(peer(subnet))).collect();

        assert_eq!(places.len(), 40);
        assert!(sources.enter("[2001:db8:1::1]:1".parse().expect("an address")).is_some());
        drop(places);
        assert_eq!(sources.lock().len(), 0);
    }
}
