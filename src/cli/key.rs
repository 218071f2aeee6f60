//! `grantor key`: API keys of an organisation and application keys of its people.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::output::{self, Output};
use super::{Failure, block_on, database};
use crate::actions::{self, By, Context};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::db::{OperatorCache, api_keys, application_keys};
use crate::oauth::{KeyId, OrgId};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create an API key and an application key, shown this once.
    Create {
        /// The name of the organisation.
        #[arg(long, value_name = "NAME")]
        org: String,
        /// The e-mail address of the person that the application key speaks for.
        #[arg(long, value_name = "EMAIL")]
        user: String,
    },
    /// List keys: never the keys themselves.
    List {
        /// The name of the organisation.
        #[arg(long, value_name = "NAME")]
        org: String,
    },
    /// End a key. Servers that run stop taking it within five seconds.
    Revoke {
        /// As `grantor key list` shows it.
        id: Uuid,
    },
}

#[derive(Serialize)]
struct Shown {
    id: KeyId,
    kind: &'static str,
    user: Option<String>,
    last_four: String,
    created_at: String,
    revoked_at: Option<String>,
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::Create { org, user } => {
                let org = database::org(&context, &org).await?;
                let keys =
                    actions::create_key(&context, org.id, &user, &By::COMMAND_LINE).await.map_err(Failure::failed)?;
                let shown = json!({
                    "api_key": keys.api_key.expose(),
                    "api_key_id": keys.api_key_id,
                    "application_key": keys.application_key.expose(),
                    "application_key_id": keys.application_key_id,
                });
                output::one(output, &shown, || {
                    let (api_key, application_key) = (keys.api_key.expose(), keys.application_key.expose());
                    format!(
                        "API key          {api_key}\nApplication key  {application_key}\n\nThey are shown this once."
                    )
                })
            }
            Command::List { org } => {
                let org = database::org(&context, &org).await?;
                let columns = ["id", "kind", "user", "last_four", "created_at", "revoked_at"];
                output::list(output, &list(&context, org.id).await?, &columns)
            }
            Command::Revoke { id } => {
                // This process serves nobody: servers notice within five seconds.
                let operators = OperatorCache::new(Clock::system());
                actions::revoke_key(&context, &operators, KeyId(id), &By::COMMAND_LINE)
                    .await
                    .map_err(Failure::failed)?;
                output::one(output, &json!({"id": id, "revoked": true}), || format!("revoked {id}"))
            }
        }
    })
}

async fn list(context: &Context, org_id: OrgId) -> Result<Vec<Shown>, Failure> {
    let api_keys = api_keys::list(&context.db, org_id).await?.into_iter().map(|key| Shown {
        id: key.id,
        kind: "api_key",
        user: None,
        last_four: key.last_four,
        created_at: key.created_at.to_rfc3339(),
        revoked_at: key.revoked_at.map(|at| at.to_rfc3339()),
    });
    let application_keys = application_keys::list(&context.db, org_id).await?.into_iter().map(|key| Shown {
        id: key.id,
        kind: "application_key",
        user: Some(key.email),
        last_four: key.last_four,
        created_at: key.created_at.to_rfc3339(),
        revoked_at: key.revoked_at.map(|at| at.to_rfc3339()),
    });
    Ok(api_keys.chain(application_keys).collect())
}
