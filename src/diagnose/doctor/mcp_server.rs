//! An MCP server as its clients find it: from the challenge to its metadata, and from there to this server.

use serde_json::{Value, json};

use crate::config::Loaded;
use crate::diagnose::doctor::finding::Findings;
use crate::diagnose::doctor::members;
use crate::diagnose::doctor::protected::{parameter, well_known};
use crate::diagnose::probe::{ALL_CLIENTS, Answer, Fault, Probe, difference, preflight, text};
use crate::rules::authorization::resource::{Resource, admit};

const ABOUT: &str = "MCP server";
const DOCUMENT: &str = "resource metadata";

pub async fn examine(probe: &Probe, loaded: &Loaded, known: &[Resource], url: &str, findings: &mut Findings) {
    let Some(challenge) = challenge(probe, url, findings).await else { return };
    if let Some(scope) = parameter(&challenge, "scope") {
        scopes(loaded, "the challenge", scope.split(' '), findings);
    }
    let Some(document) = document(probe, url, &challenge, findings).await else { return };
    for fault in members::faults(&document) {
        findings.fault(DOCUMENT, fault, "write it so, or leave it out where there is nothing to say");
    }
    resource(loaded, known, url, &document, findings);
    authorization_server(&loaded.config.http.public_url, &document, findings);
    match document.get("scopes_supported") {
        Some(list) => {
            let names = list.as_array().into_iter().flatten().filter_map(Value::as_str);
            scopes(loaded, "scopes_supported", names, findings);
        }
        None => {
            let said = "scopes_supported is missing, so clients ask for all that this server advertises";
            findings.note(DOCUMENT, said, "list the scopes that the MCP server needs");
        }
    }
}

/// What the server says to whoever comes without a token.
async fn challenge(probe: &Probe, url: &str, findings: &mut Findings) -> Option<String> {
    let client = json!({"name": "grantor doctor", "version": env!("CARGO_PKG_VERSION")});
    let parameters = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": parameters});
    let answer = match probe.post_json(url, &initialize).await {
        Ok(answer) => answer,
        Err(error) => {
            findings.problem(
                ABOUT,
                error.to_string(),
                "see that it runs, and that the URL is the one clients are given",
            );
            return None;
        }
    };
    let advice = "answer requests without a token with 401 and WWW-Authenticate: Bearer resource_metadata=\"…\"";
    if answer.status != 401 {
        let said = format!("a request without a token is answered {}, not with 401", answer.summary());
        findings.fault(ABOUT, Fault::new(said, ALL_CLIENTS), advice);
        return None;
    }
    let header = answer.header("www-authenticate").unwrap_or_default();
    if !header.to_ascii_lowercase().contains("bearer") {
        let said = "the 401 has no WWW-Authenticate: Bearer, so that clients have to guess where the metadata is";
        findings.note(ABOUT, said, advice);
    } else {
        findings.ok(ABOUT, "it answers requests without a token with 401 and a challenge");
    }
    Some(header)
}

/// At the URL of the challenge, or where clients guess.
async fn document(probe: &Probe, url: &str, challenge: &str, findings: &mut Findings) -> Option<Value> {
    let named = parameter(challenge, "resource_metadata");
    let candidates = named.clone().map_or_else(|| well_known(url), |named| vec![named]);
    let mut seen = Vec::new();
    for candidate in &candidates {
        match probe.get(candidate, &[("accept", "application/json"), ("mcp-protocol-version", "2025-11-25")]).await {
            Ok(answer) => {
                if let Some(document) = read(&answer) {
                    findings.ok(DOCUMENT, format!("it stands at {candidate}"));
                    browser_clients(probe, candidate, findings).await;
                    return Some(document);
                }
                seen.push(format!("{candidate} answers {}", answer.summary()));
            }
            Err(error) => seen.push(format!("{candidate}: {error}")),
        }
    }
    let whence = if named.is_some() { "the challenge names it" } else { "the challenge names none" };
    let said = format!("no document is found ({whence}): {}", seen.join("; "));
    let advice = format!("serve it as JSON at {}, and name that in resource_metadata", well_known(url).swap_remove(0));
    findings.fault(DOCUMENT, Fault::new(said, ALL_CLIENTS), &advice);
    None
}

fn read(answer: &Answer) -> Option<Value> {
    answer.json().filter(|json| answer.status == 200 && json.is_object())
}

async fn browser_clients(probe: &Probe, url: &str, findings: &mut Findings) {
    if let Err(fault) = preflight(probe, url, "GET").await {
        findings.note(DOCUMENT, fault.said, "allow other origins there where clients in a browser should work");
    }
}

