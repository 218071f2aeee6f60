//! `grantor webhook`: webhooks of an organization and their deliveries.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::webhooks::replay_deliveries;
use crate::actions::webhooks::test_auth_method::{AuthMethodTest, test_auth_method};
use crate::app::from_config::webhooks_outgoing;
use crate::cli::arguments::org::OrgFlag;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Page};
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;
use crate::db::orgs::Org;
use crate::db::webhooks;
use crate::db::webhooks::auth_methods::AuthMethod;
use crate::db::webhooks::deliveries::{Delivery, State};
use crate::db::webhooks::{Webhook, auth_methods, deliveries};
use crate::key_ring::ring_for_database;
use crate::rules::id::{AuthMethodId, EventId, WebhookId};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the webhooks of an organization.
    List {
        #[command(flatten)]
        org: OrgFlag,
    },
    /// List the deliveries of a webhook, newest first.
    Deliveries {
        #[command(flatten)]
        of: OfWebhook,
        /// Only deliveries in this state: waiting, delivered or parked.
        #[arg(long, value_name = "STATE", value_parser = state)]
        state: Option<State>,
        /// Maximum number of rows.
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: u32,
    },
    /// Send parked deliveries again, ahead of waiting ones.
    Replay {
        #[command(flatten)]
        of: OfWebhook,
        /// ID of one delivery; `grantor webhook deliveries` shows it. Sends all parked deliveries
        /// if omitted.
        #[arg(long, value_name = "ID")]
        delivery: Option<Uuid>,
    },
    /// Request an access token as a delivery would, and report the result.
    Test {
        #[command(flatten)]
        org: OrgFlag,
        /// Name or ID of the auth method.
        #[arg(long, value_name = "NAME|ID")]
        auth_method: String,
    },
}

/// One webhook of an organization.
#[derive(Debug, Args)]
pub struct OfWebhook {
    #[command(flatten)]
    org: OrgFlag,
    /// Name of the webhook.
    #[arg(long, value_name = "NAME")]
    webhook: String,
}

fn state(text: &str) -> Result<State, String> {
    State::parse(text).ok_or_else(|| "the state must be waiting, delivered or parked".to_owned())
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::List { org } => list(&context, &org, output).await,
            Command::Deliveries { of, state, limit } => {
                deliveries_of(&context, &of, state, limit, output).await
            }
            Command::Replay { of, delivery } => replay(&context, &of, delivery, output).await,
            Command::Test { org, auth_method } => {
                let org = org.find(&context).await?;
                let method = find(&context, &org, &auth_method).await?;
                let ring = ring_for_database(&loaded.config, &context.random, &context.db).await;
                let context = Context { ring: ring.map_err(Failure::failed)?, ..context };
                let outgoing = webhooks_outgoing(&loaded.config);
                let timeout = loaded.config.webhooks.timeout;
                let test = test_auth_method(&context, &outgoing, &method, timeout).await;
                print_test(&method, &test, output)
            }
        }
    })
}

/// Finds an auth method by its ID, or else by its name.
async fn find(context: &Context, org: &Org, named: &str) -> Result<AuthMethod, Failure> {
    if let Ok(id) = Uuid::try_parse(named)
        && let Some(found) = auth_methods::find(&context.db, org.id, AuthMethodId(id)).await?
    {
        return Ok(found);
    }
    let found = auth_methods::list(&context.db, org.id)
        .await?
        .into_iter()
        .find(|method| method.name == named);
    found.ok_or_else(|| Failure::Failed(format!("{:?} has no auth method {named:?}", org.name)))
}

fn print_test(method: &AuthMethod, test: &AuthMethodTest, output: Output) -> Result<(), Failure> {
    if output == Output::Json {
        output::item(output, &test_json(method, test), String::new)?;
    }
    match &test.outcome {
        Err(error) => Err(Failure::Problem(error.log_message())),
        Ok(_) if output == Output::Json => Ok(()),
        Ok(token) => output::line(&format!(
            "{:?} returned an access token in {} ms: valid for {} seconds, scope {}",
            method.name,
            test.took_millis(),
            token.lifetime,
            token.scope.as_deref().unwrap_or("not stated"),
        )),
    }
}

