//! Clients that are described by a document at a URL: the stored one while it is fresh, asked again after that.
//!
//! One request at a time asks for a URL, and those that waited meanwhile find what it brought. What the host answers
//! decides: the document, the same as before, another thing or nothing (then the client is refused, whatever is stored),
//! or no answer of use (then what is stored works on for a time). Nothing is fetched within a transaction.

use std::collections::BTreeSet;
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::actions::clients::find::{Context, FindClientError};
use crate::actions::clients::forget::UnusedClients;
use crate::actions::clients::register::new_client;
use crate::db::clients::documents::StoredDocument;
use crate::db::clients::{Client, documents};
use crate::db::engine::error::DbError;
use crate::fair_pool::{FairPool, PoolRules};
use crate::outgoing::{Bounds, Fetched, Outgoing, OutgoingError, Turns};
use crate::rules::client::ClientId;
use crate::rules::client::document::{ClientDocument, DocumentUrl};
use crate::rules::client::document_freshness::{fresh_for, is_usable};
use crate::rules::client::metadata::ClientMetadata;
use crate::rules::client::registration::{RegistrationBounds, RegistrationRules};
use crate::rules::scope::catalog::ScopeCatalog;
use crate::rules::syntax::network::Network;
use crate::rules::timestamp::Timestamp;

/// What the operator decides about such clients.
#[derive(Clone, Debug)]
pub struct DocumentRules {
    pub enabled: bool,
    pub allow_loopback: bool,
    pub catalog: ScopeCatalog,
    /// As of registrations; none listed is every one.
    pub private_schemes: Vec<String>,
    pub bounds: RegistrationBounds,
}

pub struct Documents {
    rules: DocumentRules,
    outgoing: Outgoing,
    turns: Turns,
    /// Requests that make the server ask for a document, or wait for one that it asks for.
    asking: FairPool,
    failures: Cache<ClientId, Failure>,
    unused: UnusedClients,
}

/// What went wrong lately, so that a page which is loaded again does not ask again.
#[derive(Clone, Debug)]
struct Failure {
    until: Timestamp,
    what: Unfit,
}

/// No document of a client came of it, in words for whoever named its URL.
#[derive(Clone, Debug)]
enum Unfit {
    /// The host says that this is no client of its own.
    Refused(String),
    /// The host says nothing of use.
    Absent(String),
}

/// What is known without asking the host.
enum Known {
    Answer(Client),
    ToBeAsked(Option<(StoredDocument, Client)>),
}

const BOUNDS: Bounds = Bounds { bytes: 64 * 1024, time: Duration::from_secs(5) };
/// For the turn of whoever asks already: as long as that may take, and its storing.
const WAITS_WITHIN: Duration = Duration::from_secs(7);
/// One network may use at most a quarter of the places that are free.
const ASKING: PoolRules = PoolRules { total: 32, part: 4, minimum: 1 };
const REFUSED_FOR: i64 = 60;
const ABSENT_FOR: i64 = 30;
const FAILURES: usize = 4_096;
const LONGEST_ETAG: usize = 256;

impl Documents {
    pub fn new(rules: DocumentRules, outgoing: Outgoing, unused: UnusedClients) -> Self {
        let (turns, asking, failures) = (Turns::new(1), FairPool::new(ASKING), Cache::new(FAILURES));
        Self { rules, outgoing, turns, asking, failures, unused }
    }

    pub fn url(&self, text: &str) -> Result<DocumentUrl, FindClientError> {
        if !self.rules.enabled {
            return Err(FindClientError::Unknown);
        }
        let unusable = |words: String| FindClientError::Document(format!("the URL that is the client_id {words}"));
        let url = DocumentUrl::parse(text).map_err(|error| unusable(error.to_string()))?;
        if !url.is_https() && !self.rules.allow_loopback {
            return Err(unusable("does not use https: use https".to_owned()));
        }
        Ok(url)
    }

