//! `grantor grant`: the access that users have given to apps.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::chosen::OrgFilter;
use super::output::{self, Output, Page, quoted};
use super::{Failure, block_on, database};
use crate::actions::{self, By, Context};
use crate::config::Loaded;
use crate::db::grants::{self, ListedGrant};
use crate::db::users;
use crate::oauth::client::ClientId;
use crate::oauth::scope::ScopeSet;
use crate::oauth::{GrantId, UserId};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List grants, revoked ones included, the newest first.
    List(List),
    /// Revoke a grant and its refresh tokens. The user may authorize the app again.
    Revoke {
        /// ID of the grant; `grantor grant list` shows it.
        id: Uuid,
    },
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    org: OrgFilter,
    /// Only the grants of the user with this email address.
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// Only the grants to the app with this client ID.
    #[arg(long, value_name = "ID", value_parser = ClientId::parse)]
    client: Option<ClientId>,
    /// Maximum number of rows.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u32,
}

#[derive(Serialize)]
struct Shown {
    id: GrantId,
    org: String,
    user: String,
    client_id: ClientId,
    client: String,
    scopes: ScopeSet,
    consented_at: String,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
}

impl From<ListedGrant> for Shown {
    fn from(ListedGrant { grant, client_name, email, org_name }: ListedGrant) -> Self {
        Self {
            id: grant.id,
            org: org_name,
            user: email,
            client_id: grant.client_id,
            client: client_name,
            scopes: grant.scopes,
            consented_at: grant.consented_at.to_rfc3339(),
            last_used_at: grant.last_used_at.map(|at| at.to_rfc3339()),
            revoked_at: grant.revoked_at.map(|at| at.to_rfc3339()),
        }
    }
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::List(arguments) => list(&context, arguments, output).await,
            Command::Revoke { id } => revoke(&context, GrantId(id), output).await,
        }
    })
}

async fn list(context: &Context, arguments: List, output: Output) -> Result<(), Failure> {
    let List { org, user, client, limit } = arguments;
    let org_id = org.find(context).await?;
    let user_id = match user {
        Some(email) => Some(user_id(context, &email).await?),
        None => None,
    };
    let read = grants::list(&context.db, org_id, user_id, client, Page::<Shown>::rows_to_read(limit)).await?;
    let page = Page::of(read, limit).map(Shown::from);
    output::list(
        output,
        &page.items,
        &["user", "client", "org", "scopes", "consented_at", "last_used_at", "revoked_at", "id"],
    )?;
    page.note_if_more(output);
    Ok(())
}

async fn revoke(context: &Context, id: GrantId, output: Output) -> Result<(), Failure> {
    actions::end_grant(context, id, |_| true, &By::COMMAND_LINE).await.map_err(Failure::failed)?;
    output::one(output, &json!({"id": id, "revoked": true}), || format!("revoked {id}"))
}

async fn user_id(context: &Context, email: &str) -> Result<UserId, Failure> {
    // As it is stored. Text that is not an address belongs to no user.
    let address = email.trim().to_lowercase();
    let none = || Failure::Failed(format!("no user has the address {}; `grantor user list` lists all", quoted(email)));
    Ok(users::find_by_email(&context.db, &address).await?.ok_or_else(none)?.id)
}
