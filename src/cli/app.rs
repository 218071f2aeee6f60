//! `grantor app`: the clients with a secret that an organization creates for itself.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};

use crate::actions::audit::AuditActor;
use crate::actions::clients::private::create::create_private_client;
use crate::actions::clients::private::delete::delete_private_client;
use crate::actions::clients::private::secrets::{
    MadeSecret, end_previous_secret, generate_secret, regenerate_secret,
};
use crate::actions::clients::private::update::update_private_client;
use crate::actions::context::Context;
use crate::cli::arguments::org::OrgFlag;
use crate::cli::failure::Failure;
use crate::cli::output::effect::last_token;
use crate::cli::output::{Output, Page, counted, facts, listed, quoted};
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;
use crate::db::clients::private::{PrivateClient, PrivateFilter};
use crate::db::clients::secrets::ClientSecret;
use crate::db::clients::{private, secrets};
use crate::db::orgs::Org;
use crate::rules::client::ClientId;
use crate::rules::client::private_client::{AttributeError, PrivateClientChange};
use crate::rules::redirect::uri::RedirectUri;
use crate::rules::timestamp::Timestamp;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create an app with a secret, which only members of the organization can authorize.
    ///
    /// `grantor app secret create` makes its secret.
    Create {
        #[command(flatten)]
        org: OrgFlag,
        /// Name of the app.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        attributes: Attributes,
    },
    /// List the apps that the organization created, newest first.
    List {
        #[command(flatten)]
        org: OrgFlag,
        /// Maximum number of rows.
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: u32,
    },
    /// Show one app and the last characters of its secrets.
    Show(Target),
    /// Change an app. What is not named stays as it is.
    Update {
        #[command(flatten)]
        target: Target,
        /// New name of the app.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        attributes: Attributes,
    },
    /// Delete an app: its grants, tokens and secrets end at once, and it can never be used again.
    Delete(Target),
    /// Create, replace and end the secret of an app.
    #[command(subcommand)]
    Secret(SecretCommand),
}

#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Create the first secret. It is shown only once.
    Create(Target),
    /// Replace the secret. Tokens and grants stay.
    Regenerate {
        #[command(flatten)]
        target: Target,
        /// How long the previous secret works too, such as 24h or 7d. By default it ends at once.
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        overlap: Option<i64>,
    },
    /// End the previous secret before its time.
    End(Target),
}

#[derive(Debug, Args)]
pub struct Attributes {
    /// Where the app receives its codes: https, or http on this machine. All are on one host.
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Scopes that the app may get at most.
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// Where people begin to connect the app.
    #[arg(long, value_name = "URL")]
    onboarding_url: Option<String>,
    /// What the app does, in up to 500 characters.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

impl Attributes {
    /// The members of the API with the same names.
    fn members(&self, name: Option<&String>) -> Vec<(String, Value)> {
        let Self { redirect_uris, scopes, onboarding_url, description } = self;
        let lists = [("redirect_uris", redirect_uris), ("scopes", scopes)];
        let texts = [
            ("name", name),
            ("onboarding_url", onboarding_url.as_ref()),
            ("description", description.as_ref()),
        ];
        let lists = lists
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| (name.to_owned(), json!(list)));
        let texts =
            texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?))));
        lists.chain(texts).collect()
    }
}

#[derive(Debug, Args)]
pub struct Target {
    #[command(flatten)]
    org: OrgFlag,
    /// Client ID of the app; `grantor app list` shows it.
    #[arg(value_name = "APP", value_parser = ClientId::parse)]
    app: ClientId,
}

impl Target {
    async fn find(&self, context: &Context) -> Result<(Org, PrivateClient), Failure> {
        let org = self.org.find(context).await?;
        let found = private::find(&context.db, org.id, self.app).await?;
        let missing = || {
            Failure::failed(format!(
                "{} has no app with the ID {}; `grantor app list` lists its apps",
                quoted(&org.name),
                self.app
            ))
        };
        let client = found.ok_or_else(missing)?;
        Ok((org, client))
    }
}

