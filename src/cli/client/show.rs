//! `grantor client show`: one app, and the scopes that it can get in an organization.

use serde_json::json;

use crate::actions::context::Context;
use crate::cli::client::list::{ClientRow, day, is_asleep};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::{Output, counted, facts, listed, quoted};
use crate::config::Loaded;
use crate::db::clients::apps::App;
use crate::db::orgs::org_clients::OrgClient;
use crate::db::orgs::{Org, org_clients};
use crate::rules::scope::scopes_restriction::ceiling;
use crate::rules::scope::{ScopeSet, ScopeToken};
use crate::rules::timestamp::Timestamp;

/// Prints everything about one app.
pub async fn show(
    context: &Context,
    loaded: &Loaded,
    org: &Org,
    app: &App,
    output: Output,
) -> Result<(), Failure> {
    let client = &app.client;
    let decided = org_clients::find(&context.db, org.id, client.id).await?.unwrap_or_default();
    let may_get = may_get(loaded, org, app, &decided);
    let listed = ClientRow::new(app, is_asleep(app, context, loaded));
    let value = json!({
        "client": listed,
        "metadata": client.metadata,
        "may_get": may_get,
        "authorized_id": decided.authorized_id,
        "first_authorized_at": decided.first_authorized_at.map(|at| at.to_rfc3339()),
        "disabled": decided.disabled_at.is_some(),
        "disabled_at": decided.disabled_at.map(|at| at.to_rfc3339()),
        "disabled_reason": decided.disabled_reason,
    });
    output::item(output, &value, || text(&listed, org, &decided, &may_get))
}

/// The scopes that an app can get. Private scopes are excluded, even if the organization allows
/// them.
fn may_get(loaded: &Loaded, org: &Org, app: &App, decided: &OrgClient) -> ScopeSet {
    let required =
        loaded.config.restriction.required_of(app.client.id.uuid()).cloned().unwrap_or_default();
    let defaults = org.default_client_scopes.as_ref();
    let ceiling = ceiling(decided.restriction.as_ref(), defaults, &required, &loaded.catalog);
    let is_private =
        |scope: &ScopeToken| loaded.catalog.find(scope.as_str()).is_some_and(|scope| scope.private);
    ceiling.partition(|scope| required.contains(scope.as_str()) || !is_private(scope)).0
}

fn text(shown: &ClientRow, org: &Org, decided: &OrgClient, may_get: &ScopeSet) -> String {
    let mut rows =
        vec![("Name", format!("{} (chosen by the app, not verified)", quoted(&shown.name)))];
    rows.push(("Client ID", shown.id.to_string()));
    rows.extend(shown.document.clone().map(|document| ("Document", document)));
    rows.push(("Redirects to", listed(&shown.redirect_uris, 10).replace(", ", "\n")));
    let registrations = counted(
        u64::try_from(shown.registrations).unwrap_or_default(),
        "registration",
        "registrations",
    );
    rows.push((
        "Registered",
        format!(
            "{}, last seen {}, {registrations}",
            day(&shown.registered_at),
            day(&shown.last_seen_at)
        ),
    ));
    rows.push(("Organization", quoted(&org.name)));
    rows.push(("State", shown.state()));
    rows.extend(decided.disabled_reason.as_ref().map(|reason| ("Reason", quoted(reason.as_str()))));
    let since = decided.first_authorized_at.map(Timestamp::to_rfc3339);
    let since = since.as_deref().map_or_else(
        || "not authorized yet".to_owned(),
        |at| format!("first authorized {}", day(at)),
    );
    let people = counted(shown.people, "person", "people");
    rows.push(("Used by", format!("{people}, last used {}, {since}", shown.last_used())));
    let scopes = counted(may_get.len() as u64, "scope", "scopes");
    let names = listed(may_get.names(), 100);
    rows.push(("May get", if names.is_empty() { scopes } else { format!("{scopes}: {names}") }));
    facts(&rows, output::width())
}
