//! The destinations that come with the collector.
//!
//! To add one: write `src/<kind>.rs` with a type that implements [`sink::Sink`] and, beside it, the
//! `Stand` it is tested on; then add its line to the list below.

macro_rules! sinks {
    ($($(#[$attribute:meta])* $module:ident :: $type:ident,)+) => {
        $($(#[$attribute])* pub mod $module;)+

        /// Every sink in this build, by name.
        pub const ALL: &[sink::Registration] =
            &[$($(#[$attribute])* sink::Registration::of::<$module::$type>(),)+];

        /// What every sink in this build is tested on. A sink without a stand does not compile.
        #[cfg(feature = "conformance")]
        pub const STANDS: &[&dyn conformance::Stand] =
            &[$($(#[$attribute])* &$module::Stand,)+];
    };
}

/// Further stands, of sinks that speak more than one dialect.
#[cfg(feature = "conformance")]
pub const DIALECTS: &[&dyn conformance::Stand] = &[
    &datadog::Logs,
    &gcs::Litellm,
    &s3::Litellm,
    &slack::Bot,
    &webhook::Litellm,
    &webhook::CloudEvents,
];

/// What the sinks of alerts share.
mod alert {
    pub(crate) mod read;
    pub(crate) mod told;
    pub(crate) mod turns;
}

/// What the sinks of Google's services share.
mod google {
    pub(crate) mod auth;
    #[cfg(feature = "conformance")]
    pub(crate) mod stand;
}

/// What the sinks of objects share.
mod object {
    #[cfg(feature = "conformance")]
    pub(crate) mod read;
    pub(crate) mod shape;
}

sinks! {
    clickhouse::ClickHouse,
    datadog::Datadog,
    discord::Discord,
    file::File,
    gcs::Gcs,
    langfuse::Langfuse,
    otel::Otel,
    pagerduty::PagerDuty,
    pubsub::Pubsub,
    s3::S3,
    slack::Slack,
    teams::Teams,
    webhook::Webhook,
}
