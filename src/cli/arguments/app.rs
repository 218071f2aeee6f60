//! Finds the app that a command names.

use clap::Args;

use crate::actions::context::Context;
use crate::cli::arguments::org::OrgFlag;
use crate::cli::failure::Failure;
use crate::cli::output::{counted, listed, quoted};
use crate::db::clients::apps;
use crate::db::clients::apps::{App, AppSelection};
use crate::db::orgs::Org;
use crate::rules::client::ClientId;
use crate::rules::redirect::uri::{RedirectKind, RedirectUri};

/// Maximum number of candidates that an error lists.
const MAX_LISTED: u32 = 10;

#[derive(Debug, Args)]
pub struct AppTarget {
    #[command(flatten)]
    org: OrgFlag,
    /// Name of an app that the organization uses, or a client ID or its beginning.
    #[arg(value_name = "APP")]
    app: String,
}

impl AppTarget {
    pub async fn find(&self, context: &Context) -> Result<(Org, App), Failure> {
        let org = self.org.find(context).await?;
        let app = find_app(context, &org, &self.app).await?;
        Ok((org, app))
    }
}

/// Names match only apps that the organization uses, because anyone can register a client with any
/// name.
async fn find_app(context: &Context, org: &Org, named: &str) -> Result<App, Failure> {
    if named.contains("://") {
        let found = apps::find_by_document(&context.db, org.id, named).await?;
        return found.ok_or_else(|| no_client(named));
    }
    if let Ok(id) = ClientId::parse(named) {
        return apps::find(&context.db, org.id, id).await?.ok_or_else(|| no_client(named));
    }
    let mut found =
        apps::list_named(&context.db, org.id, AppSelection::Used, named, MAX_LISTED).await?;
    if let Some((first, last)) = ClientId::range_of_prefix(named) {
        let mut by_id = apps::list_between(&context.db, org.id, first, last, MAX_LISTED).await?;
        by_id.retain(|app| found.iter().all(|known| known.client.id != app.client.id));
        found.extend(by_id);
    }
    match found.len() {
        0 => Err(not_used(context, org, named).await?),
        1 => found.pop().ok_or_else(|| no_client(named)),
        _ => Err(Failure::Usage(format!(
            "{} matches several apps; use the ID of one:{}",
            quoted(named),
            candidates(&found)
        ))),
    }
}

fn no_client(named: &str) -> Failure {
    let named = named.escape_debug();
    Failure::Failed(format!(
        "no client has the ID {named}; `grantor client list --all` lists all registered clients"
    ))
}

async fn not_used(context: &Context, org: &Org, named: &str) -> Result<Failure, Failure> {
    let registered =
        apps::list_named(&context.db, org.id, AppSelection::Registered, named, MAX_LISTED).await?;
    let org = quoted(&org.name);
    let shown = quoted(named);
    if registered.is_empty() {
        return Ok(Failure::Failed(format!(
            "{org} uses no app named {shown}, and no client ID begins with it; `grantor client list --all` lists all \
             registered clients"
        )));
    }
    let count =
        counted(registered.len() as u64, "registered client has", "registered clients have");
    Ok(Failure::Usage(format!(
        "{org} uses no app named {shown}. {count} this name. Anyone can register a name, so use \
         the ID:{}",
        candidates(&registered)
    )))
}

fn candidates(apps: &[App]) -> String {
    let candidate = |app: &App| {
        let metadata = &app.client.metadata;
        let name = quoted(metadata.client_name().as_str());
        let hosts = redirect_hosts(metadata.redirect_uris());
        format!("\n  {}  {}  {name}", app.client.id, listed(hosts, 3))
    };
    apps.iter().map(candidate).collect()
}

/// The places that responses are sent to: hosts, and the schemes of native apps.
pub fn redirect_hosts(uris: &[RedirectUri]) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    for uri in uris {
        let host = host(uri);
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

fn host(uri: &RedirectUri) -> String {
    let scheme = uri.scheme();
    if uri.kind() == RedirectKind::PrivateUse {
        return format!("{scheme}:");
    }
    let authority = uri.as_str().get(scheme.len()..).unwrap_or_default().trim_start_matches("://");
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    match authority.rsplit_once(':') {
        // Native apps use any port of the device (RFC 8252 section 7.3).
        Some((host, port))
            if uri.kind() == RedirectKind::Loopback
                && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            host.to_owned()
        }
        _ => authority.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_shown_by_its_host_or_scheme() {
        let cases = [
            ("https://app.example/callback?x=1", "app.example"),
            ("https://app.example:8443/callback", "app.example:8443"),
            ("http://127.0.0.1:33418/callback", "127.0.0.1"),
            ("http://localhost/callback", "localhost"),
            ("http://[::1]:8080/", "[::1]"),
            ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor:"),
            ("com.example.app:/callback", "com.example.app:"),
        ];
        for (uri, expected) in cases {
            assert_eq!(host(&RedirectUri::parse(uri).expect("a redirect")), expected, "{uri}");
        }
        let uris = ["http://localhost:1/", "http://localhost:2/", "https://a.example/"];
        let uris = uris.map(|uri| RedirectUri::parse(uri).expect("a redirect"));
        assert_eq!(redirect_hosts(&uris), ["localhost", "a.example"]);
    }
}
