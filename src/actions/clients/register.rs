//! Registers clients (RFC 7591). The same metadata returns the same client, and a registration that
//! is cached as fresh writes nothing.

use crate::actions::clients::forget::UnusedClients;
use crate::actions::context::Context;
use crate::db::clients::group_commit::{ClientWriter, Written};
use crate::db::clients::known::{Known, KnownClients};
use crate::db::clients::registrations;
use crate::db::clients::registrations::NewClient;
use crate::db::engine::error::DbError;
use crate::rules::client::identity::{ClientDigest, ClientIdentity};
use crate::rules::client::metadata::ClientMetadata;
use crate::rules::client::{ClientId, is_asleep};
use crate::rules::timestamp::Timestamp;

/// What registration needs besides the context.
#[derive(Clone)]
pub struct Registrar {
    pub writer: ClientWriter,
    pub known: KnownClients,
    pub unused: UnusedClients,
    /// If false, every registration creates a new client.
    pub deduplicate: bool,
    /// A client that was not seen for this many seconds is asleep until its next use. 0 means
    /// never.
    pub sleep_after: i64,
}

/// The registered client: its id, when it was registered, and whether it was known before.
#[derive(Clone, Debug)]
pub struct Registered {
    pub id: ClientId,
    pub issued_at: Timestamp,
    pub dedup: Dedup,
}

/// Whether a registration created a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dedup {
    New,
    Known,
    /// The client was known, and asleep until now.
    Woken,
}

impl Dedup {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Known => "known",
            Self::Woken => "woken",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("a client with different metadata already has the id of this metadata")]
    Taken,
    #[error("the metadata cannot be serialized as JSON: {0}")]
    Unwritable(#[from] serde_json::Error),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Registrar {
    /// Whether this server remembers the metadata, so that registering it again creates no client.
    pub fn remembers(&self, identity: &ClientIdentity) -> bool {
        self.deduplicate && self.known.contains(&identity.digest)
    }

    /// Whether the database has a client with this metadata.
    pub async fn is_stored(
        &self,
        context: &Context,
        identity: &ClientIdentity,
    ) -> Result<bool, DbError> {
        if !self.deduplicate {
            return Ok(false);
        }
        let found = registrations::list_sightings(&context.db, &[identity.id]).await?;
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
                return Ok(Registered {
                    id: identity.id,
                    issued_at: registered_at,
                    dedup: Dedup::Known,
                });
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
                // This registration failed and does not count. The uncounted ones before it
                // succeeded.
                self.known.return_uncounted(&identity.digest, uncounted);
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
                let (written_at, uncounted) =
                    if counted { (now, 0) } else { (last_seen_at, registrations) };
                self.known.remember(identity.digest, registered_at, written_at, uncounted);
                (
                    registered_at,
                    if is_asleep(last_seen_at, now, self.sleep_after) {
                        Dedup::Woken
                    } else {
                        Dedup::Known
                    },
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
