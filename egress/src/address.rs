//! Which addresses are not the public internet's.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Addresses with a common prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u32,
}

impl Network {
    const fn v4(base: [u8; 4], prefix: u32) -> Self {
        Self {
            base: IpAddr::V4(Ipv4Addr::new(base[0], base[1], base[2], base[3])),
            prefix,
        }
    }

    const fn v6(base: [u16; 3], prefix: u32) -> Self {
        let base = Ipv6Addr::new(base[0], base[1], base[2], 0, 0, 0, 0, 0);
        Self {
            base: IpAddr::V6(base),
            prefix,
        }
    }

    /// Whether an address is in it. One that is written in both families is another in each.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - self.prefix).unwrap_or(0);
                base.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
                base.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// What is neither a network nor an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a network (`10.0.0.0/8`, `fd00::/8`) nor an address")]
pub struct NotANetwork(String);

impl FromStr for Network {
    type Err = NotANetwork;

    /// Reads `10.0.0.0/8`, `fd00::/8`, `127.0.0.1`.
    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.chars().take(64).collect());
        let (base, prefix) = text
            .split_once('/')
            .map_or((text, None), |(a, b)| (a, Some(b)));
        let base: IpAddr = base.parse().map_err(|_error| wrong())?;
        let full = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => full,
            Some(digits) => digits.parse().map_err(|_error| wrong())?,
        };
        if prefix > full {
            Err(wrong())
        } else {
            Ok(Self { base, prefix })
        }
    }
}

/// Why an address is not one of the public internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reserved {
    /// Hands out credentials to whoever asks from inside a cloud machine.
    Metadata,
    /// What kind it is.
    Range(&'static str),
}

impl fmt::Display for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metadata => f.write_str("cloud metadata"),
            Self::Range(kind) => f.write_str(kind),
        }
    }
}

/// Metadata services: of most clouds, AWS ECS and EKS, Alibaba, Oracle, Azure, and AWS over IPv6.
const METADATA: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
];

/// The special-purpose registries of IANA; the first that contains an address names it.
const RESERVED: &[(Network, &str)] = &[
    (Network::v4([0, 0, 0, 0], 8), "unspecified"),
    (Network::v4([10, 0, 0, 0], 8), "private"),
    (Network::v4([100, 64, 0, 0], 10), "carrier-grade NAT"),
    (Network::v4([127, 0, 0, 0], 8), "loopback"),
    (Network::v4([169, 254, 0, 0], 16), "link-local"),
    (Network::v4([172, 16, 0, 0], 12), "private"),
    (Network::v4([192, 0, 0, 0], 24), "reserved"),
    (Network::v4([192, 0, 2, 0], 24), "documentation"),
    (Network::v4([192, 88, 99, 0], 24), "6to4 relay"),
    (Network::v4([192, 168, 0, 0], 16), "private"),
    (Network::v4([198, 18, 0, 0], 15), "benchmarking"),
    (Network::v4([198, 51, 100, 0], 24), "documentation"),
    (Network::v4([203, 0, 113, 0], 24), "documentation"),
    (Network::v4([224, 0, 0, 0], 4), "multicast"),
    (Network::v4([240, 0, 0, 0], 4), "reserved"),
    (Network::v6([0xfc00, 0, 0], 7), "unique local"),
    (Network::v6([0xfe80, 0, 0], 10), "link-local"),
    (Network::v6([0xfec0, 0, 0], 10), "site-local"),
    (Network::v6([0xff00, 0, 0], 8), "multicast"),
    (Network::v6([0x2001, 0, 0], 32), "Teredo"),
    (Network::v6([0x2001, 0, 0], 23), "reserved"),
    (Network::v6([0x2001, 0xdb8, 0], 32), "documentation"),
    (Network::v6([0x3fff, 0, 0], 20), "documentation"),
];

/// Everything that is routed between networks; IANA has given out nothing else.
const PUBLIC_V6: Network = Network::v6([0x2000, 0, 0], 3);

/// What `address` is, unless it is one of the public internet. An IPv6 address that stands for an
/// IPv4 address is what that one is.
pub(super) fn reserved(address: IpAddr) -> Option<Reserved> {
    if METADATA.contains(&address) {
        return Some(Reserved::Metadata);
    }
    if let Some(inner) = embedded(address) {
        return reserved(IpAddr::V4(inner));
    }
    let named = RESERVED
        .iter()
        .find(|(network, _)| network.contains(address));
    if let Some((_, kind)) = named {
        return Some(Reserved::Range(kind));
    }
    match address {
        IpAddr::V6(address) if address.is_loopback() => Some(Reserved::Range("loopback")),
        IpAddr::V6(address) if address.is_unspecified() => Some(Reserved::Range("unspecified")),
        IpAddr::V6(_) if !PUBLIC_V6.contains(address) => Some(Reserved::Range("reserved")),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// The IPv4 address that packets to `address` end up at: IPv4-mapped, NAT64 and 6to4 forms.
pub(super) fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let [first, second, third, fourth, fifth, sixth, high, low] = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match [first, second, third, fourth, fifth, sixth] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(of(high, low)),
        [0x2002, ..] => Some(of(second, third)),
        _ => None,
    }
}