/// The result as JSON, without the token itself.
fn test_json(method: &AuthMethod, test: &AuthMethodTest) -> Value {
    let token = test.outcome.as_ref().ok();
    json!({
        "id": method.id,
        "name": method.name,
        "succeeded": token.is_some(),
        "status": test.status(),
        "duration_ms": test.took_millis(),
        "failure": test.outcome.as_ref().err().map(|error| error.log_message()),
        "token": token.map(|token| json!({"type": "Bearer", "expires_in": token.lifetime, "scope": token.scope})),
        "requested_at": test.requested_at.to_rfc3339(),
    })
}

#[derive(Serialize)]
struct WebhookRow {
    id: WebhookId,
    name: String,
    url: String,
    events: Option<Vec<String>>,
    auth_method_id: Option<AuthMethodId>,
    created_at: String,
}

#[derive(Serialize)]
struct DeliveryRow {
    id: EventId,
    event: String,
    client_id: Option<Uuid>,
    occurred_at: String,
    state: &'static str,
    attempts: u32,
    attempted_at: Option<String>,
    status: Option<u16>,
    failure: Option<String>,
}

impl From<Delivery> for DeliveryRow {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.event_id,
            event: delivery.kind,
            client_id: delivery.client_id,
            occurred_at: delivery.occurred_at.to_rfc3339(),
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            attempted_at: delivery.attempted_at.map(|at| at.to_rfc3339()),
            status: delivery.status,
            failure: delivery.failure,
        }
    }
}

async fn list(context: &Context, org: &OrgFlag, output: Output) -> Result<(), Failure> {
    let org_id = org.find(context).await?.id;
    let shown: Vec<WebhookRow> = webhooks::list(&context.db, org_id)
        .await?
        .into_iter()
        .map(|webhook| WebhookRow {
            id: webhook.id,
            name: webhook.name,
            url: webhook.url,
            events: webhook.event_kinds,
            auth_method_id: webhook.auth_method_id,
            created_at: webhook.created_at.to_rfc3339(),
        })
        .collect();
    output::list(output, &shown, &["name", "url", "events", "auth_method_id", "created_at"])
}

async fn deliveries_of(
    context: &Context,
    of: &OfWebhook,
    state: Option<State>,
    limit: u32,
    output: Output,
) -> Result<(), Failure> {
    let webhook = found(context, of).await?;
    let rows = Page::<DeliveryRow>::rows_to_read(limit);
    let listed = deliveries::list(&context.db, webhook.id, state, None, rows).await?;
    let page = Page::of(listed, limit).map(DeliveryRow::from);
    output::list(
        output,
        &page.items,
        &["id", "event", "client_id", "state", "attempts", "attempted_at", "status", "failure"],
    )?;
    page.note_if_more(output);
    Ok(())
}

async fn replay(
    context: &Context,
    of: &OfWebhook,
    delivery: Option<Uuid>,
    output: Output,
) -> Result<(), Failure> {
    let webhook = found(context, of).await?;
    let replayed = replay_deliveries::replay_deliveries(
        context,
        &webhook,
        delivery.map(EventId),
        &AuditActor::COMMAND_LINE,
    )
    .await?;
    if let (0, Some(id)) = (replayed, delivery) {
        let detail = format!(
            "no parked delivery of {:?} has the id {id}; `grantor webhook deliveries` lists all",
            of.webhook
        );
        return Err(Failure::Failed(detail));
    }
    output::item(output, &json!({"replayed": replayed}), || format!("sent again: {replayed}"))
}

async fn found(context: &Context, of: &OfWebhook) -> Result<Webhook, Failure> {
    let org = of.org.find(context).await?;
    let none = || {
        Failure::Failed(format!(
            "{:?} has no webhook {:?}; `grantor webhook list` lists all",
            org.name, of.webhook
        ))
    };
    webhooks::find(&context.db, org.id, &of.webhook).await?.ok_or_else(none)
}
