//! Finds clients by the URL of their metadata document. The stored document is used while it is
//! fresh, and then fetched again.
//!
//! Each URL is fetched by one request at a time; concurrent requests wait and share the result. The
//! response decides:
//!
//! * a document, or 304: the client is found.
//! * something else, or 404 or 410: the client is refused, even if a document is stored.
//! * no usable response: the stored document remains valid for a limited time.
//!
//! Nothing is fetched within a transaction.

use std::collections::BTreeSet;
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::actions::clients::find::{Context, FindClientError};
use crate::actions::clients::forget::UnusedClients;
use crate::actions::clients::register::new_client;
use crate::db::clients::documents::StoredDocument;
use crate::db::clients::{Client, documents};
use crate::db::engine::error::DbError;
use crate::limits::fair_pool::{FairPool, PoolRules};
use crate::outgoing::{Bounds, Fetched, Outgoing, OutgoingError, PerKeyLimit};
use crate::rules::client::ClientId;
use crate::rules::client::document::{ClientDocument, DocumentUrl};
use crate::rules::client::document_freshness::{fresh_for, is_usable};
use crate::rules::client::metadata::ClientMetadata;
use crate::rules::client::registration::{RegistrationBounds, RegistrationRules};
use crate::rules::scope::catalog::ScopeCatalog;
use crate::rules::syntax::network::Network;
use crate::rules::timestamp::Timestamp;

/// The settings for these clients.
#[derive(Clone, Debug)]
pub struct DocumentRules {
    pub enabled: bool,
    pub allow_loopback: bool,
    pub catalog: ScopeCatalog,
    /// The allowed private-use schemes, as for registrations. Empty allows all.
    pub private_schemes: Vec<String>,
    pub bounds: RegistrationBounds,
}

pub struct Documents {
    rules: DocumentRules,
    outgoing: Outgoing,
    per_url: PerKeyLimit,
    /// Requests that fetch a document, or wait for another request that fetches it.
    fetching: FairPool,
    failures: Cache<ClientId, RecentFailure>,
    unused: UnusedClients,
}

/// A recent failure, so that reloading a page does not fetch the document again.
#[derive(Clone, Debug)]
struct RecentFailure {
    until: Timestamp,
    failure: FetchFailure,
}

/// Why there is no document, in words for anyone who sent the URL.
#[derive(Clone, Debug)]
enum FetchFailure {
    /// The host has no valid document for this client.
    Refused(String),
    /// The host sent no usable response.
    Unavailable(String),
}

/// The result of a lookup without a request to the host.
enum Lookup {
    Found(Client),
    MustFetch(Option<(StoredDocument, Client)>),
}

const BOUNDS: Bounds = Bounds { bytes: 64 * 1024, time: Duration::from_secs(5) };
/// How long to wait for another request that fetches the same URL: its time limit, and time to
/// store the document.
const MAX_WAIT: Duration = Duration::from_secs(7);
/// One network may use at most a quarter of the free places.
const FETCHING: PoolRules = PoolRules { total: 32, part: 4, minimum: 1 };
const REFUSED_FOR: i64 = 60;
const UNAVAILABLE_FOR: i64 = 30;
const MAX_FAILURES: usize = 4_096;
const MAX_ETAG_LENGTH: usize = 256;

impl Documents {
    pub fn new(rules: DocumentRules, outgoing: Outgoing, unused: UnusedClients) -> Self {
        Self {
            rules,
            outgoing,
            per_url: PerKeyLimit::new(1),
            fetching: FairPool::new(FETCHING),
            failures: Cache::new(MAX_FAILURES),
            unused,
        }
    }

    pub fn url(&self, text: &str) -> Result<DocumentUrl, FindClientError> {
        if !self.rules.enabled {
            return Err(FindClientError::Unknown);
        }
        let unusable =
            |words: String| FindClientError::Document(format!("the client_id URL {words}"));
        let url = DocumentUrl::parse(text).map_err(|error| unusable(error.to_string()))?;
        if !url.is_https() && !self.rules.allow_loopback {
            return Err(unusable("does not use https: use https".to_owned()));
        }
        Ok(url)
    }

