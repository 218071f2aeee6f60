//! What the first start of a server does and prints: for a trial, an organization with its keys and
//! commands to try, and otherwise how to create an organization.

use serde_json::{Value, json};

use crate::actions::audit::AuditActor;
use crate::actions::orgs::bootstrap;
use crate::actions::orgs::bootstrap::{BootstrapError, Bootstrapped};
use crate::app::App;
use crate::cli::bootstrap::as_text;
use crate::cli::output;
use crate::db::orgs;
use crate::rules::client::identity::ClientIdentity;
use crate::rules::client::metadata::ClientMetadata;
use crate::rules::client::raw_metadata::RawClientMetadata;
use crate::rules::scope::catalog::{ScopeCatalog, ScopeKind};

const HOW_TO: &str = "There is no organization yet. To create one with an administrator and a pair of keys, \
                          run:\n\n    \
                          grantor bootstrap --org 'My organization' --email admin@example.com\n";

/// Creates an organization for a trial on this machine and prints its keys. Otherwise it prints the
/// command that does this.
pub async fn first_start(app: &App) -> Result<(), BootstrapError> {
    if !orgs::list(&app.context.db).await?.is_empty() {
        return Ok(());
    }
    let config = &app.config;
    let is_automatic = config.database.is_default_file() || config.bootstrap.automatic;
    let text = if is_automatic && config.http.is_on_this_machine() {
        let by = AuditActor::COMMAND_LINE;
        let made =
            bootstrap::bootstrap(&app.context, "My organization", "admin@localhost", None, &by)
                .await?;
        trial_text(app, &made)
    } else {
        HOW_TO.to_owned()
    };
    // The server also runs if standard output is closed.
    let _ = output::line(&text);
    Ok(())
}

/// The client of the tour. Its ID is derived from its metadata, so the first start can print it
/// before the client is registered.
const TOUR_CLIENT: &str =
    r#"{"client_name":"My first client","redirect_uris":["http://127.0.0.1:8000/callback"]}"#;

/// The secrets, which are shown only once, and commands to paste.
fn trial_text(app: &App, made: &Bootstrapped) -> String {
    let url = &app.config.http.public_url;
    let client_id =
        tour_client_id(app).unwrap_or_else(|| "<client_id from the response>".to_owned());
    let restriction = tour_restriction(&app.catalog);
    format!(
        "\nThis is the first start: an organization was created.\n\n{}\n\n\
         Try it:\n\n\
         # register a client\n\
         curl -s {url}/api/v2/oauth2/register -H 'Content-Type: application/json' \\\n  -d '{TOUR_CLIENT}'; echo\n\n\
         # set the keys for the commands below\n\
         export DD_API_KEY={} DD_APPLICATION_KEY={}\n\n\
         # limit its scopes in your organization\n\
         curl -s {url}/api/v2/oauth2/clients/{client_id}/scopes_restriction \\\n  \
         -H \"DD-API-KEY: $DD_API_KEY\" -H \"DD-APPLICATION-KEY: $DD_APPLICATION_KEY\" -H 'Content-Type: application/json' \\\n  \
         -d '{restriction}'; echo\n\n\
         # show this limit\n\
         curl -s {url}/api/v2/oauth2/clients/{client_id}/scopes_restriction \\\n  \
         -H \"DD-API-KEY: $DD_API_KEY\" -H \"DD-APPLICATION-KEY: $DD_APPLICATION_KEY\"; echo\n\n\
         # to see your connected apps, open {url}/account and sign in with the password above\n",
        as_text(made),
        made.keys.api_key.expose(),
        made.keys.application_key.expose(),
    )
}

/// A restriction to two scopes of the catalog: `openid` and `mcp_read`, or a replacement for each.
/// The JSON is pasted between single quotes.
fn tour_restriction(catalog: &ScopeCatalog) -> Value {
    let first = |kind: ScopeKind, wanted: &str| {
        let of_kind = || {
            catalog.iter().filter(move |scope| {
                scope.kind == kind && !scope.private && !scope.name.as_str().contains('\'')
            })
        };
        let chosen = of_kind().find(|scope| scope.name.as_str() == wanted);
        let chosen =
            chosen.or_else(|| of_kind().find(|scope| scope.default)).or_else(|| of_kind().next());
        chosen.map(|scope| scope.name.as_str()).into_iter().collect::<Vec<_>>()
    };
    json!({"data": {"type": "upsert_scopes_restriction", "attributes": {
        "oidc_scopes": first(ScopeKind::Oidc, "openid"),
        "permission_scopes": first(ScopeKind::Permission, "mcp_read"),
    }}})
}

fn tour_client_id(app: &App) -> Option<String> {
    let raw = RawClientMetadata::from_json(TOUR_CLIENT.as_bytes()).ok()?;
    let metadata = ClientMetadata::parse(&raw, &app.registration_rules()).ok()?;
    let identity = ClientIdentity::of(&raw, &metadata);
    app.config.registration.deduplicate.then(|| identity.id.to_string())
}
