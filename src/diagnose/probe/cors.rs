//! The preflight request of browsers for pages from another origin (Fetch standard, section 3.2.2).

use crate::diagnose::probe::{Fault, Probe};

/// An origin that is unrelated to the server.
pub const ORIGIN: &str = "https://a-page-elsewhere.example";
const AFFECTED: &str =
    "clients that run in a browser: the Inspector, web interfaces of MCP servers";
const NEEDED: [&str; 3] = ["authorization", "content-type", "mcp-protocol-version"];

pub async fn preflight(probe: &Probe, url: &str, method: &str) -> Result<(), Fault> {
    let headers = [
        ("origin", ORIGIN),
        ("access-control-request-method", method),
        ("access-control-request-headers", "authorization, content-type, mcp-protocol-version"),
    ];
    let response = probe
        .options(url, &headers)
        .await
        .map_err(|error| Fault::new(error.to_string(), AFFECTED))?;
    let wrong =
        |what: &str| Fault::new(format!("the preflight of {method} {url} {what}"), AFFECTED);
    if !(200..300).contains(&response.status) {
        return Err(wrong(&format!("returns {}", response.summary())));
    }
    let origin = response.header("access-control-allow-origin").unwrap_or_default();
    if origin != "*" && origin != ORIGIN {
        return Err(wrong("has no Access-Control-Allow-Origin for other origins"));
    }
    let allowed =
        response.header("access-control-allow-headers").unwrap_or_default().to_lowercase();
    let allowed: Vec<&str> = allowed.split(',').map(str::trim).collect();
    let missing: Vec<&str> = NEEDED.into_iter().filter(|name| !allowed.contains(name)).collect();
    match missing.as_slice() {
        [] => Ok(()),
        missing => Err(wrong(&format!("does not allow the headers {}", missing.join(", ")))),
    }
}
