//! The state that all requests share. `serve.rs` starts and stops the server.

pub mod from_config;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::actions::clients::find::FindClient;
use crate::actions::clients::forget::UnusedClients;
use crate::actions::clients::register::Registrar;
use crate::actions::clients::scopes_restriction::RestrictionRules;
use crate::actions::context::Context;
use crate::actions::resources::find_resource::ResourceServers;
use crate::actions::signing_keys::rotate::SigningRules;
use crate::actions::tokens::check::ActiveToken;
use crate::actions::tokens::issue::Issuer;
use crate::clock::Clock;
use crate::config::{Config, Loaded};
use crate::db::clients::group_commit::ClientWriter;
use crate::db::clients::known::KnownClients;
use crate::db::engine::Db;
use crate::db::engine::error::DbError;
use crate::db::families::last_tokens;
use crate::db::keys::callers::CallerCache;
use crate::db::keys::last_uses::KeyUses;
use crate::limits::intake::{Intake, IntakeRules, Refused};
use crate::limits::rate_limit::RateLimits;
use crate::limits::waiting::WaitingRequests;
use crate::metrics::Metrics;
use crate::outgoing::Outgoing;
use crate::passwords::Passwords;
use crate::random::{Random, RequestIds};
use crate::rules::authorization::resource::Resource;
use crate::rules::authorization::waiting::WaitingBounds;
use crate::rules::client::ClientId;
use crate::rules::client::registration::RegistrationRules;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::catalog::ScopeCatalog;
use crate::rules::token::signing_period::kept_for;
use crate::sealing::KeyRing;
use crate::shutdown::Shutdown;
use crate::signing::SigningKeys;

pub struct App {
    pub config: Config,
    pub catalog: Arc<ScopeCatalog>,
    pub context: Context,
    pub registrar: Registrar,
    pub callers: CallerCache,
    pub key_uses: KeyUses,
    pub find_client: FindClient,
    /// For tests of auth methods. Deliveries have their own concurrency limit.
    pub webhooks_outgoing: Outgoing,
    pub issuer: Arc<Issuer>,
    pub resource_servers: ResourceServers,
    pub request_ids: RequestIds,
    pub limits: RateLimits,
    /// Limits pending authorization requests.
    pub waiting: WaitingRequests,
    pub intake: Arc<Intake>,
    pub metrics: Metrics,
    /// The sites document, built for the first request.
    pub sites: OnceLock<Bytes>,
    /// The RFC 8414 metadata, built for the first request.
    pub discovery: OnceLock<Bytes>,
    /// The OpenAPI document, built for the first request.
    pub openapi: OnceLock<Bytes>,
    pub stop: Shutdown,
    /// True while the server waits for its database or migrates it.
    starting: AtomicBool,
    tolerate: BTreeSet<String>,
    no_scopes: ScopeSet,
}

impl App {
    /// Builds the state. Must be called within a Tokio runtime, since it starts the writer task.
    pub fn new(loaded: Loaded, db: Db, clock: Clock, random: Random, ring: KeyRing) -> Arc<Self> {
        let Loaded { config, catalog, .. } = loaded;
        let registrar = Registrar {
            writer: ClientWriter::start(db.clone(), config.registration.queue),
            known: KnownClients::default(),
            unused: UnusedClients::new(from_config::unused_bounds(&config)),
            deduplicate: config.registration.deduplicate,
            sleep_after: seconds(config.registration.sleep_after),
        };
        let kept_for = kept_for(seconds(config.tokens.access_ttl));
        let signing = SigningKeys::new(db.clone(), clock.clone(), ring.clone(), kept_for);
        let metrics = Metrics::default();
        Arc::new(Self {
            find_client: from_config::find_client(&config, &catalog, registrar.unused.clone()),
            registrar,
            webhooks_outgoing: from_config::webhooks_outgoing(&config),
            issuer: Arc::new(from_config::issuer(&config, &ring, &signing, &db)),
            resource_servers: ResourceServers::new(&config.resources.declared, clock.clone()),
            callers: CallerCache::new(clock.clone()),
            key_uses: KeyUses::default(),
            request_ids: RequestIds::new(&random),
            limits: RateLimits::new(&config.limits, clock.clone()),
            waiting: WaitingRequests::new(WaitingBounds {
                total: config.limits.waiting_requests_total.into(),
            }),
            intake: intake(&config, &metrics),
            sites: OnceLock::new(),
            discovery: OnceLock::new(),
            openapi: OnceLock::new(),
            stop: Shutdown::default(),
            starting: AtomicBool::new(false),
            tolerate: config.registration.tolerate.iter().cloned().collect(),
            no_scopes: ScopeSet::default(),
            context: Context {
                db,
                clock,
                random,
                passwords: Passwords::default(),
                ring,
                transactions: metrics.transactions.clone(),
            },
            metrics,
            catalog,
            config,
        })
    }