fn seconds(text: &str) -> Result<i64, String> {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let unit = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        _ => None,
    };
    let seconds = number.parse().ok().zip(unit).and_then(|(number, unit): (u32, i64)| {
        i64::from(number).checked_mul(unit).filter(|seconds| *seconds > 0)
    });
    seconds.ok_or_else(|| "write a time such as 30m, 24h or 7d".to_owned())
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::Create { org, name, attributes } => {
                let org = org.find(&context).await?;
                let members = attributes.members(Some(&name));
                let new = PrivateClientChange::parse(&members, &loaded.catalog)
                    .and_then(PrivateClientChange::into_new)
                    .map_err(|error| usage(&error))?;
                let max = loaded.config.partners.clients_per_organization.into();
                let by = &AuditActor::COMMAND_LINE;
                let client = create_private_client(&context, org.id, new, max, by)
                    .await
                    .map_err(Failure::failed)?;
                show(&context, &org, &client, output).await
            }
            Command::List { org, limit } => list(&context, &org, limit, output).await,
            Command::Show(target) => {
                let (org, client) = target.find(&context).await?;
                show(&context, &org, &client, output).await
            }
            Command::Update { target, name, attributes } => {
                let (org, client) = target.find(&context).await?;
                let members = attributes.members(name.as_ref());
                let change = PrivateClientChange::parse(&members, &loaded.catalog)
                    .map_err(|error| usage(&error))?;
                let by = &AuditActor::COMMAND_LINE;
                let client = update_private_client(&context, org.id, client.id, &change, by)
                    .await
                    .map_err(Failure::failed)?;
                show(&context, &org, &client, output).await
            }
            Command::Delete(target) => delete(&context, &target, output).await,
            Command::Secret(command) => secret(&context, &loaded, command, output).await,
        }
    })
}

fn usage(error: &AttributeError) -> Failure {
    Failure::Usage(format!("{}: {error}", error.path))
}

#[derive(Serialize)]
struct AppRow {
    id: ClientId,
    name: String,
    scopes: Vec<String>,
    created_at: String,
}

async fn list(context: &Context, org: &OrgFlag, limit: u32, output: Output) -> Result<(), Failure> {
    let org = org.find(context).await?;
    let filter = PrivateFilter { name: None, size: limit.saturating_add(1), number: 0 };
    let (found, _) = private::list(&context.db, org.id, &filter).await?;
    let row = |client: PrivateClient| AppRow {
        id: client.id,
        name: client.metadata.client_name().as_str().to_owned(),
        scopes: client.metadata.scope().names().map(str::to_owned).collect(),
        created_at: client.created_at.to_rfc3339(),
    };
    let page = Page::of(found.into_iter().map(row).collect(), limit);
    output::list(output, &page.items, &["id", "name", "scopes", "created_at"])?;
    page.note_if_more(output);
    Ok(())
}

async fn show(
    context: &Context,
    org: &Org,
    client: &PrivateClient,
    output: Output,
) -> Result<(), Failure> {
    let live = secrets::list_live(&context.db, &[client.id], context.clock.now()).await?;
    let redirect_uris: Vec<&str> =
        client.metadata.redirect_uris().iter().map(RedirectUri::as_str).collect();
    let secret = |secret: &ClientSecret| {
        json!({
            "id": secret.id,
            "last4": secret.last_four,
            "created_at": secret.created_at.to_rfc3339(),
            "expires_at": secret.expires_at.map(Timestamp::to_rfc3339),
            "last_used_at": secret.last_used_at.map(Timestamp::to_rfc3339),
        })
    };
    let value = json!({
        "id": client.id,
        "org": org.name,
        "name": client.metadata.client_name(),
        "redirect_uris": redirect_uris,
        "scopes": client.metadata.scope().names().collect::<Vec<_>>(),
        "onboarding_url": client.onboarding_url,
        "description": client.description,
        "revision": client.revision,
        "created_at": client.created_at.to_rfc3339(),
        "modified_at": client.modified_at.to_rfc3339(),
        "secrets": live.iter().map(secret).collect::<Vec<_>>(),
    });
    output::item(output, &value, || text(org, client, &live))
}

