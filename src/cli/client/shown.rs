//! Output of `grantor client`: a row of the list, and the details of one app.

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::actions::context::Context;
use crate::cli::chosen::redirect_hosts;
use crate::cli::output::{Column, Output, Table, counted, facts, listed, quoted};
use crate::cli::{Failure, output};
use crate::config::Loaded;
use crate::db::clients::apps::App;
use crate::db::clients::known::FRESH_FOR;
use crate::db::orgs::org_clients::OrgClient;
use crate::db::orgs::{Org, org_clients};
use crate::rules::client;
use crate::rules::redirect::uri::RedirectUri;
use crate::rules::scope::restriction::ceiling;
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::rules::timestamp::Timestamp;

#[derive(Serialize)]
pub struct Listed {
    id: Uuid,
    name: String,
    /// URL of the document that describes the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    redirect_uris: Vec<String>,
    #[serde(skip)]
    hosts: Vec<String>,
    registered_at: String,
    last_seen_at: String,
    registrations: i64,
    asleep: bool,
    restricted: bool,
    disabled: bool,
    people: u64,
    last_used_at: Option<String>,
}

impl Listed {
    pub fn new(app: &App, asleep: bool) -> Self {
        let App { client, is_restricted, disabled_at, people, last_used_at, .. } = app;
        let redirect_uris = client.metadata.redirect_uris();
        Self {
            id: client.id.uuid(),
            name: client.metadata.client_name().as_str().to_owned(),
            document: client.document.clone(),
            hosts: redirect_hosts(redirect_uris),
            redirect_uris: redirect_uris.iter().map(RedirectUri::as_str).map(str::to_owned).collect(),
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

    fn state(&self) -> String {
        let words = [
            (true, if self.disabled { "disabled" } else { "active" }),
            (self.restricted, "restricted"),
            (self.asleep, "asleep"),
        ];
        listed(words.into_iter().filter(|(applies, _)| *applies).map(|(_, word)| word), words.len())
    }

    fn last_used(&self) -> String {
        self.last_used_at.as_deref().map_or_else(|| "never".to_owned(), |at| day(at).to_owned())
    }
}

/// The date of an RFC 3339 time, because uses are not recorded more precisely.
fn day(at: &str) -> &str {
    at.split('T').next().unwrap_or(at)
}

pub fn table(items: &[Listed], if_empty: &str) -> Table {
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

/// Prints everything about one app.
pub async fn print(context: &Context, loaded: &Loaded, org: &Org, app: &App, output: Output) -> Result<(), Failure> {
    let client = &app.client;
    let decided = org_clients::find(&context.db, org.id, client.id).await?.unwrap_or_default();
    let may_get = may_get(loaded, org, app, &decided);
    let listed = Listed::new(app, is_asleep(app, context, loaded));
    let value = json!({
        "client": listed,
        "metadata": client.metadata,
        "may_get": may_get,
        "authorized_id": decided.authorized_id,
        "first_authorized_at": decided.first_authorized_at.map(|at| at.to_rfc3339()),
        "disabled": decided.disabled_at.is_some(),
        "disabled_at": decided.disabled_at.map(|at| at.to_rfc3339()),
    });
    output::item(output, &value, || text(&listed, org, &decided, &may_get))
}

/// The scopes that an app can get. Private scopes are excluded, even if the organization allows
/// them.
fn may_get(loaded: &Loaded, org: &Org, app: &App, decided: &OrgClient) -> ScopeSet {
    let required = loaded.config.restriction.required_of(app.client.id.uuid()).cloned().unwrap_or_default();
    let defaults = org.default_client_scopes.as_ref();
    let ceiling = ceiling(decided.restriction.as_ref(), defaults, &required, &loaded.catalog);
    let is_private = |scope: &ScopeToken| loaded.catalog.find(scope.as_str()).is_some_and(|scope| scope.private);
    ceiling.partition(|scope| required.contains(scope.as_str()) || !is_private(scope)).0
}

fn text(shown: &Listed, org: &Org, decided: &OrgClient, may_get: &ScopeSet) -> String {
    let mut rows = vec![("Name", format!("{} (chosen by the app, not verified)", quoted(&shown.name)))];
    rows.push(("Client ID", shown.id.to_string()));
    rows.extend(shown.document.clone().map(|document| ("Document", document)));
    rows.push(("Redirects to", listed(&shown.redirect_uris, 10).replace(", ", "\n")));
    let registrations =
        counted(u64::try_from(shown.registrations).unwrap_or_default(), "registration", "registrations");
    rows.push((
        "Registered",
        format!("{}, last seen {}, {registrations}", day(&shown.registered_at), day(&shown.last_seen_at)),
    ));
    rows.push(("Organization", quoted(&org.name)));
    rows.push(("State", shown.state()));
    let since = decided.first_authorized_at.map(Timestamp::to_rfc3339);
    let since =
        since.as_deref().map_or_else(|| "not authorized yet".to_owned(), |at| format!("first authorized {}", day(at)));
    let people = counted(shown.people, "person", "people");
    rows.push(("Used by", format!("{people}, last used {}, {since}", shown.last_used())));
    let scopes = counted(may_get.len() as u64, "scope", "scopes");
    let names = listed(may_get.names(), 100);
    rows.push(("May get", if names.is_empty() { scopes } else { format!("{scopes}: {names}") }));
    facts(&rows, output::width())
}
