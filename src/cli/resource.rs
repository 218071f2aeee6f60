//! `grantor resource`: APIs and MCP servers that accept tokens, and the metadata that each must
//! serve.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::resources::create_resource;
use crate::actions::resources::create_resource::{CreateResourceError, NewResource};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::{CatalogSource, DeclaredResource, Loaded};
use crate::db::resources;
use crate::db::resources::StoredResource;
use crate::rules::authorization::protected_resource::{
    ProtectedResource, challenge, metadata_path,
};
use crate::rules::authorization::resource::Resource;
use crate::rules::id::ResourceId;
use crate::rules::scope::{ScopeSet, ScopeToken};

#[derive(Debug, Args)]
pub struct New {
    /// URI that clients send in `resource`: https, or http on this machine.
    #[arg(long, value_name = "URI", value_parser = Resource::parse)]
    uri: Resource,
    /// Display name.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Scopes that clients should request, separated by spaces or commas.
    #[arg(long, value_name = "SCOPES", default_value = "")]
    scopes: String,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a resource and print its secret, which is shown only once.
    Create(New),
    /// List resources, including those declared in the settings.
    List,
    /// Show a resource, the metadata document that it must serve, and how it checks tokens.
    Show {
        /// ID or URI of the resource.
        #[arg(value_name = "ID|URI")]
        resource: String,
    },
    /// Delete a resource. Running servers stop accepting its secret within five seconds.
    Delete {
        /// ID or URI of the resource.
        #[arg(value_name = "ID|URI")]
        resource: String,
    },
}

#[derive(Serialize)]
struct ResourceRow {
    /// `None` if the settings declare the resource.
    id: Option<ResourceId>,
    uri: Resource,
    name: String,
    scopes: ScopeSet,
    declared: bool,
    created_at: Option<String>,
}

impl From<StoredResource> for ResourceRow {
    fn from(stored: StoredResource) -> Self {
        Self {
            id: Some(stored.id),
            uri: stored.uri,
            name: stored.name,
            scopes: stored.scopes,
            declared: false,
            created_at: Some(stored.created_at.to_rfc3339()),
        }
    }
}

impl From<&DeclaredResource> for ResourceRow {
    fn from(declared: &DeclaredResource) -> Self {
        let DeclaredResource { uri, name, scopes, .. } = declared.clone();
        Self { id: None, uri, name, scopes, declared: true, created_at: None }
    }
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::Create(new) => {
                let (stored, secret) = create(&context, &loaded, &new).await?;
                print(&loaded, ResourceRow::from(stored), Some(secret.expose()), output)
            }
            Command::List => {
                let columns = ["id", "uri", "name", "scopes", "declared", "created_at"];
                output::list(output, &all(&context, &loaded).await?, &columns)
            }
            Command::Show { resource } => {
                print(&loaded, find(&context, &loaded, &resource).await?, None, output)
            }
            Command::Delete { resource } => {
                let found = find(&context, &loaded, &resource).await?;
                delete(&context, &found).await?;
                let deleted = json!({"id": found.id, "uri": found.uri, "deleted": true});
                output::item(output, &deleted, || format!("deleted {}", found.uri))
            }
        }
    })
}

async fn create(
    context: &Context,
    loaded: &Loaded,
    new: &New,
) -> Result<(StoredResource, crate::rules::secret::Secret), Failure> {
    let names = new.scopes.split([' ', ',']).filter(|name| !name.is_empty());
    let token = |name: &str| {
        ScopeToken::parse(name).map_err(|cause| Failure::Usage(format!("{name:?}: {cause}")))
    };
    let scopes: ScopeSet = names.map(token).collect::<Result<_, _>>()?;
    let resource = NewResource { uri: &new.uri, name: &new.name, scopes: &scopes };
    let declared = &loaded.config.resources.declared;
    let created = create_resource::create_resource(
        context,
        resource,
        declared,
        &loaded.catalog,
        &AuditActor::COMMAND_LINE,
    )
    .await;
    created.map_err(|error| match &error {
        CreateResourceError::UnknownScope(name) => {
            Failure::Failed(format!("{error}; {}", how_to_add(name, loaded)))
        }
        _ => Failure::failed(error),
    })
}

