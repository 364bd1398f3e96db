//! Connections: only where the policy allows, without redirects, proxies or retries.

use std::error::Error as StdError;

use egress::{EgressError, EgressPolicy};
use reqwest::{
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

use super::{Endpoint, HttpOptions};
use crate::{SinkError, SinkErrorKind};

/// Resolves names for one scheme, and only to addresses that are allowed.
#[derive(Clone, Debug)]
struct VettingResolver {
    policy: EgressPolicy,
    https: bool,
}

impl Resolve for VettingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { policy, https } = self.clone();
        Box::pin(async move {
            let found = policy.resolve(name.as_str(), https).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The client of one scheme.
pub(super) fn client(options: &HttpOptions, https: bool) -> Result<reqwest::Client, SinkError> {
    let builder = if https {
        reqwest::Client::builder()
    } else {
        // Reading the machine's certificates takes a while, and this one never looks at them.
        reqwest::Client::builder().tls_certs_only([])
    };
    let resolver = VettingResolver {
        policy: options.egress.clone(),
        https,
    };
    builder
        .user_agent(&options.user_agent)
        .connect_timeout(options.connect_timeout)
        .timeout(options.timeout)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        // A proxy would connect on our behalf, past the policy.
        .no_proxy()
        .https_only(https)
        .dns_resolver(resolver)
        .build()
        .map_err(|error| {
            let detail = "no HTTP client could be made: are CA certificates installed?";
            SinkError::new(SinkErrorKind::Misconfigured)
                .with_detail(detail)
                .with_source(error)
        })
}

/// What became of a request without an answer.
pub(super) fn broken(endpoint: &Endpoint, error: reqwest::Error) -> SinkError {
    let error = error.without_url();
    let mut cause: &(dyn StdError + 'static) = &error;
    loop {
        if let Some(error) = cause.downcast_ref::<EgressError>() {
            return forbidden(error);
        }
        match cause.source() {
            Some(source) => cause = source,
            None => break,
        }
    }
    let what = if error.is_timeout() {
        "did not answer in time"
    } else {
        "gave no whole answer"
    };
    let detail = format!("{endpoint} {what}: {cause}");
    SinkError::new(SinkErrorKind::Unreachable)
        .with_detail(&detail)
        .with_source(error)
}

/// A destination that the policy does not allow.
pub(super) fn forbidden(error: &EgressError) -> SinkError {
    SinkError::new(SinkErrorKind::Misconfigured).with_detail(&error.to_string())
}
