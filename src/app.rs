//! What every request shares, and how the server starts and stops.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::actions::{
    self, Bounds, Context, DocumentRules, Documents, FindClient, Issuer, Lifetimes, PrepareKeyRingError, Registrar,
    ResourceServers, SigningRules, VerifiedTokens,
};
use crate::clock::Clock;
use crate::config::{Config, DatabaseUrl, Loaded};
use crate::db::{ClientWriter, Db, DbError, FamilyQueues, KnownClients, LastUses, MigrateError, OperatorCache, Target};
use crate::http::{self, ConnectionBounds, ConnectionCounts, Listener, RateLimits};
use crate::metrics::Metrics;
use crate::oauth::client::ClientId;
use crate::oauth::delivery::DeliveryRules;
use crate::oauth::registration_rules::RegistrationRules;
use crate::oauth::resource::Resource;
use crate::oauth::scope::ScopeSet;
use crate::oauth::scope_catalogue::ScopeCatalogue;
use crate::oauth::signing_period::kept_for;
use crate::outgoing::{Outgoing, OutgoingRules, WebhookBounds};
use crate::passwords::Passwords;
use crate::sealing::KeyRing;
use crate::secret::Random;
use crate::signing::{RELOAD_EVERY, SigningError, SigningKeys};
use crate::stop::Stop;
use crate::sweeper;
use crate::webhook::{Sender, SenderRules};