fn text(org: &Org, client: &PrivateClient, live: &[ClientSecret]) -> String {
    let metadata = &client.metadata;
    let redirects: Vec<&str> = metadata.redirect_uris().iter().map(RedirectUri::as_str).collect();
    let mut rows = vec![
        ("Name", quoted(metadata.client_name().as_str())),
        ("Client ID", client.id.to_string()),
        ("Organization", quoted(&org.name)),
        ("Redirects to", redirects.join("\n")),
        ("Scopes", listed(metadata.scope().names(), 100)),
    ];
    rows.extend(client.onboarding_url.clone().map(|url| ("Onboarding", url)));
    rows.extend(client.description.as_deref().map(|text| ("Description", quoted(text))));
    rows.extend(live.iter().map(|secret| match secret.expires_at {
        None => ("Secret", format!("ends in {}", secret.last_four)),
        Some(at) => {
            let end = at.to_rfc3339();
            ("Previous secret", format!("ends in {}, works until {end}", secret.last_four))
        }
    }));
    if live.is_empty() {
        rows.push(("Secret", "none yet: run `grantor app secret create`".to_owned()));
    }
    facts(&rows, output::width())
}

async fn delete(context: &Context, target: &Target, output: Output) -> Result<(), Failure> {
    let (org, client) = target.find(context).await?;
    let by = &AuditActor::COMMAND_LINE;
    let ended =
        delete_private_client(context, org.id, client.id, by).await.map_err(Failure::failed)?;
    let last = ended.last_token_ends_at;
    let done = json!({
        "id": client.id,
        "org": org.name,
        "deleted": true,
        "grants_ended": ended.grants,
        "last_token_expires_at": last.map(Timestamp::to_rfc3339),
    });
    output::sentences(output, &done, || {
        let name = quoted(client.metadata.client_name().as_str());
        let people = counted(ended.grants as u64, "person", "people");
        let mut sentences = vec![
            format!("{name} ({}) is deleted from {}.", client.id, quoted(&org.name)),
            format!("Access ended for {people}."),
        ];
        sentences.extend(last_token(last, context.clock.now(), "its last tokens"));
        sentences
    })
}

async fn secret(
    context: &Context,
    loaded: &Loaded,
    command: SecretCommand,
    output: Output,
) -> Result<(), Failure> {
    let by = &AuditActor::COMMAND_LINE;
    match command {
        SecretCommand::Create(target) => {
            let (org, client) = target.find(context).await?;
            let made =
                generate_secret(context, org.id, client.id, by).await.map_err(Failure::failed)?;
            show_secret(&made, output)
        }
        SecretCommand::Regenerate { target, overlap } => {
            let (org, client) = target.find(context).await?;
            let max = loaded.config.partners.secret_overlap_max;
            if overlap.is_some_and(|overlap| overlap.unsigned_abs() > max) {
                return Err(Failure::Usage(format!(
                    "the overlap is longer than {max} seconds, which `partners.secret_overlap_max` allows"
                )));
            }
            let until = overlap.map(|overlap| context.clock.now().plus(overlap));
            let made = regenerate_secret(context, org.id, client.id, until, by)
                .await
                .map_err(Failure::failed)?;
            show_secret(&made, output)
        }
        SecretCommand::End(target) => {
            let (org, client) = target.find(context).await?;
            let live = secrets::list_live(&context.db, &[client.id], context.clock.now()).await?;
            let Some(previous) = live.iter().find(|secret| secret.expires_at.is_some()) else {
                return Err(Failure::failed("this app has no previous secret"));
            };
            end_previous_secret(context, org.id, client.id, previous.id, by)
                .await
                .map_err(Failure::failed)?;
            output::item(output, &json!({"id": previous.id, "ended": true}), || {
                format!("The secret ending in {} has ended.", previous.last_four)
            })
        }
    }
}

fn show_secret(made: &MadeSecret, output: Output) -> Result<(), Failure> {
    let previous_ends = made.previous.as_ref().and_then(|previous| previous.expires_at);
    let shown = json!({
        "id": made.stored.id,
        "client_id": made.stored.client_id,
        "client_secret": made.secret.expose(),
        "previous_ends_at": previous_ends.map(Timestamp::to_rfc3339),
    });
    output::item(output, &shown, || {
        let end = previous_ends
            .map(|at| format!(" The previous secret works until {}.", at.to_rfc3339()));
        format!(
            "Client ID      {}\nClient secret  {}\n\nThe secret is shown only once.{}",
            made.stored.client_id,
            made.secret.expose(),
            end.unwrap_or_default()
        )
    })
}