    /// `network` is where the request came from that names the client.
    pub async fn find(
        &self,
        context: &Context,
        text: &str,
        network: Option<Network>,
    ) -> Result<Client, FindClientError> {
        let url = self.url(text)?;
        let stored = match self.without_asking(context, &url).await? {
            Known::Answer(client) => return Ok(client),
            Known::ToBeAsked(stored) => stored,
        };
        let share = network.map(|network| self.asking.take(network, 1));
        if share.as_ref().is_some_and(Option::is_none) {
            return usable(stored, context.clock.now()).ok_or(FindClientError::Busy);
        }
        let _turn = self.turns.take(url.as_str(), WAITS_WITHIN).await.ok_or(FindClientError::Busy)?;
        // Whoever had the turn before has asked.
        match self.without_asking(context, &url).await? {
            Known::Answer(client) => Ok(client),
            Known::ToBeAsked(stored) => self.ask(context, &url, stored).await,
        }
    }

    async fn without_asking(&self, context: &Context, url: &DocumentUrl) -> Result<Known, FindClientError> {
        let stored = documents::find_by_url(&context.db, url).await?;
        let now = context.clock.now();
        match stored {
            Some((document, client)) if now < document.fresh_until => Ok(Known::Answer(client)),
            stored => match self.failures.get(&url.client_id()).filter(|failure| now < failure.until) {
                Some(failure) => without_document(failure.what, stored, now).map(Known::Answer),
                None => Ok(Known::ToBeAsked(stored)),
            },
        }
    }

    async fn ask(
        &self,
        context: &Context,
        url: &DocumentUrl,
        stored: Option<(StoredDocument, Client)>,
    ) -> Result<Client, FindClientError> {
        let etag = stored.as_ref().and_then(|(document, _)| document.etag.as_deref());
        let said = self.said(url, etag.is_some(), self.fetch(url, etag).await);
        let now = context.clock.now();
        match (said, stored) {
            (Said::Same { fresh_for }, Some((_, client))) => {
                documents::renew(&context.db, client.id, now, now.plus(fresh_for)).await?;
                Ok(client)
            }
            (Said::New { metadata, etag, fresh_for }, stored) => {
                let (client_id, url_text) = (url.client_id(), url.as_str().to_owned());
                let fresh_until = now.plus(fresh_for);
                let document = StoredDocument { client_id, url: url_text, etag, fetched_at: now, fresh_until };
                self.store(context, url, &metadata, document, stored.is_none()).await
            }
            // This server's own doing, and over in a moment.
            (Said::Busy, stored) => usable(stored, now).ok_or(FindClientError::Busy),
            (Said::Unfit(unfit), stored) => self.without(context, url, unfit, stored, now).await,
            (Said::Same { .. }, None) => self.without(context, url, not_a_document(url, NOT_MODIFIED), None, now).await,
        }
    }

    async fn fetch(&self, url: &DocumentUrl, etag: Option<&str>) -> Result<Fetched, OutgoingError> {
        let mut headers = vec![("accept", "application/json")];
        headers.extend(etag.map(|etag| ("if-none-match", etag)));
        self.outgoing.get(url.as_str(), &headers, BOUNDS).await
    }

    fn said(&self, url: &DocumentUrl, on_condition: bool, answered: Result<Fetched, OutgoingError>) -> Said {
        let fetched = match answered {
            Ok(fetched) => fetched,
            Err(OutgoingError::Busy { .. }) => return Said::Busy,
            Err(error) => return Said::Unfit(unfit_by(url, &error)),
        };
        let fresh_for = fresh_for(fetched.header("cache-control").as_deref());
        match fetched.status {
            200 => match self.read(url, &fetched) {
                Ok(metadata) => Said::New { metadata: Box::new(metadata), etag: etag_of(&fetched), fresh_for },
                Err(words) => Said::Unfit(Unfit::Refused(words)),
            },
            NOT_MODIFIED if on_condition => Said::Same { fresh_for },
            gone @ (404 | 410) => {
                Said::Unfit(Unfit::Refused(format!("its document is gone: {} answered with status {gone}", url.host())))
            }
            status => Said::Unfit(not_a_document(url, status)),
        }
    }

