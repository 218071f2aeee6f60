//! `grantor grant`: what people have authorised clients for.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::output::{self, Output};
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
    /// List grants, also those that have ended: the newest first.
    List {
        /// Only those given in this organisation.
        #[arg(long, value_name = "NAME")]
        org: Option<String>,
        /// Only those of the person with this e-mail address.
        #[arg(long, value_name = "EMAIL")]
        user: Option<String>,
        /// Only those of the client with this id.
        #[arg(long, value_name = "ID", value_parser = ClientId::parse)]
        client: Option<ClientId>,
        /// At most so many.
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: u32,
    },
    /// End a grant with all its tokens, at once; the person may authorise the client again.
    Revoke {
        /// As `grantor grant list` shows it.
        id: Uuid,
    },
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
            Command::List { org, user, client, limit } => {
                let org_id = match org {
                    Some(name) => Some(database::org(&context, &name).await?.id),
                    None => None,
                };
                let user_id = match user {
                    Some(email) => Some(user_id(&context, &email).await?),
                    None => None,
                };
                let listed = grants::list(&context.db, org_id, user_id, client, limit).await?;
                let shown: Vec<Shown> = listed.into_iter().map(Shown::from).collect();
                output::list(output, &shown, &["id", "org", "user", "client", "scopes", "last_used_at", "revoked_at"])
            }
            Command::Revoke { id } => {
                actions::end_grant(&context, GrantId(id), |_| true, &By::COMMAND_LINE)
                    .await
                    .map_err(Failure::failed)?;
                output::one(output, &json!({"id": id, "revoked": true}), || format!("revoked {id}"))
            }
        }
    })
}

async fn user_id(context: &Context, email: &str) -> Result<UserId, Failure> {
    // As it is stored; what is no address is nobody's.
    let address = email.trim().to_lowercase();
    let none = || Failure::Failed(format!("there is no user {}; `grantor user list` shows all", email.escape_debug()));
    Ok(users::find_by_email(&context.db, &address).await?.ok_or_else(none)?.id)
}
