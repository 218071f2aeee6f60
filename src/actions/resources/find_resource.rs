//! The resource servers that are declared in the settings or were created by command: which
//! resources exist, and which of them sent a secret.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::actions::context::Context;
use crate::clock::Clock;
use crate::config::DeclaredResource;
use crate::db::engine::error::DbError;
use crate::db::resources;
use crate::rules::authorization::resource::Resource;
use crate::rules::secret::{Digest, Secret};

/// The list is cached this long, so that a created or deleted resource is noticed within five
/// seconds.
const CACHED_FOR: Duration = Duration::from_secs(4);

pub struct ResourceServers {
    declared: Vec<(Resource, Digest)>,
    read: Mutex<Option<Read>>,
    clock: Clock,
}

#[derive(Clone)]
struct Read {
    at: Duration,
    all: Arc<[(Resource, Digest)]>,
}

impl ResourceServers {
    pub fn new(declared: &[DeclaredResource], clock: Clock) -> Self {
        let declared = declared
            .iter()
            .map(|resource| (resource.uri.clone(), resource.secret_digest))
            .collect();
        Self { declared, read: Mutex::default(), clock }
    }

    /// Returns the resource that one of the secrets belongs to. Only digests are compared, so that
    /// the time of the comparison reveals nothing about a secret.
    pub async fn find(
        &self,
        context: &Context,
        secrets: &[Secret],
    ) -> Result<Option<Resource>, DbError> {
        let digests: Vec<Digest> = secrets.iter().map(Secret::digest).collect();
        let all = self.all(context).await?;
        Ok(all
            .iter()
            .find(|(_, stored)| digests.contains(stored))
            .map(|(resource, _)| resource.clone()))
    }

    pub async fn known(&self, context: &Context) -> Result<Vec<Resource>, DbError> {
        Ok(self.all(context).await?.iter().map(|(resource, _)| resource.clone()).collect())
    }

    /// Replaces each known resource by the spelling of its operator, which grants use.
    pub async fn with_registered_spelling(
        &self,
        context: &Context,
        named: Vec<Resource>,
    ) -> Result<Vec<Resource>, DbError> {
        if named.is_empty() {
            return Ok(named);
        }
        let all = self.all(context).await?;
        let known = |resource: &Resource| all.iter().find(|(known, _)| known == resource);
        Ok(named
            .into_iter()
            .map(|resource| known(&resource).map_or(resource, |(known, _)| known.clone()))
            .collect())
    }

    async fn all(&self, context: &Context) -> Result<Arc<[(Resource, Digest)]>, DbError> {
        let now = self.clock.elapsed();
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(read) = read.filter(|read| now.saturating_sub(read.at) < CACHED_FOR) {
            return Ok(read.all);
        }
        let stored = resources::list_secrets(&context.db).await?;
        let all: Arc<[_]> = self.declared.iter().cloned().chain(stored).collect();
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Read { at: now, all: Arc::clone(&all) });
        Ok(all)
    }
}
