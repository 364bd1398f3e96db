//! What is known of destinations: where they are, how they want to be addressed, which names they
//! read.

use super::span::Dialect;

/// A destination that is known by name.
#[derive(Debug)]
pub(super) struct Preset {
    /// What users write.
    pub(super) name: &'static str,
    /// Where it is, by region, the default first; empty if every customer has an address of their
    /// own. `/v1/traces` and the like are put behind it.
    pub(super) regions: &'static [(&'static str, &'static str)],
    /// Whether the address is taken as it is.
    pub(super) whole_address: bool,
    /// The header for the key, and how the key is written in it.
    pub(super) key: Option<(&'static str, KeyForm)>,
    /// Headers with a fixed beginning and then a setting.
    pub(super) headers: &'static [(&'static str, &'static str, Source)],
    /// Attributes of the resource that come from settings.
    pub(super) resource: &'static [(&'static str, Source)],
    /// The names it reads.
    pub(super) dialect: Dialect,
    /// Whether it is a tool for looking at what was said.
    pub(super) content: bool,
    /// What it cannot do without.
    pub(super) needs: &'static [Source],
    /// Variables of the environment that stand in for settings.
    pub(super) variables: Variables,
}

/// Pairs of setting and variable.
pub(super) type Variables = &'static [(&'static str, &'static str)];

/// How a key is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeyForm {
    /// As it is, behind these words.
    Plain(&'static str),
    /// `Basic`: these words and the key, in base64.
    Basic(&'static str),
}

/// Which setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// None: what stands in front of it is all.
    Fixed,
    /// `api_key`.
    ApiKey,
    /// `project`.
    Project,
    /// `space`.
    Space,
}

impl Source {
    /// The setting's name.
    pub(super) const fn setting(self) -> &'static str {
        match self {
            Self::Fixed => "",
            Self::ApiKey => "api_key",
            Self::Project => "project",
            Self::Space => "space",
        }
    }
}

