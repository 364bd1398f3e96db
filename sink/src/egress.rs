//! Where sinks may connect to: the public internet, and what the operator has opened.
//!
//! A user may point a sink at any URL, and the collector stands inside the network. Without a policy
//! a URL is a way to whatever the collector can reach: the cloud's metadata service, a database, a
//! neighbour's admin page. So an address is checked before a connection is made to it, and the
//! connection is made to the address that was checked: a name that resolves differently the second
//! time (DNS rebinding) gains nothing.

use std::net::IpAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde::Deserialize;

use crate::http::Endpoint;

mod address;

use self::address::{Network, Reserved, embedded, reserved};

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

    /// Checks what can be known of `endpoint` without asking DNS.
    ///
    /// # Errors
    ///
    /// If it is not allowed, whatever its host resolves to.
    pub fn check(&self, endpoint: &Endpoint) -> Result<(), EgressError> {
        let host = normal(endpoint.host());
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            return self.vet(&host, &[address], endpoint.is_https());
        }
        if METADATA_NAMES.contains(&host.as_str()) {
            return Err(EgressError::Metadata(host));
        }
        // Without networks in the list, no answer of DNS can make plain HTTP allowed.
        let may_be_plain =
            self.allow_http || self.names.contains(&host) || !self.networks.is_empty();
        if endpoint.is_https() || may_be_plain {
            Ok(())
        } else {
            Err(EgressError::PlainHttp(host))
        }
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

/// Resolves names for one scheme, and only to addresses that are allowed.
#[derive(Clone, Debug)]
pub(crate) struct VettingResolver {
    pub(crate) policy: EgressPolicy,
    pub(crate) https: bool,
}

impl Resolve for VettingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { policy, https } = self.clone();
        Box::pin(async move {
            let host = normal(name.as_str());
            let found: Vec<_> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let addresses: Vec<_> = found.iter().map(|address| address.ip()).collect();
            policy.vet(&host, &addresses, https)?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
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
