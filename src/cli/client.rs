//! `grantor client`: registered clients, as one organisation sees them.

use clap::Subcommand;
use serde::Serialize;
use serde_json::{Value, json};

use super::output::{self, Output};
use super::{Failure, block_on, database};
use crate::actions::{self, By, Context};
use crate::config::Loaded;
use crate::db::clients::{self, Client};
use crate::db::known_clients::FRESH_FOR;
use crate::db::{org_clients, orgs};
use crate::oauth::client::{ClientId, is_asleep};
use crate::oauth::redirect_uri::RedirectUri;
use crate::oauth::scope::ScopeToken;
use crate::oauth::scopes_restriction::ceiling;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List clients, those seen last first.
    List {
        /// The name of the organisation.
        #[arg(long, value_name = "NAME")]
        org: String,
        /// Only clients whose name contains this.
        #[arg(long, value_name = "TEXT", default_value = "")]
        name: String,
        /// At most so many.
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: u32,
    },
    /// Show one client: what it registered, what it may get in the organisation, and whether that uses it or has disabled it.
    Show {
        /// The name of the organisation.
        #[arg(long, value_name = "NAME")]
        org: String,
        /// Its client_id, or the UUID of it; `client list` shows all.
        #[arg(value_name = "CLIENT", value_parser = ClientId::parse)]
        id: ClientId,
    },
    /// Take a client from the organisation: every grant of it ends at once with its tokens, and no new one is given.
    Disable {
        /// The name of the organisation.
        #[arg(long, value_name = "NAME")]
        org: String,
        /// Its client_id, or the UUID of it; `client list` shows all.
        #[arg(value_name = "CLIENT", value_parser = ClientId::parse)]
        id: ClientId,
    },
    /// Let people authorise it again; what has ended stays ended.
    Enable {
        /// The name of the organisation.
        #[arg(long, value_name = "NAME")]
        org: String,
        /// Its client_id, or the UUID of it; `client list` shows all.
        #[arg(value_name = "CLIENT", value_parser = ClientId::parse)]
        id: ClientId,
    },
}

#[derive(Serialize)]
struct Listed {
    id: uuid::Uuid,
    name: String,
    /// The URL by which it goes, where a document describes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    redirect_uris: Vec<String>,
    registered_at: String,
    last_seen_at: String,
    registrations: i64,
    asleep: bool,
    restricted: bool,
}

impl Listed {
    fn new(client: &Client, restricted: bool, asleep: bool) -> Self {
        Self {
            id: client.id.uuid(),
            name: client.metadata.client_name().as_str().to_owned(),
            document: client.document.clone(),
            redirect_uris: client.metadata.redirect_uris().iter().map(RedirectUri::as_str).map(str::to_owned).collect(),
            registered_at: client.registered_at.to_rfc3339(),
            last_seen_at: client.last_seen_at.rounded_down_to(FRESH_FOR).to_rfc3339(),
            registrations: client.registrations,
            asleep,
            restricted,
        }
    }
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::List { org, name, limit } => {
                let org = database::org(&context, &org).await?;
                let restricted = org_clients::list_restricted(&context.db, org.id).await?;
                let clients = clients::list(&context.db, &name, limit).await?;
                let is_restricted = |client: &Client| restricted.binary_search(&client.id).is_ok();
                let listed = |client| Listed::new(client, is_restricted(client), sleeps(client, &context, &loaded));
                let listed: Vec<Listed> = clients.iter().map(listed).collect();
                output::list(output, &listed, &["id", "name", "last_seen_at", "registrations", "asleep", "restricted"])
            }
            Command::Show { org, id } => {
                let org = database::org(&context, &org).await?;
                let shown = show(&context, &loaded, &org, id).await?;
                output::one(output, &shown, || serde_json::to_string_pretty(&shown).unwrap_or_default())
            }
            Command::Disable { org, id } => {
                let org = database::org(&context, &org).await?;
                let ended = actions::disable_client(&context, org.id, id, &By::COMMAND_LINE).await;
                let ended = ended.map_err(Failure::failed)?;
                let done = json!({"id": id, "org": org.name, "disabled": true, "grants_ended": ended});
                output::one(output, &done, || format!("disabled {id} for {:?}; grants that ended: {ended}", org.name))
            }
            Command::Enable { org, id } => {
                let org = database::org(&context, &org).await?;
                let enabled = actions::enable_client(&context, org.id, id, &By::COMMAND_LINE).await;
                enabled.map_err(Failure::failed)?;
                let done = json!({"id": id, "org": org.name, "disabled": false});
                output::one(output, &done, || format!("enabled {id} for {:?}", org.name))
            }
        }
    })
}

async fn show(context: &Context, loaded: &Loaded, org: &orgs::Org, id: ClientId) -> Result<Value, Failure> {
    let none = || Failure::Failed(format!("there is no client {id}; `grantor client list --org …` shows all"));
    let client = clients::find(&context.db, id).await?.ok_or_else(none)?;
    let decided = org_clients::find(&context.db, org.id, id).await?.unwrap_or_default();
    let restriction = decided.restriction;
    let required = loaded.config.restriction.required_of(id.uuid()).cloned().unwrap_or_default();
    let ceiling = ceiling(restriction.as_ref(), org.default_client_scopes.as_ref(), &required, &loaded.catalog);
    // A private scope is given to nobody here, whatever an organisation allows.
    let is_private = |scope: &ScopeToken| loaded.catalog.find(scope.as_str()).is_some_and(|scope| scope.private);
    let (may_get, _) = ceiling.partition(|scope| required.contains(scope.as_str()) || !is_private(scope));
    let listed = Listed::new(&client, restriction.is_some(), sleeps(&client, context, loaded));
    Ok(json!({
        "client": listed,
        "metadata": client.metadata,
        "may_get": may_get,
        "authorized_id": decided.authorized_id,
        "first_authorized_at": decided.first_authorized_at.map(|at| at.to_rfc3339()),
        "disabled": decided.disabled_at.is_some(),
        "disabled_at": decided.disabled_at.map(|at| at.to_rfc3339()),
    }))
}

fn sleeps(client: &Client, context: &Context, loaded: &Loaded) -> bool {
    let sleep_after = i64::try_from(loaded.config.registration.sleep_after).unwrap_or(i64::MAX);
    is_asleep(client.last_seen_at, context.clock.now(), sleep_after)
}
