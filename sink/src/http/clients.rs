//! The clients under the one client: one for each scheme and each version of HTTP. They connect only
//! where the policy allows, without redirects, proxies or retries.

use std::{
    error::Error as StdError,
    sync::{Arc, OnceLock},
};

use egress::{EgressError, EgressPolicy};
use reqwest::{
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

use super::{Endpoint, HttpOptions};
use crate::{SinkError, SinkErrorKind};

/// One client for each scheme, since what a name may resolve to depends on it. Those for HTTP/2 are
/// made when a sink first needs one: few do.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    https: reqwest::Client,
    plain: reqwest::Client,
    options: HttpOptions,
    https2: Arc<OnceLock<reqwest::Client>>,
    plain2: Arc<OnceLock<reqwest::Client>>,
}

impl Clients {
    /// # Errors
    ///
    /// If the machine has no CA certificates.
    pub(super) fn new(options: HttpOptions) -> Result<Self, SinkError> {
        Ok(Self {
            https: build(builder(&options, true).http1_only())?,
            plain: build(builder(&options, false).http1_only())?,
            options,
            https2: Arc::default(),
            plain2: Arc::default(),
        })
    }

    /// # Errors
    ///
    /// If there is none yet and none can be made.
    pub(super) fn get(&self, http2: bool, https: bool) -> Result<&reqwest::Client, SinkError> {
        let place = match (http2, https) {
            (false, true) => return Ok(&self.https),
            (false, false) => return Ok(&self.plain),
            (true, true) => &self.https2,
            (true, false) => &self.plain2,
        };
        if let Some(client) = place.get() {
            return Ok(client);
        }
        let made = build(builder(&self.options, https).http2_prior_knowledge())?;
        Ok(place.get_or_init(|| made))
    }
}

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

fn builder(options: &HttpOptions, https: bool) -> reqwest::ClientBuilder {
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
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, SinkError> {
    builder.build().map_err(|error| {
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
