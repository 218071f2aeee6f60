//! Which client a `client_id` means: the UUID of one that registered, or the URL of a document that describes one.
//!
//! Being found is being used: it is written down, at most hourly, so that a client in use is neither asleep nor forgotten.

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
use crate::rules::syntax::network::Network;

/// Cheap to clone; all clones share what they know.
#[derive(Clone)]
pub struct FindClient {
    documents: Arc<Documents>,
    registered: Arc<Cache<ClientId, Arc<Client>, BySize>>,
}

#[derive(Debug, thiserror::Error)]
pub enum FindClientError {
    #[error("there is no such client")]
    Unknown,
    /// Fit to be shown to whoever named the client.
    #[error("{0}")]
    Document(String),
    #[error("too many documents of clients are being fetched: try again in a moment")]
    Busy,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// In bytes; a client has about one thousand, and sixty times that at most.
const CACHED_BYTES: u64 = 8 * 1024 * 1024;
const CACHED_CLIENTS: usize = 8_192;

impl FindClient {
    pub fn new(documents: Documents) -> Self {
        let registered = Cache::with_weighter(CACHED_CLIENTS, CACHED_BYTES, BySize);
        Self { documents: Arc::new(documents), registered: Arc::new(registered) }
    }

    /// By what the client calls itself. A document may be fetched for it, so never within a transaction. `network` is where
    /// the request came from.
    pub async fn find(
        &self,
        context: &Context,
        client_id_text: &str,
        network: Option<Network>,
    ) -> Result<Client, FindClientError> {
        if DocumentUrl::is_meant_by(client_id_text) {
            let client = self.documents.find(context, client_id_text, network).await?;
            if is_to_be_seen(&client, context) {
                clients::touch(&context.db, client.id, context.clock.now(), FRESH_FOR).await?;
            }
            return Ok(client);
        }
        let id = ClientId::parse(client_id_text).map_err(|_| FindClientError::Unknown)?;
        self.find_registered(context, id).await
    }

    /// By what the client calls itself, as it was seen last: nothing is fetched, so that a token is given although the
    /// client's own site is down.
    pub async fn find_known(&self, context: &Context, client_id_text: &str) -> Result<Client, FindClientError> {
        let id = self.id_of(client_id_text).ok_or(FindClientError::Unknown)?;
        if !DocumentUrl::is_meant_by(client_id_text) {
            return self.find_registered(context, id).await;
        }
        clients::find(&context.db, id).await?.ok_or(FindClientError::Unknown)
    }

    /// The id that text leads to, of a client that may not exist: for callers that hold a row of it. Nothing is fetched.
    pub fn id_of(&self, client_id_text: &str) -> Option<ClientId> {
        if DocumentUrl::is_meant_by(client_id_text) {
            return self.documents.url(client_id_text).ok().map(|url| url.client_id());
        }
        ClientId::parse(client_id_text).ok()
    }

    /// Metadata of a registered client never change, so it is read once; the counts beside them may be an hour old. One that
    /// is described by a document goes by its URL alone: by its UUID it would never be asked what it says today.
    async fn find_registered(&self, context: &Context, id: ClientId) -> Result<Client, FindClientError> {
        if let Some(client) = self.registered.get(&id).filter(|client| !is_to_be_seen(client, context)) {
            return Ok(Client::clone(&client));
        }
        let now = context.clock.now();
        clients::touch(&context.db, id, now, FRESH_FOR).await?;
        let found = clients::find(&context.db, id).await?.filter(|client| client.document.is_none());
        let Some(client) = found else {
            self.registered.remove(&id);
            return Err(FindClientError::Unknown);
        };
        self.registered.insert(id, Arc::new(client.clone()));
        Ok(client)
    }
}

fn is_to_be_seen(client: &Client, context: &Context) -> bool {
    context.clock.now().seconds_since(client.last_seen_at) >= FRESH_FOR
}

#[derive(Clone)]
struct BySize;

impl Weighter<ClientId, Arc<Client>> for BySize {
    fn weight(&self, _: &ClientId, client: &Arc<Client>) -> u64 {
        const AROUND_IT: u64 = 512;
        let metadata = serde_json::to_string(&client.metadata).map_or(0, |text| text.len());
        AROUND_IT + metadata as u64
    }
}
