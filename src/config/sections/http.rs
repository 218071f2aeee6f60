//! `[http]`: addresses, the public URL, timeouts and request sizes.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::setting::Setting;
use crate::config::values;
use crate::config::values::{COUNT, NETWORKS, SWITCH, TIMEOUT};
use crate::rules::syntax::uri::Uri;

section! {
    "http",
    "Addresses, the public URL, timeouts and request sizes.";

    pub struct Http {
        pub listen: SocketAddr = Setting::new(
            "http.listen",
            r#""127.0.0.1:8080""#,
            "an address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"",
            "Address and port for clients. The default accepts connections from this machine only. \
             In a container, or if the proxy runs on another host, set \"0.0.0.0:8080\" and also \
             set public_url.",
        ),
        /// The issuer and the base of every link, without a path or a trailing slash.
        #[serde(deserialize_with = "values::public_url")]
        pub public_url: String = Setting::new(
            "http.public_url",
            r#""""#,
            "http:// or https://, a host and optionally a port, without a path or a trailing slash",
            "URL at which browsers and clients reach the server. It is the issuer of every token \
             and the base of every link, exactly as written here. If empty, it is http:// and the \
             listen address. Set it before the first client connects: after a change, clients must \
             authorize again.",
        ),
        #[serde(deserialize_with = "values::address_or_none")]
        pub management_listen: Option<SocketAddr> = Setting::new(
            "http.management_listen",
            r#""127.0.0.1:8081""#,
            "an address and a port, or \"\" for no listener",
            "Address and port for /healthz, /readyz and /metrics, separate from clients. Do not \
             expose it to the internet.",
        ),
        pub fallback_paths: bool = Setting::new(
            "http.fallback_paths",
            "true",
            SWITCH,
            "Also serve /authorize, /token and /register. Clients of the first MCP revision use \
             these paths if they find no metadata. Set it to false if another service behind the \
             same proxy uses these paths.",
        ),
        #[serde(deserialize_with = "values::networks")]
        pub trusted_proxies: Vec<IpNet> = Setting::new(
            "http.trusted_proxies",
            "[]",
            NETWORKS,
            "Proxies whose X-Forwarded-For header is trusted. Each of them must set the header or \
             append to it. The Forwarded header (RFC 7239) is ignored. Set this if the server runs \
             behind a proxy; otherwise all clients behind the proxy share one limit. Never list a \
             network that clients connect from: they could forge their address.",
        ),
        #[serde(deserialize_with = "values::seconds")]
        pub first_byte_timeout: Duration = Setting::new(
            "http.first_byte_timeout",
            "10",
            TIMEOUT,
            "How long the server waits for the first byte on a new connection. Lower it if idle \
             connections use up limits.connections.",
        ),
        #[serde(deserialize_with = "values::seconds")]
        pub header_timeout: Duration = Setting::new(
            "http.header_timeout",
            "15",
            TIMEOUT,
            "How long a client may take to send the headers of a request, or its body, and how \
             long it may stop reading a response. Idle connections are closed after the same time. \
             Raise it for clients on slow networks.",
        ),
        #[serde(deserialize_with = "values::seconds")]
        pub request_timeout: Duration = Setting::new(
            "http.request_timeout",
            "30",
            TIMEOUT,
            "How long a whole request may take, from its headers to its response.",
        ),
        #[serde(deserialize_with = "values::seconds")]
        pub shutdown_timeout: Duration = Setting::new(
            "http.shutdown_timeout",
            "8",
            TIMEOUT,
            "How long a stopping server waits for open requests to finish. Keep it below the time \
             after which the service manager kills the process.",
        ),
        #[serde(deserialize_with = "values::header_bytes")]
        pub max_header_bytes: usize = Setting::new(
            "http.max_header_bytes",
            "16384",
            "a whole number from 8192 to 1048576",
            "Maximum size of the request line and headers, in bytes. Larger requests get a 431 \
             response. Each connection can use this much memory before its request is complete. \
             Raise it if a proxy adds large headers.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_body_bytes: usize = Setting::new(
            "http.max_body_bytes",
            "65536",
            COUNT,
            "Maximum size of a request body, in bytes. Larger bodies get a 413 response.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_in_flight: usize = Setting::new(
            "http.max_in_flight",
            "512",
            COUNT,
            "How many requests are processed at the same time. Further requests get a 503 response \
             with Retry-After. A quarter is reserved for token, revocation, introspection and \
             management requests. A request whose body is still arriving does not count. Raise it \
             if the server returns 503 although it has free capacity.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_pending_bodies: usize = Setting::new(
            "http.max_pending_bodies",
            "2048",
            COUNT,
            "How many request bodies may be arriving at the same time. Further ones get a 503 \
             response. Networks share this number fairly: each may use at most an eighth of what \
             is free. A body that arrives together with its headers does not count.",
        ),
        #[serde(deserialize_with = "values::at_least_one")]
        pub max_pending_body_bytes: usize = Setting::new(
            "http.max_pending_body_bytes",
            "33554432",
            COUNT,
            "How many bytes of arriving bodies are held in memory at the same time, shared in the \
             same way. 33554432 is 32 MiB.",
        ),
    }
}

impl Http {
    /// The member of RFC 9728 metadata in which an MCP server names this server. Clients compare
    /// the issuer byte for byte.
    pub fn authorization_servers(&self) -> String {
        format!("\"authorization_servers\": [\"{}\"]", self.public_url)
    }

    /// Whether only browsers and clients on this machine reach the public URL.
    pub fn is_on_this_machine(&self) -> bool {
        names_this_machine(&self.public_url)
    }
}

/// Whether the host of a URL is `localhost` or a loopback address.
pub fn names_this_machine(url: &str) -> bool {
    let known_address =
        Uri::parse_equivalent(url).ok().and_then(|uri| uri.host().ok()?.known_address());
    known_address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::names_this_machine;

    #[test]
    fn only_loopback_names_this_machine() {
        for url in [
            "http://localhost",
            "http://localhost:8080",
            "http://127.0.0.1:1",
            "http://127.9.9.9",
            "http://[::1]:80",
        ] {
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
