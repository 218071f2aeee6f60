//! `grantor review`: decides about the versions that partners submitted, and about published apps.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::actions::audit::AuditActor;
use crate::actions::clients::publishing::decide::{approve_version, reject_version};
use crate::actions::clients::publishing::manage::{PublishedChange, manage_published_client};
use crate::actions::clients::publishing::review::{Review, review_of};
use crate::actions::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Page, facts, quoted};
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;
use crate::db::clients::versions;
use crate::db::clients::versions::Version;
use crate::rules::client::ClientId;
use crate::rules::client::review::Difference;
use crate::rules::client::version::{VersionState, VersionStateError};
use crate::rules::id::VersionId;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List submitted versions, oldest first.
    List {
        /// Another state: published, superseded, rejected, withdrawn or retired.
        #[arg(long, value_name = "STATE", default_value = "submitted", value_parser = state)]
        state: VersionState,
        /// Maximum number of rows.
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: u32,
    },
    /// Show a version: how it differs from the published one, and what to look at.
    Show {
        /// ID of the version, which `grantor review list` shows.
        version: Uuid,
    },
    /// Publish a version.
    Approve {
        /// ID of the version, which `grantor review list` shows.
        version: Uuid,
        /// A note for the owner.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Reject a version.
    Reject {
        /// ID of the version, which `grantor review list` shows.
        version: Uuid,
        /// What the owner has to change.
        #[arg(long, value_name = "TEXT")]
        note: String,
    },
    /// Suspend or resume a published app, or list its tile for all organizations.
    Set {
        /// ID of the published app.
        #[arg(long, value_name = "CLIENT_ID")]
        client: Uuid,
        /// Show its tile to all organizations, or with `--listed=false` to its own only.
        #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
        listed: Option<bool>,
        /// Refuse every request of the app, or with `--suspended=false` accept them again. Its grants are kept.
        #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
        suspended: Option<bool>,
        /// Why. Required to suspend an app.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
}

fn state(text: &str) -> Result<VersionState, VersionStateError> {
    VersionState::parse(text)
}

#[derive(Serialize)]
struct VersionRow {
    id: VersionId,
    name: String,
    number: i64,
    state: &'static str,
    client_id: ClientId,
    submitted_at: String,
}

impl From<&Version> for VersionRow {
    fn from(version: &Version) -> Self {
        Self {
            id: version.id,
            name: version.snapshot.name.clone(),
            number: version.number,
            state: version.state.as_str(),
            client_id: version.published_client_id,
            submitted_at: version.submitted_at.to_rfc3339(),
        }
    }
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        let by = &AuditActor::COMMAND_LINE;
        match command {
            Command::List { state, limit } => list(&context, state, limit, output).await,
            Command::Show { version } => show(&context, VersionId(version), output).await,
            Command::Approve { version, note } => {
                let (id, catalog) = (VersionId(version), &loaded.catalog);
                let version = approve_version(&context, id, note.as_deref(), catalog, by)
                    .await
                    .map_err(Failure::failed)?;
                decided(&version, "is published", output)
            }
            Command::Reject { version, note } => {
                let note = note.trim();
                if note.is_empty() {
                    return Err(Failure::Usage("the note is empty: say what to change".to_owned()));
                }
                let version = reject_version(&context, VersionId(version), note, by)
                    .await
                    .map_err(Failure::failed)?;
                decided(&version, "is rejected", output)
            }
            Command::Set { client, listed, suspended, note } => {
                let change = PublishedChange { is_listed: listed, is_suspended: suspended, note };
                let id = ClientId::from_uuid(client);
                let client = manage_published_client(&context, id, &change, by)
                    .await
                    .map_err(Failure::failed)?;
                let state = client.state.as_str();
                let shown = json!({"id": id, "state": state, "listed": client.is_listed});
                output::item(output, &shown, || {
                    let name = quoted(client.metadata.client_name().as_str());
                    let who =
                        if client.is_listed { "all organizations" } else { "its own organization" };
                    format!("{name} is {state}. Its tile is shown to {who}.")
                })
            }
        }
    })
}

async fn list(
    context: &Context,
    state: VersionState,
    limit: u32,
    output: Output,
) -> Result<(), Failure> {
    let (found, _) =
        versions::list_in_state(&context.db, state, limit.saturating_add(1), 0).await?;
    let page = Page::of(found.iter().map(VersionRow::from).collect(), limit);
    let columns = ["id", "name", "number", "state", "client_id", "submitted_at"];
    output::list(output, &page.items, &columns)?;
    page.note_if_more(output);
    Ok(())
}

fn decided(version: &Version, outcome: &str, output: Output) -> Result<(), Failure> {
    output::item(output, &VersionRow::from(version), || {
        format!("Version {} of {} {outcome}.", version.number, quoted(&version.snapshot.name))
    })
}

async fn show(context: &Context, id: VersionId, output: Output) -> Result<(), Failure> {
    let found = versions::find(&context.db, id).await?;
    let version = found.ok_or_else(|| {
        Failure::failed("there is no version with this ID; `grantor review list` lists them")
    })?;
    let Review { before, warnings } = review_of(&context.db, &version).await?;
    let before = before.as_ref();
    let changes = Review::changes(before, &version);
    let mut shown = json!(VersionRow::from(&version));
    shown["note"] = json!(version.note);
    shown["scope_reasons"] = json!(version.scope_reasons);
    shown["against"] = json!(before.map(|before| before.id));
    shown["changes"] = json!(changes);
    shown["warnings"] = json!(warnings);
    output::item(output, &shown, || text(&version, &changes, &warnings))
}

fn text(version: &Version, changes: &[Difference<'_>], warnings: &[String]) -> String {
    let mut rows = vec![
        ("App", quoted(&version.snapshot.name)),
        ("Version", format!("{} ({})", version.number, version.state.as_str())),
        ("Submitted", version.submitted_at.to_rfc3339()),
    ];
    rows.extend(version.note.as_deref().map(|note| ("Note", quoted(note))));
    for change in changes {
        match change {
            Difference::List { member, added, removed, .. } => {
                let sign = |sign: &'static str| move |item: &&str| format!("{sign} {item}");
                let lines = added.iter().map(sign("+")).chain(removed.iter().map(sign("-")));
                rows.push((label(member), lines.collect::<Vec<_>>().join("\n")));
            }
            Difference::Text { member, before, after } => {
                let old = before.map(|before| format!("- {}\n", quoted(before)));
                rows.push((
                    label(member),
                    format!("{}+ {}", old.unwrap_or_default(), quoted(after)),
                ));
            }
        }
    }
    rows.extend(warnings.iter().map(|warning| ("Look at", warning.clone())));
    facts(&rows, output::width())
}

fn label(member: &str) -> &'static str {
    match member {
        "scopes" => "Scopes",
        "redirect_uris" => "Redirects to",
        "onboarding_url" => "Onboarding",
        "name" => "Name",
        _ => "Description",
    }
}
