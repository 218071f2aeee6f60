//! The client's address: the peer of the socket or, behind a trusted proxy, the address that the
//! proxy reports.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The peer address of the socket. The accept loop adds it to every request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The address of the client. `X-Forwarded-For` is used only if the peer is a trusted proxy. It is
/// read from the right, and the first address that is not a trusted proxy is the client. Everything
/// further left was written by the client and cannot be trusted.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let lines = headers.get_all("x-forwarded-for").iter();
    let hops: Vec<&[u8]> =
        lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).collect();
    for hop in hops.into_iter().rev() {
        let Some(address) = parse_hop(hop) else { break };
        client = address;
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// Parses an address with an optional port, as proxies write it. A hop that is not valid text ends
/// the search: if it were skipped, the hop to its left would be trusted.
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
    fn an_unreadable_hop_does_not_make_the_hops_to_its_left_trusted() {
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let cases: [(&[&[u8]], &str); 3] = [
            (&[b"\xff, 198.51.100.1"], "198.51.100.1"),
            (&[b"1.2.3.4", b"\xff, 198.51.100.1"], "198.51.100.1"),
            (&[b"1.2.3.4", b"\xff"], "10.0.0.1"),
        ];
        for (lines, expected) in cases {
            let name = axum::http::HeaderName::from_static("x-forwarded-for");
            let value =
                |line: &&[u8]| axum::http::HeaderValue::from_bytes(line).expect("a header value");
            let headers = lines.iter().map(|line| (name.clone(), value(line))).collect();

            assert_eq!(
                client_address(ip("10.0.0.1"), &headers, &trusted),
                ip(expected),
                "{lines:?}"
            );
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_not_a_trusted_proxy() {
        let trusted =
            ["10.0.0.0/8".parse().expect("a network"), "::1/128".parse().expect("a network")];
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
