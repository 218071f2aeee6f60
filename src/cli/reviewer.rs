//! `grantor reviewer`: users who approve partners and decide about what they publish.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::partners::reviewers::{add_reviewer, remove_reviewer};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;
use crate::db::users::reviewers;
use crate::rules::id::UserId;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Name a user as a reviewer. No role in an organization makes a reviewer.
    Add {
        /// Email address of the user.
        #[arg(long, value_name = "EMAIL")]
        email: String,
    },
    /// End what a user may do as a reviewer.
    Remove {
        /// Email address of the reviewer.
        #[arg(long, value_name = "EMAIL")]
        email: String,
    },
    /// List the reviewers.
    List,
}

#[derive(Serialize)]
struct ReviewerRow {
    id: UserId,
    email: String,
    added_at: String,
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        let by = &AuditActor::COMMAND_LINE;
        match command {
            Command::Add { email } => {
                let user = add_reviewer(&context, &email, by).await.map_err(Failure::failed)?;
                let shown = json!({"id": user.id, "email": user.email, "reviewer": true});
                output::item(output, &shown, || {
                    format!(
                        "{} is a reviewer now. `grantor review list` shows what waits.",
                        user.email
                    )
                })
            }
            Command::Remove { email } => {
                let user = remove_reviewer(&context, &email, by).await.map_err(Failure::failed)?;
                let shown = json!({"id": user.id, "email": user.email, "reviewer": false});
                output::item(output, &shown, || format!("{} is no longer a reviewer.", user.email))
            }
            Command::List => {
                let found = reviewers::list(&context.db).await?;
                let rows: Vec<ReviewerRow> = found
                    .into_iter()
                    .map(|reviewer| ReviewerRow {
                        id: reviewer.user_id,
                        email: reviewer.email,
                        added_at: reviewer.added_at.to_rfc3339(),
                    })
                    .collect();
                output::list(output, &rows, &["id", "email", "added_at"])
            }
        }
    })
}
