//! The addresses to which this server may send requests: the public internet, and networks that the
//! operator allows.
//!
//! The same rule applies to addresses in URLs and to addresses that a host name resolves to.
//! Services at addresses that are not public trust callers in the same network: internal services,
//! the metadata service of a cloud, the machine itself. The ranges are those of the IANA
//! special-purpose registries (RFC 6890). In IPv6, only 2000::/3 is allocated.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Why an address is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    Loopback,
    Unspecified,
    /// RFC 1918.
    Private,
    /// RFC 6598: addresses between a provider and its customers.
    SharedSpace,
    LinkLocal,
    /// RFC 4193.
    UniqueLocal,
    Multicast,
    Broadcast,
    /// RFC 5737, RFC 3849, RFC 9637.
    Documentation,
    /// RFC 2544, RFC 5180.
    Benchmarking,
    /// The metadata service of a cloud, which returns the credentials of the machine to any process
    /// on it.
    Metadata,
    Reserved,
}

impl AddressKind {
    pub const fn description(self) -> &'static str {
        match self {
            Self::Loopback => "a loopback address",
            Self::Unspecified => "an unspecified address",
            Self::Private => "an address of a private network",
            Self::SharedSpace => "an address of a provider's shared space",
            Self::LinkLocal => "a link-local address",
            Self::UniqueLocal => "a unique local address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Documentation => "an address for documentation",
            Self::Benchmarking => "an address for benchmarks",
            Self::Metadata => "the address of a cloud's metadata service",
            Self::Reserved => "a reserved address",
        }
    }
}

impl fmt::Display for AddressKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.description())
    }
}

/// The addresses that the operator allows in addition to the public internet.
#[derive(Clone, Debug, Default)]
pub struct AddressRules {
    pub allow_networks: Vec<IpNet>,
    /// Loopback addresses are allowed for tests on one machine.
    pub allow_loopback: bool,
}

impl AddressRules {
    /// Checks an address. A listed network allows all of its addresses except those of metadata
    /// services: these must be listed as single addresses, so that a large network does not open
    /// them by accident.
    pub fn check(&self, address: IpAddr) -> Result<(), AddressKind> {
        let address = address.to_canonical();
        match kind_of(address) {
            None => Ok(()),
            Some(AddressKind::Loopback) if self.allow_loopback => Ok(()),
            Some(kind) => {
                let lists_embedded =
                    embedded_in(address).iter().any(|embedded| self.lists(*embedded, kind));
                if lists_embedded || self.lists(address, kind) { Ok(()) } else { Err(kind) }
            }
        }
    }

    fn lists(&self, address: IpAddr, kind: AddressKind) -> bool {
        let contains = |network: &&IpNet| network.contains(&address);
        let suffices = |network: &IpNet| {
            kind != AddressKind::Metadata || network.prefix_len() == network.max_prefix_len()
        };
        self.allow_networks.iter().filter(contains).any(suffices)
    }
}

/// Returns `None` for a public address. An IPv6 address with an embedded IPv4 address, for a
/// translator or a tunnel, has the kind of that address, because packets end up there.
pub fn kind_of(address: IpAddr) -> Option<AddressKind> {
    match address.to_canonical() {
        IpAddr::V4(address) => kind_of_v4(address),
        IpAddr::V6(address) => kind_of_v6(address),
    }
}

/// Most clouds use 169.254.169.254. The others are those of Azure, Alibaba and Oracle.
const METADATA_V4: [[u8; 4]; 4] =
    [[169, 254, 169, 254], [168, 63, 129, 16], [100, 100, 100, 200], [192, 0, 0, 192]];

/// The metadata services of Amazon and Google.
const METADATA_V6: [[u16; 8]; 2] =
    [[0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]];

