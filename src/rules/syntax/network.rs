//! The networks that limits count by.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address, or a network of IPv6 addresses. Made from an address, it is the smallest network that a subscriber has:
/// the address itself for IPv4, the /64 for IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    V4(u32),
    /// The first 64 bits of the addresses, zeros behind the prefix.
    V6 {
        bits: u64,
        prefix: u8,
    },
}

/// Lengths of the IPv6 prefixes that are counted together, and how many times the limit of a /64 each may use. A provider
/// gives a household a /64 or a /56 and a company up to a /48, so somebody who controls a /48 must not count as 65,536
/// sources. The larger networks may use more, because several subscribers may share them.
const PREFIXES: [(u8, u32); 3] = [(64, 1), (56, 2), (48, 4)];

impl Network {
    /// This network and the larger ones around it, with the multiple of the limit that each may use.
    pub fn counted(self) -> impl DoubleEndedIterator<Item = (Self, u32)> + Clone {
        let prefixes = match self {
            Self::V4(_) => &PREFIXES[..1],
            Self::V6 { .. } => &PREFIXES[..],
        };
        prefixes.iter().map(move |(prefix, times)| (self.within(*prefix), *times))
    }

    fn within(self, prefix: u8) -> Self {
        match self {
            Self::V4(_) => self,
            Self::V6 { bits, .. } => Self::V6 { bits: bits & (u64::MAX << (64 - prefix)), prefix },
        }
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6 { bits: (address.to_bits() >> 64) as u64, prefix: 64 },
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(bits) => write!(formatter, "{}", Ipv4Addr::from_bits(*bits)),
            Self::V6 { bits, prefix } => write!(formatter, "{}/{prefix}", Ipv6Addr::from_bits(u128::from(*bits) << 64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::from(text.parse::<IpAddr>().expect("an address"))
    }

    /// How many of the networks that are counted hold both addresses.
    fn shared(one: &str, other: &str) -> usize {
        let others: Vec<_> = network(other).counted().collect();
        network(one).counted().filter(|counted| others.contains(counted)).count()
    }

    #[test]
    fn addresses_of_one_subscriber_share_the_networks_around_them() {
        let cases = [
            ("2001:db8::1", "2001:db8::ffff:1", 3),
            ("2001:db8::1", "2001:db8:0:1::1", 2),
            ("2001:db8::1", "2001:db8:0:ff::1", 2),
            ("2001:db8::1", "2001:db8:0:100::1", 1),
            ("2001:db8::1", "2001:db8:0:ffff::1", 1),
            ("2001:db8::1", "2001:db8:1::1", 0),
            ("192.0.2.1", "192.0.2.1", 1),
            ("192.0.2.1", "::ffff:192.0.2.1", 1),
            ("192.0.2.1", "192.0.2.2", 0),
        ];
        for (one, other, expected) in cases {
            assert_eq!(shared(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn a_network_is_shown_as_people_write_it() {
        let shown: Vec<String> =
            network("2001:db8:1:2ff::1").counted().map(|(network, _)| network.to_string()).collect();

        assert_eq!(shown, ["2001:db8:1:2ff::/64", "2001:db8:1:200::/56", "2001:db8:1::/48"]);
        assert_eq!(network("192.0.2.1").to_string(), "192.0.2.1");
    }

    #[test]
    fn a_larger_network_may_use_more() {
        let times: Vec<u32> = network("2001:db8::1").counted().map(|(_, times)| times).collect();

        assert_eq!(times, [1, 2, 4]);
        assert_eq!(network("192.0.2.1").counted().count(), 1);
    }
}
