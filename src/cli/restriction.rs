//! `grantor restriction`: what an organisation lets a client have at most.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::{self, Output};
use super::{Failure, block_on, database};
use crate::actions::{self, Bounds, By, Restricted};
use crate::config::Loaded;
use crate::db::org_clients;
use crate::oauth::client::ClientId;
use crate::oauth::scope::ScopeSet;
use crate::oauth::scopes_restriction::ScopesRestriction;

#[derive(Debug, Args)]
pub struct Which {
    /// The name of the organisation.
    #[arg(long, value_name = "NAME")]
    org: String,
    /// The client's id.
    #[arg(value_parser = ClientId::parse)]
    client: ClientId,
}

#[derive(Debug, Args)]
pub struct Lists {
    /// Names separated by spaces or commas; leaving it out allows none.
    #[arg(long, value_name = "SCOPES", default_value = "")]
    oidc_scopes: String,
    /// Names separated by spaces or commas; leaving it out allows none.
    #[arg(long, value_name = "SCOPES", default_value = "")]
    permission_scopes: String,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the restriction: null is none.
    Get {
        #[command(flatten)]
        which: Which,
    },
    /// Replace the restriction. Grants that hold what it takes away end; `restriction.on_narrow` says how.
    Set {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        lists: Lists,
        /// Only if the state is still the one that a preview named so.
        #[arg(long, value_name = "DIGEST")]
        if_digest: Option<String>,
    },
    /// Say what a restriction would add, remove and end, and store nothing.
    Preview {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        lists: Lists,
    },
    /// Back to full access, or to the organisation's default.
    Delete {
        #[command(flatten)]
        which: Which,
    },
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    let shown = block_on(execute(command, &loaded))?;
    output::one(output, &shown, || serde_json::to_string_pretty(&shown).unwrap_or_default())
}

async fn execute(command: Command, loaded: &Loaded) -> Result<Value, Failure> {
    let context = database::open(&loaded.config).await?;
    let (Command::Get { which }
    | Command::Set { which, .. }
    | Command::Preview { which, .. }
    | Command::Delete { which }) = &command;
    let org_id = database::org(&context, &which.org).await?.id;
    let client_id = which.client;
    let required = loaded.config.restriction.required_of(client_id.uuid()).cloned().unwrap_or_default();
    let bounds = Bounds::of(&loaded.config, &loaded.catalog, &required);
    let by = By::COMMAND_LINE;
    match command {
        Command::Get { .. } => {
            let found = org_clients::find_restriction(&context.db, org_id, client_id).await?;
            let restriction = found.ok_or_else(|| Failure::Failed(format!("there is no client {client_id}")))?;
            Ok(shown(client_id, &required, restriction.as_ref()))
        }
        Command::Set { lists, if_digest, .. } => {
            let restriction = lists.parse(loaded)?;
            let if_digest = if_digest.as_deref();
            let done =
                actions::restrict_scopes(&context, bounds, org_id, client_id, &restriction, if_digest, &by).await;
            let done = done.map_err(Failure::failed)?;
            Ok(with_effect(shown(client_id, &required, Some(&restriction)), &done, false))
        }
        Command::Preview { lists, .. } => {
            let restriction = lists.parse(loaded)?;
            let preview = actions::preview_restriction(&context, bounds, org_id, client_id, &restriction).await;
            let preview = preview.map_err(Failure::failed)?;
            Ok(with_effect(shown(client_id, &required, Some(&restriction)), &preview, true))
        }
        Command::Delete { .. } => {
            actions::lift_restriction(&context, bounds, org_id, client_id, &by).await.map_err(Failure::failed)?;
            Ok(shown(client_id, &required, None))
        }
    }
}

impl Lists {
    fn parse(&self, loaded: &Loaded) -> Result<ScopesRestriction, Failure> {
        let names = |text: &str| -> Vec<String> {
            text.split([' ', ',']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        ScopesRestriction::parse(&names(&self.oidc_scopes), &names(&self.permission_scopes), &loaded.catalog)
            .map_err(Failure::usage)
    }
}

fn shown(client_id: ClientId, required: &ScopeSet, restriction: Option<&ScopesRestriction>) -> Value {
    json!({
        "client_id": client_id.uuid(),
        "required_permission_scopes": (!required.is_empty()).then_some(required),
        "scopes_restriction": restriction.map(|restriction| json!({
            "oidc_scopes": restriction.oidc_scopes(),
            "permission_scopes": restriction.permission_scopes(),
        })),
    })
}

fn with_effect(mut shown: Value, effect: &Restricted, dry_run: bool) -> Value {
    add_effect(&mut shown, effect, dry_run);
    shown
}

pub(super) fn add_effect(shown: &mut Value, effect: &Restricted, dry_run: bool) {
    if let Some(members) = shown.as_object_mut() {
        members.insert("dry_run".to_owned(), json!(dry_run));
        members.insert("scopes_added".to_owned(), json!(effect.change.scopes_added));
        members.insert("scopes_removed".to_owned(), json!(effect.change.scopes_removed));
        members.insert("grants".to_owned(), json!(effect.grants));
        members.insert("users".to_owned(), json!(effect.users));
        members.insert("digest".to_owned(), json!(effect.digest));
    }
}
