//! `grantor app`: the clients with a secret that an organization creates for itself.

mod secret;
mod submit;
mod transfer;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};

use crate::actions::audit::AuditActor;
use crate::actions::clients::private::create::create_private_client;
use crate::actions::clients::private::delete::delete_private_client;
use crate::actions::clients::private::update::update_private_client;
use crate::actions::clients::publishing::retire::retire_published_client;
use crate::actions::context::Context;
use crate::cli::arguments::org::OrgFlag;
use crate::cli::failure::Failure;
use crate::cli::output::effect::last_token;
use crate::cli::output::{Output, Page, counted, facts, listed, quoted};
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;
use crate::db::clients::own::{OwnClient, OwnFilter};
use crate::db::clients::secrets::ClientSecret;
use crate::db::clients::{own, secrets};
use crate::db::orgs::Org;
use crate::db::partners;
use crate::rules::client::ClientId;
use crate::rules::client::kind::ClientKind;
use crate::rules::client::private_client::{AttributeError, PrivateClientChange};
use crate::rules::redirect::uri::RedirectUri;
use crate::rules::scope::ScopeSet;
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
    /// Delete an app, or retire its published client: all grants, tokens and secrets end at once, and it can never be
    /// used again.
    Delete(Target),
    /// Create, replace and end the secret of an app.
    #[command(subcommand)]
    Secret(secret::Command),
    /// Submit an app for review. The first time, its published client gets an ID and a secret of its
    /// own, which are shown only once.
    Submit(submit::Arguments),
    /// Withdraw the version that is in review.
    Withdraw(Target),
    /// Print an app with its published client, for `grantor app import` on another site.
    ///
    /// The file has the IDs and the digests of the secrets, not the secrets.
    Export(Target),
    /// Create an app from the file that `grantor app export` printed on another site. Its IDs and
    /// secrets are the same on both.
    Import(transfer::ImportArguments),
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
    async fn find(&self, context: &Context) -> Result<(Org, OwnClient), Failure> {
        let org = self.org.find(context).await?;
        let found = own::find(&context.db, org.id, self.app).await?;
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

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::Create { org, name, attributes } => {
                let org = org.find(&context).await?;
                let members = attributes.members(Some(&name));
                let approved = approved_scopes(&context, &org).await?;
                let new = PrivateClientChange::parse(&members, &loaded.catalog, &approved)
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
                let approved = approved_scopes(&context, &org).await?;
                let change = PrivateClientChange::parse(&members, &loaded.catalog, &approved)
                    .map_err(|error| usage(&error))?;
                let by = &AuditActor::COMMAND_LINE;
                let client = update_private_client(&context, org.id, client.id, &change, by)
                    .await
                    .map_err(Failure::failed)?;
                show(&context, &org, &client, output).await
            }
            Command::Delete(target) => delete(&context, &target, output).await,
            Command::Secret(command) => secret::run(&context, &loaded, command, output).await,
            Command::Submit(arguments) => {
                submit::run(&context, &loaded.catalog, arguments, output).await
            }
            Command::Withdraw(target) => submit::withdraw(&context, &target, output).await,
            Command::Export(target) => transfer::export(&context, &target).await,
            Command::Import(arguments) => {
                transfer::import(&context, &loaded.catalog, arguments, output).await
            }
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
    state: &'static str,
    scopes: Vec<String>,
    created_at: String,
}

async fn list(context: &Context, org: &OrgFlag, limit: u32, output: Output) -> Result<(), Failure> {
    let org = org.find(context).await?;
    let filter = OwnFilter { name: None, kind: None, size: limit.saturating_add(1), number: 0 };
    let (found, _) = own::list(&context.db, org.id, &filter).await?;
    let row = |client: OwnClient| AppRow {
        id: client.id,
        name: client.metadata.client_name().as_str().to_owned(),
        state: client.state.as_str(),
        scopes: client.metadata.scope().names().map(str::to_owned).collect(),
        created_at: client.created_at.to_rfc3339(),
    };
    let page = Page::of(found.into_iter().map(row).collect(), limit);
    output::list(output, &page.items, &["id", "name", "state", "scopes", "created_at"])?;
    page.note_if_more(output);
    Ok(())
}

/// The private scopes that the organization may use as a partner.
async fn approved_scopes(context: &Context, org: &Org) -> Result<ScopeSet, Failure> {
    let partner = partners::find(&context.db, org.id).await?;
    Ok(partner.map(|partner| partner.private_scopes).unwrap_or_default())
}

async fn show(
    context: &Context,
    org: &Org,
    client: &OwnClient,
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
        "state": client.state.as_str(),
        "private_client": client.pair.private,
        "published_client": client.pair.published,
        "version_in_review": client.pair.open_version,
        "published_at": client.published_at.map(Timestamp::to_rfc3339),
        "secrets": live.iter().map(secret).collect::<Vec<_>>(),
    });
    output::item(output, &value, || text(org, client, &live))
}

fn text(org: &Org, client: &OwnClient, live: &[ClientSecret]) -> String {
    let metadata = &client.metadata;
    let redirects: Vec<&str> = metadata.redirect_uris().iter().map(RedirectUri::as_str).collect();
    let mut rows = vec![
        ("Name", quoted(metadata.client_name().as_str())),
        ("Client ID", client.id.to_string()),
        ("State", client.state.as_str().to_owned()),
        ("Organization", quoted(&org.name)),
        ("Redirects to", redirects.join("\n")),
        ("Scopes", listed(metadata.scope().names(), 100)),
    ];
    let published = client.pair.published.filter(|id| *id != client.id);
    rows.extend(published.map(|id| ("Published as", id.to_string())));
    rows.extend(client.pair.open_version.map(|id| ("In review", format!("version {id}"))));
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
    let is_published = client.kind == ClientKind::Published;
    let ended = if is_published {
        retire_published_client(context, org.id, client.id, by).await.map_err(Failure::failed)?
    } else {
        delete_private_client(context, org.id, client.id, by).await.map_err(Failure::failed)?
    };
    let last = ended.last_token_ends_at;
    let done = json!({
        "id": client.id,
        "org": org.name,
        "deleted": !is_published,
        "retired": is_published,
        "grants_ended": ended.grants,
        "last_token_expires_at": last.map(Timestamp::to_rfc3339),
    });
    output::sentences(output, &done, || {
        let name = quoted(client.metadata.client_name().as_str());
        let people = counted(ended.grants as u64, "person", "people");
        let mut sentences = vec![
            match is_published {
                true => format!("{name} ({}) is retired in all organizations.", client.id),
                false => format!("{name} ({}) is deleted from {}.", client.id, quoted(&org.name)),
            },
            format!("Access ended for {people}."),
        ];
        sentences.extend(last_token(last, context.clock.now(), "its last tokens"));
        sentences
    })
}
