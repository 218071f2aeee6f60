//! Creates a resource, which is an API or MCP server that accepts tokens, or deletes it. A resource
//! gets a secret for introspection. Resources do not belong to an organization.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, ServerChange};
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
use crate::rules::secret::{Digest, Secret};

const MAX_NAME_LENGTH: usize = 200;

/// A resource that is about to be created.
#[derive(Clone, Copy, Debug)]
pub struct NewResource<'a> {
    pub uri: &'a Resource,
    /// The name for people, as `resource_name` in the metadata document (RFC 9728 section 2).
    pub name: &'a str,
    pub scopes: &'a ScopeSet,
}

#[derive(Debug, thiserror::Error)]
pub enum CreateResourceError {
    #[error("the resource {0} already exists; `grantor resource show` shows it")]
    Exists(Resource),
    #[error("the resource {0} is declared in the settings, under resources.declared")]
    Declared(Resource),
    #[error("the name of a resource must be one line of 1 to {MAX_NAME_LENGTH} characters")]
    Name,
    #[error("\"{0}\" is not a scope of the catalog")]
    UnknownScope(ScopeToken),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Returns the resource and its secret. The secret cannot be read again.
pub async fn create_resource(
    context: &Context,
    new: NewResource<'_>,
    declared: &[DeclaredResource],
    catalog: &ScopeCatalog,
    by: &AuditActor,
) -> Result<(StoredResource, Secret), CreateResourceError> {
    let name = new.name.trim();
    let is_too_long = name.chars().count() > MAX_NAME_LENGTH;
    if name.is_empty() || is_too_long || name.chars().any(char::is_control) {
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
    let digest = secret.digest();
    context
        .transact("resource.create", |tx| Box::pin(store(context, tx, &resource, digest, by)))
        .await?;
    Ok((resource, secret))
}

async fn store(
    context: &Context,
    tx: &mut Tx,
    resource: &StoredResource,
    secret_digest: Digest,
    by: &AuditActor,
) -> Result<(), CreateResourceError> {
    match resources::insert(&mut *tx, resource, secret_digest).await {
        Err(DbError::Duplicate) => return Err(CreateResourceError::Exists(resource.uri.clone())),
        outcome => outcome?,
    }
    let after =
        json!({"uri": resource.uri.as_str(), "name": resource.name, "scopes": resource.scopes});
    let subject = format!("resource:{}", resource.id);
    let change = ServerChange {
        action: "resource.created",
        subject: &subject,
        before: None,
        after: Some(after),
    };
    Ok(audit::record_of_server(context, tx, by, change).await?)
}

/// Deletes a resource. Its secret is refused within five seconds, and tokens for it are issued only
/// if the settings accept unknown resources. Returns false if there is no such resource.
pub async fn delete_resource(
    context: &Context,
    id: ResourceId,
    by: &AuditActor,
) -> Result<bool, DbError> {
    context
        .transact("resource.delete", |tx| {
            Box::pin(async move {
                let deleted = resources::delete(&mut *tx, id).await?;
                if deleted {
                    let (action, subject) = ("resource.deleted", format!("resource:{id}"));
                    let change =
                        ServerChange { action, subject: &subject, before: None, after: None };
                    audit::record_of_server(context, tx, by, change).await?;
                }
                Ok(deleted)
            })
        })
        .await
}
