//! What every request shares, and how the server starts and stops.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::actions::{Bounds, Context, Registrar};
use crate::clock::Clock;
use crate::config::{Config, DatabaseUrl, Loaded};
use crate::db::{ClientWriter, Db, DbError, KnownClients, MigrateError, OperatorCache, Target};
use crate::http::{self, ConnectionBounds, ConnectionCounts, Listener, RateLimits, Stop};
use crate::metrics::Metrics;
use crate::oauth::client::ClientId;
use crate::oauth::registration_rules::RegistrationRules;
use crate::oauth::scope::ScopeSet;
use crate::oauth::scope_catalogue::ScopeCatalogue;
use crate::secret::Random;
use crate::sweeper;

pub struct App {
    pub config: Config,
    pub catalogue: ScopeCatalogue,
    pub context: Context,
    pub registrar: Registrar,
    pub operators: OperatorCache,
    /// Unlike each other, but no secrets: drawn once from the system, then counted on.
    pub request_ids: Random,
    pub limits: RateLimits,
    pub in_flight: Semaphore,
    pub metrics: Metrics,
    /// The sites document, made once.
    pub sites: Bytes,
    pub stop: Stop,
    /// While the database is waited for or migrated.
    starting: AtomicBool,
    tolerate: BTreeSet<String>,
    no_scopes: ScopeSet,
}

/// What is asked of the management listener is answered at once, so nobody waits for a slow probe.
const MANAGEMENT_DRAIN: Duration = Duration::from_millis(500);

/// What is still under way at the database was given up by the drain, and may wait there for longer than anybody here does.
const CLOSES_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "cannot listen on {address}: {cause}. Is another server running there? `http.listen` and `http.management_listen` set the addresses"
    )]
    Listen { address: SocketAddr, cause: std::io::Error },
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("stopped before the database answered")]
    Stopped,
}

/// What the database settings say, as the pool wants it.
pub fn database_target(config: &Config) -> Target {
    Target {
        location: match &config.database.url {
            DatabaseUrl::Sqlite(path) => crate::db::Location::Sqlite { path: path.clone() },
            DatabaseUrl::Postgres(url) => crate::db::Location::Postgres { url: url.clone(), schema: None },
        },
        max_connections: config.database.max_connections,
        acquire_timeout: config.database.acquire_timeout,
        query_timeout: config.database.query_timeout,
    }
}

impl App {
    /// Puts the parts together. Must be called within a runtime, which the writer's task runs on.
    pub fn new(loaded: Loaded, db: Db, clock: Clock, random: Random) -> Arc<Self> {
        let Loaded { config, catalogue, .. } = loaded;
        let registrar = Registrar {
            writer: ClientWriter::start(db.clone(), config.registration.queue),
            known: KnownClients::default(),
            deduplicate: config.registration.deduplicate,
            sleep_after: seconds(config.registration.sleep_after),
        };
        Arc::new(Self {
            registrar,
            operators: OperatorCache::new(clock.clone()),
            request_ids: Random::seeded(u64::from_le_bytes(random.bytes())),
            limits: RateLimits::new(&config.limits, clock.clone()),
            in_flight: Semaphore::new(config.http.max_in_flight),
            metrics: Metrics::default(),
            sites: http::sites_document(&config.sites.environment, &config.sites.hosts),
            stop: Stop::default(),
            starting: AtomicBool::new(false),
            tolerate: config.registration.tolerate.iter().cloned().collect(),
            no_scopes: ScopeSet::default(),
            context: Context { db, clock, random },
            catalogue,
            config,
        })
    }

    pub fn is_stopping(&self) -> bool {
        self.stop.is_stopping()
    }

    pub fn is_starting(&self) -> bool {
        self.starting.load(Ordering::Relaxed)
    }

