//! Where a request comes from: the socket's other end, or, behind a proxy that the operator trusts, what it says.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The socket's other end, put into every request by the accept loop.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The address of the client. `X-Forwarded-For` counts only where the socket's other end is a trusted proxy; then it is
/// read from the right, and the first address that is no trusted proxy is the client. What stands further left was
/// written by whoever sent the request.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let lines = headers.get_all("x-forwarded-for").iter();
    let hops: Vec<&[u8]> = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).collect();
    for hop in hops.into_iter().rev() {
        let Some(address) = parse_hop(hop) else { break };
        client = address;
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// An address, perhaps with a port, as proxies write it. Bytes that are no text are a hop too, which cannot be believed:
/// left out, they would hand the word to what stands left of them.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let bare = hop.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let name = axum::http::HeaderName::from_static("x-forwarded-for");
        values.iter().map(|value| (name.clone(), value.parse().expect("a header value"))).collect()
    }

    #[test]
    fn bytes_that_are_no_text_do_not_hide_the_hops_beside_them() {
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let cases: [(&[&[u8]], &str); 3] = [
            (&[b"\xff, 198.51.100.1"], "198.51.100.1"),
            (&[b"1.2.3.4", b"\xff, 198.51.100.1"], "198.51.100.1"),
            (&[b"1.2.3.4", b"\xff"], "10.0.0.1"),
        ];
        for (lines, expected) in cases {
            let name = axum::http::HeaderName::from_static("x-forwarded-for");
            let value = |line: &&[u8]| axum::http::HeaderValue::from_bytes(line).expect("a header value");
            let headers = lines.iter().map(|line| (name.clone(), value(line))).collect();

            assert_eq!(client_address(ip("10.0.0.1"), &headers, &trusted), ip(expected), "{lines:?}");
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_no_trusted_proxy() {
        let trusted = ["10.0.0.0/8".parse().expect("a network"), "::1/128".parse().expect("a network")];
        let cases: [(&str, &[&str], &str); 9] = [
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.2.3.4, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["1.2.3.4", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, rubbish"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("::1", &["2001:db8::7"], "2001:db8::7"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ];
        for (peer, forwarded, expected) in cases {
            let client = client_address(ip(peer), &headers(forwarded), &trusted);
            assert_eq!(client, ip(expected), "{peer} {forwarded:?}");
        }
    }
}
