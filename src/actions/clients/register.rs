//! RFC 7591: the same metadata gets the same client, and a registration that is known and fresh writes nothing.

use crate::actions::clients::forget::UnusedClients;
use crate::actions::context::Context;
use crate::db::clients;
use crate::db::clients::NewClient;
use crate::db::clients::known::{Known, KnownClients};
use crate::db::clients::writer::{ClientWriter, Written};
use crate::db::engine::error::DbError;
use crate::rules::client::identity::{ClientDigest, ClientIdentity};
use crate::rules::client::metadata::ClientMetadata;
use crate::rules::client::{ClientId, is_asleep};
use crate::rules::timestamp::Timestamp;

/// What registering works with, beside the context.
#[derive(Clone)]
pub struct Registrar {
    pub writer: ClientWriter,
    pub known: KnownClients,
    pub unused: UnusedClients,
    /// False: every registration is a client of its own.
    pub deduplicate: bool,
    /// A client not seen for so many seconds is asleep; being seen wakes it. 0 is never.
    pub sleep_after: i64,
}

/// The registered client: its id, since when it is registered, and whether it was known.
#[derive(Clone, Debug)]
pub struct Registered {
    pub id: ClientId,
    pub issued_at: Timestamp,
    pub dedup: Dedup,
}

/// How a registration met what was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dedup {
    New,
    Known,
    /// Known, and asleep until now.
    Woken,
}

#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("another client with other metadata has the id that this metadata leads to")]
    Taken,
    #[error("the metadata cannot be written as JSON: {0}")]
    Unwritable(#[from] serde_json::Error),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Registrar {
    /// Whether this metadata was registered here lately, so that registering it again makes no new client.
    pub fn remembers(&self, identity: &ClientIdentity) -> bool {
        self.deduplicate && self.known.holds(&identity.digest)
    }

    /// Whether the database has a client with this metadata.
    pub async fn is_stored(&self, context: &Context, identity: &ClientIdentity) -> Result<bool, DbError> {
        if !self.deduplicate {
            return Ok(false);
        }
        let found = clients::list_sightings(&context.db, &[identity.id]).await?;
        Ok(found.iter().any(|sighting| sighting.digest == identity.digest))
    }

    pub async fn register(
        &self,
        context: &Context,
        metadata: &ClientMetadata,
        identity: &ClientIdentity,
    ) -> Result<Registered, RegisterError> {
        if !self.deduplicate {
            return self.register_anew(context, metadata, identity.digest).await;
        }
        let now = context.clock.now();
        let uncounted = match self.known.see(&identity.digest, now) {
            Known::Fresh { registered_at } => {
                return Ok(Registered { id: identity.id, issued_at: registered_at, dedup: Dedup::Known });
            }
            Known::Write { uncounted } => uncounted,
        };
        let registrations = uncounted + 1;
        let client = new_client(identity.id, identity.digest, metadata, now, registrations)?;
        let bytes = client.metadata.len();
        match self.writer.write(client).await {
            Ok(written) => {
                if written == Written::New {
                    self.unused.add(bytes);
                }
                self.remember(identity, written, now, registrations)
            }
            Err(cause) => {
                // This registration is refused and does not count; those before it were answered.
                self.known.give_back(&identity.digest, uncounted);
                Err(cause.into())
            }
        }
    }

    fn remember(
        &self,
        identity: &ClientIdentity,
        written: Written,
        now: Timestamp,
        registrations: i64,
    ) -> Result<Registered, RegisterError> {
        let (issued_at, dedup) = match written {
            Written::Taken => return Err(RegisterError::Taken),
            Written::New => {
                self.known.remember(identity.digest, now, now, 0);
                (now, Dedup::New)
            }
            Written::Known { registered_at, last_seen_at, counted } => {
                let (written_at, uncounted) = if counted { (now, 0) } else { (last_seen_at, registrations) };
                self.known.remember(identity.digest, registered_at, written_at, uncounted);
                (
                    registered_at,
                    if is_asleep(last_seen_at, now, self.sleep_after) { Dedup::Woken } else { Dedup::Known },
                )
            }
        };
        Ok(Registered { id: identity.id, issued_at, dedup })
    }

    async fn register_anew(
        &self,
        context: &Context,
        metadata: &ClientMetadata,
        digest: ClientDigest,
    ) -> Result<Registered, RegisterError> {
        let (id, now) = (ClientId::from_uuid(context.new_id()), context.clock.now());
        let client = new_client(id, digest, metadata, now, 1)?;
        let bytes = client.metadata.len();
        match self.writer.write(client).await? {
            Written::New | Written::Known { .. } => {
                self.unused.add(bytes);
                Ok(Registered { id, issued_at: now, dedup: Dedup::New })
            }
            Written::Taken => Err(RegisterError::Taken),
        }
    }
}

pub(in crate::actions) fn new_client(
    id: ClientId,
    digest: ClientDigest,
    metadata: &ClientMetadata,
    seen_at: Timestamp,
    registrations: i64,
) -> Result<NewClient, serde_json::Error> {
    Ok(NewClient {
        id,
        digest,
        client_name: metadata.client_name().as_str().to_owned(),
        metadata: serde_json::to_string(metadata)?,
        seen_at,
        registrations,
    })
}
