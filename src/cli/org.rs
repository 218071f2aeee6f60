//! `grantor org`: organizations.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::clients::scopes_restriction::Restricted;
use crate::actions::orgs::create_org;
use crate::actions::orgs::default_client_scopes;
use crate::actions::orgs::default_client_scopes::NewDefaults;
use crate::actions::orgs::rename_org;
use crate::cli::arguments::org::find_org;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::output::effect::{LAST_TOKENS, add_members, last_token};
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;
use crate::db::orgs;
use crate::db::orgs::Org;
use crate::rules::id::OrgId;
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::rules::timestamp::Timestamp;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create an organization without members. `grantor bootstrap` creates one with an administrator and keys.
    Create {
        /// Name of the new organization. It must be unique.
        name: String,
    },
    /// List the organizations.
    List,
    /// Rename an organization.
    Rename {
        /// Current name.
        org: String,
        /// New name. It must be unique.
        name: String,
    },
    /// Change an organization.
    Set {
        /// Name of the organization.
        org: String,
        /// Scopes allowed for apps without their own restriction, separated by spaces or commas. ""
        /// allows none, "all" removes the limit. Grants with other scopes are revoked or narrowed
        /// at once, depending on `restriction.on_narrow`.
        #[arg(long, value_name = "SCOPES", allow_hyphen_values = true)]
        default_client_scopes: String,
        /// Show what the change would add, remove and end. Nothing is stored.
        #[arg(long, conflicts_with = "if_digest")]
        dry_run: bool,
        /// Fail unless the state still has the digest that a dry run printed.
        #[arg(long, value_name = "DIGEST")]
        if_digest: Option<String>,
    },
}

#[derive(Serialize)]
struct OrgRow {
    id: OrgId,
    name: String,
    /// `None` if there is no limit.
    default_client_scopes: Option<ScopeSet>,
    created_at: String,
}

impl From<Org> for OrgRow {
    fn from(org: Org) -> Self {
        Self {
            id: org.id,
            name: org.name,
            default_client_scopes: org.default_client_scopes,
            created_at: org.created_at.to_rfc3339(),
        }
    }
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::Create { name } => {
                let id = create_org::create_org(&context, &name, &AuditActor::COMMAND_LINE)
                    .await
                    .map_err(Failure::failed)?;
                output::item(output, &json!({"id": id, "name": name.trim()}), || {
                    format!("created {name:?} ({id})")
                })
            }
            Command::List => {
                let orgs: Vec<OrgRow> =
                    orgs::list(&context.db).await?.into_iter().map(OrgRow::from).collect();
                output::list(output, &orgs, &["id", "name", "default_client_scopes", "created_at"])
            }
            Command::Rename { org, name } => {
                let org = find_org(&context, &org).await?;
                let renamed =
                    rename_org::rename_org(&context, &org, &name, &AuditActor::COMMAND_LINE)
                        .await
                        .map_err(Failure::failed)?;
                output::item(output, &json!({"id": org.id, "name": renamed}), || {
                    format!("renamed {:?} to {renamed:?} ({})", org.name, org.id)
                })
            }
            Command::Set { org, default_client_scopes, dry_run, if_digest } => {
                let scopes = parse_scopes(&default_client_scopes)?;
                let org = find_org(&context, &org).await?;
                let (config, catalog) = (&loaded.config, &loaded.catalog);
                let new = NewDefaults { org_id: org.id, scopes: scopes.as_ref(), config, catalog };
                let effect = if dry_run {
                    default_client_scopes::preview_default_restriction(&context, new).await
                } else {
                    default_client_scopes::restrict_by_default(
                        &context,
                        new,
                        if_digest.as_deref(),
                        &AuditActor::COMMAND_LINE,
                    )
                    .await
                };
                let effect = effect.map_err(Failure::failed)?;
                let shown = OrgRow::from(Org { default_client_scopes: scopes, ..org });
                let mut value = serde_json::to_value(&shown).map_err(Failure::failed)?;
                add_members(&mut value, &effect, dry_run);
                output::item(output, &value, || {
                    in_words(&shown, &effect, dry_run, context.clock.now())
                })
            }
        }
    })
}

fn in_words(shown: &OrgRow, effect: &Restricted, dry_run: bool, now: Timestamp) -> String {
    let OrgRow { name, id, .. } = shown;
    let change = &effect.change;
    let begin = if dry_run { "would change" } else { "changed" };
    let scopes =
        |scopes: &ScopeSet| if scopes.is_empty() { "none".to_owned() } else { scopes.in_words() };
    let ended = if dry_run { "Grants that would end" } else { "Grants ended" };
    let mut lines = vec![
        format!("{begin} {name:?} ({id})"),
        format!("Scopes added: {}", scopes(&change.scopes_added)),
        format!("Scopes removed: {}", scopes(&change.scopes_removed)),
        format!(
            "Grants that hold a removed scope: {}, of {} people",
            effect.affected.grants, effect.affected.users
        ),
        format!("{ended}: {}", effect.ended),
    ];
    lines.extend(last_token(effect.last_token_ends_at, now, LAST_TOKENS));
    if dry_run {
        lines.push(format!("To make exactly this change, add --if-digest {}", effect.digest));
    }
    lines.join("\n")
}

fn parse_scopes(text: &str) -> Result<Option<ScopeSet>, Failure> {
    if text == "all" {
        return Ok(None);
    }
    // The number of scopes is not limited, unlike in a client's parameter: it may be most of the
    // catalog.
    let names = text.split([' ', ',']).filter(|name| !name.is_empty());
    let token = |name: &str| {
        ScopeToken::parse(name).map_err(|cause| Failure::Usage(format!("{name:?}: {cause}")))
    };
    names.map(token).collect::<Result<_, _>>().map(Some)
}