    pub fn is_stopping(&self) -> bool {
        self.stop.is_stopping()
    }

    pub fn is_starting(&self) -> bool {
        self.starting.load(Ordering::Relaxed)
    }

    pub fn set_starting(&self, starting: bool) {
        self.starting.store(starting, Ordering::Relaxed);
    }

    pub fn registration_rules(&self) -> RegistrationRules<'_> {
        let schemes = self.config.registration.private_schemes.as_slice();
        RegistrationRules {
            catalog: &self.catalog,
            tolerate: &self.tolerate,
            private_schemes: (!schemes.is_empty()).then_some(schemes),
            bounds: from_config::registration_bounds(&self.config),
        }
    }

    /// The scopes that a first-party client always has; empty for all other clients.
    pub fn required_scopes(&self, client_id: ClientId) -> &ScopeSet {
        self.config.restriction.required_of(client_id.uuid()).unwrap_or(&self.no_scopes)
    }

    pub fn restriction_rules(&self, client_id: ClientId) -> RestrictionRules<'_> {
        RestrictionRules::of(&self.config, &self.catalog, self.required_scopes(client_id))
    }

    /// The access token, if it is active.
    pub async fn find_live(&self, token: &str) -> Result<Option<ActiveToken>, DbError> {
        self.issuer
            .find_live(&self.context, |client_id| self.restriction_rules(client_id), token)
            .await
    }

    pub async fn known_resources(&self) -> Result<Vec<Resource>, DbError> {
        self.resource_servers.known(&self.context).await
    }

    /// Stores the access token lifetime, so that commands that revoke access can report when the
    /// last token expires.
    pub async fn report_access_lifetime(&self) -> Result<(), DbError> {
        let Context { db, clock, .. } = &self.context;
        last_tokens::report_lifetime(db, self.issuer.lifetimes.access, clock.now()).await
    }

    /// The host and port at which browsers reach this site.
    pub fn host(&self) -> &str {
        let url = self.config.http.public_url.as_str();
        url.split_once("://").map_or(url, |(_, host)| host)
    }

    /// The domain to which clients prepend `api.` to reach the API of this site.
    pub fn domain(&self) -> &str {
        self.host().strip_prefix("app.").unwrap_or(self.host())
    }

    /// The other sites of this service. Empty if the configured list does not contain this server,
    /// like the example list in the default settings.
    pub fn other_sites(&self) -> impl Iterator<Item = &str> {
        let hosts = &self.config.sites.hosts;
        let is_listed = hosts.iter().any(|host| host == self.host());
        hosts.iter().map(String::as_str).filter(move |host| is_listed && *host != self.host())
    }

    pub fn forget_after(&self) -> i64 {
        seconds(self.config.registration.forget_after)
    }

    pub fn signing_rules(&self) -> SigningRules {
        SigningRules::of(&self.config)
    }

    /// Seconds after which the sealing key counts as old; 0 means never.
    pub fn sealing_max_age(&self) -> i64 {
        seconds(self.config.secrets.key_max_age)
    }
}

/// The limits on requests in flight and pending bodies, from the settings.
fn intake(config: &Config, metrics: &Metrics) -> Arc<Intake> {
    let rules = IntakeRules {
        in_flight: config.http.max_in_flight,
        pending_bodies: config.http.max_pending_bodies,
        pending_bytes: config.http.max_pending_body_bytes,
        body_bytes: config.http.max_body_bytes,
    };
    let refused = Refused {
        in_flight: metrics.refused_counter("in_flight"),
        pending_bodies: metrics.refused_counter("pending_bodies"),
    };
    Arc::new(Intake::new(rules, refused))
}

pub(crate) fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
