//! Checks for settings that are valid, but cause problems for clients.

use crate::config::{Config, Loaded, Source};
use crate::diagnose::doctor::finding::Findings;
use crate::rules::authorization::resource::UnknownResources;
use crate::{key_ring, telemetry};

pub fn examine(loaded: &Loaded, findings: &mut Findings) {
    let config = &loaded.config;
    findings.ok("settings", "all are valid");
    if let Err(error) = telemetry::check_level(&config.log.level) {
        findings.problem("log.level", error.to_string(), "correct the setting");
    }
    if let Err(error) = key_ring::check(config) {
        findings.problem(
            "secrets.key",
            error.to_string(),
            "set it to the same value on every server",
        );
    }
    issuer(config, findings);
    proxies(config, findings);
    limits(config, findings);
    tokens(config, findings);
    registration(config, findings);
    sites(loaded, findings);
}

/// A path, a trailing slash, uppercase letters and a default port are refused when the settings are
/// read.
fn issuer(config: &Config, findings: &mut Findings) {
    let url = &config.http.public_url;
    if is_https(url) {
        findings.ok(
            "issuer",
            format!("{url}; for MCP servers: {}", config.http.authorization_servers()),
        );
    } else if config.http.is_on_this_machine() {
        let advice = "set `http.public_url` to the https URL of the server before other people use \
                      it";
        findings.note("issuer", format!("{url} can be reached from this machine only"), advice);
    } else {
        findings.problem(
            "issuer",
            format!(
                "{url} is not https: current clients (Claude, Cursor, Inspector) do not send codes \
                 or tokens to it"
            ),
            "run a proxy with TLS in front, and set `http.public_url` to its https URL",
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
            format!("{all} includes every client, so that clients can forge the address that limits count"),
            "list the addresses that the proxy connects from, and nothing else",
        );
    } else if http.trusted_proxies.is_empty() && is_https(&http.public_url) {
        findings.note(
            "http.trusted_proxies",
            "none is listed although a proxy provides TLS, so all clients behind the proxy share \
             one limit",
            "list the addresses that the proxy connects from, such as 127.0.0.1",
        );
    } else if http.trusted_proxies.is_empty() {
        findings.ok("http.trusted_proxies", "X-Forwarded-For is ignored");
    } else {
        let listed: Vec<String> = http.trusted_proxies.iter().map(ToString::to_string).collect();
        findings.ok(
            "http.trusted_proxies",
            format!(
                "X-Forwarded-For is trusted only from {}; `grantor selftest` tests this with a \
                 forged one",
                listed.join(", ")
            ),
        );
    }
}

/// Hosted assistants send the requests of all users from a few addresses.
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
        return findings.ok(
            "limits",
            "they are high enough for hosted assistants, whose users share a few addresses",
        );
    }
    let message = format!(
        "{}: hosted Claude and ChatGPT send the requests of all users from a few addresses",
        tight.join(", ")
    );
    findings.note("limits", message, "raise them if users of hosted assistants get 429 responses");
}

fn tokens(config: &Config, findings: &mut Findings) {
    const DAY: u64 = 86_400;
    let tokens = &config.tokens;
    if tokens.refresh_grace == 0 && tokens.refresh_repeat == 0 {
        findings.problem(
            "tokens.refresh_grace",
            "it is 0, like tokens.refresh_repeat: a client is signed out after a lost response, or \
             if two processes refresh at the same time (Claude Code, Codex, OpenCode)",
            "set it to at least 10 seconds",
        );
    }
    if tokens.access_ttl > DAY {
        let message = format!(
            "{} s: APIs that only check signatures accept revoked tokens for this long",
            tokens.access_ttl
        );
        findings.note(
            "tokens.access_ttl",
            message,
            "one hour is usual, because clients refresh automatically",
        );
    }
}

fn registration(config: &Config, findings: &mut Findings) {
    let registration = &config.registration;
    if !registration.tolerate.iter().any(|method| method == "client_secret_post") {
        let message = "client_secret_post is refused, but hosted Claude registers with it although \
                       it needs no secret";
        findings.problem("registration.tolerate", message, "list client_secret_post");
    }
    if !registration.private_schemes.is_empty()
        && !registration.private_schemes.iter().any(|scheme| scheme == "cursor")
    {
        let message = "cursor is not listed, so Cursor cannot register";
        findings.note(
            "registration.private_schemes",
            message,
            "add it, or leave the list empty to accept all",
        );
    }
    if !config.client_documents.enabled {
        let message = "it is false: Claude, ChatGPT and VS Code register repeatedly instead";
        findings.note("client_documents.enabled", message, "set it to true unless you want this");
    }
    if config.resources.unknown == UnknownResources::Refuse && config.resources.declared.is_empty()
    {
        let message = "it is refuse: tokens are issued only for resources that `grantor resource \
                       create` added";
        findings.note("resources.unknown", message, "add every MCP server, or set it to accept");
    }
}

fn sites(loaded: &Loaded, findings: &mut Findings) {
    let is_shipped = |name: &str| {
        loaded
            .effective
            .iter()
            .any(|setting| setting.name == name && setting.source == Source::Default)
    };
    if is_shipped("sites.hosts") {
        let message = "the list of sites is the default example, which describes another service";
        findings.note("sites.hosts", message, "list the hosts of your own service, or []");
    }
}
