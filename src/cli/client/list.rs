//! `grantor client list`: the apps of an organization, or all registered clients.

use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use crate::actions::context::Context;
use crate::cli::arguments::app::redirect_hosts;
use crate::cli::arguments::org::OrgFlag;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::{Column, Output, Page, Table, listed, quoted};
use crate::config::Loaded;
use crate::db::clients::apps;
use crate::db::clients::apps::{App, AppSelection};
use crate::db::clients::known::FRESH_FOR;
use crate::rules::client;
use crate::rules::redirect::uri::RedirectUri;
use crate::rules::timestamp::Timestamp;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    org: OrgFlag,
    /// List every registered client, most recently seen first.
    #[arg(long)]
    all: bool,
    /// Only names that contain this text.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    name: String,
    /// Maximum number of rows.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u32,
}

pub async fn list(
    context: &Context,
    loaded: &Loaded,
    arguments: &Arguments,
    output: Output,
) -> Result<(), Failure> {
    let Arguments { org, all, name, limit } = arguments;
    let org = org.find(context).await?;
    let selection = if *all { AppSelection::Registered } else { AppSelection::Used };
    let read =
        apps::list(&context.db, org.id, selection, name, Page::<App>::rows_to_read(*limit)).await?;
    let page =
        Page::of(read, *limit).map(|app| ClientRow::new(&app, is_asleep(&app, context, loaded)));
    let such = if name.is_empty() { "yet" } else { "with this text in its name" };
    let if_empty = match selection {
        AppSelection::Used => {
            format!("{} uses no app {such}; --all lists every registered client", quoted(&org.name))
        }
        AppSelection::Registered => format!("no client is registered {such}"),
    };
    output::table(output, &page.items, |_| table(&page.items, &if_empty))?;
    page.note_if_more(output);
    Ok(())
}

#[derive(Serialize)]
pub struct ClientRow {
    pub id: Uuid,
    pub name: String,
    /// URL of the document that describes the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    pub redirect_uris: Vec<String>,
    #[serde(skip)]
    hosts: Vec<String>,
    pub registered_at: String,
    pub last_seen_at: String,
    pub registrations: i64,
    asleep: bool,
    restricted: bool,
    disabled: bool,
    pub people: u64,
    last_used_at: Option<String>,
}

impl ClientRow {
    pub fn new(app: &App, asleep: bool) -> Self {
        let App { client, is_restricted, disabled_at, people, last_used_at, .. } = app;
        let redirect_uris = client.metadata.redirect_uris();
        Self {
            id: client.id.uuid(),
            name: client.metadata.client_name().as_str().to_owned(),
            document: client.document.clone(),
            hosts: redirect_hosts(redirect_uris),
            redirect_uris: redirect_uris
                .iter()
                .map(RedirectUri::as_str)
                .map(str::to_owned)
                .collect(),
            registered_at: client.registered_at.to_rfc3339(),
            last_seen_at: client.last_seen_at.rounded_down_to(FRESH_FOR).to_rfc3339(),
            registrations: client.registrations,
            asleep,
            restricted: *is_restricted,
            disabled: disabled_at.is_some(),
            people: *people,
            last_used_at: last_used_at.map(Timestamp::to_rfc3339),
        }
    }

    pub fn state(&self) -> String {
        let words = [
            (true, if self.disabled { "disabled" } else { "active" }),
            (self.restricted, "restricted"),
            (self.asleep, "asleep"),
        ];
        listed(words.into_iter().filter(|(applies, _)| *applies).map(|(_, word)| word), words.len())
    }

    pub fn last_used(&self) -> String {
        self.last_used_at.as_deref().map_or_else(|| "never".to_owned(), |at| day(at).to_owned())
    }
}

/// The date of an RFC 3339 time, because uses are not recorded more precisely.
pub fn day(at: &str) -> &str {
    at.split('T').next().unwrap_or(at)
}

fn table(items: &[ClientRow], if_empty: &str) -> Table {
    let columns = vec![
        Column::shortened("NAME"),
        Column::whole("PEOPLE"),
        Column::shortened("REDIRECTS TO"),
        Column::whole("LAST USED"),
        Column::whole("STATE"),
        Column::id("ID"),
    ];
    let mut table = Table::new(columns, if_empty);
    for item in items {
        table.add(vec![
            quoted(&item.name),
            item.people.to_string(),
            listed(&item.hosts, 1),
            item.last_used(),
            item.state(),
            item.id.to_string(),
        ]);
    }
    table
}

pub fn is_asleep(app: &App, context: &Context, loaded: &Loaded) -> bool {
    let sleep_after = i64::try_from(loaded.config.registration.sleep_after).unwrap_or(i64::MAX);
    client::is_asleep(app.client.last_seen_at, context.clock.now(), sleep_after)
}
