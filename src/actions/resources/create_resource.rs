//! An API or MCP server that tokens are for is made known, with a secret by which it asks about tokens; or forgotten.
//! Resources belong to no organisation.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{By, ServerChange};
use crate::actions::context::Context;
use crate::config::DeclaredResource;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::resources;
use crate::db::resources::StoredResource;
use crate::rules::authorization::resource::Resource;
use crate::rules::id::ResourceId;
use crate::rules::scope::catalog::ScopeCatalog;
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::secret::Secret;

const LONGEST_NAME: usize = 200;

/// What is about to be made known.
#[derive(Clone, Copy, Debug)]
pub struct NewResource<'a> {
    pub uri: &'a Resource,
    /// For people: the document that clients read names it so.
    pub name: &'a str,
    pub scopes: &'a ScopeSet,
}

#[derive(Debug, thiserror::Error)]
pub enum CreateResourceError {
    #[error("the resource {0} exists already; `grantor resource show` shows it")]
    Exists(Resource),
    #[error("the resource {0} is declared in the settings, under resources.declared")]
    Declared(Resource),
    #[error("the name of a resource has from 1 to {LONGEST_NAME} characters and is one line")]
    Name,
    #[error("\"{0}\" is not a scope of the catalog")]
    UnknownScope(ScopeToken),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Returns the secret, which is nowhere else from then on.
pub async fn create_resource(
    context: &Context,
    new: NewResource<'_>,
    declared: &[DeclaredResource],
    catalog: &ScopeCatalog,
    by: &By,
) -> Result<(StoredResource, Secret), CreateResourceError> {
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(CreateResourceError::Name);
    }
    if let Some(unknown) = new.scopes.iter().find(|scope| catalog.find(scope.as_str()).is_none()) {
        return Err(CreateResourceError::UnknownScope(unknown.clone()));
    }
    if declared.iter().any(|declared| declared.uri == *new.uri) {
        return Err(CreateResourceError::Declared(new.uri.clone()));
    }
    let resource = StoredResource {
        id: ResourceId(context.new_id()),
        uri: new.uri.clone(),
        name: name.to_owned(),
        scopes: new.scopes.clone(),
        created_at: context.clock.now(),
    };
    let secret = context.random.token("rs_");
    let mut tx = context.db.begin().await?;
    match resources::insert(&mut tx, &resource, secret.digest()).await {
        Err(DbError::Duplicate) => return Err(CreateResourceError::Exists(resource.uri)),
        outcome => outcome?,
    }
    let after = json!({"uri": resource.uri.as_str(), "name": resource.name, "scopes": resource.scopes});
    record(context, &mut tx, by, "resource.created", resource.id, Some(after)).await?;
    tx.commit().await?;
    Ok((resource, secret))
}

/// Its secret is refused within five seconds, and tokens for it are made only where unknown resources are accepted. False
/// where there is none.
pub async fn delete_resource(context: &Context, id: ResourceId, by: &By) -> Result<bool, DbError> {
    let mut tx = context.db.begin().await?;
    let deleted = resources::delete(&mut tx, id).await?;
    if deleted {
        record(context, &mut tx, by, "resource.deleted", id, None).await?;
    }
    tx.commit().await?;
    Ok(deleted)
}

async fn record(
    context: &Context,
    tx: &mut Tx,
    by: &By,
    action: &'static str,
    id: ResourceId,
    after: Option<serde_json::Value>,
) -> Result<(), DbError> {
    let subject = format!("resource:{id}");
    audit::record_of_server(context, tx, by, ServerChange { action, subject: &subject, before: None, after }).await
}
