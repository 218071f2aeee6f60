//! Checks an MCP server as its clients do: its challenge, its metadata, and the link to this
//! server. An API is checked in the same way.

use serde_json::{Value, json};

use crate::config::Loaded;
use crate::diagnose::doctor::finding::Findings;
use crate::diagnose::doctor::members;
use crate::diagnose::doctor::protected::{parameter, well_known};
use crate::diagnose::probe::{ALL_CLIENTS, Fault, Probe, Response, difference, preflight, text};
use crate::outgoing::OutgoingError;
use crate::rules::authorization::resource::{Resource, admit};

const ABOUT: &str = "MCP server";
const DOCUMENT: &str = "resource metadata";

pub async fn examine(
    probe: &Probe,
    loaded: &Loaded,
    known: &[Resource],
    url: &str,
    findings: &mut Findings,
) {
    let Some(challenge) = challenge(probe, url, findings).await else { return };
    if let Some(scope) = parameter(&challenge, "scope") {
        scopes(loaded, "the challenge", scope.split(' '), findings);
    }
    let Some(document) = document(probe, url, &challenge, findings).await else { return };
    for fault in members::faults(&document) {
        findings.fault(DOCUMENT, fault, "correct the member, or remove it if it has no value");
    }
    resource(loaded, known, url, &document, findings);
    authorization_server(&loaded.config.http.public_url, &document, findings);
    match document.get("scopes_supported") {
        Some(list) => {
            let names = list.as_array().into_iter().flatten().filter_map(Value::as_str);
            scopes(loaded, "scopes_supported", names, findings);
        }
        None => {
            let message = "scopes_supported is missing, so clients request all scopes that this \
                           server advertises";
            findings.note(DOCUMENT, message, "list the scopes that the MCP server needs");
        }
    }
}

/// Returns the challenge that the server sends to requests without a token.
async fn challenge(probe: &Probe, url: &str, findings: &mut Findings) -> Option<String> {
    let response = match request_without_token(probe, url, findings).await {
        Ok(response) => response,
        Err(error) => {
            findings.problem(
                ABOUT,
                error.to_string(),
                "check that it runs and that the URL is the one that clients use",
            );
            return None;
        }
    };
    let advice = "respond to requests without a token with 401 and WWW-Authenticate: Bearer \
                  resource_metadata=\"…\"";
    if response.status != 401 {
        let message =
            format!("a request without a token returns {} instead of 401", response.summary());
        findings.fault(ABOUT, Fault::new(message, ALL_CLIENTS), advice);
        return None;
    }
    let header = response.header("www-authenticate").unwrap_or_default();
    if !header.to_ascii_lowercase().contains("bearer") {
        let message = "the 401 response has no WWW-Authenticate: Bearer, so clients must guess the \
                       URL of the metadata";
        findings.note(ABOUT, message, advice);
    } else {
        findings.ok(ABOUT, "requests without a token get 401 with a challenge");
    }
    Some(header)
}

/// Sends the first request of an MCP client, and GET if the server does not accept POST there.
async fn request_without_token(
    probe: &Probe,
    url: &str,
    findings: &mut Findings,
) -> Result<Response, OutgoingError> {
    let client = json!({"name": "grantor doctor", "version": env!("CARGO_PKG_VERSION")});
    let parameters =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    let initialize =
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": parameters});
    let posted = probe.post_json(url, &initialize).await?;
    if !matches!(posted.status, 404 | 405 | 501) {
        return Ok(posted);
    }
    let response = probe.get(url, &[]).await?;
    if response.status == 401 {
        let message =
            format!("POST returns {}, so this is an API and not an MCP server", posted.status);
        findings.note(
            ABOUT,
            message,
            "check the URL if it should be an MCP server: MCP clients send POST",
        );
        return Ok(response);
    }
    Ok(posted)
}

/// Fetches the metadata from the URL in the challenge, or from the URLs that clients guess.
async fn document(
    probe: &Probe,
    url: &str,
    challenge: &str,
    findings: &mut Findings,
) -> Option<Value> {
    let named = parameter(challenge, "resource_metadata");
    let candidates = named.clone().map_or_else(|| well_known(url), |named| vec![named]);
    let mut seen = Vec::new();
    for candidate in &candidates {
        match probe
            .get(
                candidate,
                &[("accept", "application/json"), ("mcp-protocol-version", "2025-11-25")],
            )
            .await
        {
            Ok(response) => {
                if let Some(document) = read(&response) {
                    findings.ok(DOCUMENT, format!("it is at {candidate}"));
                    browser_clients(probe, candidate, findings).await;
                    return Some(document);
                }
                seen.push(format!("{candidate} returns {}", response.summary()));
            }
            Err(error) => seen.push(format!("{candidate}: {error}")),
        }
    }
    let source =
        if named.is_some() { "from the challenge" } else { "the challenge contains no URL" };
    let message = format!("the document was not found ({source}): {}", seen.join("; "));
    let advice = format!(
        "serve it as JSON at {}, and set resource_metadata to this URL",
        well_known(url).swap_remove(0)
    );
    findings.fault(DOCUMENT, Fault::new(message, ALL_CLIENTS), &advice);
    None
}

fn read(response: &Response) -> Option<Value> {
    response.json().filter(|json| response.status == 200 && json.is_object())
}

async fn browser_clients(probe: &Probe, url: &str, findings: &mut Findings) {
    if let Err(fault) = preflight(probe, url, "GET").await {
        findings.note(
            DOCUMENT,
            fault.message,
            "allow other origins there if clients that run in a browser should work",
        );
    }
}