    /// Finds the client. `network` is the network of the request that names it.
    pub async fn find(
        &self,
        context: &Context,
        text: &str,
        network: Option<Network>,
    ) -> Result<Client, FindClientError> {
        let url = self.url(text)?;
        let stored = match self.find_without_fetching(context, &url).await? {
            Lookup::Found(client) => return Ok(client),
            Lookup::MustFetch(stored) => stored,
        };
        let share = network.map(|network| self.fetching.take(network, 1));
        if share.as_ref().is_some_and(Option::is_none) {
            return usable(stored, context.clock.now()).ok_or(FindClientError::Busy);
        }
        let _permit =
            self.per_url.take(url.as_str(), MAX_WAIT).await.ok_or(FindClientError::Busy)?;
        // The request that held the permit before may have fetched the document.
        match self.find_without_fetching(context, &url).await? {
            Lookup::Found(client) => Ok(client),
            Lookup::MustFetch(stored) => self.refresh(context, &url, stored).await,
        }
    }

    async fn find_without_fetching(
        &self,
        context: &Context,
        url: &DocumentUrl,
    ) -> Result<Lookup, FindClientError> {
        let stored = documents::find_by_url(&context.db, url).await?;
        let now = context.clock.now();
        match stored {
            Some((document, client)) if now < document.fresh_until => Ok(Lookup::Found(client)),
            stored => {
                match self.failures.get(&url.client_id()).filter(|failure| now < failure.until) {
                    Some(recent) => {
                        without_document(recent.failure, stored, now).map(Lookup::Found)
                    }
                    None => Ok(Lookup::MustFetch(stored)),
                }
            }
        }
    }

    async fn refresh(
        &self,
        context: &Context,
        url: &DocumentUrl,
        stored: Option<(StoredDocument, Client)>,
    ) -> Result<Client, FindClientError> {
        let etag = stored.as_ref().and_then(|(document, _)| document.etag.as_deref());
        let response = self.interpret(url, etag.is_some(), self.fetch(url, etag).await);
        let now = context.clock.now();
        match (response, stored) {
            (DocumentResponse::NotModified { fresh_for }, Some((_, client))) => {
                documents::renew(&context.db, client.id, now, now.plus(fresh_for)).await?;
                Ok(client)
            }
            (DocumentResponse::New { metadata, etag, fresh_for }, stored) => {
                let (client_id, url_text) = (url.client_id(), url.as_str().to_owned());
                let fresh_until = now.plus(fresh_for);
                let document =
                    StoredDocument { client_id, url: url_text, etag, fetched_at: now, fresh_until };
                self.store(context, url, &metadata, document, stored.is_none()).await
            }
            // This is a limit of this server and passes quickly, so it is not remembered as a
            // failure.
            (DocumentResponse::Busy, stored) => usable(stored, now).ok_or(FindClientError::Busy),
            (DocumentResponse::Failed(failure), stored) => {
                self.handle_failure(context, url, failure, stored, now).await
            }
            (DocumentResponse::NotModified { .. }, None) => {
                let failure = not_a_document(url, NOT_MODIFIED);
                self.handle_failure(context, url, failure, None, now).await
            }
        }
    }

    async fn fetch(&self, url: &DocumentUrl, etag: Option<&str>) -> Result<Fetched, OutgoingError> {
        let mut headers = vec![("accept", "application/json")];
        headers.extend(etag.map(|etag| ("if-none-match", etag)));
        self.outgoing.get(url.as_str(), &headers, BOUNDS).await
    }

    fn interpret(
        &self,
        url: &DocumentUrl,
        is_conditional: bool,
        result: Result<Fetched, OutgoingError>,
    ) -> DocumentResponse {
        let fetched = match result {
            Ok(fetched) => fetched,
            Err(OutgoingError::Busy { .. }) => return DocumentResponse::Busy,
            Err(error) => return DocumentResponse::Failed(fetch_failure(url, &error)),
        };
        let fresh_for = fresh_for(fetched.header("cache-control").as_deref());
        match fetched.status {
            200 => match self.read(url, &fetched) {
                Ok(metadata) => {
                    let etag = etag_of(&fetched);
                    DocumentResponse::New { metadata: Box::new(metadata), etag, fresh_for }
                }
                Err(words) => DocumentResponse::Failed(FetchFailure::Refused(words)),
            },
            NOT_MODIFIED if is_conditional => DocumentResponse::NotModified { fresh_for },
            gone @ (404 | 410) => DocumentResponse::Failed(FetchFailure::Refused(format!(
                "its document is gone: {} responded with status {gone}",
                url.host()
            ))),
            status => DocumentResponse::Failed(not_a_document(url, status)),
        }
    }

