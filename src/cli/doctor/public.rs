//! The server as it is reached from outside, through whatever stands in front of it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::finding::Findings;
use super::settings::is_https;
use super::storage::Stored;
use crate::cli::probe::{Answer, Fault, Probe, difference, faults, faults_as_openid, preflight, text};
use crate::config::{Config, names_this_machine};

const METADATA: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
const PROXY: &str =
    "see docs/operate/reverse-proxy.md: the proxy passes every path and header on, and changes no answer";

pub async fn examine(probe: &Probe, config: &Config, url: &str, stored: &Stored, findings: &mut Findings) {
    if let Some(difference) = difference(&config.http.public_url, url) {
        let said = format!("--url is not `http.public_url`: {difference}");
        findings.note("public URL", said, "clients know the server by `http.public_url` only");
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

async fn metadata(probe: &Probe, config: &Config, base: &str, findings: &mut Findings) -> Option<Value> {
    let url = format!("{base}{METADATA}");
    let answer = match probe.get(&url, &[("accept", "application/json")]).await {
        Ok(answer) => answer,
        Err(error) => {
            findings.problem(
                "public URL",
                error.to_string(),
                "start the server, and see that DNS, proxy and certificate lead to it",
            );
            return None;
        }
    };
    let Some(document) = document(&answer) else {
        let said = format!("{url} answers {}", answer.summary());
        findings.problem("public URL", said, PROXY);
        return None;
    };
    findings.ok("public URL", format!("{base} answers"));
    let found = faults(&document, &config.http.public_url);
    if found.is_empty() {
        findings.ok("discovery", "the metadata has all that clients look for, and the issuer of these settings");
    }
    let advice = "the server there has other settings than these, or something in front changes its answers";
    found.into_iter().for_each(|fault| findings.fault("discovery", fault, advice));
    Some(document)
}

fn document(answer: &Answer) -> Option<Value> {
    answer.json().filter(|json| answer.status == 200 && answer.is_json() && json.is_object())
}

async fn openid(probe: &Probe, base: &str, metadata: &Value, findings: &mut Findings) {
    let outcome = match probe.get(&format!("{base}{OPENID}"), &[]).await {
        Err(error) => Err(error.to_string()),
        Ok(answer) => match document(&answer) {
            Some(document) if document == *metadata => {
                let first = faults_as_openid(&document).into_iter().next();
                first.map_or(Ok(()), |fault| Err(fault.said))
            }
            Some(_) => Err("it differs from the other document".to_owned()),
            None => Err(format!("it answers {}", answer.summary())),
        },
    };
    let trips = "clients that look there first, as Codex does";
    let outcome = outcome.map_err(|said| Fault::new(format!("{OPENID}: {said}"), trips));
    findings.judge("discovery", "the same document stands at openid-configuration", outcome, PROXY);
}

/// Clients try one path after the other, and a page in the place of a 404 ends that.
async fn other_paths(probe: &Probe, base: &str, findings: &mut Findings) {
    let url = format!("{base}/.well-known/oauth-protected-resource/of-nobody");
    let outcome = match probe.get(&url, &[]).await {
        Ok(answer) if answer.status == 404 => Ok(()),
        Ok(answer) => Err(format!("an unknown well-known path answers {}, not 404", answer.summary())),
        Err(error) => Err(error.to_string()),
    };
    let outcome = outcome.map_err(|said| Fault::new(said, "Claude Code, Codex and mcp-remote"));
    findings.judge("discovery", "other well-known paths answer 404", outcome, PROXY);
}

/// A server with another database than these settings name signs with other keys.
async fn key_set(probe: &Probe, document: &Value, stored: &Stored, findings: &mut Findings) {
    let (Some(url), Some(in_database)) = (text(document, "jwks_uri"), &stored.kids) else { return };
    let published = match probe.get(url, &[]).await {
        Ok(answer) => kids(&answer).ok_or_else(|| format!("{url} answers {}", answer.summary())),
        Err(error) => Err(error.to_string()),
    };
    let published = match published {
        Ok(published) => published,
        Err(said) => return findings.problem("key set", said, PROXY),
    };
    if published == *in_database {
        return findings.ok("key set", "it is that of the database");
    }
    let said = if published.is_disjoint(in_database) {
        "the server at the public URL has another database than these settings name: none of its keys is there"
            .to_owned()
    } else {
        let names = |kids: &BTreeSet<String>| kids.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        format!("the server publishes {}, and the database has {}", names(&published), names(in_database))
    };
    let advice = "run this on the settings of the server; if a key was made or revoked just now, wait for 30 seconds";
    findings.problem("key set", said, advice);
}

fn kids(answer: &Answer) -> Option<BTreeSet<String>> {
    let set = document(answer)?;
    set["keys"].as_array()?.iter().map(|key| key["kid"].as_str().map(str::to_owned)).collect()
}

async fn cors(probe: &Probe, document: &Value, findings: &mut Findings) {
    for (member, method) in [("registration_endpoint", "POST"), ("token_endpoint", "POST"), ("jwks_uri", "GET")] {
        let Some(url) = text(document, member) else { continue };
        if let Err(fault) = preflight(probe, url, method).await {
            return findings.fault("CORS", fault, "let the proxy pass OPTIONS on, and add no CORS headers of its own");
        }
    }
    findings.ok("CORS", "pages of other origins may call");
}

/// Clients follow no redirect when they send a code.
async fn token_endpoint(probe: &Probe, document: &Value, findings: &mut Findings) {
    let Some(url) = text(document, "token_endpoint") else { return };
    let outcome = match probe.post_form(url, &[], &[("grant_type", "authorization_code")]).await {
        Ok(answer) if answer.is_json() && answer.error().is_some() => Ok(()),
        Ok(answer) if answer.is_redirect() => Err(format!("{url} is redirected: {}", answer.summary())),
        Ok(answer) => Err(format!("{url} does not refuse an empty request in JSON: {}", answer.summary())),
        Err(error) => Err(error.to_string()),
    };
    let trips = "every client: Codex follows no redirect here, the others stay within an origin";
    let outcome = outcome.map_err(|said| Fault::new(said, trips));
    let advice = "let `http.public_url` be the URL at which the server answers itself, after all redirects";
    findings.judge("token endpoint", "it answers itself, without a redirect", outcome, advice);
}

async fn pages(probe: &Probe, base: &str, findings: &mut Findings) {
    let answer = match probe.get(&format!("{base}/login"), &[("accept", "text/html")]).await {
        Ok(answer) if answer.status == 200 => answer,
        Ok(answer) => return findings.problem("login page", format!("it answers {}", answer.summary()), PROXY),
        Err(error) => return findings.problem("login page", error.to_string(), PROXY),
    };
    if !is_https(base) {
        return findings.ok("login page", "it is there");
    }
    let unsafe_cookie = answer.header_lines("set-cookie").find(|line| {
        let attributes = line.to_ascii_lowercase();
        !attributes.starts_with("__host-") || !attributes.contains("; secure") || !attributes.contains("; httponly")
    });
    match unsafe_cookie {
        Some(line) => {
            let name = line.split('=').next().unwrap_or_default().escape_debug().to_string();
            let advice = "set `http.public_url` to the https URL, and let the proxy change no cookie";
            findings.problem("cookies", format!("{name} is not a __Host- cookie with Secure and HttpOnly"), advice);
        }
        None => findings.ok("cookies", "they are bound to this host and to https"),
    }
    match answer.header("strict-transport-security") {
        Some(_) => findings.ok("HSTS", "browsers stay on https"),
        None => {
            let advice = "set `http.public_url` to the https URL, and let the proxy pass the header on";
            findings.note("HSTS", "Strict-Transport-Security is missing", advice);
        }
    }
}

/// The same host by plain http: at most a redirect.
async fn without_tls(probe: &Probe, base: &str, findings: &mut Findings) {
    let plain = base.replacen("https://", "http://", 1);
    if names_this_machine(&plain) || plain.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok()) {
        return;
    }
    match probe.get(&format!("{plain}{METADATA}"), &[]).await {
        Ok(answer) if answer.status == 200 => {
            let said = format!("{plain} answers too, so tokens may be sent in the clear");
            findings.problem("http", said, "let the proxy redirect it to https");
        }
        Ok(_) | Err(_) => findings.ok("http", "nothing is served without TLS"),
    }
}