fn resource(loaded: &Loaded, known: &[Resource], url: &str, document: &Value, findings: &mut Findings) {
    let advice = format!("let the document say \"resource\": \"{}\"", url.escape_debug());
    let Some(said) = text(document, "resource") else {
        // One that is there was judged with the other members.
        if document.get("resource").is_none() {
            findings.fault(DOCUMENT, Fault::new("resource is missing", ALL_CLIENTS), &advice);
        }
        return;
    };
    match difference(url, said) {
        None => findings.ok(DOCUMENT, "resource is the URL of the MCP server"),
        Some(difference) => {
            let fault = Fault::new(format!("resource is another: {difference}"), "VS Code, which compares them");
            findings.fault(DOCUMENT, fault, &advice);
        }
    }
    audience(loaded, known, said, findings);
}

/// What the tokens say of a resource that a client names as the document does.
fn audience(loaded: &Loaded, known: &[Resource], said: &str, findings: &mut Findings) {
    let admitted =
        Resource::parse_all([said].into_iter()).and_then(|named| admit(&named, known, loaded.config.resources.unknown));
    let resources = match admitted {
        Ok(resources) => resources,
        Err(error) => {
            let advice = "add it with `grantor resource create`, or let `resources.unknown` be accept";
            return findings.fault(DOCUMENT, Fault::new(error.to_string(), ALL_CLIENTS), advice);
        }
    };
    for resource in &resources {
        let is_known = known.contains(resource);
        match difference(said, resource.as_str()) {
            None => findings.ok(DOCUMENT, format!("this server makes tokens for it, with aud {resource}")),
            Some(difference) => {
                let said = format!("aud of the tokens for it is not what the document says: {difference}");
                let trips = "MCP servers that compare aud with their resource character for character";
                findings.fault(DOCUMENT, Fault::new(said, trips), spelling_advice(is_known));
            }
        }
        if !is_known {
            let said = "the resource is not known to this server, so it cannot ask about tokens";
            findings.note(DOCUMENT, said, "`grantor resource create` adds it, with a secret for introspection");
        }
    }
}

const fn spelling_advice(is_known: bool) -> &'static str {
    match is_known {
        true => {
            "tokens say what was written with `grantor resource create` or under resources.declared: write the same in both"
        }
        false => "`grantor resource create --uri …` with the resource of the document keeps its spelling",
    }
}

/// Clients take the first, and compare the issuer of its metadata with it character for character.
fn authorization_server(issuer: &str, document: &Value, findings: &mut Findings) {
    let servers = document.get("authorization_servers").and_then(Value::as_array);
    let first = servers.and_then(|servers| servers.first()).and_then(Value::as_str);
    let advice = format!("let the document say \"authorization_servers\": [\"{issuer}\"]");
    let Some(first) = first else {
        // One that is something else was judged with the other members.
        if document.get("authorization_servers").is_none() || servers.is_some_and(Vec::is_empty) {
            let fault = Fault::new("authorization_servers is missing or empty", ALL_CLIENTS);
            findings.fault(DOCUMENT, fault, &advice);
        }
        return;
    };
    match difference(issuer, first) {
        None => findings.ok(DOCUMENT, "authorization_servers[0] is the issuer of this server, character for character"),
        Some(difference) => {
            let trips = "Codex, VS Code, Claude Code, Cursor and Inspector, which compare it with the issuer";
            let said = format!("authorization_servers[0] is not the issuer of this server: {difference}");
            findings.fault(DOCUMENT, Fault::new(said, trips), &advice);
        }
    }
    if servers.is_some_and(|servers| servers.len() > 1) {
        findings.note(DOCUMENT, "it names several authorization servers", "clients take the first");
    }
}

fn scopes<'a>(loaded: &Loaded, place: &str, names: impl Iterator<Item = &'a str>, findings: &mut Findings) {
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    let quoted =
        |names: &[&str]| names.iter().map(|name| name.escape_debug().to_string()).collect::<Vec<_>>().join(" ");
    let (known, unknown): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| loaded.catalog.find(name).is_some());
    if !unknown.is_empty() {
        let said = format!("{place} names {}, which this server does not know", quoted(&unknown));
        let advice = "name scopes of the catalog there, or add them to the one of `scopes.catalog`";
        findings.fault(DOCUMENT, Fault::new(said, ALL_CLIENTS), advice);
    }
    let private: Vec<&str> =
        known.iter().copied().filter(|name| loaded.catalog.find(name).is_some_and(|scope| scope.private)).collect();
    if !private.is_empty() {
        let said = format!("{place} names {}, which clients that register themselves never get", quoted(&private));
        findings.note(DOCUMENT, said, "leave it out");
    }
    if known.contains(&"offline_access") {
        let said = format!("{place} names offline_access, which is between client and authorization server");
        findings.note(DOCUMENT, said, "leave it out: refresh tokens are given without it");
    }
    if unknown.is_empty() {
        findings.ok(DOCUMENT, format!("{place} names scopes that this server knows: {}", quoted(&known)));
    }
}
