//! This server's library in process: decisions of organizations and their users without HTTP.

use std::time::Duration;

use grantor::actions::audit::AuditActor;
use grantor::actions::authorize::approve::{Answer, Approval, Requested, approve_request};
use grantor::actions::authorize::offer_scopes::{ConsentRequest, Offer, offer_scopes};
use grantor::actions::clients::scopes_restriction::{
    NewRestriction, RestrictionRules, restrict_scopes,
};
use grantor::actions::context::Context;
use grantor::clock::Clock;
use grantor::config::{Config, Loaded, Sources};
use grantor::db::clients;
use grantor::db::clients::Client;
use grantor::db::engine::Db;
use grantor::db::engine::connect::{Location, Target};
use grantor::db::users::User;
use grantor::metrics::transactions::TransactionMetrics;
use grantor::passwords::Passwords;
use grantor::random::Random;
use grantor::rules::authorization::pkce::CodeChallenge;
use grantor::rules::authorization::request::{AuthorizationRequest, Prompt};
use grantor::rules::client::ClientId;
use grantor::rules::id::OrgId;
use grantor::rules::scope::scopes_restriction::ScopesRestriction;
use grantor::rules::scope::{ScopeSet, ScopeToken};
use grantor::rules::secret::{Digest, Secret};
use grantor::sealing::KeyRing;

use crate::failure::Failure;
use crate::people;
use crate::token_server::{CHALLENGE, REDIRECT_URI};

/// The default number of the server.
const POOL: u32 = 16;
const SCOPE: &str = "openid profile email";
const CODE_TTL: i64 = 60;

pub struct Library {
    context: Context,
    loaded: Loaded,
    required: ScopeSet,
    restrictions: [ScopesRestriction; 2],
    request: AuthorizationRequest,
    clients: Vec<Client>,
}

/// The text of the error.
pub type Refused = String;

impl Library {
    pub async fn open(database: String, client_ids: &[String]) -> Result<Self, Failure> {
        let target = Target {
            location: Location::Postgres { url: Secret::new(database), schema: None },
            max_connections: POOL,
            acquire_timeout: Duration::from_secs(10),
            query_timeout: Duration::from_secs(10),
        };
        let db = Db::open(&target)?;
        let mut clients = Vec::with_capacity(client_ids.len());
        for id in client_ids {
            clients.push(find_client(&db, id).await?);
        }
        let (clock, random, passwords) = (Clock::system(), Random::system(), Passwords::default());
        let transactions = TransactionMetrics::default();
        Ok(Self {
            context: Context { db, clock, random, passwords, ring: KeyRing::none(), transactions },
            loaded: default_settings()?,
            required: ScopeSet::default(),
            restrictions: [
                restriction(&["openid", "email"], &["dashboards_read", "metrics_read"])?,
                restriction(&["openid"], &["dashboards_read"])?,
            ],
            request: request(),
            clients,
        })
    }

    fn rules(&self) -> RestrictionRules<'_> {
        RestrictionRules::of(&self.loaded.config, &self.loaded.catalog, &self.required)
    }

    /// Alternates between two restrictions, so that each is a change.
    pub async fn restrict(&self, org_id: OrgId, client: usize, time: u64) -> Result<(), Refused> {
        let (client_id, restriction) =
            (self.clients[client].id, &self.restrictions[(time % 2) as usize]);
        let (rules, by) = (self.rules(), AuditActor::COMMAND_LINE);
        let new = NewRestriction { org_id, client_id, restriction: Some(restriction), rules };
        let restricted = restrict_scopes(&self.context, new, None, &by).await;
        restricted.map(drop).map_err(|error| error.to_string())
    }

    /// The stored request of each user.
    pub fn request(&self) -> Result<String, Failure> {
        serde_json::to_string(&self.request).map_err(|error| Failure::Unexpected {
            what: "a request as JSON",
            came: error.to_string(),
        })
    }

    fn asking<'a>(&'a self, org_id: OrgId, client: usize, user: &'a User) -> ConsentRequest<'a> {
        ConsentRequest {
            client: &self.clients[client],
            request: &self.request,
            user,
            org_id,
            issuer: &self.loaded.config.http.public_url,
        }
    }

    /// The scopes that each client can get. They are the same for every user without a grant.
    pub async fn offers(&self, org_id: OrgId) -> Result<Vec<Offer>, Failure> {
        let person = people::person(0);
        let mut offers = Vec::with_capacity(self.clients.len());
        for client in 0..self.clients.len() {
            let asking = self.asking(org_id, client, &person);
            let offered = offer_scopes(&self.context.db, self.rules(), asking).await;
            offers.push(offered.map_err(|error| Failure::Unexpected {
                what: "scopes to offer",
                came: error.to_string(),
            })?);
        }
        Ok(offers)
    }

    /// A user approves everything.
    pub async fn consent(
        &self,
        org_id: OrgId,
        client: usize,
        number: u64,
        offer: &Offer,
    ) -> Result<(), Refused> {
        let user = people::person(number);
        let asking = self.asking(org_id, client, &user);
        let ticked = offer.scopes.all();
        let approval = Approval {
            request: Requested::Waiting {
                handle: people::handle(number),
                browser: Digest::of(people::BROWSER),
            },
            client: asking.client,
            user: &user,
            signed_in_at: self.context.clock.now(),
            org_id,
            answer: Some(Answer { page_digest: asking.page_digest(offer), chosen: &ticked }),
            code_ttl: CODE_TTL,
        };
        let approved =
            approve_request(&self.context, self.rules(), approval, &AuditActor::COMMAND_LINE).await;
        approved.map(drop).map_err(|error| error.to_string())
    }

    pub async fn close(&self) {
        self.context.db.close().await;
    }
}

async fn find_client(db: &Db, id: &str) -> Result<Client, Failure> {
    let unknown =
        || Failure::Unexpected { what: "a client that is registered", came: id.to_owned() };
    let id = ClientId::parse(id).map_err(|_| unknown())?;
    clients::find(db, id).await?.ok_or_else(unknown)
}

fn default_settings() -> Result<Loaded, Failure> {
    let sources = Sources {
        file: None,
        environment: Vec::new(),
        flags: Vec::new(),
        read_file: |path| std::fs::read_to_string(path),
    };
    Config::load(&sources).map_err(|errors| Failure::Unexpected {
        what: "default settings",
        came: errors.to_string(),
    })
}

fn restriction(oidc: &[&str], permissions: &[&str]) -> Result<ScopesRestriction, Failure> {
    let tokens = |names: &[&str]| {
        names.iter().map(|name| ScopeToken::parse(name)).collect::<Result<Vec<_>, _>>()
    };
    let bad = |error| Failure::Unexpected { what: "names of scopes", came: format!("{error}") };
    Ok(ScopesRestriction::from_stored(
        tokens(oidc).map_err(bad)?,
        tokens(permissions).map_err(bad)?,
    ))
}

fn request() -> AuthorizationRequest {
    AuthorizationRequest {
        redirect_uri: REDIRECT_URI.to_owned(),
        redirect_uri_was_sent: true,
        state: Some("the-state-of-a-client".to_owned()),
        scope: ScopeSet::parse(SCOPE).ok(),
        code_challenge: Some(CodeChallenge::from_stored(CHALLENGE.to_owned())),
        resources: Vec::new(),
        nonce: None,
        prompt: Prompt::default(),
        max_age: None,
        login_hint: None,
        org_id: None,
        names_site: false,
        ui_locale: None,
    }
}
