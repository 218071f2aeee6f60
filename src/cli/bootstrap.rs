//! `grantor bootstrap`: creates an organization, its administrator and a pair of keys. The first
//! start prints the same.

use clap::Args;
use serde_json::{Value, json};

use crate::actions::audit::AuditActor;
use crate::actions::orgs::bootstrap;
use crate::actions::orgs::bootstrap::Bootstrapped;
use crate::app::App;
use crate::cli::output::Output;
use crate::cli::{Failure, block_on, database, output, password};
use crate::config::Loaded;
use crate::rules::client::metadata::{ClientMetadata, RawClientMetadata};
use crate::rules::scope::catalog::{ScopeCatalog, ScopeKind};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the new organization. It must not exist yet.
    #[arg(long, value_name = "NAME")]
    org: String,
    /// Email address of its administrator.
    #[arg(long, value_name = "EMAIL")]
    email: String,
    /// Read the administrator's password from standard input instead of generating one.
    #[arg(long)]
    password_stdin: bool,
}

pub const HOW_TO: &str = "There is no organization yet. To create one with an administrator and a pair of keys, \
                          run:\n\n    \
                          grantor bootstrap --org 'My organization' --email admin@example.com\n";

pub fn run(arguments: Arguments, loaded: Loaded, output: Output) -> Result<(), Failure> {
    let password = password::from_stdin(arguments.password_stdin)?;
    let made = block_on(async {
        let context = database::open_migrated(&loaded.config).await?;
        let Arguments { org, email, .. } = &arguments;
        let by = AuditActor::COMMAND_LINE;
        bootstrap::bootstrap(&context, org, email, password, &by).await.map_err(Failure::failed)
    })?;
    output::item(output, &as_json(&made), || as_text(&made))
}

fn as_json(made: &Bootstrapped) -> Value {
    json!({
        "org": {"id": made.org_id, "name": made.org_name},
        "user": {
            "id": made.user.id,
            "email": made.user.email,
            "password": made.user.password.as_ref().map(|password| password.expose()),
        },
        "api_key": made.keys.api_key.expose(),
        "api_key_id": made.keys.api_key_id,
        "application_key": made.keys.application_key.expose(),
        "application_key_id": made.keys.application_key_id,
    })
}

fn as_text(made: &Bootstrapped) -> String {
    let password = made.user.password.as_ref().map_or("(as given)", |password| password.expose());
    let hint = made.user.password.as_ref().map_or("", |_| " The password must be changed at the first sign-in.");
    format!(
        "Organization     {}  ({})\nAdministrator    {}\nPassword         {password}\nAPI key          {}\nApplication key  {}\n\n\
         The keys and the password are shown only once.{hint}",
        made.org_name,
        made.org_id,
        made.user.email,
        made.keys.api_key.expose(),
        made.keys.application_key.expose(),
    )
}

/// The client of the tour. Its ID is derived from its metadata, so the first start can print it
/// before the client is registered.
const TOUR_CLIENT: &str = r#"{"client_name":"My first client","redirect_uris":["http://127.0.0.1:8000/callback"]}"#;

/// The text that the first start prints: the secrets, which are shown only once, and commands to
/// paste.
pub fn first_start_text(app: &App, made: &Bootstrapped) -> String {
    let url = &app.config.http.public_url;
    let client_id = tour_client_id(app).unwrap_or_else(|| "<client_id from the response>".to_owned());
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
            catalog
                .iter()
                .filter(move |scope| scope.kind == kind && !scope.private && !scope.name.as_str().contains('\''))
        };
        let chosen = of_kind().find(|scope| scope.name.as_str() == wanted);
        let chosen = chosen.or_else(|| of_kind().find(|scope| scope.default)).or_else(|| of_kind().next());
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
    let identity = crate::rules::client::identity::ClientIdentity::of(&raw, &metadata);
    app.config.registration.deduplicate.then(|| identity.id.to_string())
}