fn how_to_add(name: &ScopeToken, loaded: &Loaded) -> String {
    let line = format!("\"{name}\" = {{ description = \"Do what the scope is for\" }}");
    match &loaded.config.scopes.catalog {
        CatalogSource::File(path) => {
            format!("to add it, write {line} under [permission] in {}", path.display())
        }
        CatalogSource::Shipped | CatalogSource::Minimal => format!(
            "to add it, copy config/scopes-minimal.toml or config/scopes.toml, write {line} under [permission] in the \
             copy, and set scopes.catalog to its path"
        ),
    }
}

async fn all(context: &Context, loaded: &Loaded) -> Result<Vec<ResourceRow>, Failure> {
    let stored = resources::list(&context.db).await?;
    let declared = loaded.config.resources.declared.iter().map(ResourceRow::from);
    Ok(declared.chain(stored.into_iter().map(ResourceRow::from)).collect())
}

async fn find(context: &Context, loaded: &Loaded, named: &str) -> Result<ResourceRow, Failure> {
    let id = Uuid::parse_str(named).ok();
    let uri = Resource::parse(named).ok();
    let is_it = |shown: &ResourceRow| match (shown.id, id) {
        (Some(ResourceId(known)), Some(id)) => known == id,
        _ => uri.as_ref() == Some(&shown.uri),
    };
    let none = || {
        Failure::Failed(format!(
            "there is no resource {named:?}; `grantor resource list` lists all"
        ))
    };
    all(context, loaded).await?.into_iter().find(is_it).ok_or_else(none)
}

async fn delete(context: &Context, found: &ResourceRow) -> Result<(), Failure> {
    let uri = &found.uri;
    let declared = || {
        Failure::Failed(format!(
            "{uri} is declared in the settings: remove it from resources.declared"
        ))
    };
    let id = found.id.ok_or_else(declared)?;
    match create_resource::delete_resource(context, id, &AuditActor::COMMAND_LINE).await? {
        true => Ok(()),
        false => {
            Err(Failure::Failed(format!("{uri} was deleted by someone else at the same time")))
        }
    }
}

/// Prints a resource, and what its developer must implement.
fn print(
    loaded: &Loaded,
    shown: ResourceRow,
    secret: Option<&str>,
    output: Output,
) -> Result<(), Failure> {
    let issuer = loaded.config.http.public_url.as_str();
    let document = ProtectedResource::new(&shown.uri, &shown.name, &shown.scopes, issuer);
    let path = metadata_path(&shown.uri);
    let challenge = challenge(&shown.uri, &shown.scopes);
    let url = format!("{issuer}/oauth2/v1/introspect");
    let introspect =
        format!("curl --user \"resource:$SECRET\" --data-urlencode \"token=$TOKEN\" {url}");
    let document_text = serde_json::to_string_pretty(&document).map_err(Failure::failed)?;
    let mut value = json!({
        "metadata": document,
        "metadata_path": path,
        "www_authenticate": challenge,
        "introspection_endpoint": url,
        "introspect": introspect,
    });
    add_members(&mut value, serde_json::to_value(&shown).map_err(Failure::failed)?);
    if let Some(secret) = secret {
        value["secret"] = Value::from(secret);
    }
    output::item(output, &value, || {
        let id =
            shown.id.map_or_else(|| "declared in the settings".to_owned(), |id| id.to_string());
        let secret =
            secret.map(|secret| format!("Secret    {secret}\n          It is shown only once.\n"));
        format!(
            "Resource  {uri}\nName      {name}\nId        {id}\n{secret}\n\
             Serve this document publicly at {path}, as application/json:\n\n{document_text}\n\n\
             Respond to requests without a valid token with status 401 and this header:\n\n\
             WWW-Authenticate: {challenge}\n\n\
             To check a token, use the secret:\n\n{introspect}",
            uri = shown.uri,
            name = shown.name,
            secret = secret.unwrap_or_default(),
        )
    })
}

fn add_members(value: &mut Value, more: Value) {
    let more = if let Value::Object(more) = more { more } else { Map::new() };
    if let Some(members) = value.as_object_mut() {
        members.extend(more);
    }
}
