//! `grantor org`: organisations.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use super::output::{self, Output};
use super::{Failure, block_on, database};
use crate::actions::{self, By};
use crate::config::Loaded;
use crate::db::orgs::{self, Org};
use crate::oauth::OrgId;
use crate::oauth::scope::{ScopeSet, ScopeToken};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create an organisation without people; `grantor bootstrap` creates one with an administrator and keys.
    Create {
        /// Its name, which no other has.
        name: String,
    },
    /// List the organisations.
    List,
    /// Give an organization another name.
    Rename {
        /// The present name.
        org: String,
        /// The new name, which no other organization may have.
        name: String,
    },
    /// Change an organisation.
    Set {
        /// Its name.
        org: String,
        /// What clients may get that this organisation has not restricted one by one: scope names, separated by spaces or
        /// commas; "" is nothing, "all" lifts the bound. What clients hold beyond it goes at once, as `restriction.on_narrow` says.
        #[arg(long, value_name = "SCOPES", allow_hyphen_values = true)]
        default_client_scopes: String,
    },
}

#[derive(Serialize)]
struct Shown {
    id: OrgId,
    name: String,
    /// null: no bound.
    default_client_scopes: Option<ScopeSet>,
    created_at: String,
}

impl From<Org> for Shown {
    fn from(org: Org) -> Self {
        Self {
            id: org.id,
            name: org.name,
            default_client_scopes: org.default_client_scopes,
            created_at: org.created_at.to_rfc3339(),
        }
    }
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::Create { name } => {
                let id = actions::create_org(&context, &name, &By::COMMAND_LINE).await.map_err(Failure::failed)?;
                output::one(output, &json!({"id": id, "name": name.trim()}), || format!("created {name:?} ({id})"))
            }
            Command::List => {
                let orgs: Vec<Shown> = orgs::list(&context.db).await?.into_iter().map(Shown::from).collect();
                output::list(output, &orgs, &["id", "name", "default_client_scopes", "created_at"])
            }
            Command::Rename { org, name } => {
                let org = database::org(&context, &org).await?;
                let renamed =
                    actions::rename_org(&context, &org, &name, &By::COMMAND_LINE).await.map_err(Failure::failed)?;
                output::one(output, &json!({"id": org.id, "name": renamed}), || {
                    format!("renamed {:?} to {renamed:?} ({})", org.name, org.id)
                })
            }
            Command::Set { org, default_client_scopes } => {
                let scopes = parse_scopes(&default_client_scopes)?;
                let org = database::org(&context, &org).await?;
                let by = By::COMMAND_LINE;
                let (config, catalog) = (&loaded.config, &loaded.catalog);
                let taken_from =
                    actions::set_default_client_scopes(&context, org.id, scopes.as_ref(), config, catalog, &by)
                        .await
                        .map_err(Failure::failed)?;
                let shown = Shown::from(database::org(&context, &org.name).await?);
                output::one(output, &shown, || {
                    let (name, id) = (&shown.name, shown.id);
                    format!("changed {name:?} ({id}); grants that held more and have ended or hold less: {taken_from}")
                })
            }
        }
    })
}

fn parse_scopes(text: &str) -> Result<Option<ScopeSet>, Failure> {
    if text == "all" {
        return Ok(None);
    }
    // Of any number: a bound may name nearly all of the catalog, as no client's parameter does.
    let names = text.split([' ', ',']).filter(|name| !name.is_empty());
    let token = |name: &str| ScopeToken::parse(name).map_err(|cause| Failure::Usage(format!("{name:?}: {cause}")));
    names.map(token).collect::<Result<_, _>>().map(Some)
}
