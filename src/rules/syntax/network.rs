//! The networks by which rate limits and connection limits are counted.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address or an IPv6 network. Converting an address gives the smallest network that a
/// subscriber can have: the address itself for IPv4, its /64 for IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    V4(u32),
    /// The first 64 bits of the addresses, with zeros after the prefix.
    V6 {
        bits: u64,
        prefix: u8,
    },
}

/// The lengths of the IPv6 prefixes that are counted together, each with its multiple of the limit
/// of a /64. Providers assign a /64 or a /56 to a household and up to a /48 to a company, so a /48
/// must not count as 65,536 separate sources. Larger networks have higher limits, because several
/// subscribers may share them.
const PREFIXES: [(u8, u32); 3] = [(64, 1), (56, 2), (48, 4)];

impl Network {
    /// This network and the larger networks around it, each with its multiple of the limit.
    pub fn counted_networks(self) -> impl DoubleEndedIterator<Item = (Self, u32)> + Clone {
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
            Self::V6 { bits, prefix } => {
                write!(formatter, "{}/{prefix}", Ipv6Addr::from_bits(u128::from(*bits) << 64))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::from(text.parse::<IpAddr>().expect("an address"))
    }

    /// The number of counted networks that contain both addresses.
    fn shared(first: &str, second: &str) -> usize {
        let others: Vec<_> = network(second).counted_networks().collect();
        network(first).counted_networks().filter(|counted| others.contains(counted)).count()
    }

    #[test]
    fn addresses_of_one_subscriber_share_networks() {
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
        for (first, second, expected) in cases {
            assert_eq!(shared(first, second), expected, "{first} {second}");
        }
    }

    #[test]
    fn a_network_has_the_usual_notation() {
        let networks: Vec<String> = network("2001:db8:1:2ff::1")
            .counted_networks()
            .map(|(network, _)| network.to_string())
            .collect();

        assert_eq!(networks, ["2001:db8:1:2ff::/64", "2001:db8:1:200::/56", "2001:db8:1::/48"]);
        assert_eq!(network("192.0.2.1").to_string(), "192.0.2.1");
    }

    #[test]
    fn larger_networks_have_higher_limits() {
        let times: Vec<u32> =
            network("2001:db8::1").counted_networks().map(|(_, times)| times).collect();

        assert_eq!(times, [1, 2, 4]);
        assert_eq!(network("192.0.2.1").counted_networks().count(), 1);
    }
}
