//! Checks the server at its public URL, through any proxies in front of it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::config::{Config, names_this_machine};
use crate::diagnose::doctor::finding::Findings;
use crate::diagnose::doctor::settings::is_https;
use crate::diagnose::doctor::storage::Stored;
use crate::diagnose::probe::{
    Fault, Probe, Response, difference, faults, faults_as_openid, preflight, text,
};

const METADATA: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
const PROXY: &str = "see docs/operate/reverse-proxy.md: the proxy must forward every path and header, and \
                     must not change responses";

pub async fn examine(
    probe: &Probe,
    config: &Config,
    url: &str,
    stored: &Stored,
    findings: &mut Findings,
) {
    if let Some(difference) = difference(&config.http.public_url, url) {
        let message = format!("--url is not `http.public_url`: {difference}");
        findings.note("public URL", message, "clients use only `http.public_url`");
    }
    let base = url.trim_end_matches('/');
    let Some(document) = metadata(probe, config, base, findings).await else { return };
    openid(probe, base, &document, findings).await;
    other_paths(probe, base, findings).await;
    key_set(probe, &document, stored, findings).await;
    cors(probe, &document, findings).await;
    token_endpoint(probe, &document, findings).await;
    pages(probe, base, findings).await;
    if is_https(base) {
        without_tls(probe, base, findings).await;
    }
}

async fn metadata(
    probe: &Probe,
    config: &Config,
    base: &str,
    findings: &mut Findings,
) -> Option<Value> {
    let url = format!("{base}{METADATA}");
    let response = match probe.get(&url, &[("accept", "application/json")]).await {
        Ok(response) => response,
        Err(error) => {
            findings.problem(
                "public URL",
                error.to_string(),
                "start the server, and check DNS, the proxy and the certificate",
            );
            return None;
        }
    };
    let Some(document) = document(&response) else {
        let message = format!("{url} returns {}", response.summary());
        findings.problem("public URL", message, PROXY);
        return None;
    };
    findings.ok("public URL", format!("{base} responds"));
    let found = faults(&document, &config.http.public_url);
    if found.is_empty() {
        findings.ok(
            "discovery",
            "the metadata has everything that clients need, and the issuer of these settings",
        );
    }
    let advice = "the server uses other settings than these, or something in front of it changes \
                  its responses";
    found.into_iter().for_each(|fault| findings.fault("discovery", fault, advice));
    Some(document)
}

fn document(response: &Response) -> Option<Value> {
    response.json().filter(|json| response.status == 200 && response.is_json() && json.is_object())
}

async fn openid(probe: &Probe, base: &str, metadata: &Value, findings: &mut Findings) {
    let outcome = match probe.get(&format!("{base}{OPENID}"), &[]).await {
        Err(error) => Err(error.to_string()),
        Ok(response) => match document(&response) {
            Some(document) if document == *metadata => {
                let first = faults_as_openid(&document).into_iter().next();
                first.map_or(Ok(()), |fault| Err(fault.message))
            }
            Some(_) => Err("it differs from the OAuth metadata".to_owned()),
            None => Err(format!("it returns {}", response.summary())),
        },
    };
    let affects = "clients that request it first, such as Codex";
    let outcome = outcome.map_err(|message| Fault::new(format!("{OPENID}: {message}"), affects));
    findings.judge("discovery", "openid-configuration returns the same document", outcome, PROXY);
}

/// Clients try several paths, and stop if they get a page instead of a 404.
async fn other_paths(probe: &Probe, base: &str, findings: &mut Findings) {
    let url = format!("{base}/.well-known/oauth-protected-resource/of-nobody");
    let outcome = match probe.get(&url, &[]).await {
        Ok(response) if response.status == 404 => Ok(()),
        Ok(response) => {
            Err(format!("an unknown well-known path returns {} instead of 404", response.summary()))
        }
        Err(error) => Err(error.to_string()),
    };
    let outcome =
        outcome.map_err(|message| Fault::new(message, "Claude Code, Codex and mcp-remote"));
    findings.judge("discovery", "other well-known paths return 404", outcome, PROXY);
}

