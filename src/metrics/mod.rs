//! The metrics of `/metrics`. Each app has its own registry, so that tests do not share numbers.
//! Every label has a bounded number of values.

pub mod transactions;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::db::engine::PoolState;
use crate::metrics::transactions::TransactionMetrics;

pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Histogram, fn() -> Histogram>,
    registrations: Family<RegistrationLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    authorizations: Family<OutcomeLabels, Counter>,
    tokens: Family<OutcomeLabels, Counter>,
    logins: Family<OutcomeLabels, Counter>,
    pub deliveries: DeliveryCounts,
    pub transactions: TransactionMetrics,
    pool: Family<PoolLabels, Gauge>,
    pub connections_open: Gauge,
    requests_in_flight: Gauge,
    bodies_pending: Gauge,
    body_bytes_pending: Gauge,
    pub registrations_waiting: Gauge,
    pub clients_forgotten: Counter,
    pub unused_clients: Gauge,
    pub unused_client_bytes: Gauge,
    pub requests_waiting: Gauge,
    pub clock_skew: Gauge<f64, AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RegistrationLabels {
    outcome: &'static str,
    dedup: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// Counts webhook delivery attempts. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct DeliveryCounts(Family<OutcomeLabels, Counter>);

impl DeliveryCounts {
    pub fn count(&self, outcome: &'static str) {
        self.0.get_or_create(&OutcomeLabels { outcome }).inc();
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    state: &'static str,
}

/// From half a millisecond, a typical response time, to the five seconds after which a query times
/// out.
const DURATIONS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("grantor"),
            requests: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            registrations: Family::default(),
            refused: Family::default(),
            authorizations: Family::default(),
            tokens: Family::default(),
            logins: Family::default(),
            deliveries: DeliveryCounts::default(),
            transactions: TransactionMetrics::default(),
            pool: Family::default(),
            connections_open: Gauge::default(),
            requests_in_flight: Gauge::default(),
            bodies_pending: Gauge::default(),
            body_bytes_pending: Gauge::default(),
            registrations_waiting: Gauge::default(),
            clients_forgotten: Counter::default(),
            unused_clients: Gauge::default(),
            unused_client_bytes: Gauge::default(),
            requests_waiting: Gauge::default(),
            clock_skew: Gauge::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        self.register_requests();
        self.transactions.register(&mut self.registry);
        self.register_load();
        self.register_clients();
        self.registry.register_with_unit(
            "clock_skew",
            "This host's clock minus the database's",
            Unit::Seconds,
            self.clock_skew.clone(),
        );
        self
    }

    /// Requests and deliveries, by outcome.
    fn register_requests(&mut self) {
        let registry = &mut self.registry;
        registry.register_with_unit(
            "http_server_request_duration",
            "Time from a request's headers to its response, by route",
            Unit::Seconds,
            self.requests.clone(),
        );
        registry.register(
            "registrations",
            "Client registrations, by outcome and by whether the client was known",
            self.registrations.clone(),
        );
        registry.register(
            "refused",
            "Requests and connections refused to protect the server, by reason",
            self.refused.clone(),
        );
        registry.register(
            "authorizations",
            "Completed authorization requests: approved, or the error code",
            self.authorizations.clone(),
        );
        registry.register(
            "token_requests",
            "Token requests: ok, or the error code",
            self.tokens.clone(),
        );
        registry.register("logins", "Sign-in attempts, by outcome", self.logins.clone());
        registry.register(
            "webhook_attempts",
            "Attempts to deliver an event to a webhook: delivered, failed and to be retried, or parked",
            self.deliveries.0.clone(),
        );
    }

    /// Connections, and work that waits or is in progress.
    fn register_load(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "db_connections",
            "Database connections of the pool, by state",
            self.pool.clone(),
        );
        registry.register(
            "http_connections_open",
            "Open client connections",
            self.connections_open.clone(),
        );
        registry.register(
            "requests_in_flight",
            "Requests being processed",
            self.requests_in_flight.clone(),
        );
        registry.register(
            "bodies_pending",
            "Request bodies still arriving",
            self.bodies_pending.clone(),
        );
        registry.register(
            "body_bytes_pending",
            "Bytes in memory of request bodies still arriving",
            self.body_bytes_pending.clone(),
        );
        registry.register(
            "registrations_waiting",
            "Registrations waiting for their commit",
            self.registrations_waiting.clone(),
        );
        registry.register(
            "authorization_requests_waiting",
            "Authorization requests waiting for the user",
            self.requests_waiting.clone(),
        );
    }

    fn register_clients(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "clients_forgotten",
            "Clients removed because they were never authorized and long unused",
            self.clients_forgotten.clone(),
        );
        registry.register(
            "unused_clients",
            "Clients that no user ever authorized and no organization ever restricted",
            self.unused_clients.clone(),
        );
        registry.register_with_unit(
            "unused_clients_metadata",
            "Size of the metadata of the unused clients",
            Unit::Bytes,
            self.unused_client_bytes.clone(),
        );
    }

    pub fn request(&self, route: &'static str, method: &'static str, status: u16, took: Duration) {
        self.requests
            .get_or_create(&RequestLabels { route, method, status })
            .observe(took.as_secs_f64());
    }

    /// `outcome` is `ok` or the error code of the response.
    pub fn registration(&self, outcome: &'static str, dedup: &'static str) {
        self.registrations.get_or_create(&RegistrationLabels { outcome, dedup }).inc();
    }

    pub fn authorization(&self, outcome: &'static str) {
        self.authorizations.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub fn token(&self, outcome: &'static str) {
        self.tokens.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub fn login(&self, outcome: &'static str) {
        self.logins.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&RefusedLabels { reason }).inc();
    }

    /// The counter of one reason, for callers that count often.
    pub fn refused_counter(&self, reason: &'static str) -> Counter {
        self.refused.get_or_create(&RefusedLabels { reason }).clone()
    }

    pub fn pool(&self, state: PoolState) {
        for (label, number) in [("open", state.open), ("idle", state.idle), ("max", state.max)] {
            self.pool.get_or_create(&PoolLabels { state: label }).set(i64::from(number));
        }
    }

    pub fn intake(&self, in_flight: usize, pending_bodies: usize, pending_bytes: usize) {
        let set = |gauge: &Gauge, number| gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        set(&self.requests_in_flight, in_flight);
        set(&self.bodies_pending, pending_bodies);
        set(&self.body_bytes_pending, pending_bytes);
    }

    /// The OpenMetrics text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_values_appear_in_the_text() {
        let metrics = Metrics::default();
        metrics.registration("ok", "new");
        metrics.registration("ok", "new");
        metrics.registration("invalid_client_metadata", "none");
        metrics.request("/a", "GET", 200, Duration::from_millis(3));

        let text = metrics.to_text();

        for line in [
            "grantor_registrations_total{outcome=\"ok\",dedup=\"new\"} 2",
            "grantor_registrations_total{outcome=\"invalid_client_metadata\",dedup=\"none\"} 1",
            "grantor_http_server_request_duration_seconds_bucket{le=\"0.005\",route=\"/a\",method=\"GET\",status=\"200\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing from\n{text}");
        }
    }
}
