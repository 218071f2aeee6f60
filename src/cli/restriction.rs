//! `grantor restriction`: limits on the scopes that an app can get in an organization.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::actions::audit::AuditActor;
use crate::actions::clients::restrict_scopes;
use crate::actions::clients::restrict_scopes::{Bounds, Restricted};
use crate::cli::chosen::{AppArgument, OrgFlag};
use crate::cli::effect::{Effect, Tense, last_token};
use crate::cli::output::{Output, counted, listed, quoted};
use crate::cli::{Failure, block_on, database, output};
use crate::config::Loaded;
use crate::db::clients::apps::App;
use crate::db::orgs::{Org, org_clients};
use crate::rules::scope::restriction::ScopesRestriction;
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::rules::timestamp::Timestamp;

#[derive(Debug, Args)]
pub struct Target {
    #[command(flatten)]
    org: OrgFlag,
    #[command(flatten)]
    app: AppArgument,
}

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
        target: Target,
    },
    /// Replace the restriction of an app.
    ///
    /// Grants with a removed scope are revoked, or lose only that scope if `restriction.on_narrow`
    /// is `narrow_grants`.
    Set {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        lists: Lists,
        /// Fail unless the state still has the digest that a preview printed.
        #[arg(long, value_name = "DIGEST")]
        if_digest: Option<String>,
    },
    /// Show what a restriction would add, take away and end. Nothing is stored.
    Preview {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        lists: Lists,
    },
    /// Remove the restriction. The default of the organization applies again, if it has one.
    Delete {
        #[command(flatten)]
        target: Target,
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
    let org = target.org.find(&context).await?;
    let app = target.app.find(&context, &org).await?;
    let client_id = app.client.id;
    let required = loaded.config.restriction.required_of(client_id.uuid()).cloned().unwrap_or_default();
    let bounds = Bounds::of(&loaded.config, &loaded.catalog, &required);
    let shown = Printed { org: &org, app: &app, required: &required };
    let by = AuditActor::COMMAND_LINE;
    match command {
        Command::Get { .. } => {
            let restriction = org_clients::find_restriction(&context.db, org.id, client_id).await?.flatten();
            output::sentences(output, &shown.json(restriction.as_ref()), || shown.sentences(restriction.as_ref()))
        }
        Command::Set { lists, if_digest, .. } => {
            let restriction = lists.parse(loaded)?;
            let if_digest = if_digest.as_deref();
            let done =
                restrict_scopes::restrict_scopes(&context, bounds, org.id, client_id, &restriction, if_digest, &by)
                    .await;
            let done = done.map_err(Failure::failed)?;
            output::sentences(output, &shown.json_with_effect(&restriction, &done, false), || {
                let effect = effect(&done).sentences(Tense::Past);
                let last_tokens = last_token(done.last_token_ends_at, context.clock.now(), LAST_TOKENS);
                shown.sentences(Some(&restriction)).into_iter().chain(effect).chain(last_tokens).collect()
            })
        }
        Command::Preview { lists, .. } => {
            let restriction = lists.parse(loaded)?;
            let preview = restrict_scopes::preview_restriction(&context, bounds, org.id, client_id, &restriction).await;
            let preview = preview.map_err(Failure::failed)?;
            output::sentences(output, &shown.json_with_effect(&restriction, &preview, true), || {
                shown.preview_sentences(&preview, context.clock.now())
            })
        }
        Command::Delete { .. } => {
            restrict_scopes::lift_restriction(&context, bounds, org.id, client_id, &by)
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
        ScopesRestriction::parse(&names(&self.oidc_scopes), &names(&self.permission_scopes), &loaded.catalog)
            .map_err(Failure::usage)
    }
}

pub(super) const LAST_TOKENS: &str = "tokens with the removed scopes";

fn effect(done: &Restricted) -> Effect<'_> {
    let Restricted { change, affected, ended, .. } = done;
    Effect { added: &change.scopes_added, removed: &change.scopes_removed, affected, ended: *ended }
}

pub(super) fn add_effect(shown: &mut Value, effect: &Restricted, dry_run: bool) {
    shown["dry_run"] = json!(dry_run);
    shown["scopes_added"] = json!(effect.change.scopes_added);
    shown["scopes_removed"] = json!(effect.change.scopes_removed);
    shown["grants"] = json!(effect.affected.grants);
    shown["grants_ended"] = json!(effect.ended);
    shown["last_token_expires_at"] = json!(effect.last_token_ends_at.map(Timestamp::to_rfc3339));
    shown["users"] = json!(effect.affected.users);
    shown["digest"] = json!(effect.digest);
}

/// A restriction with everything that its output needs.
struct Printed<'a> {
    org: &'a Org,
    app: &'a App,
    required: &'a ScopeSet,
}

impl Printed<'_> {
    fn json(&self, restriction: Option<&ScopesRestriction>) -> Value {
        json!({
            "client_id": self.app.client.id,
            "required_permission_scopes": (!self.required.is_empty()).then_some(self.required),
            "scopes_restriction": restriction.map(|restriction| json!({
                "oidc_scopes": restriction.oidc_scopes(),
                "permission_scopes": restriction.permission_scopes(),
            })),
        })
    }

    fn json_with_effect(&self, restriction: &ScopesRestriction, effect: &Restricted, dry_run: bool) -> Value {
        let mut shown = self.json(Some(restriction));
        add_effect(&mut shown, effect, dry_run);
        shown["scopes_removed_in_use"] = json!(effect.affected.scopes);
        shown
    }

    fn name(&self) -> String {
        let client = &self.app.client;
        format!("{} ({})", quoted(client.metadata.client_name().as_str()), client.id)
    }

    fn sentences(&self, restriction: Option<&ScopesRestriction>) -> Vec<String> {
        let name = self.name();
        let org = quoted(&self.org.name);
        let allows = match (restriction, &self.org.default_client_scopes) {
            (Some(restriction), _) => {
                let lists = restriction.oidc_scopes().iter().chain(restriction.permission_scopes());
                format!("{org} allows {name} {}.", scopes(lists))
            }
            (None, Some(defaults)) => format!(
                "{org} does not restrict {name}. The default of the organization allows it {}.",
                scopes(defaults.iter())
            ),
            (None, None) => format!("{org} does not restrict {name}. It may get every scope of the catalog."),
        };
        let required = (!self.required.is_empty())
            .then(|| format!("The server's settings always allow it {}.", scopes(self.required.iter())));
        [allows].into_iter().chain(required).collect()
    }

    fn preview_sentences(&self, preview: &Restricted, now: Timestamp) -> Vec<String> {
        let about = format!("Preview for {} in {}. Nothing is stored.", self.name(), quoted(&self.org.name));
        let apply =
            format!("To apply exactly this, run `grantor restriction set` with --if-digest {}.", preview.digest);
        let effect = effect(preview).sentences(Tense::Present);
        let last_tokens = last_token(preview.last_token_ends_at, now, LAST_TOKENS);
        [about].into_iter().chain(effect).chain(last_tokens).chain([apply]).collect()
    }
}

/// Formats scopes as `2 scopes: openid, email`.
fn scopes<'a>(scopes: impl Iterator<Item = &'a ScopeToken>) -> String {
    const MAX_NAMES: usize = 100;
    let names: Vec<&str> = scopes.map(ScopeToken::as_str).collect();
    let count = counted(names.len() as u64, "scope", "scopes");
    if names.is_empty() { count } else { format!("{count}: {}", listed(names, MAX_NAMES)) }
}
