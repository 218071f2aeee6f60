//! `grantor bootstrap`: an organisation, its administrator and a pair of keys; and what the first start prints of the same.

use clap::Args;
use serde_json::{Value, json};

use crate::actions::audit::By;
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

pub const HOW_TO: &str = "There is no organisation yet. To make one, with an administrator and a pair of keys:\n\n    \
                          grantor bootstrap --org 'My organisation' --email admin@example.com\n";

pub fn run(arguments: Arguments, loaded: Loaded, output: Output) -> Result<(), Failure> {
    let password = password::from_stdin(arguments.password_stdin)?;
    let made = block_on(async {
        let context = database::open_migrated(&loaded.config).await?;
        let Arguments { org, email, .. } = &arguments;
        let by = By::COMMAND_LINE;
        bootstrap::bootstrap(&context, org, email, password, &by).await.map_err(Failure::failed)
    })?;
    output::one(output, &as_json(&made), || as_text(&made))
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
    let hint = made.user.password.as_ref().map_or("", |_| " The password has to be replaced at the first sign-in.");
    format!(
        "Organisation     {}  ({})\nAdministrator    {}\nPassword         {password}\nAPI key          {}\nApplication key  {}\n\n\
         Keys and password are shown this once.{hint}",
        made.org_name,
        made.org_id,
        made.user.email,
        made.keys.api_key.expose(),
        made.keys.application_key.expose(),
    )
}

/// The client of the tour. Its id follows from its metadata, so the lines below can be pasted in any order after the first.
const TOUR_CLIENT: &str = r#"{"client_name":"My first client","redirect_uris":["http://127.0.0.1:8000/callback"]}"#;

/// What the first start prints: everything once, and lines that work when pasted.
pub fn first_start_text(app: &App, made: &Bootstrapped) -> String {
    let url = &app.config.http.public_url;
    let client_id = tour_client_id(app).unwrap_or_else(|| "<client_id of the answer>".to_owned());
    let restriction = tour_restriction(&app.catalog);
    format!(
        "\nThis is the first start, so an organisation was made.\n\n{}\n\n\
         Try it:\n\n\
         # a client registers itself\n\
         curl -s {url}/api/v2/oauth2/register -H 'Content-Type: application/json' \\\n  -d '{TOUR_CLIENT}'; echo\n\n\
         # keys for the lines below\n\
         export DD_API_KEY={} DD_APPLICATION_KEY={}\n\n\
         # your organization lets it have these scopes and no more\n\
         curl -s {url}/api/v2/oauth2/clients/{client_id}/scopes_restriction \\\n  \
         -H \"DD-API-KEY: $DD_API_KEY\" -H \"DD-APPLICATION-KEY: $DD_APPLICATION_KEY\" -H 'Content-Type: application/json' \\\n  \
         -d '{restriction}'; echo\n\n\
         # see it\n\
         curl -s {url}/api/v2/oauth2/clients/{client_id}/scopes_restriction \\\n  \
         -H \"DD-API-KEY: $DD_API_KEY\" -H \"DD-APPLICATION-KEY: $DD_APPLICATION_KEY\"; echo\n\n\
         # what clients are allowed stands at {url}/account, after a sign-in with the password above\n",
        as_text(made),
        made.keys.api_key.expose(),
        made.keys.application_key.expose(),
    )
}

/// Two scopes that the catalog has: `openid` and `mcp_read`, or what comes nearest to them. It is pasted between single quotes.
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
