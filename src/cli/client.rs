//! `grantor client`: registered clients, as one organization sees them.

mod shown;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::grants::end;
use crate::actions::grants::end::RevokedAccess;
use crate::cli::chosen::{AppArgument, OrgFlag};
use crate::cli::client::shown::Listed;
use crate::cli::effect::last_token;
use crate::cli::output::{Output, Page, counted, quoted};
use crate::cli::{Failure, block_on, database, output};
use crate::config::Loaded;
use crate::db::clients::apps;
use crate::db::clients::apps::{App, AppSelection};
use crate::db::orgs::Org;
use crate::rules::timestamp::Timestamp;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the apps that an organization uses, most recently used first.
    ///
    /// An organization uses an app if a user has authorized it, or if it is restricted or disabled there.
    List(List),
    /// Show one app: its registration, its restriction, and the scopes that it can get.
    Show(Target),
    /// Block an app in the organization and end all of its access there.
    ///
    /// Every grant and its refresh tokens are revoked at once. Users cannot authorize the app again until it is enabled.
    Disable(Target),
    /// Let users authorize a disabled app again. Revoked grants stay revoked.
    Enable(Target),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    org: OrgFlag,
    /// List every registered client, most recently seen first.
    #[arg(long)]
    all: bool,
    /// Only names that contain this text.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    name: String,
    /// Maximum number of rows.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u32,
}

#[derive(Debug, Args)]
pub struct Target {
    #[command(flatten)]
    org: OrgFlag,
    #[command(flatten)]
    app: AppArgument,
}

impl Target {
    async fn find(&self, context: &Context) -> Result<(Org, App), Failure> {
        let org = self.org.find(context).await?;
        let app = self.app.find(context, &org).await?;
        Ok((org, app))
    }
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::List(arguments) => list(&context, &loaded, &arguments, output).await,
            Command::Show(target) => {
                let (org, app) = target.find(&context).await?;
                shown::print(&context, &loaded, &org, &app, output).await
            }
            Command::Disable(target) => disable(&context, &target, output).await,
            Command::Enable(target) => enable(&context, &target, output).await,
        }
    })
}

async fn list(context: &Context, loaded: &Loaded, arguments: &List, output: Output) -> Result<(), Failure> {
    let List { org, all, name, limit } = arguments;
    let org = org.find(context).await?;
    let selection = if *all { AppSelection::Registered } else { AppSelection::Used };
    let read = apps::list(&context.db, org.id, selection, name, Page::<App>::rows_to_read(*limit)).await?;
    let page = Page::of(read, *limit).map(|app| Listed::new(&app, shown::is_asleep(&app, context, loaded)));
    let such = if name.is_empty() { "yet" } else { "with this text in its name" };
    let if_empty = match selection {
        AppSelection::Used => format!("{} uses no app {such}; --all lists every registered client", quoted(&org.name)),
        AppSelection::Registered => format!("no client is registered {such}"),
    };
    output::table(output, &page.items, |_| shown::table(&page.items, &if_empty))?;
    page.note_if_more(output);
    Ok(())
}

async fn disable(context: &Context, target: &Target, output: Output) -> Result<(), Failure> {
    let (org, app) = target.find(context).await?;
    let id = app.client.id;
    let ended = end::disable_client(context, org.id, id, &AuditActor::COMMAND_LINE).await.map_err(Failure::failed)?;
    let RevokedAccess { grants, last_token_ends_at } = ended;
    let done = json!({
        "id": id,
        "org": org.name,
        "disabled": true,
        "grants_ended": grants,
        "last_token_expires_at": last_token_ends_at.map(Timestamp::to_rfc3339),
    });
    output::sentences(output, &done, || {
        let name = quoted(app.client.metadata.client_name().as_str());
        let people = counted(grants as u64, "person", "people");
        let mut sentences =
            vec![format!("{name} ({id}) is disabled in {}.", quoted(&org.name)), format!("Access ended for {people}.")];
        sentences.extend(last_token(last_token_ends_at, context.clock.now(), "its last tokens"));
        sentences
    })
}

async fn enable(context: &Context, target: &Target, output: Output) -> Result<(), Failure> {
    let (org, app) = target.find(context).await?;
    let id = app.client.id;
    end::enable_client(context, org.id, id, &AuditActor::COMMAND_LINE).await.map_err(Failure::failed)?;
    let done = json!({"id": id, "org": org.name, "disabled": false});
    output::sentences(output, &done, || {
        let name = quoted(app.client.metadata.client_name().as_str());
        vec![format!("{name} ({id}) is enabled in {}. Users can authorize it again.", quoted(&org.name))]
    })
}
