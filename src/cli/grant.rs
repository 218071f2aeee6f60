//! `grantor grant`: the access that users granted to apps.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::grants::revoke_grant::revoke_grant;
use crate::actions::grants::revoked_grants::RevokedAccess;
use crate::cli::arguments::org::OrgFilter;
use crate::cli::failure::Failure;
use crate::cli::output::effect::last_token;
use crate::cli::output::{Output, Page, escaped, quoted};
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;
use crate::db::grants::ListedGrant;
use crate::db::grants::named;
use crate::db::{grants, users};
use crate::rules::client::ClientId;
use crate::rules::id::{GrantId, UserId};
use crate::rules::scope::ScopeSet;
use crate::rules::timestamp::Timestamp;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List grants, including revoked ones, newest first.
    List(List),
    /// Revoke a grant and its refresh tokens. The user can authorize the app again.
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
struct GrantRow {
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

impl From<ListedGrant> for GrantRow {
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
    let read =
        grants::list(&context.db, org_id, user_id, client, Page::<GrantRow>::rows_to_read(limit))
            .await?;
    let page = Page::of(read, limit).map(GrantRow::from);
    output::list(
        output,
        &page.items,
        &["id", "org", "user", "client", "scopes", "last_used_at", "revoked_at"],
    )?;
    page.note_if_more(output);
    Ok(())
}

async fn revoke(context: &Context, id: GrantId, output: Output) -> Result<(), Failure> {
    let ended = revoke_grant(context, id, |_| true, &AuditActor::COMMAND_LINE)
        .await
        .map_err(Failure::failed)?;
    let RevokedAccess { grants, last_token_ends_at } = ended;
    let named = named::find_named(&context.db, id).await?;
    let done = json!({
        "id": id,
        "revoked": true,
        "user": named.as_ref().map(|grant| &grant.email),
        "client": named.as_ref().map(|grant| &grant.client_name),
        "client_id": named.as_ref().map(|grant| grant.client_id),
        "last_token_expires_at": last_token_ends_at.map(Timestamp::to_rfc3339),
    });
    output::sentences(output, &done, || {
        let of = named.as_ref().map(|grant| {
            let app = format!("{} ({})", quoted(&grant.client_name), grant.client_id);
            format!(" of {app} for {}", escaped(&grant.email))
        });
        let of = of.unwrap_or_default();
        let what = if grants == 0 {
            format!("Access{of} had already ended.")
        } else {
            format!("Access{of} ended.")
        };
        let last_token = last_token(last_token_ends_at, context.clock.now(), "its last token");
        [what].into_iter().chain(last_token).collect()
    })
}

async fn user_id(context: &Context, email: &str) -> Result<UserId, Failure> {
    // Addresses are stored in this form. Any other text matches no user.
    let address = email.trim().to_lowercase();
    let none = || {
        Failure::Failed(format!(
            "no user has the address {}; `grantor user list` lists all",
            quoted(email)
        ))
    };
    Ok(users::find_by_email(&context.db, &address).await?.ok_or_else(none)?.id)
}