fn kind_of_v4(address: Ipv4Addr) -> Option<AddressKind> {
    use AddressKind as Kind;
    if METADATA_V4.contains(&address.octets()) {
        return Some(Kind::Metadata);
    }
    match address.octets() {
        [0, ..] => Some(Kind::Unspecified),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(Kind::Private),
        [100, 64..=127, ..] => Some(Kind::SharedSpace),
        [127, ..] => Some(Kind::Loopback),
        [169, 254, ..] => Some(Kind::LinkLocal),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some(Kind::Documentation),
        // Protocol assignments, and the deprecated 6to4 relays (RFC 7526).
        [192, 0, 0, _] | [192, 88, 99, _] => Some(Kind::Reserved),
        [198, 18..=19, ..] => Some(Kind::Benchmarking),
        [224..=239, ..] => Some(Kind::Multicast),
        [255, 255, 255, 255] => Some(Kind::Broadcast),
        [240..=255, ..] => Some(Kind::Reserved),
        _ => None,
    }
}

fn kind_of_v6(address: Ipv6Addr) -> Option<AddressKind> {
    use AddressKind as Kind;
    if METADATA_V6.contains(&address.segments()) {
        return Some(Kind::Metadata);
    }
    let embedded = embedded_in(address.into());
    if !embedded.is_empty() {
        return embedded.into_iter().find_map(kind_of);
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Kind::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Kind::Loopback),
        [0xfc00..=0xfdff, ..] => Some(Kind::UniqueLocal),
        [0xfe80..=0xfebf, ..] => Some(Kind::LinkLocal),
        [0xff00..=0xffff, ..] => Some(Kind::Multicast),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Some(Kind::Documentation),
        [0x2001, 2, 0, ..] => Some(Kind::Benchmarking),
        // Protocol assignments: no public service uses them.
        [0x2001, 0..=0x01ff, ..] => Some(Kind::Reserved),
        [0x2000..=0x3fff, ..] => None,
        // Unallocated addresses, local translators (64:ff9b:1::/48), the discard prefix, and
        // IPv4-compatible and site-local addresses.
        _ => Some(Kind::Reserved),
    }
}

