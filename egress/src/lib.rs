//! Where URLs of users may lead: the public internet, and what the operator has opened.
//!
//! A user may point a sink at any URL, or name any image in a request, and the collector and the
//! gateway stand inside the network. Without a policy a URL is a way to whatever they can reach:
//! the cloud's metadata service, a database, a neighbour's admin page. So an address is checked
//! before a connection is made to it, and the connection is made to the address that was checked: a
//! name that resolves differently the second time (DNS rebinding) gains nothing.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use serde::Deserialize;

mod address;

pub use self::address::{Network, NotANetwork};
use self::address::{Reserved, embedded, reserved};

/// Which destinations are allowed. The default is `https` to the public internet.
///
/// As configuration: `{ allow: ["10.1.0.0/16", "hooks.internal"], allow_http: false }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "EgressConfig")]
pub struct EgressPolicy {
    networks: Vec<Network>,
    names: Vec<String>,
    allow_http: bool,
}

/// What a user may write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EgressConfig {
    /// Networks, addresses and host names that are allowed although they are not public. What is
    /// named here may also be reached over plain `http`.
    pub allow: Vec<String>,
    /// Whether plain `http` is allowed to everywhere.
    pub allow_http: bool,
}

/// A destination that is not allowed, and the setting that would allow it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// An entry of `egress.allow` that cannot be read.
    #[error(
        "`egress.allow`: `{0}` is neither a network (`10.0.0.0/8`), an address nor a host name"
    )]
    Entry(String),
    /// Plain HTTP.
    #[error(
        "`{0}` would be reached over plain `http`: use `https`, name it in `egress.allow`, or set \
         `egress.allow_http`"
    )]
    PlainHttp(String),
    /// An address that is not public.
    #[error(
        "`{host}` is at {address}, which is {kind}: sinks may go there only if `egress.allow` names \
         `{address}`, its network or `{host}`"
    )]
    NotPublic {
        /// The host of the URL.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// What kind of address that is.
        kind: String,
    },
    /// A cloud's metadata service.
    #[error(
        "`{0}` is a cloud's metadata service: no sink may go there, whatever `egress.allow` says"
    )]
    Metadata(String),
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// DNS does not know it.
    #[error("the host's address could not be found")]
    Unknown(#[source] io::Error),
    /// It leads where it may not.
    #[error("the host's address is not allowed")]
    Forbidden(#[from] EgressError),
}

/// Names of metadata services, whatever they resolve to.
const METADATA_NAMES: &[&str] = &[
    "instance-data",
    "instance-data.ec2.internal",
    "metadata",
    "metadata.azure.com",
    "metadata.azure.internal",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.tencentyun.com",
];

impl TryFrom<EgressConfig> for EgressPolicy {
    type Error = EgressError;

    fn try_from(config: EgressConfig) -> Result<Self, EgressError> {
        let mut policy = Self {
            allow_http: config.allow_http,
            ..Self::default()
        };
        for entry in config.allow {
            if let Ok(network) = entry.parse() {
                policy.networks.push(network);
            } else if is_name(&entry) {
                policy.names.push(normal(&entry));
            } else {
                return Err(EgressError::Entry(entry));
            }
        }
        Ok(policy)
    }
}

impl EgressPolicy {
    /// The public internet and this machine: for tests and for trying things out.
    #[must_use]
    pub fn with_loopback() -> Self {
        let networks = ["127.0.0.0/8", "::1"]
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect();
        Self {
            networks,
            names: vec!["localhost".to_owned()],
            allow_http: false,
        }
    }

    /// The public internet, also over plain `http`: for what users name in requests.
    #[must_use]
    pub fn public() -> Self {
        Self {
            allow_http: true,
            ..Self::default()
        }
    }

    /// Everything but the metadata services of clouds.
    #[must_use]
    pub fn anywhere() -> Self {
        let networks = ["0.0.0.0/0", "::/0"];
        Self {
            networks: networks
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect(),
            names: Vec::new(),
            allow_http: true,
        }
    }

    /// Checks what can be known of `host`, a name or an address, without asking DNS.
    ///
    /// # Errors
    ///
    /// If it is not allowed, whatever it resolves to.
    pub fn check(&self, host: &str, https: bool) -> Result<(), EgressError> {
        let host = normal(host);
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            return self.vet(&host, &[address], https);
        }
        if METADATA_NAMES.contains(&host.as_str()) {
            return Err(EgressError::Metadata(host));
        }
        // Without networks in the list, no answer of DNS can make plain HTTP allowed.
        let may_be_plain =
            self.allow_http || self.names.contains(&host) || !self.networks.is_empty();
        if https || may_be_plain {
            Ok(())
        } else {
            Err(EgressError::PlainHttp(host))
        }
    }

    /// Asks DNS where `host` is, and whether connections may go there. The port of each address
    /// is 0.
    ///
    /// # Errors
    ///
    /// If nobody knows the name, or it leads where it may not.
    pub async fn resolve(&self, host: &str, https: bool) -> Result<Vec<SocketAddr>, ResolveError> {
        let host = normal(host);
        let found = tokio::net::lookup_host((host.as_str(), 0)).await;
        let found: Vec<_> = found.map_err(ResolveError::Unknown)?.collect();
        let addresses: Vec<_> = found.iter().map(|address| address.ip()).collect();
        self.vet(&host, &addresses, https)?;
        Ok(found)
    }

    /// Checks where `host` really is. One address that is not allowed is enough: nobody can say
    /// which of them a connection would take.
    fn vet(&self, host: &str, addresses: &[IpAddr], https: bool) -> Result<(), EgressError> {
        let named = self.names.iter().any(|name| name == host);
        for &address in addresses {
            let kind = reserved(address);
            if kind == Some(Reserved::Metadata) {
                return Err(EgressError::Metadata(host.to_owned()));
            }
            let inner = embedded(address).map(IpAddr::V4);
            let listed = |network: &Network| {
                network.contains(address) || inner.is_some_and(|inner| network.contains(inner))
            };
            if named || self.networks.iter().any(listed) {
                continue;
            }
            if let Some(kind) = kind {
                let (host, kind) = (host.to_owned(), kind.to_string());
                return Err(EgressError::NotPublic {
                    host,
                    address,
                    kind,
                });
            }
            if !https && !self.allow_http {
                return Err(EgressError::PlainHttp(host.to_owned()));
            }
        }
        Ok(())
    }
}

/// Names are the same without regard to case and to the dot of the root.
fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty()
        && text.bytes().all(fits)
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests;