    fn read(&self, url: &DocumentUrl, fetched: &Fetched) -> Result<ClientMetadata, String> {
        let host = url.host();
        if fetched.header("content-type").is_some_and(|name| !is_json(&name)) {
            return Err(format!("{host} does not serve its document as application/json"));
        }
        let schemes = self.rules.private_schemes.as_slice();
        let rules = RegistrationRules {
            catalog: &self.rules.catalog,
            tolerate: &BTreeSet::new(),
            private_schemes: (!schemes.is_empty()).then_some(schemes),
            bounds: self.rules.bounds,
        };
        let wrong =
            |error| format!("the document at {host} does not describe this client: {error}");
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
        let client = &new_client(document.client_id, url.digest(), metadata, seen_at, 1)
            .map_err(unwritable)?;
        let document = &document;
        let upsert = context.transact("client_document.store", |tx| {
            Box::pin(documents::upsert(tx, client, document))
        });
        let Some(stored) = upsert.await? else {
            return Err(FindClientError::Document(
                "another client already has the id of its URL".to_owned(),
            ));
        };
        if is_new {
            self.unused.add(client.metadata.len());
        }
        self.failures.remove(&stored.id);
        Ok(stored)
    }

    /// Remembers the failure for a while, and returns the stored client if it may still be used.
    async fn handle_failure(
        &self,
        context: &Context,
        url: &DocumentUrl,
        failure: FetchFailure,
        stored: Option<(StoredDocument, Client)>,
        now: Timestamp,
    ) -> Result<Client, FindClientError> {
        let until = now.plus(match &failure {
            FetchFailure::Refused(_) => REFUSED_FOR,
            FetchFailure::Unavailable(_) => UNAVAILABLE_FOR,
        });
        let recent = RecentFailure { until, failure: failure.clone() };
        self.failures.insert(url.client_id(), recent);
        if let (FetchFailure::Refused(_), Some((document, _))) = (&failure, &stored) {
            documents::mark_stale(&context.db, document.client_id).await?;
        }
        without_document(failure, stored, now)
    }
}

/// The meaning of a response for the client. `fresh_for` is in seconds.
enum DocumentResponse {
    NotModified { fresh_for: i64 },
    New { metadata: Box<ClientMetadata>, etag: Option<String>, fresh_for: i64 },
    Failed(FetchFailure),
    Busy,
}

const NOT_MODIFIED: u16 = 304;

fn without_document(
    failure: FetchFailure,
    stored: Option<(StoredDocument, Client)>,
    now: Timestamp,
) -> Result<Client, FindClientError> {
    match failure {
        FetchFailure::Refused(words) => Err(FindClientError::Document(words)),
        FetchFailure::Unavailable(words) => {
            usable(stored, now).ok_or(FindClientError::Document(words))
        }
    }
}

fn usable(stored: Option<(StoredDocument, Client)>, now: Timestamp) -> Option<Client> {
    stored.filter(|(document, _)| is_usable(document.fetched_at, now)).map(|(_, client)| client)
}

/// Logs the full error. The returned words are for anyone who sent the URL.
fn fetch_failure(url: &DocumentUrl, error: &OutgoingError) -> FetchFailure {
    tracing::info!(host = url.host(), %error, "a client metadata document could not be fetched");
    let words = error.public_message();
    match error {
        OutgoingError::TooLarge { .. } => FetchFailure::Refused(words),
        _ => FetchFailure::Unavailable(words),
    }
}

fn not_a_document(url: &DocumentUrl, status: u16) -> FetchFailure {
    let host = url.host();
    FetchFailure::Unavailable(format!(
        "{host} responded with status {status} instead of its document"
    ))
}

fn etag_of(fetched: &Fetched) -> Option<String> {
    fetched.header("etag").filter(|etag| etag.len() <= MAX_ETAG_LENGTH)
}

/// Accepts `application/json` and `application/…+json` with any parameters. Hosts rarely serve
/// files that strangers uploaded with such a type.
fn is_json(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    name == "application/json" || (name.starts_with("application/") && name.ends_with("+json"))
}
