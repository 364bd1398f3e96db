//! From which addresses clients may come, and whom to believe that says so.

use std::net::IpAddr;

use egress::Network;
use http::HeaderMap;

use super::ConfigError;

/// What a proxy in front says of the client behind it.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Networks that clients may call from (`allowed_ips`); `None`: from everywhere.
    pub allowed: Option<Vec<Network>>,
    /// Proxies that are believed what they say of their clients (`trusted_proxy_ranges`).
    pub trusted: Vec<Network>,
    /// Whether anybody is believed (`use_x_forwarded_for`).
    pub believes: bool,
}

impl Sources {
    /// Whether there is whom to believe, where somebody is to be believed.
    ///
    /// # Errors
    ///
    /// If there is not: then every client could say where it is.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.believes && self.trusted.is_empty() {
            return Err(ConfigError::at(
                "general_settings.use_x_forwarded_for",
                "needs `general_settings.trusted_proxy_ranges`, the networks of the proxies in \
                 front: without them any client could name any address as its own",
            ));
        }
        Ok(())
    }

    /// Where a client is that reached the gateway from `peer`: what the last of the proxies that are
    /// believed says.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut address = peer.to_canonical();
        if !self.believes {
            return address;
        }
        let lines = headers.get_all(FORWARDED_FOR).into_iter().rev();
        let mut named = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
        while within(&self.trusted, address) {
            // What is no address is where the chain ends: the proxy that passed it on is all we know.
            let next = named.next().map(|text| text.trim().parse::<IpAddr>());
            let Some(Ok(next)) = next else { break };
            address = next.to_canonical();
        }
        address
    }

    /// Whether clients may call from here.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        let allowed = self.allowed.as_ref();
        allowed.is_none_or(|networks| within(networks, address))
    }
}

/// Whether an address is in one of the networks.
pub(crate) fn within(networks: &[Network], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let sources = Sources {
            trusted: networks(&["10.0.0.0/8", "fd00::/8"]),
            believes: true,
            ..Sources::default()
        };
        for (peer, forwarded, client) in [
            ("10.0.0.1", &["203.0.113.9"][..], "203.0.113.9"),
            // What the client says itself stands to the left of what the proxy adds.
            ("10.0.0.1", &["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["127.0.0.1", "203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["10.0.0.3,10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["203.0.113.9, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("198.51.100.1", &["10.0.0.7"], "198.51.100.1"),
        ] {
            let mut headers = HeaderMap::new();
            for line in forwarded {
                headers.append(FORWARDED_FOR, line.parse().unwrap());
            }
            let found = sources.client(peer.parse().unwrap(), &headers);
            assert_eq!(found.to_string(), client, "{peer} {forwarded:?}");
        }
        let nobody = Sources::default();
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, "203.0.113.9".parse().unwrap());
        let found = nobody.client("10.0.0.1".parse().unwrap(), &headers);
        assert_eq!(found.to_string(), "10.0.0.1");
    }

    #[test]
    fn an_address_is_one_however_it_is_written() {
        let sources = Sources {
            allowed: Some(networks(&["10.0.0.0/8", "::1"])),
            ..Sources::default()
        };
        for (address, is) in [
            ("10.9.9.9", true),
            ("::ffff:10.9.9.9", true),
            ("::1", true),
            ("11.0.0.1", false),
            ("::2", false),
        ] {
            assert_eq!(sources.allows(address.parse().unwrap()), is, "{address}");
        }
        let none = Sources {
            allowed: Some(Vec::new()),
            ..Sources::default()
        };
        assert!(!none.allows("127.0.0.1".parse().unwrap()));
        assert!(Sources::default().allows("127.0.0.1".parse().unwrap()));
    }
}