fn resource(
    loaded: &Loaded,
    known: &[Resource],
    url: &str,
    document: &Value,
    findings: &mut Findings,
) {
    let advice = format!("set \"resource\": \"{}\" in the document", url.escape_debug());
    let Some(named) = text(document, "resource") else {
        // A member of the wrong type was reported with the other members.
        if document.get("resource").is_none() {
            findings.fault(DOCUMENT, Fault::new("resource is missing", ALL_CLIENTS), &advice);
        }
        return;
    };
    match difference(url, named) {
        None => findings.ok(DOCUMENT, "resource is the URL of the MCP server"),
        Some(difference) => {
            let fault = Fault::new(
                format!("resource is not the URL of the MCP server: {difference}"),
                "VS Code, which compares them",
            );
            findings.fault(DOCUMENT, fault, &advice);
        }
    }
    audience(loaded, known, named, findings);
}

/// Checks the audience of tokens for the resource, spelled as in the document.
fn audience(loaded: &Loaded, known: &[Resource], named: &str, findings: &mut Findings) {
    let admitted = Resource::parse_all([named].into_iter())
        .and_then(|parsed| admit(&parsed, known, loaded.config.resources.unknown));
    let resources = match admitted {
        Ok(resources) => resources,
        Err(error) => {
            let advice = "add it with `grantor resource create`, or set `resources.unknown` to \
                          accept";
            return findings.fault(DOCUMENT, Fault::new(error.to_string(), ALL_CLIENTS), advice);
        }
    };
    for resource in &resources {
        let is_known = known.contains(resource);
        match difference(named, resource.as_str()) {
            None => findings
                .ok(DOCUMENT, format!("this server issues tokens for it, with aud {resource}")),
            Some(difference) => {
                let message = format!("aud of its tokens differs from the document: {difference}");
                let affects = "MCP servers that compare aud with their resource exactly";
                findings.fault(DOCUMENT, Fault::new(message, affects), spelling_advice(is_known));
            }
        }
        if !is_known {
            let message = "this server does not know the resource, so it cannot use introspection";
            findings.note(
                DOCUMENT,
                message,
                "`grantor resource create` adds it, with a secret for introspection",
            );
        }
    }
}

const fn spelling_advice(is_known: bool) -> &'static str {
    match is_known {
        true => {
            "aud has the spelling of `grantor resource create` or resources.declared: use the same \
             spelling in the document"
        }
        false => {
            "run `grantor resource create --uri …` with the resource from the document to keep \
             its spelling"
        }
    }
}

/// Clients use the first server, and compare it exactly with the issuer in its metadata.
fn authorization_server(issuer: &str, document: &Value, findings: &mut Findings) {
    let servers = document.get("authorization_servers").and_then(Value::as_array);
    let first = servers.and_then(|servers| servers.first()).and_then(Value::as_str);
    let advice = format!("set \"authorization_servers\": [\"{issuer}\"] in the document");
    let Some(first) = first else {
        // A value of the wrong type was reported with the other members.
        if document.get("authorization_servers").is_none() || servers.is_some_and(Vec::is_empty) {
            let fault = Fault::new("authorization_servers is missing or empty", ALL_CLIENTS);
            findings.fault(DOCUMENT, fault, &advice);
        }
        return;
    };
    match difference(issuer, first) {
        None => {
            findings.ok(DOCUMENT, "authorization_servers[0] is exactly the issuer of this server")
        }
        Some(difference) => {
            let affects = "Codex, VS Code, Claude Code, Cursor and Inspector, which compare it with the issuer";
            let message =
                format!("authorization_servers[0] is not the issuer of this server: {difference}");
            findings.fault(DOCUMENT, Fault::new(message, affects), &advice);
        }
    }
    if servers.is_some_and(|servers| servers.len() > 1) {
        findings.note(
            DOCUMENT,
            "it names several authorization servers",
            "clients use only the first",
        );
    }
}

fn scopes<'a>(
    loaded: &Loaded,
    place: &str,
    names: impl Iterator<Item = &'a str>,
    findings: &mut Findings,
) {
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    let quoted = |names: &[&str]| {
        names.iter().map(|name| name.escape_debug().to_string()).collect::<Vec<_>>().join(" ")
    };
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        names.iter().partition(|name| loaded.catalog.find(name).is_some());
    if !unknown.is_empty() {
        let message =
            format!("{place} names {}, which this server does not know", quoted(&unknown));
        let advice = "use scopes of the catalog there, or add them to the catalog of \
                      `scopes.catalog`";
        findings.fault(DOCUMENT, Fault::new(message, ALL_CLIENTS), advice);
    }
    let private: Vec<&str> = known
        .iter()
        .copied()
        .filter(|name| loaded.catalog.find(name).is_some_and(|scope| scope.private))
        .collect();
    if !private.is_empty() {
        let message = format!(
            "{place} names {}, which clients that register themselves cannot get",
            quoted(&private)
        );
        findings.note(DOCUMENT, message, "remove it");
    }
    if known.contains(&"offline_access") {
        let message = format!(
            "{place} names offline_access, which concerns only the client and the authorization server"
        );
        findings.note(DOCUMENT, message, "remove it: refresh tokens are issued without it");
    }
    if unknown.is_empty() {
        findings.ok(
            DOCUMENT,
            format!("{place} names only scopes that this server knows: {}", quoted(&known)),
        );
    }
}