const PLAIN: Preset = Preset {
    name: "",
    regions: &[],
    whole_address: false,
    key: Some(("authorization", KeyForm::Plain("Bearer "))),
    headers: &[],
    resource: &[],
    dialect: Dialect::Current,
    content: false,
    needs: &[],
    variables: &[
        ("endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("headers", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("protocol", "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ("service_name", "OTEL_SERVICE_NAME"),
        ("environment", "OTEL_ENVIRONMENT_NAME"),
    ],
};

/// Any destination that speaks OTLP.
pub(super) const ANY: &Preset = &PLAIN;

/// Every destination that is known, by name.
pub(super) const ALL: &[Preset] = &[
    Preset {
        name: "arize",
        regions: &[
            ("us", "https://otlp.arize.com"),
            ("eu", "https://otlp.eu-west-1a.arize.com"),
        ],
        key: Some(("api_key", KeyForm::Plain(""))),
        headers: &[("space_id", "", Source::Space)],
        resource: &[
            ("model_id", Source::Project),
            ("openinference.project.name", Source::Project),
        ],
        dialect: Dialect::OpenInference,
        content: true,
        needs: &[Source::ApiKey, Source::Space, Source::Project],
        variables: &[
            ("api_key", "ARIZE_API_KEY"),
            ("space", "ARIZE_SPACE_ID"),
            ("space", "ARIZE_SPACE_KEY"),
        ],
        ..PLAIN
    },
    Preset {
        name: "braintrust",
        regions: &[("us", "https://api.braintrust.dev/otel")],
        headers: &[("x-bt-parent", "project_name:", Source::Project)],
        content: true,
        needs: &[Source::ApiKey, Source::Project],
        variables: &[("api_key", "BRAINTRUST_API_KEY")],
        ..PLAIN
    },
    Preset {
        name: "grafana",
        key: Some(("authorization", KeyForm::Basic(""))),
        needs: &[Source::ApiKey],
        variables: &[],
        ..PLAIN
    },
    Preset {
        name: "honeycomb",
        regions: &[
            ("us", "https://api.honeycomb.io"),
            ("eu", "https://api.eu1.honeycomb.io"),
        ],
        key: Some(("x-honeycomb-team", KeyForm::Plain(""))),
        headers: &[("x-honeycomb-dataset", "", Source::Project)],
        needs: &[Source::ApiKey],
        variables: &[],
        ..PLAIN
    },
    Preset {
        name: "langfuse",
        regions: &[
            ("eu", "https://cloud.langfuse.com/api/public/otel"),
            ("us", "https://us.cloud.langfuse.com/api/public/otel"),
            ("jp", "https://jp.cloud.langfuse.com/api/public/otel"),
            ("hipaa", "https://hipaa.cloud.langfuse.com/api/public/otel"),
        ],
        key: Some(("authorization", KeyForm::Basic(""))),
        headers: &[("x-langfuse-ingestion-version", "4", Source::Fixed)],
        content: true,
        needs: &[Source::ApiKey],
        variables: &[],
        ..PLAIN
    },
    Preset {
        name: "langsmith",
        regions: &[
            ("us", "https://api.smith.langchain.com/otel"),
            ("eu", "https://eu.api.smith.langchain.com/otel"),
        ],
        key: Some(("x-api-key", KeyForm::Plain(""))),
        headers: &[("langsmith-project", "", Source::Project)],
        content: true,
        needs: &[Source::ApiKey],
        variables: &[
            ("api_key", "LANGSMITH_API_KEY"),
            ("project", "LANGSMITH_PROJECT"),
        ],
        ..PLAIN
    },
    Preset {
        name: "logfire",
        regions: &[
            ("us", "https://logfire-us.pydantic.dev"),
            ("eu", "https://logfire-eu.pydantic.dev"),
        ],
        key: Some(("authorization", KeyForm::Plain(""))),
        content: true,
        needs: &[Source::ApiKey],
        variables: &[("api_key", "LOGFIRE_TOKEN")],
        ..PLAIN
    },
    Preset {
        name: "mlflow",
        headers: &[("x-mlflow-experiment-id", "", Source::Project)],
        content: true,
        needs: &[Source::Project],
        variables: &[("endpoint", "MLFLOW_TRACKING_URI")],
        ..PLAIN
    },
    Preset {
        name: "newrelic",
        regions: &[
            ("us", "https://otlp.nr-data.net"),
            ("eu", "https://otlp.eu01.nr-data.net"),
        ],
        key: Some(("api-key", KeyForm::Plain(""))),
        needs: &[Source::ApiKey],
        variables: &[],
        ..PLAIN
    },
    Preset {
        name: "phoenix",
        regions: &[("local", "http://localhost:6006")],
        resource: &[("openinference.project.name", Source::Project)],
        dialect: Dialect::OpenInference,
        content: true,
        variables: &[
            ("api_key", "PHOENIX_API_KEY"),
            ("endpoint", "PHOENIX_COLLECTOR_HTTP_ENDPOINT"),
            ("project", "PHOENIX_PROJECT_NAME"),
        ],
        ..PLAIN
    },
    Preset {
        name: "posthog",
        regions: &[
            ("us", "https://us.i.posthog.com/i/v0/ai/otel"),
            ("eu", "https://eu.i.posthog.com/i/v0/ai/otel"),
        ],
        whole_address: true,
        content: true,
        needs: &[Source::ApiKey],
        variables: &[("api_key", "POSTHOG_API_KEY")],
        ..PLAIN
    },
    Preset {
        name: "sentry",
        key: Some(("x-sentry-auth", KeyForm::Plain("sentry sentry_key="))),
        needs: &[Source::ApiKey],
        variables: &[],
        ..PLAIN
    },
    Preset {
        name: "signoz",
        regions: &[
            ("us", "https://ingest.us.signoz.cloud"),
            ("eu", "https://ingest.eu.signoz.cloud"),
            ("in", "https://ingest.in.signoz.cloud"),
        ],
        key: Some(("signoz-ingestion-key", KeyForm::Plain(""))),
        needs: &[Source::ApiKey],
        variables: &[],
        ..PLAIN
    },
    Preset {
        name: "weave",
        regions: &[("us", "https://trace.wandb.ai/otel")],
        key: Some(("authorization", KeyForm::Basic("api:"))),
        headers: &[("project_id", "", Source::Project)],
        content: true,
        needs: &[Source::ApiKey, Source::Project],
        variables: &[
            ("api_key", "WANDB_API_KEY"),
            ("project", "WANDB_PROJECT_ID"),
        ],
        ..PLAIN
    },
];

/// The names of all, for messages.
pub(super) fn names() -> String {
    let names: Vec<_> = ALL.iter().map(|preset| preset.name).collect();
    names.join(", ")
}
