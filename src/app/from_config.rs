//! Builds the parts of `App` from the settings.

use crate::actions::clients::find::{DocumentRules, Documents, FindClient};
use crate::actions::clients::forget::UnusedClients;
use crate::actions::tokens::issue::{Issuer, Lifetimes};
use crate::actions::tokens::verified::VerifiedTokens;
use crate::app::{App, seconds};
use crate::config::{Config, DatabaseUrl};
use crate::db::engine::Db;
use crate::db::engine::connect::{Location, Target};
use crate::db::families::last_uses::LastUses;
use crate::db::families::queues::FamilyQueues;
use crate::delivery::{Sender, SenderRules};
use crate::outgoing::{Outgoing, OutgoingRules, WebhookBounds};
use crate::rules::client::registration::RegistrationBounds;
use crate::rules::client::unused::UnusedBounds;
use crate::rules::scope::catalog::ScopeCatalog;
use crate::rules::webhook::delivery::DeliveryRules;
use crate::sealing::KeyRing;
use crate::signing::SigningKeys;

/// The database settings in the form that the pool expects.
pub fn database_target(config: &Config) -> Target {
    Target {
        location: match &config.database.url {
            DatabaseUrl::Sqlite(path) => Location::Sqlite { path: path.clone() },
            DatabaseUrl::Postgres(url) => Location::Postgres { url: url.clone(), schema: None },
        },
        max_connections: config.database.max_connections,
        acquire_timeout: config.database.acquire_timeout,
        query_timeout: config.database.query_timeout,
    }
}

/// The HTTP client for webhooks and their token requests.
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

pub(super) fn issuer(config: &Config, ring: &KeyRing, signing: &SigningKeys, db: &Db) -> Issuer {
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
            repeat: seconds(tokens.refresh_repeat),
        },
        verified: VerifiedTokens::default(),
        uses: LastUses::default(),
        families: FamilyQueues::start(db.clone()),
    }
}

pub(super) fn registration_bounds(config: &Config) -> RegistrationBounds {
    let registration = &config.registration;
    RegistrationBounds {
        metadata_bytes: registration.max_metadata_bytes,
        redirect_uris: registration.max_redirect_uris,
    }
}

/// The limits on clients that were never used.
pub(super) fn unused_bounds(config: &Config) -> UnusedBounds {
    let registration = &config.registration;
    UnusedBounds {
        clients: registration.max_unused_clients.into(),
        bytes: registration.max_unused_bytes,
    }
}

pub(super) fn find_client(
    config: &Config,
    catalog: &ScopeCatalog,
    unused: UnusedClients,
) -> FindClient {
    let outgoing = Outgoing::new(OutgoingRules {
        allow_networks: config.outgoing.allow_networks.clone(),
        allow_loopback: config.client_documents.allow_loopback,
        proxy: config.outgoing.proxy.clone(),
    });
    let rules = DocumentRules {
        enabled: config.client_documents.enabled,
        allow_loopback: config.client_documents.allow_loopback,
        catalog: catalog.clone(),
        private_schemes: config.registration.private_schemes.clone(),
        bounds: registration_bounds(config),
    };
    FindClient::new(Documents::new(rules, outgoing, unused))
}

impl App {
    /// The sender of webhook events. Must be called within a Tokio runtime.
    pub fn sender(&self) -> Sender {
        let webhooks = &self.config.webhooks;
        let delivery = DeliveryRules {
            attempts: webhooks.attempts,
            give_up_after: seconds(webhooks.give_up_after),
        };
        let rules = SenderRules {
            delivery,
            timeout: webhooks.timeout,
            at_once: webhooks.at_once,
            at_once_per_webhook: webhooks.at_once_per_webhook,
        };
        Sender::new(
            self.context.clone(),
            webhooks_outgoing(&self.config),
            rules,
            self.metrics.deliveries.clone(),
            self.stop.clone(),
        )
    }
}
