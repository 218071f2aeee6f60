//! The accept loop.
//!
//! `axum::serve` installs no timer, so that a client which trickles its headers, or sends nothing, keeps its connection for
//! ever. Here every connection must send its first byte, and then each request's headers, in time, and take its answers;
//! connections are bounded in all and for each source; and stopping finishes what was accepted, up to a limit.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use super::bounded_writes::BoundedWrites;
use super::source::{Network, Peer};
use crate::stop::Stop;

/// ConnectionBounds on connections. 0 is none.
#[derive(Clone, Debug)]
pub struct ConnectionBounds {
    pub first_byte: Duration,
    /// For a request's headers to arrive, and for a client to take more of its answers.
    pub headers: Duration,
    pub shutdown: Duration,
    pub connections: usize,
    pub connections_per_source: usize,
    /// Proxies hold the connections of many.
    pub trusted: Vec<IpNet>,
}

const MAX_HEADER_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;
/// When no more connections can be accepted (too many open files), trying again at once would only burn CPU.
const PAUSE_AFTER_A_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// What is counted of connections.
#[derive(Clone, Default)]
pub struct Counts {
    pub open: Gauge,
    /// Beyond the bound on all.
    pub refused: Counter,
    /// Beyond the bound on one source.
    pub refused_of_source: Counter,
}

pub struct Listener {
    socket: TcpListener,
    bounds: Arc<ConnectionBounds>,
    places: Arc<Semaphore>,
    sources: Sources,
    counts: Counts,
}

impl Listener {
    pub async fn bind(address: SocketAddr, bounds: ConnectionBounds, counts: Counts) -> std::io::Result<Self> {
        let places = match bounds.connections {
            0 => Semaphore::MAX_PERMITS,
            most => most,
        };
        Ok(Self {
            socket: TcpListener::bind(address).await?,
            places: Arc::new(Semaphore::new(places)),
            sources: Sources::new(bounds.connections_per_source),
            bounds: Arc::new(bounds),
            counts,
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
                    tracing::warn!(%error, "a connection could not be accepted");
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
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.counts.refused.inc();
            return;
        };
        let trusted = self.bounds.trusted.iter().any(|network| network.contains(&peer.ip().to_canonical()));
        let source = if trusted { None } else { Some(self.sources.enter(peer)) };
        if source.as_ref().is_some_and(Option::is_none) {
            self.counts.refused_of_source.inc();
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
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(BoundedWrites::new(stream, bounds.headers)), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// What a connection holds while it lives.
struct Held {
    _place: OwnedSemaphorePermit,
    _source: Option<SourcePlace>,
    open: Gauge,
}

impl Held {
    fn new(place: OwnedSemaphorePermit, source: Option<SourcePlace>, open: Gauge) -> Self {
        open.inc();
        Self { _place: place, _source: source, open }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// Open connections of each source.
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
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(network).or_default();
        if self.most > 0 && *count >= self.most {
            return None;
        }
        *count += 1;
        Some(SourcePlace { network, sources: self.clone() })
    }
}

impl Drop for SourcePlace {
    fn drop(&mut self) {
        let mut open = self.sources.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.network);
            }
        }
    }
}
