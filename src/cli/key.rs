//! `grantor key`: API keys of an organization and application keys of its users.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::keys::create_key;
use crate::actions::keys::create_key::KeyNames;
use crate::actions::keys::revoke_key;
use crate::cli::arguments::org::OrgFlag;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Page, quoted};
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::db::keys::callers::CallerCache;
use crate::db::keys::listed_key::ListedKey;
use crate::db::keys::{api_keys, application_keys};
use crate::rules::id::{KeyId, OrgId};
use crate::rules::identity::key_name::KeyName;
use crate::rules::timestamp::Timestamp;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create an API key and an application key. They are shown only once.
    Create {
        #[command(flatten)]
        org: OrgFlag,
        /// Email address of the user that the application key acts for.
        #[arg(long, value_name = "EMAIL")]
        user: String,
        /// Name of both keys. Without it, they are named "API key" and "Application key".
        #[arg(long, value_name = "NAME", value_parser = KeyName::parse)]
        name: Option<KeyName>,
    },
    /// List keys by ID, name, user and last four characters.
    List {
        #[command(flatten)]
        org: OrgFlag,
        /// Maximum number of rows.
        #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
        limit: u32,
    },
    /// Revoke a key. Running servers stop accepting it within five seconds.
    Revoke {
        /// ID of the key; `grantor key list` shows it.
        id: Uuid,
    },
}

#[derive(Serialize)]
struct KeyRow {
    id: KeyId,
    kind: &'static str,
    name: String,
    user: Option<String>,
    last_four: String,
    created_at: String,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
}

impl KeyRow {
    fn new(kind: &'static str, key: ListedKey) -> Self {
        Self {
            id: key.id,
            kind,
            name: key.name,
            user: key.email,
            last_four: key.last_four,
            created_at: key.created_at.to_rfc3339(),
            last_used_at: key.last_used_at.map(Timestamp::to_rfc3339),
            revoked_at: key.revoked_at.map(Timestamp::to_rfc3339),
        }
    }
}

/// The columns of the list, as a table.
const COLUMNS: [&str; 8] =
    ["id", "kind", "name", "user", "last_four", "created_at", "last_used_at", "revoked_at"];

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::Create { org, user, name } => create(&context, org, &user, name, output).await,
            Command::List { org, limit } => {
                let org = org.find(&context).await?;
                let page = Page::of(list(&context, org.id).await?, limit);
                output::list(output, &page.items, &COLUMNS)?;
                page.note_if_more(output);
                Ok(())
            }
            Command::Revoke { id } => revoke(&context, id, output).await,
        }
    })
}

async fn create(
    context: &Context,
    org: OrgFlag,
    user: &str,
    name: Option<KeyName>,
    output: Output,
) -> Result<(), Failure> {
    let org = org.find(context).await?;
    let (names, by) = (KeyNames::of(name), AuditActor::COMMAND_LINE);
    let keys = create_key::create_named_key(context, org.id, user, &names, &by)
        .await
        .map_err(Failure::failed)?;
    let shown = json!({
        "api_key": keys.api_key.expose(),
        "api_key_id": keys.api_key_id,
        "api_key_name": names.api_key.as_str(),
        "application_key": keys.application_key.expose(),
        "application_key_id": keys.application_key_id,
        "application_key_name": names.application_key.as_str(),
    });
    output::item(output, &shown, || {
        let api_key = keys.api_key.expose();
        let application_key = keys.application_key.expose();
        format!(
            "API key          {api_key}\nApplication key  {application_key}\n\nThey are shown only once."
        )
    })
}

async fn revoke(context: &Context, id: Uuid, output: Output) -> Result<(), Failure> {
    // This process serves no requests. Running servers notice within five seconds.
    let callers = CallerCache::new(Clock::system());
    let revoked = revoke_key::revoke_key(context, &callers, KeyId(id), &AuditActor::COMMAND_LINE)
        .await
        .map_err(Failure::failed)?;
    output::item(output, &json!({"id": id, "name": revoked.name, "revoked": true}), || {
        let name = quoted(&revoked.name);
        format!(
            "Key {id} ({name}) is revoked. Running servers stop accepting it within five seconds."
        )
    })
}

async fn list(context: &Context, org_id: OrgId) -> Result<Vec<KeyRow>, Failure> {
    let api_keys = api_keys::list(&context.db, org_id).await?;
    let application_keys = application_keys::list(&context.db, org_id).await?;
    let api_keys = api_keys.into_iter().map(|key| KeyRow::new("api_key", key));
    let application_keys =
        application_keys.into_iter().map(|key| KeyRow::new("application_key", key));
    Ok(api_keys.chain(application_keys).collect())
}