/// The IPv4 addresses that are embedded in an IPv6 address: NAT64 (RFC 6052), 6to4 (RFC 3056), and
/// Teredo (RFC 4380), with the server and the client, whose bits are inverted. The caller has
/// already converted IPv4-mapped addresses.
fn embedded_in(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(address) = address else { return Vec::new() };
    let v4 = |high: u16, low: u16| {
        IpAddr::from(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
    };
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => vec![v4(high, low)],
        [0x2002, high, low, ..] => vec![v4(high, low)],
        [0x2001, 0, server_high, server_low, _, _, high, low] => {
            vec![v4(server_high, server_low), v4(!high, !low)]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    fn rules(allow_networks: &[&str], allow_loopback: bool) -> AddressRules {
        let network = |text: &&str| text.parse().unwrap_or_else(|_| IpNet::from(address(text)));
        AddressRules {
            allow_networks: allow_networks.iter().map(network).collect(),
            allow_loopback,
        }
    }

    /// The first and last address of every range, and the addresses just outside.
    #[test]
    fn every_ipv4_range_has_its_kind() {
        use AddressKind as Kind;
        let cases = [
            ("0.0.0.0", Some(Kind::Unspecified)),
            ("0.255.255.255", Some(Kind::Unspecified)),
            ("1.0.0.0", None),
            ("8.8.8.8", None),
            ("9.255.255.255", None),
            ("10.0.0.0", Some(Kind::Private)),
            ("10.255.255.255", Some(Kind::Private)),
            ("11.0.0.0", None),
            ("100.63.255.255", None),
            ("100.64.0.0", Some(Kind::SharedSpace)),
            ("100.100.100.200", Some(Kind::Metadata)),
            ("100.127.255.255", Some(Kind::SharedSpace)),
            ("100.128.0.0", None),
            ("126.255.255.255", None),
            ("127.0.0.0", Some(Kind::Loopback)),
            ("127.0.0.1", Some(Kind::Loopback)),
            ("127.255.255.255", Some(Kind::Loopback)),
            ("128.0.0.0", None),
            ("168.63.129.16", Some(Kind::Metadata)),
            ("168.63.129.17", None),
            ("169.253.255.255", None),
            ("169.254.0.0", Some(Kind::LinkLocal)),
            ("169.254.169.254", Some(Kind::Metadata)),
            ("169.254.255.255", Some(Kind::LinkLocal)),
            ("169.255.0.0", None),
            ("172.15.255.255", None),
            ("172.16.0.0", Some(Kind::Private)),
            ("172.31.255.255", Some(Kind::Private)),
            ("172.32.0.0", None),
            ("191.255.255.255", None),
            ("192.0.0.0", Some(Kind::Reserved)),
            ("192.0.0.192", Some(Kind::Metadata)),
            ("192.0.0.255", Some(Kind::Reserved)),
            ("192.0.1.0", None),
            ("192.0.2.0", Some(Kind::Documentation)),
            ("192.0.2.255", Some(Kind::Documentation)),
            ("192.0.3.0", None),
            ("192.88.99.1", Some(Kind::Reserved)),
            ("192.167.255.255", None),
            ("192.168.0.0", Some(Kind::Private)),
            ("192.168.255.255", Some(Kind::Private)),
            ("192.169.0.0", None),
            ("198.17.255.255", None),
            ("198.18.0.0", Some(Kind::Benchmarking)),
            ("198.19.255.255", Some(Kind::Benchmarking)),
            ("198.20.0.0", None),
            ("198.51.100.0", Some(Kind::Documentation)),
            ("198.51.101.0", None),
            ("203.0.113.255", Some(Kind::Documentation)),
            ("203.0.114.0", None),
            ("223.255.255.255", None),
            ("224.0.0.1", Some(Kind::Multicast)),
            ("239.255.255.255", Some(Kind::Multicast)),
            ("240.0.0.0", Some(Kind::Reserved)),
            ("255.255.255.254", Some(Kind::Reserved)),
            ("255.255.255.255", Some(Kind::Broadcast)),
        ];
        for (text, kind) in cases {
            assert_eq!(kind_of(address(text)), kind, "{text}");
        }
    }

    #[test]
    fn every_ipv6_range_has_its_kind() {
        use AddressKind as Kind;
        let cases = [
            ("::", Some(Kind::Unspecified)),
            ("::1", Some(Kind::Loopback)),
            ("::2", Some(Kind::Reserved)),
            // IPv4-compatible addresses are deprecated.
            ("::8.8.8.8", Some(Kind::Reserved)),
            ("::127.0.0.1", Some(Kind::Reserved)),
            // The local translators' prefix.
            ("64:ff9b:1::8.8.8.8", Some(Kind::Reserved)),
            ("64:ff9b:1:ffff::1", Some(Kind::Reserved)),
            ("64:ff9b:0:0:1::8.8.8.8", Some(Kind::Reserved)),
            ("100::1", Some(Kind::Reserved)),
            ("1fff:ffff::1", Some(Kind::Reserved)),
            ("2000::1", None),
            ("2001:1::1", Some(Kind::Reserved)),
            ("2001:2::1", Some(Kind::Benchmarking)),
            ("2001:2:1::1", Some(Kind::Reserved)),
            ("2001:20::1", Some(Kind::Reserved)),
            ("2001:1ff::1", Some(Kind::Reserved)),
            ("2001:200::1", None),
            ("2001:db7::1", None),
            ("2001:db8::1", Some(Kind::Documentation)),
            ("2001:db8:ffff::1", Some(Kind::Documentation)),
            ("2001:db9::1", None),
            ("2606:4700:4700::1111", None),
            ("3ffe::1", None),
            ("3fff::1", Some(Kind::Documentation)),
            ("3fff:fff::1", Some(Kind::Documentation)),
            ("3fff:1000::1", None),
            ("4000::1", Some(Kind::Reserved)),
            ("5f00::1", Some(Kind::Reserved)),
            ("fbff::1", Some(Kind::Reserved)),
            ("fc00::1", Some(Kind::UniqueLocal)),
            ("fd00:ec2::253", Some(Kind::UniqueLocal)),
            ("fd00:ec2::254", Some(Kind::Metadata)),
            ("fd20:ce::254", Some(Kind::Metadata)),
            ("fdff:ffff::1", Some(Kind::UniqueLocal)),
            ("fe7f::1", Some(Kind::Reserved)),
            ("fe80::1", Some(Kind::LinkLocal)),
            ("febf::1", Some(Kind::LinkLocal)),
            // Site-local addresses are deprecated.
            ("fec0::1", Some(Kind::Reserved)),
            ("ff02::1", Some(Kind::Multicast)),
            ("ffff::1", Some(Kind::Multicast)),
        ];
        for (text, kind) in cases {
            assert_eq!(kind_of(address(text)), kind, "{text}");
        }
    }

    /// `hex` is the address in hexadecimal, `inverted` the same with all bits inverted.
    #[test]
    fn an_address_with_an_embedded_ipv4_address_has_its_kind() {
        use AddressKind as Kind;
        let cases = [
            ("8.8.8.8", "808:808", "f7f7:f7f7", None),
            ("127.0.0.1", "7f00:1", "80ff:fffe", Some(Kind::Loopback)),
            ("10.0.0.1", "a00:1", "f5ff:fffe", Some(Kind::Private)),
            ("100.64.0.1", "6440:1", "9bbf:fffe", Some(Kind::SharedSpace)),
            ("169.254.169.254", "a9fe:a9fe", "5601:5601", Some(Kind::Metadata)),
            ("192.0.2.1", "c000:201", "3fff:fdfe", Some(Kind::Documentation)),
            ("0.0.0.0", "0:0", "ffff:ffff", Some(Kind::Unspecified)),
            ("255.255.255.255", "ffff:ffff", "0:0", Some(Kind::Broadcast)),
        ];
        for (v4, hex, inverted, kind) in cases {
            let addresses = [
                format!("::ffff:{v4}"),
                format!("64:ff9b::{v4}"),
                format!("2002:{hex}::1"),
                format!("2001:0:{hex}:8000:0:f7f7:f7f7"),
                format!("2001:0:808:808:8000:0:{inverted}"),
            ];
            for text in addresses {
                assert_eq!(kind_of(address(&text)), kind, "{text}");
            }
        }
    }

    #[test]
    fn an_address_that_is_not_public_is_refused_unless_it_is_listed() {
        let cases: [(&str, &[&str], bool); 16] = [
            ("8.8.8.8", &[], true),
            ("2606:4700::1", &[], true),
            ("10.1.2.3", &[], false),
            ("10.1.2.3", &["10.0.0.0/8"], true),
            ("10.1.2.3", &["10.1.2.4"], false),
            ("10.1.2.3", &["fd00::/8"], false),
            ("::ffff:10.1.2.3", &["10.0.0.0/8"], true),
            ("64:ff9b::10.1.2.3", &["10.0.0.0/8"], true),
            ("64:ff9b::10.1.2.3", &["64:ff9b::/96"], true),
            ("64:ff9b:1::1", &["64:ff9b:1::/48"], true),
            ("127.0.0.1", &["127.0.0.0/8"], true),
            ("::1", &["127.0.0.0/8"], false),
            ("169.254.169.254", &["169.254.0.0/16", "0.0.0.0/0"], false),
            ("169.254.169.254", &["169.254.169.254"], true),
            ("64:ff9b::169.254.169.254", &["::/0", "0.0.0.0/0"], false),
            ("fd00:ec2::254", &["fd00::/8"], false),
        ];
        for (text, allowed, expected) in cases {
            assert_eq!(
                rules(allowed, false).check(address(text)).is_ok(),
                expected,
                "{text} {allowed:?}"
            );
        }
    }

    #[test]
    fn allow_loopback_allows_loopback_addresses_only() {
        for text in ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(
                rules(&[], false).check(address(text)),
                Err(AddressKind::Loopback),
                "{text}"
            );
            assert_eq!(rules(&[], true).check(address(text)), Ok(()), "{text}");
        }
        for text in ["0.0.0.0", "::", "10.0.0.1", "169.254.169.254", "fe80::1"] {
            assert!(rules(&[], true).check(address(text)).is_err(), "{text}");
        }
    }
}