    pub fn registration_rules(&self) -> RegistrationRules<'_> {
        let schemes = self.config.registration.private_schemes.as_slice();
        RegistrationRules {
            catalogue: &self.catalogue,
            tolerate: &self.tolerate,
            private_schemes: (!schemes.is_empty()).then_some(schemes),
        }
    }

    /// What a first-party client always carries; empty for all others.
    pub fn required_scopes(&self, client_id: ClientId) -> &ScopeSet {
        self.config.restriction.required_of(client_id.uuid()).unwrap_or(&self.no_scopes)
    }

    pub fn bounds(&self, client_id: ClientId) -> Bounds<'_> {
        Bounds { catalogue: &self.catalogue, required: self.required_scopes(client_id) }
    }

    pub fn body_bounds(&self) -> http::BodyBounds {
        http::BodyBounds { most: self.config.http.max_body_bytes, within: self.config.http.header_timeout }
    }

    pub fn forget_after(&self) -> i64 {
        seconds(self.config.registration.forget_after)
    }

    /// Serves until [`Stop::stop`]. `ready` is called once, when requests are answered.
    ///
    /// The management listener stops last, so that `/readyz` tells a load balancer why while the public one drains.
    pub async fn serve(self: Arc<Self>, ready: impl AsyncFnOnce(&Self)) -> Result<(), StartError> {
        let management = match self.config.http.management_listen {
            None => None,
            Some(address) => Some(self.listen(address, MANAGEMENT_DRAIN, Default::default()).await?),
        };
        let drain = self.config.http.shutdown_timeout;
        let counts = ConnectionCounts {
            open: self.metrics.connections_open.clone(),
            refused: self.metrics.refused_counter("connections"),
            refused_of_source: self.metrics.refused_counter("connections_per_source"),
        };
        let public = self.listen(self.config.http.listen, drain, counts).await?;
        let drained = Stop::default();
        let management = management
            .map(|listener| tokio::spawn(listener.serve(http::management(Arc::clone(&self)), drained.clone())));
        // Clients are answered at once, if only with 503, on every path: what answers 200 is ready for all the rest.
        self.starting.store(true, Ordering::Relaxed);
        let public = tokio::spawn(public.serve(http::public(Arc::clone(&self)), self.stop.clone()));
        if let Err(error) = self.migrate_when_there().await {
            public.abort();
            return Err(error);
        }
        self.starting.store(false, Ordering::Relaxed);
        ready(&self).await;
        let sweeping = tokio::spawn(sweeper::sweep_until_stopped(Arc::clone(&self)));
        if let Err(cause) = public.await {
            tracing::error!(%cause, "the listener ended by itself");
        }
        sweeping.abort();
        drained.stop();
        if let Some(management) = management {
            // It ends by itself, and has nothing to tell but a panic that was told already.
            let _ = management.await;
        }
        if tokio::time::timeout(CLOSES_WITHIN, self.context.db.close()).await.is_err() {
            tracing::warn!("some statements were still under way when the database was left");
        }
        Ok(())
    }

    async fn listen(
        &self,
        address: SocketAddr,
        drain: Duration,
        counts: ConnectionCounts,
    ) -> Result<Listener, StartError> {
        let bounds = ConnectionBounds {
            first_byte: self.config.http.first_byte_timeout,
            headers: self.config.http.header_timeout,
            shutdown: drain,
            connections: self.config.limits.connections as usize,
            connections_per_source: self.config.limits.connections_per_source as usize,
            trusted: self.config.http.trusted_proxies.clone(),
        };
        Listener::bind(address, bounds, counts).await.map_err(|cause| StartError::Listen { address, cause })
    }

    /// Waits for the database as long as it takes: where both start together, as after a power cut, neither need be first.
    async fn migrate_when_there(&self) -> Result<(), StartError> {
        const LONGEST_PAUSE: Duration = Duration::from_secs(5);
        let mut pause = Duration::from_millis(100);
        loop {
            match self.context.db.migrate().await {
                Err(MigrateError::Db(cause)) if cause.is_transient() => {
                    tracing::warn!(error = %cause, "waiting for the database");
                }
                outcome => return Ok(outcome?),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = self.stop.stopped() => return Err(StartError::Stopped),
            }
        }
    }
}

fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
