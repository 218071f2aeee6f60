//! `grantor restriction`: limits on the scopes that an app can get in an organization.

mod printed;

use clap::{Args, Subcommand};

use crate::actions::audit::AuditActor;
use crate::actions::clients::scopes_restriction;
use crate::actions::clients::scopes_restriction::{NewRestriction, RestrictionRules};
use crate::cli::arguments::app::AppTarget;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::restriction::printed::Printed;
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;
use crate::db::orgs::org_clients;
use crate::rules::scope::scopes_restriction::ScopesRestriction;

#[derive(Debug, Args)]
pub struct Lists {
    /// Allowed OpenID Connect scopes, separated by spaces or commas. None if omitted.
    #[arg(long, value_name = "SCOPES", default_value = "", hide_default_value = true)]
    oidc_scopes: String,
    /// Allowed permission scopes, separated by spaces or commas. None if omitted.
    #[arg(long, value_name = "SCOPES", default_value = "", hide_default_value = true)]
    permission_scopes: String,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the restriction of an app.
    Get {
        #[command(flatten)]
        target: AppTarget,
    },
    /// Replace the restriction of an app.
    ///
    /// Grants with a removed scope are revoked, or lose only that scope if `restriction.on_narrow`
    /// is `narrow_grants`.
    Set {
        #[command(flatten)]
        target: AppTarget,
        #[command(flatten)]
        lists: Lists,
        /// Fail unless the state still has the digest that a preview printed.
        #[arg(long, value_name = "DIGEST")]
        if_digest: Option<String>,
    },
    /// Show what a restriction would add, take away and end. Nothing is stored.
    Preview {
        #[command(flatten)]
        target: AppTarget,
        #[command(flatten)]
        lists: Lists,
        /// Name every scope, instead of the first few.
        #[arg(long)]
        all: bool,
    },
    /// Remove the restriction. The default of the organization applies again, if it has one.
    Delete {
        #[command(flatten)]
        target: AppTarget,
    },
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(execute(command, &loaded, output))
}

async fn execute(command: Command, loaded: &Loaded, output: Output) -> Result<(), Failure> {
    let context = database::open(&loaded.config).await?;
    let (Command::Get { target }
    | Command::Set { target, .. }
    | Command::Preview { target, .. }
    | Command::Delete { target }) = &command;
    let (org, app) = target.find(&context).await?;
    let client_id = app.client.id;
    let required =
        loaded.config.restriction.required_of(client_id.uuid()).cloned().unwrap_or_default();
    let rules = RestrictionRules::of(&loaded.config, &loaded.catalog, &required);
    let shown = Printed { org: &org, app: &app, required: &required };
    let by = AuditActor::COMMAND_LINE;
    match command {
        Command::Get { .. } => {
            let restriction =
                org_clients::find_restriction(&context.db, org.id, client_id).await?.flatten();
            output::sentences(output, &shown.json(restriction.as_ref()), || {
                shown.sentences(restriction.as_ref())
            })
        }
        Command::Set { lists, if_digest, .. } => {
            let restriction = lists.parse(loaded)?;
            let new = NewRestriction {
                org_id: org.id,
                client_id,
                restriction: Some(&restriction),
                rules,
            };
            let done =
                scopes_restriction::restrict_scopes(&context, new, if_digest.as_deref(), &by).await;
            let done = done.map_err(Failure::failed)?;
            output::sentences(output, &shown.json_with_effect(&restriction, &done, false), || {
                shown.set_sentences(&restriction, &done, context.clock.now())
            })
        }
        Command::Preview { lists, all, .. } => {
            let restriction = lists.parse(loaded)?;
            let new = NewRestriction {
                org_id: org.id,
                client_id,
                restriction: Some(&restriction),
                rules,
            };
            let preview = scopes_restriction::preview_restriction(&context, new).await;
            let preview = preview.map_err(Failure::failed)?;
            output::sentences(output, &shown.json_with_effect(&restriction, &preview, true), || {
                shown.preview_sentences(&preview, all, context.clock.now())
            })
        }
        Command::Delete { .. } => {
            scopes_restriction::lift_restriction(&context, rules, org.id, client_id, &by)
                .await
                .map_err(Failure::failed)?;
            output::sentences(output, &shown.json(None), || shown.sentences(None))
        }
    }
}

impl Lists {
    fn parse(&self, loaded: &Loaded) -> Result<ScopesRestriction, Failure> {
        let names = |text: &str| -> Vec<String> {
            text.split([' ', ',']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        ScopesRestriction::parse(
            &names(&self.oidc_scopes),
            &names(&self.permission_scopes),
            &loaded.catalog,
        )
        .map_err(Failure::usage)
    }
}
