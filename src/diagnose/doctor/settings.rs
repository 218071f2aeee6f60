//! Settings that are allowed, and are yet not what clients need.

use crate::config::{Config, Loaded, Source};
use crate::diagnose::doctor::finding::Findings;
use crate::rules::authorization::resource::UnknownResources;
use crate::{key_ring, telemetry};

pub fn examine(loaded: &Loaded, findings: &mut Findings) {
    let config = &loaded.config;
    findings.ok("settings", "they can be read");
    if let Err(error) = telemetry::check_level(&config.log.level) {
        findings.problem("log.level", error.to_string(), "correct it");
    }
    if let Err(error) = key_ring::check(config) {
        findings.problem("secrets.key", error.to_string(), "set it, the same on every server");
    }
    issuer(config, findings);
    proxies(config, findings);
    limits(config, findings);
    tokens(config, findings);
    registration(config, findings);
    sites(loaded, findings);
}

/// A path or a slash at the end is refused when the settings are read.
fn issuer(config: &Config, findings: &mut Findings) {
    let url = &config.http.public_url;
    if url.chars().any(|c| c.is_ascii_uppercase()) {
        findings.problem(
            "issuer",
            format!("{url} has capital letters, which clients write in lower case when they build URLs of it"),
            "write `http.public_url` in lower case",
        );
    } else if is_https(url) {
        findings.ok("issuer", format!("{url}; for MCP servers: {}", config.http.authorization_servers()));
        if url.ends_with(":443") {
            let advice = "leave the port out: clients do, and compare";
            findings.problem("issuer", format!("{url} names the port that https has anyway"), advice);
        }
    } else if config.http.is_on_this_machine() {
        let advice = "set `http.public_url` to the https URL of the server before others use it";
        findings.note("issuer", format!("{url} is reached from this machine only"), advice);
    } else {
        findings.problem(
            "issuer",
            format!("{url} is not https: current clients (Claude, Cursor, Inspector) send no code or token there"),
            "put a proxy with TLS in front, and set `http.public_url` to its https URL",
        );
    }
}

pub fn is_https(url: &str) -> bool {
    url.starts_with("https://")
}

fn proxies(config: &Config, findings: &mut Findings) {
    let http = &config.http;
    if let Some(all) = http.trusted_proxies.iter().find(|network| network.prefix_len() == 0) {
        findings.problem(
            "http.trusted_proxies",
            format!("{all} is everybody, so that anybody chooses the address that limits count by"),
            "list the addresses that the proxy connects from, and nothing else",
        );
    } else if http.trusted_proxies.is_empty() && is_https(&http.public_url) {
        findings.note(
            "http.trusted_proxies",
            "none is listed, and this server has no TLS of its own, so all clients behind the proxy share one limit",
            "list the addresses that the proxy connects from, such as 127.0.0.1",
        );
    } else if http.trusted_proxies.is_empty() {
        findings.ok("http.trusted_proxies", "X-Forwarded-For is believed from nobody");
    } else {
        let listed: Vec<String> = http.trusted_proxies.iter().map(ToString::to_string).collect();
        findings.ok(
            "http.trusted_proxies",
            format!("X-Forwarded-For is believed from {} only; `grantor selftest` forges one", listed.join(", ")),
        );
    }
}

/// Hosted assistants send all their users from few addresses.
fn limits(config: &Config, findings: &mut Findings) {
    let limits = &config.limits;
    let least = [
        ("limits.register_per_minute", limits.register_per_minute, 10),
        ("limits.token_per_minute", limits.token_per_minute, 60),
        ("limits.requests_per_minute", limits.requests_per_minute, 60),
        ("limits.connections_per_source", limits.connections_per_source, 20),
    ];
    let tight: Vec<String> = least
        .iter()
        .filter(|(_, set, least)| *set > 0 && set < least)
        .map(|(name, set, _)| format!("{name} = {set}"))
        .collect();
    if tight.is_empty() {
        return findings.ok("limits", "they leave room for hosted assistants, which share few addresses");
    }
    let said = format!("{}: hosted Claude and ChatGPT send all their users from few addresses", tight.join(", "));
    findings.note("limits", said, "raise them where users of hosted assistants see 429");
}

fn tokens(config: &Config, findings: &mut Findings) {
    const DAY: u64 = 86_400;
    let tokens = &config.tokens;
    if tokens.refresh_grace == 0 && tokens.refresh_repeat == 0 {
        findings.problem(
            "tokens.refresh_grace",
            "0, like tokens.refresh_repeat: a lost response, or two processes that refresh at once (Claude Code, Codex, \
             OpenCode), log the client out",
            "set it to 10 or more seconds",
        );
    }
    if tokens.access_ttl > DAY {
        let said =
            format!("{} s: an API that checks tokens by itself takes revoked ones for so long", tokens.access_ttl);
        findings.note("tokens.access_ttl", said, "an hour is usual, since clients refresh by themselves");
    }
}

fn registration(config: &Config, findings: &mut Findings) {
    let registration = &config.registration;
    if !registration.tolerate.iter().any(|method| method == "client_secret_post") {
        let said = "client_secret_post is refused, which hosted Claude registers with although it needs no secret";
        findings.problem("registration.tolerate", said, "list client_secret_post");
    }
    if !registration.private_schemes.is_empty() && !registration.private_schemes.iter().any(|one| one == "cursor") {
        let said = "cursor is not listed, so Cursor cannot register";
        findings.note("registration.private_schemes", said, "list it, or none to accept all");
    }
    if !config.client_documents.enabled {
        let said = "false: Claude, ChatGPT and VS Code register themselves again and again instead";
        findings.note("client_documents.enabled", said, "let it be true unless that is wanted");
    }
    if config.resources.unknown == UnknownResources::Refuse && config.resources.declared.is_empty() {
        let said = "refuse: tokens are made for resources that `grantor resource` has added, and for no others";
        findings.note("resources.unknown", said, "add each MCP server, or accept unknown ones");
    }
}

fn sites(loaded: &Loaded, findings: &mut Findings) {
    let is_shipped = |name: &str| loaded.effective.iter().any(|one| one.name == name && one.source == Source::Default);
    if is_shipped("sites.hosts") {
        let said = "the list of sites is the shipped example, which is about another service";
        findings.note("sites.hosts", said, "list the hosts of your own service, or []");
    }
}
