//! `grantor audit`: lists who changed what.

use std::collections::{BTreeSet, HashMap};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::actions::context::Context;
use crate::cli::arguments::org::OrgFilter;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Page, escaped, facts, quoted};
use crate::cli::runtime::block_on;
use crate::cli::{database, output};
use crate::config::Loaded;
use crate::db::audit_events::{AuditEvent, AuditFilter, ListedEvent};
use crate::db::engine::error::DbError;
use crate::db::{audit_events, clients, users};
use crate::rules::audit::action::{StoredAction, stored_names};
use crate::rules::audit::actor::ActorFilter;
use crate::rules::audit::catalog::parse_audit_event;
use crate::rules::audit::since::parse_since;
use crate::rules::client::ClientId;
use crate::rules::id::UserId;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List audit events, the newest first.
    ///
    /// docs/reference/audit-events.md lists the names of events and their members.
    List(List),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    org: OrgFilter,
    /// Only events caused by this actor: an email address, user:ID, client:ID, command_line, server or anonymous.
    #[arg(long, value_name = "ACTOR", value_parser = ActorFilter::parse)]
    actor: Option<ActorFilter>,
    /// Only events with this name, such as client.disabled. Can be repeated.
    #[arg(long = "event", value_name = "NAME", value_parser = parse_audit_event)]
    events: Vec<&'static str>,
    /// Only events since this time: an age (30m, 24h, 7d), a date (2026-11-30) or a time
    /// (2026-11-30T08:00:00Z).
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Maximum number of events.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

#[derive(Serialize)]
struct EventRow {
    id: Uuid,
    at: String,
    event: String,
    /// `None` for events of the server itself.
    org: Option<String>,
    actor: String,
    actor_email: Option<String>,
    subject: String,
    before: Option<Value>,
    after: Option<Value>,
    request_id: Option<String>,
    address: Option<String>,
}

pub fn run(command: Command, loaded: Loaded, output: Output) -> Result<(), Failure> {
    block_on(async {
        let context = database::open(&loaded.config).await?;
        match command {
            Command::List(arguments) => list(&context, arguments, output).await,
        }
    })
}

async fn list(context: &Context, arguments: List, output: Output) -> Result<(), Failure> {
    let List { org, actor, events, since, limit } = arguments;
    let since = since.map(|text| parse_since(&text, context.clock.now())).transpose();
    let since = since.map_err(|cause| Failure::usage(format!("--since: {cause}")))?;
    let actor = match actor {
        Some(actor) => Some(stored_actor(context, actor).await?),
        None => None,
    };
    let actions: Vec<StoredAction<'_>> = events.into_iter().flat_map(stored_names).collect();
    let filter = AuditFilter {
        org_id: org.find(context).await?,
        actor: actor.as_deref(),
        actions: &actions,
        since,
        limit: Page::<EventRow>::rows_to_read(limit),
    };
    let page = Page::of(audit_events::search(&context.db, &filter).await.map_err(too_slow)?, limit);
    let names = Names::of(context, &page.items).await?;
    let page = page.map(|listed| names.row(listed));
    output::item(output, &page.items, || names.text(&page.items))?;
    page.note_if_more(output);
    Ok(())
}

async fn stored_actor(context: &Context, actor: ActorFilter) -> Result<String, Failure> {
    match actor {
        ActorFilter::Stored(actor) => Ok(actor),
        ActorFilter::Email(email) => {
            let none = || Failure::Failed(format!("no user has the address {}", quoted(&email)));
            let user = users::find_by_email(&context.db, &email).await?.ok_or_else(none)?;
            Ok(format!("user:{}", user.id))
        }
    }
}

fn too_slow(error: DbError) -> Failure {
    match error {
        DbError::TimedOut => {
            Failure::Failed("the search took too long; narrow it with --since or --org".to_owned())
        }
        other => other.into(),
    }
}