pub struct App {
    pub config: Config,
    pub catalogue: ScopeCatalogue,
    pub context: Context,
    pub registrar: Registrar,
    pub operators: OperatorCache,
    pub find_client: FindClient,
    /// For tests of auth methods: deliveries have places of their own.
    pub webhooks_outgoing: Outgoing,
    pub issuer: Issuer,
    pub resource_servers: ResourceServers,
    /// Unlike each other, but no secrets: drawn once from the system, then counted on.
    pub request_ids: Random,
    pub limits: RateLimits,
    pub in_flight: Semaphore,
    pub metrics: Metrics,
    /// The sites document, made once.
    pub sites: Bytes,
    /// The metadata of RFC 8414, made once.
    pub discovery: Bytes,
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
    #[error(transparent)]
    KeyRing(#[from] PrepareKeyRingError),
    #[error(transparent)]
    Signing(#[from] SigningError),
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

/// How webhooks and their token requests go out, by the settings.
pub fn webhooks_outgoing(config: &Config) -> Outgoing {
    let rules = OutgoingRules {
        allow_networks: config.outgoing.allow_networks.clone(),
        allow_loopback: config.webhooks.allow_loopback,
        proxy: config.outgoing.proxy.clone(),
    };
    let bounds = WebhookBounds {
        at_once: config.webhooks.at_once as usize,
        at_once_per_host: config.webhooks.at_once_per_webhook as usize,
    };
    Outgoing::for_webhooks(rules, bounds)
}

impl App {
    /// Puts the parts together. Must be called within a runtime, which the writer's task runs on.
    pub fn new(loaded: Loaded, db: Db, clock: Clock, random: Random, ring: KeyRing) -> Arc<Self> {
        let Loaded { config, catalogue, .. } = loaded;
        let registrar = Registrar {
            writer: ClientWriter::start(db.clone(), config.registration.queue),
            known: KnownClients::default(),
            deduplicate: config.registration.deduplicate,
            sleep_after: seconds(config.registration.sleep_after),
        };
        let kept_for = kept_for(seconds(config.tokens.access_ttl));
        let signing = SigningKeys::new(db.clone(), clock.clone(), ring.clone(), kept_for);
        Arc::new(Self {
            registrar,
            find_client: find_client(&config, &catalogue),
            webhooks_outgoing: webhooks_outgoing(&config),
            issuer: issuer(&config, &ring, &signing, &db),
            resource_servers: ResourceServers::new(&config.resources.declared, clock.clone()),
            operators: OperatorCache::new(clock.clone()),
            request_ids: Random::seeded(u64::from_le_bytes(random.bytes())),
            limits: RateLimits::new(&config.limits, clock.clone()),
            in_flight: Semaphore::new(config.http.max_in_flight),
            metrics: Metrics::default(),
            sites: http::sites_document(&config.sites.environment, &config.sites.hosts),
            discovery: http::discovery_document(&config, &catalogue),
            stop: Stop::default(),
            starting: AtomicBool::new(false),
            tolerate: config.registration.tolerate.iter().cloned().collect(),
            no_scopes: ScopeSet::default(),
            context: Context { db, clock, random, passwords: Passwords::default() },
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
        Bounds::of(&self.config, &self.catalogue, self.required_scopes(client_id))
    }

    pub async fn known_resources(&self) -> Result<Vec<Resource>, DbError> {
        self.resource_servers.known(&self.context).await
    }

    /// Host and port, as browsers reach this site.
    pub fn host(&self) -> &str {
        let url = self.config.http.public_url.as_str();
        url.split_once("://").map_or(url, |(_, host)| host)
    }

    /// What clients put `api.` before to reach the API of this site.
    pub fn domain(&self) -> &str {
        self.host().strip_prefix("app.").unwrap_or(self.host())
    }

    /// The other sites of this service. None where the list is not about this server: the shipped one is an example.
    pub fn other_sites(&self) -> impl Iterator<Item = &str> {
        let hosts = &self.config.sites.hosts;
        let is_listed = hosts.iter().any(|host| host == self.host());
        hosts.iter().map(String::as_str).filter(move |host| is_listed && *host != self.host())
    }

    pub fn body_bounds(&self) -> http::BodyBounds {
        http::BodyBounds { most: self.config.http.max_body_bytes, within: self.config.http.header_timeout }
    }

    pub fn forget_after(&self) -> i64 {
        seconds(self.config.registration.forget_after)
    }

    pub fn signing_rules(&self) -> SigningRules {
        SigningRules {
            algorithm: self.config.tokens.signing_algorithm,
            max_age: seconds(self.config.tokens.signing_key_max_age),
            access_ttl: seconds(self.config.tokens.access_ttl),
        }
    }

    /// Seconds after which the key that seals is called old; 0 is never.
    pub fn sealing_max_age(&self) -> i64 {
        seconds(self.config.secrets.key_max_age)
    }

    /// Sends events to webhooks. Must be called within a runtime.
    pub fn sender(&self) -> Sender {
        let webhooks = &self.config.webhooks;
        let delivery = DeliveryRules { attempts: webhooks.attempts, give_up_after: seconds(webhooks.give_up_after) };
        let rules = SenderRules {
            delivery,
            timeout: webhooks.timeout,
            at_once: webhooks.at_once,
            at_once_per_webhook: webhooks.at_once_per_webhook,
        };
        Sender::new(
            self.context.clone(),
            self.issuer.ring.clone(),
            webhooks_outgoing(&self.config),
            rules,
            self.metrics.deliveries.clone(),
            self.stop.clone(),
        )
    }

    /// What has to be in the database before requests are answered: its schema, nothing that the ring cannot open, and a key
    /// that signs.
    pub async fn prepare(&self) -> Result<(), StartError> {
        self.context.db.migrate().await?;
        actions::prepare_key_ring(&self.context, &self.issuer.ring).await?;
        Ok(actions::prepare_signing_keys(&self.context, &self.issuer.ring, &self.issuer.signing, self.signing_rules())
            .await?)
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
        if let Err(error) = self.prepare_when_there().await {
            public.abort();
            return Err(error);
        }
        self.starting.store(false, Ordering::Relaxed);
        ready(&self).await;
        let sweeping = tokio::spawn(sweeper::sweep_until_stopped(Arc::clone(&self)));
        let reloading = tokio::spawn(Arc::clone(&self).reload_signing_keys());
        let sending = self.config.webhooks.enabled.then(|| tokio::spawn(Arc::clone(&self).send_webhooks()));
        if let Err(cause) = public.await {
            tracing::error!(%cause, "the listener ended by itself");
        }
        for task in [sweeping, reloading] {
            // Until it has let go: what is closed below would fail it half-way, and be logged as a fault.
            task.abort();
            let _ = task.await;
        }
        if let Some(sending) = sending
            && tokio::time::timeout(drain, sending).await.is_err()
        {
            tracing::warn!("webhooks were left without their end: others send them in half a minute");
        }
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
    async fn prepare_when_there(&self) -> Result<(), StartError> {
        const LONGEST_PAUSE: Duration = Duration::from_secs(5);
        let mut pause = Duration::from_millis(100);
        loop {
            match self.prepare().await {
                Err(cause) if cause.is_transient() => {
                    tracing::warn!(error = %cause, "waiting for the database");
                }
                outcome => return outcome,
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = self.stop.stopped() => return Err(StartError::Stopped),
            }
        }
    }

    /// Until the server stops. Where it ends before, others must not wait for the next start.
    async fn send_webhooks(self: Arc<Self>) {
        const PAUSE: Duration = Duration::from_secs(5);
        while !self.stop.is_stopping() {
            let sending = Arc::new(self.sender()).send_until_stopped(self.config.http.shutdown_timeout);
            if let Err(error) = tokio::spawn(sending).await {
                tracing::error!(%error, "sending to webhooks ended by itself and begins anew");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Sees what other servers did with the keys.
    async fn reload_signing_keys(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(RELOAD_EVERY) => {}
                () = self.stop.stopped() => return,
            }
            if let Err(error) = self.issuer.signing.reload().await {
                tracing::warn!(%error, "the signing keys could not be read again");
            }
        }
    }
}

impl StartError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Migrate(MigrateError::Db(cause))
            | Self::KeyRing(PrepareKeyRingError::Db(cause))
            | Self::Db(cause) => cause.is_transient(),
            Self::Signing(cause) => cause.is_transient(),
            Self::Listen { .. } | Self::Migrate(_) | Self::KeyRing(_) | Self::Stopped => false,
        }
    }
}

fn issuer(config: &Config, ring: &KeyRing, signing: &SigningKeys, db: &Db) -> Issuer {
    let tokens = &config.tokens;
    Issuer {
        name: config.http.public_url.clone(),
        signing: signing.clone(),
        ring: ring.clone(),
        lifetimes: Lifetimes {
            code: seconds(tokens.code_ttl),
            access: seconds(tokens.access_ttl),
            refresh_idle: seconds(tokens.refresh_idle_ttl),
            refresh: seconds(tokens.refresh_ttl),
            grace: seconds(tokens.refresh_grace),
        },
        verified: VerifiedTokens::default(),
        uses: LastUses::default(),
        families: FamilyQueues::start(db.clone()),
    }
}

pub(crate) fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn find_client(config: &Config, catalogue: &ScopeCatalogue) -> FindClient {
    let outgoing = Outgoing::new(OutgoingRules {
        allow_networks: config.outgoing.allow_networks.clone(),
        allow_loopback: config.client_documents.allow_loopback,
        proxy: config.outgoing.proxy.clone(),
    });
    let rules = DocumentRules {
        enabled: config.client_documents.enabled,
        allow_loopback: config.client_documents.allow_loopback,
        catalogue: catalogue.clone(),
        private_schemes: config.registration.private_schemes.clone(),
    };
    FindClient::new(Documents::new(rules, outgoing))
}