/// A server that uses another database has other signing keys.
async fn key_set(probe: &Probe, document: &Value, stored: &Stored, findings: &mut Findings) {
    let (Some(url), Some(in_database)) = (text(document, "jwks_uri"), &stored.kids) else { return };
    let published = match probe.get(url, &[]).await {
        Ok(response) => {
            kids(&response).ok_or_else(|| format!("{url} returns {}", response.summary()))
        }
        Err(error) => Err(error.to_string()),
    };
    let published = match published {
        Ok(published) => published,
        Err(message) => return findings.problem("key set", message, PROXY),
    };
    if published == *in_database {
        return findings.ok("key set", "it matches the database");
    }
    let message = if published.is_disjoint(in_database) {
        "the server at the public URL uses another database than these settings: none of its keys \
         is in this database"
            .to_owned()
    } else {
        let names = |kids: &BTreeSet<String>| {
            kids.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        format!(
            "the server publishes {}, and the database has {}",
            names(&published),
            names(in_database)
        )
    };
    let advice = "run this with the settings of the server; if a key was just created or revoked, \
                  wait 30 seconds";
    findings.problem("key set", message, advice);
}

fn kids(response: &Response) -> Option<BTreeSet<String>> {
    let set = document(response)?;
    set["keys"].as_array()?.iter().map(|key| key["kid"].as_str().map(str::to_owned)).collect()
}

async fn cors(probe: &Probe, document: &Value, findings: &mut Findings) {
    for (member, method) in
        [("registration_endpoint", "POST"), ("token_endpoint", "POST"), ("jwks_uri", "GET")]
    {
        let Some(url) = text(document, member) else { continue };
        if let Err(fault) = preflight(probe, url, method).await {
            return findings.fault(
                "CORS",
                fault,
                "configure the proxy to forward OPTIONS requests and not to add CORS headers",
            );
        }
    }
    findings.ok("CORS", "pages from other origins can send requests");
}

/// Clients do not follow redirects when they send a code.
async fn token_endpoint(probe: &Probe, document: &Value, findings: &mut Findings) {
    let Some(url) = text(document, "token_endpoint") else { return };
    let outcome = match probe.post_form(url, &[], &[("grant_type", "authorization_code")]).await {
        Ok(response) if response.is_json() && response.error().is_some() => Ok(()),
        Ok(response) if response.is_redirect() => {
            Err(format!("{url} redirects: {}", response.summary()))
        }
        Ok(response) => Err(format!(
            "{url} does not return a JSON error for an empty request: {}",
            response.summary()
        )),
        Err(error) => Err(error.to_string()),
    };
    let affects =
        "every client: Codex follows no redirects here, the others only within the origin";
    let outcome = outcome.map_err(|message| Fault::new(message, affects));
    let advice = "set `http.public_url` to the URL at which the server responds, after all \
                  redirects";
    findings.judge("token endpoint", "it responds without a redirect", outcome, advice);
}

async fn pages(probe: &Probe, base: &str, findings: &mut Findings) {
    let response = match probe.get(&format!("{base}/login"), &[("accept", "text/html")]).await {
        Ok(response) if response.status == 200 => response,
        Ok(response) => {
            return findings.problem(
                "login page",
                format!("it returns {}", response.summary()),
                PROXY,
            );
        }
        Err(error) => return findings.problem("login page", error.to_string(), PROXY),
    };
    if !is_https(base) {
        return findings.ok("login page", "it is available");
    }
    let unsafe_cookie = response.header_lines("set-cookie").find(|line| {
        let attributes = line.to_ascii_lowercase();
        !attributes.starts_with("__host-")
            || !attributes.contains("; secure")
            || !attributes.contains("; httponly")
    });
    match unsafe_cookie {
        Some(line) => {
            let name = line.split('=').next().unwrap_or_default().escape_debug().to_string();
            let advice = "set `http.public_url` to the https URL, and configure the proxy not to \
                          change cookies";
            findings.problem(
                "cookies",
                format!("{name} is not a __Host- cookie with Secure and HttpOnly"),
                advice,
            );
        }
        None => findings.ok("cookies", "they are restricted to this host and https"),
    }
    match response.header("strict-transport-security") {
        Some(_) => findings.ok("HSTS", "browsers use only https"),
        None => {
            let advice = "set `http.public_url` to the https URL, and configure the proxy to \
                          forward the header";
            findings.note("HSTS", "Strict-Transport-Security is missing", advice);
        }
    }
}

/// Over http, the same host must not return more than a redirect.
async fn without_tls(probe: &Probe, base: &str, findings: &mut Findings) {
    let plain = base.replacen("https://", "http://", 1);
    if names_this_machine(&plain)
        || plain.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok())
    {
        return;
    }
    match probe.get(&format!("{plain}{METADATA}"), &[]).await {
        Ok(response) if response.status == 200 => {
            let message = format!("{plain} responds too, so tokens may be sent unencrypted");
            findings.problem("http", message, "configure the proxy to redirect it to https");
        }
        Ok(_) | Err(_) => findings.ok("http", "nothing is available without TLS"),
    }
}