    fn read(&self, url: &DocumentUrl, fetched: &Fetched) -> Result<ClientMetadata, String> {
        let host = url.host();
        if fetched.header("content-type").is_some_and(|name| !is_json(&name)) {
            return Err(format!("{host} serves its document as something else than application/json"));
        }
        let schemes = self.rules.private_schemes.as_slice();
        let rules = RegistrationRules {
            catalog: &self.rules.catalog,
            tolerate: &BTreeSet::new(),
            private_schemes: (!schemes.is_empty()).then_some(schemes),
            bounds: self.rules.bounds,
        };
        let wrong = |error| format!("the document at {host} does not describe this client: {error}");
        ClientDocument::parse(url, &fetched.body, &rules).map_err(wrong)
    }

    async fn store(
        &self,
        context: &Context,
        url: &DocumentUrl,
        metadata: &ClientMetadata,
        document: StoredDocument,
        is_new: bool,
    ) -> Result<Client, FindClientError> {
        let unwritable = |cause| DbError::corrupt("clients", "metadata", cause);
        let seen_at = document.fetched_at;
        let client = new_client(document.client_id, url.digest(), metadata, seen_at, 1).map_err(unwritable)?;
        let mut tx = context.db.begin().await?;
        let Some(stored) = documents::upsert(&mut tx, &client, &document).await? else {
            tx.roll_back().await?;
            return Err(FindClientError::Document("another client has the id that its URL leads to".to_owned()));
        };
        tx.commit().await?;
        if is_new {
            self.unused.add(client.metadata.len());
        }
        self.failures.remove(&stored.id);
        Ok(stored)
    }

    async fn without(
        &self,
        context: &Context,
        url: &DocumentUrl,
        unfit: Unfit,
        stored: Option<(StoredDocument, Client)>,
        now: Timestamp,
    ) -> Result<Client, FindClientError> {
        let until = now.plus(match &unfit {
            Unfit::Refused(_) => REFUSED_FOR,
            Unfit::Absent(_) => ABSENT_FOR,
        });
        self.failures.insert(url.client_id(), Failure { until, what: unfit.clone() });
        if let (Unfit::Refused(_), Some((document, _))) = (&unfit, &stored) {
            documents::distrust(&context.db, document.client_id).await?;
        }
        without_document(unfit, stored, now)
    }
}

/// What a host said about a client, and for how many seconds that is good.
enum Said {
    Same { fresh_for: i64 },
    New { metadata: Box<ClientMetadata>, etag: Option<String>, fresh_for: i64 },
    Unfit(Unfit),
    Busy,
}

const NOT_MODIFIED: u16 = 304;

fn without_document(
    unfit: Unfit,
    stored: Option<(StoredDocument, Client)>,
    now: Timestamp,
) -> Result<Client, FindClientError> {
    match unfit {
        Unfit::Refused(words) => Err(FindClientError::Document(words)),
        Unfit::Absent(words) => usable(stored, now).ok_or(FindClientError::Document(words)),
    }
}

fn usable(stored: Option<(StoredDocument, Client)>, now: Timestamp) -> Option<Client> {
    stored.filter(|(document, _)| is_usable(document.fetched_at, now)).map(|(_, client)| client)
}

/// All of it goes to the log; the words are for whoever named the URL.
fn unfit_by(url: &DocumentUrl, error: &OutgoingError) -> Unfit {
    tracing::info!(host = url.host(), %error, "a document of a client was not fetched");
    let words = error.told_to_strangers();
    match error {
        OutgoingError::TooLarge { .. } => Unfit::Refused(words),
        _ => Unfit::Absent(words),
    }
}

fn not_a_document(url: &DocumentUrl, status: u16) -> Unfit {
    Unfit::Absent(format!("{} answered with status {status} instead of its document", url.host()))
}

fn etag_of(fetched: &Fetched) -> Option<String> {
    fetched.header("etag").filter(|etag| etag.len() <= LONGEST_ETAG)
}

/// `application/json` or `application/…+json`, whatever its parameters. Files that strangers upload to a host are seldom
/// served so.
fn is_json(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    name == "application/json" || (name.starts_with("application/") && name.ends_with("+json"))
}
