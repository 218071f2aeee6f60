//! Finds the client of a `client_id`, which is the UUID of a registered client or the URL of a
//! client ID metadata document.
//!
//! Finding a client counts as using it. The time is stored at most once an hour, so that a client
//! in use neither sleeps nor is forgotten.

mod documents;

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

pub use crate::actions::clients::find::documents::{DocumentRules, Documents};
use crate::actions::context::Context;
use crate::db::clients;
use crate::db::clients::Client;
use crate::db::clients::known::FRESH_FOR;
use crate::db::engine::error::DbError;
use crate::rules::client::ClientId;
use crate::rules::client::document::DocumentUrl;
use crate::rules::client::kind::ClientKind;
use crate::rules::syntax::network::Network;

/// Cheap to clone; all clones share their caches.
#[derive(Clone)]
pub struct FindClient {
    documents: Arc<Documents>,
    registered: Arc<Cache<ClientId, Arc<Client>, BySize>>,
}

#[derive(Debug, thiserror::Error)]
pub enum FindClientError {
    #[error("there is no such client")]
    Unknown,
    /// The reason, in words that may be shown to anyone who sent the `client_id`.
    #[error("{0}")]
    Document(String),
    #[error("too many client metadata documents are being fetched; retry in a moment")]
    Busy,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The size of the cache. A client has about a thousand bytes, and at most sixty times that.
const CACHED_BYTES: u64 = 8 * 1024 * 1024;
const CACHED_CLIENTS: usize = 8_192;

impl FindClient {
    pub fn new(documents: Documents) -> Self {
        let registered = Cache::with_weighter(CACHED_CLIENTS, CACHED_BYTES, BySize);
        Self { documents: Arc::new(documents), registered: Arc::new(registered) }
    }

    /// Finds a client by its `client_id`. This may fetch a document, so never call it within a
    /// transaction. `network` is the network of the request.
    pub async fn find(
        &self,
        context: &Context,
        client_id_text: &str,
        network: Option<Network>,
    ) -> Result<Client, FindClientError> {
        if DocumentUrl::has_url_scheme(client_id_text) {
            let client = self.documents.find(context, client_id_text, network).await?;
            if is_touch_due(&client, context) {
                clients::touch(&context.db, client.id, context.clock.now(), FRESH_FOR).await?;
            }
            return Ok(client);
        }
        let id = ClientId::parse(client_id_text).map_err(|_| FindClientError::Unknown)?;
        self.find_registered(context, id).await
    }

    /// Finds a client by its `client_id` as it was last stored. Nothing is fetched, so that tokens
    /// are issued even if the site of the client is down.
    pub async fn find_known(
        &self,
        context: &Context,
        client_id_text: &str,
    ) -> Result<Client, FindClientError> {
        let id = self.id_of(client_id_text).ok_or(FindClientError::Unknown)?;
        if !DocumentUrl::has_url_scheme(client_id_text) {
            return self.find_registered(context, id).await;
        }
        clients::find(&context.db, id).await?.ok_or(FindClientError::Unknown)
    }

    /// Returns the id for a `client_id`, for callers that hold a row of the client. The client may
    /// not exist. Nothing is fetched.
    pub fn id_of(&self, client_id_text: &str) -> Option<ClientId> {
        if DocumentUrl::has_url_scheme(client_id_text) {
            return self.documents.url(client_id_text).ok().map(|url| url.client_id());
        }
        ClientId::parse(client_id_text).ok()
    }

    /// The metadata of a registered client never changes, so it is cached; the counts beside it may
    /// be an hour old. A private client can be changed or deleted at any time, so it is read. A client with a document is found only by its URL, since its UUID would
    /// bypass the refresh of the document.
    async fn find_registered(
        &self,
        context: &Context,
        id: ClientId,
    ) -> Result<Client, FindClientError> {
        if let Some(client) =
            self.registered.get(&id).filter(|client| !is_touch_due(client, context))
        {
            return Ok(Client::clone(&client));
        }
        let now = context.clock.now();
        clients::touch(&context.db, id, now, FRESH_FOR).await?;
        let is_usable = |client: &Client| client.document.is_none() && client.state.is_usable();
        let Some(client) = clients::find(&context.db, id).await?.filter(is_usable) else {
            self.registered.remove(&id);
            return Err(FindClientError::Unknown);
        };
        if client.kind == ClientKind::Registered {
            self.registered.insert(id, Arc::new(client.clone()));
        }
        Ok(client)
    }
}

/// Whether the stored time of the last use is an hour old.
fn is_touch_due(client: &Client, context: &Context) -> bool {
    context.clock.now().seconds_since(client.last_seen_at) >= FRESH_FOR
}

#[derive(Clone)]
struct BySize;

impl Weighter<ClientId, Arc<Client>> for BySize {
    fn weight(&self, _: &ClientId, client: &Arc<Client>) -> u64 {
        const OVERHEAD: u64 = 512;
        let metadata = serde_json::to_string(&client.metadata).map_or(0, |text| text.len());
        OVERHEAD + metadata as u64
    }
}
