//! Where the server listens, and how long it waits for clients.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::config::setting::Setting;
use crate::config::values;
use crate::config::values::{COUNT, NETWORKS, SWITCH, TIMEOUT};

section! {
    "http",
    "Where the server listens, what it calls itself, and how long it waits for clients.";

    pub struct Http {
        pub listen: SocketAddr = Setting::new(
            "http.listen",
            r#""127.0.0.1:8080""#,
            "an address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"",
            "Where clients connect. The default is reached from this machine only; in a container, or where no proxy \
             runs beside the server, write \"0.0.0.0:8080\" and give public_url too.",
        ),
        /// The issuer and the base of every link, without a path or a trailing slash.
        #[serde(deserialize_with = "values::public_url")]
        pub public_url: String = Setting::new(
            "http.public_url",
            r#""""#,
            "http:// or https://, a host and perhaps a port, without a path and without a slash at the end",
            "How browsers and clients reach the server: the issuer of every token and the base of every link, used \
             exactly as written here. Empty is http:// and the listen address. Set it before the first client \
             connects: clients that know the old one have to authorize again.",
        ),
        #[serde(deserialize_with = "values::address_or_none")]
        pub management_listen: Option<SocketAddr> = Setting::new(
            "http.management_listen",
            r#""127.0.0.1:8081""#,
            "an address and a port, or \"\" for none",
            "Where /healthz, /readyz and /metrics are answered, apart from clients. Keep it off the internet.",
        ),
        pub fallback_paths: bool = Setting::new(
            "http.fallback_paths",
            "true",
            SWITCH,
            "Answer at /authorize, /token and /register too, where clients of the first MCP revision look that find no \
             metadata.",
        ),
        #[serde(deserialize_with = "values::networks")]
        pub trusted_proxies: Vec<IpNet> = Setting::new(
            "http.trusted_proxies",
            "[]",
            NETWORKS,
            "Proxies whose X-Forwarded-For header is believed; each must set it or add to it. Forwarded (RFC 7239) is \
             not read. Without them every client behind a proxy counts as one source, and shares one limit. Never list \
             a network that clients connect from.",
        ),
        #[serde(deserialize_with = "values::seconds")]
        pub first_byte_timeout: Duration = Setting::new(
            "http.first_byte_timeout",
            "10",
            TIMEOUT,
            "How long a new connection may say nothing.",
        ),
        #[serde(deserialize_with = "values::seconds")]
        pub header_timeout: Duration = Setting::new(
            "http.header_timeout",
            "15",
            TIMEOUT,
            "How long a client may take to send the headers of a request or its body, and for how long it may take \
             nothing of its answer; an idle connection is closed after it too.",
        ),
        #[serde(deserialize_with = "values::seconds")]
        pub request_timeout: Duration = Setting::new(
            "http.request_timeout",
            "30",
            TIMEOUT,
            "How long a whole request may take, from its headers to its answer.",
        ),
        #[serde(deserialize_with = "values::seconds")]
        pub shutdown_timeout: Duration = Setting::new(
            "http.shutdown_timeout",
            "8",
            TIMEOUT,
            "How long a stopping server finishes what it has begun. Keep it below what the service manager waits \
             before it kills.",
        ),
        #[serde(deserialize_with = "values::header_bytes")]
        pub max_header_bytes: usize = Setting::new(
            "http.max_header_bytes",
            "16384",
            "a whole number from 8192 to 1048576",
            "The largest request line and headers together; larger ones are answered with 431. Each connection may \
             hold this much memory before its request is complete.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_body_bytes: usize = Setting::new(
            "http.max_body_bytes",
            "65536",
            COUNT,
            "The largest request body that is read; a larger one is answered with 413.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_in_flight: usize = Setting::new(
            "http.max_in_flight",
            "512",
            COUNT,
            "How many requests are worked on at once; one more is answered with 503 and when to try again. A quarter of \
             them is kept for token, revocation, introspection and management requests. A request whose body is still \
             arriving is not counted here.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_pending_bodies: usize = Setting::new(
            "http.max_pending_bodies",
            "2048",
            COUNT,
            "How many request bodies may be arriving at once; one more is answered with 503. Networks share this \
             fairly: one may hold at most an eighth of what is free. A body that arrives together with its headers is \
             not counted.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_pending_body_bytes: usize = Setting::new(
            "http.max_pending_body_bytes",
            "33554432",
            COUNT,
            "How many bytes of arriving bodies are kept in memory at once, shared in the same way. 33554432 is 32 MiB.",
        ),
    }
}

impl Http {
    /// The member of RFC 9728 metadata by which an MCP server names this server: clients compare the issuer byte for byte.
    pub fn authorization_servers(&self) -> String {
        format!("\"authorization_servers\": [\"{}\"]", self.public_url)
    }
    /// Whether only browsers and clients on this machine reach the public URL.
    pub fn is_on_this_machine(&self) -> bool {
        names_this_machine(&self.public_url)
    }
}

/// Of a URL without a path.
pub fn names_this_machine(url: &str) -> bool {
    let Some((_, authority)) = url.split_once("://") else { return false };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => authority,
    };
    host == "localhost" || host == "[::1]" || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::names_this_machine;

    #[test]
    fn only_loopback_names_this_machine() {
        for url in
            ["http://localhost", "http://localhost:8080", "http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:80"]
        {
            assert!(names_this_machine(url), "{url}");
        }
        for url in [
            "http://127.0.0.1.evil.example",
            "http://127.example",
            "http://localhost.example",
            "http://10.0.0.1",
            "",
            "x",
        ] {
            assert!(!names_this_machine(url), "{url}");
        }
    }
}