/// Display names of the users and clients that events refer to.
struct Names {
    users: HashMap<Uuid, String>,
    clients: HashMap<Uuid, String>,
}

impl Names {
    async fn of(context: &Context, listed: &[ListedEvent]) -> Result<Self, DbError> {
        let mentioned = |kind: &str| -> BTreeSet<Uuid> {
            let texts =
                listed.iter().flat_map(|listed| [&listed.event.actor, &listed.event.subject]);
            texts.flat_map(|text| text.split(' ')).filter_map(|word| id_in(word, kind)).collect()
        };
        let user_ids: Vec<UserId> = mentioned("user").into_iter().map(UserId).collect();
        let client_ids: Vec<ClientId> =
            mentioned("client").into_iter().map(ClientId::from_uuid).collect();
        let users = users::list_emails(&context.db, &user_ids).await?;
        let clients = clients::list_names(&context.db, &client_ids).await?;
        Ok(Self {
            users: users.into_iter().map(|(id, email)| (id.0, email)).collect(),
            clients: clients.into_iter().map(|(id, name)| (id.uuid(), name)).collect(),
        })
    }

    fn row(&self, ListedEvent { event, org_name }: ListedEvent) -> EventRow {
        let AuditEvent {
            id,
            org_id: _,
            at,
            actor,
            action,
            subject,
            before,
            after,
            request_id,
            address,
        } = event;
        let user_id = actor.split(' ').find_map(|word| id_in(word, "user"));
        let actor_email = user_id.and_then(|id| self.users.get(&id).cloned());
        EventRow {
            id,
            at: at.to_rfc3339(),
            event: action,
            org: org_name,
            actor,
            actor_email,
            subject,
            before,
            after,
            request_id,
            address,
        }
    }

    fn text(&self, events: &[EventRow]) -> String {
        if events.is_empty() {
            return "no matching events".to_owned();
        }
        events.iter().map(|event| self.event_text(event)).collect::<Vec<_>>().join("\n\n")
    }

    fn event_text(&self, event: &EventRow) -> String {
        let mut rows =
            vec![("  By", self.named(&event.actor)), ("  About", self.named(&event.subject))];
        rows.extend(event.org.as_deref().map(|org| ("  Organization", quoted(org))));
        rows.extend(event.before.as_ref().map(|before| ("  Before", members(before))));
        rows.extend(event.after.as_ref().map(|after| ("  After", members(after))));
        let request = event.request_id.as_deref().map(|id| format!("request {}", escaped(id)));
        let from: Vec<String> =
            event.address.as_deref().map(escaped).into_iter().chain(request).collect();
        if !from.is_empty() {
            rows.push(("  From", from.join(", ")));
        }
        format!("{}  {}\n{}", event.at, escaped(&event.event), facts(&rows, output::width()))
    }

    /// Adds names to `user:1 application_key:2`: the address of a user, the name of a client.
    fn named(&self, text: &str) -> String {
        let named = |word: &str| {
            let email =
                id_in(word, "user").and_then(|id| self.users.get(&id)).map(|email| escaped(email));
            let client =
                id_in(word, "client").and_then(|id| self.clients.get(&id)).map(|name| quoted(name));
            match email.or(client) {
                Some(name) => format!("{} ({name})", escaped(word)),
                None => escaped(word),
            }
        };
        text.split(' ').map(named).collect::<Vec<_>>().join(" ")
    }
}

/// The ID in `kind:ID`.
fn id_in(word: &str, kind: &str) -> Option<Uuid> {
    let (named, id) = word.split_once(':')?;
    (named == kind).then(|| Uuid::try_parse(id).ok()).flatten()
}

/// Formats members as `disabled: true, grants_ended: 2`.
fn members(value: &Value) -> String {
    let Value::Object(members) = value else { return escaped(&value.to_string()) };
    members
        .iter()
        .map(|(name, value)| escaped(&format!("{name}: {value}")))
        .collect::<Vec<_>>()
        .join(", ")
}
