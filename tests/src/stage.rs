//! A folder, a provider, a receiver of webhooks and a configuration: where a test plays.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use rust_decimal::Decimal;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{
    books::Books,
    client::Client,
    mock_provider::{MockProvider, Usage},
    process::{Program, tollkeeper},
    webhook_receiver::{SECRET, WebhookReceiver},
};

/// The master key of every stage.
pub const MASTER_KEY: &str = "sk-1234";
/// The key that the provider wants.
pub const PROVIDER_KEY: &str = "sk-upstream";

/// What the programs of one test share.
#[derive(Debug)]
pub struct Stage {
    /// The provider behind the models.
    pub provider: MockProvider,
    /// Where the sink `hook` delivers to.
    pub hook: WebhookReceiver,
    /// What the next program to start logs.
    pub log: String,
    folder: TempDir,
    /// Chosen by the first start, kept by the next.
    gateway_port: AtomicU16,
    collector_port: AtomicU16,
    /// What its programs find in their environment beside what this one does.
    pub environment: Vec<(&'static str, PathBuf)>,
}

/// One running process of the product.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub program: Program,
    /// Where its gateway listens, if it has one.
    pub gateway: Option<SocketAddr>,
    /// Where its collector listens, if it has one.
    pub collector: Option<SocketAddr>,
}

impl Running {
    /// A client of its gateway.
    ///
    /// # Panics
    ///
    /// If it has none.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.gateway.unwrap())
    }

    /// The books of its collector.
    ///
    /// # Panics
    ///
    /// If it has none.
    #[must_use]
    pub fn books(&self) -> Books {
        Books::new(self.collector.unwrap())
    }
}

impl Stage {
    /// A stage with the usual configuration.
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// A stage whose configuration ends with `more`.
    ///
    /// # Panics
    ///
    /// If there is no port or no disk.
    pub async fn with(more: &str) -> Self {
        let stage = Self {
            provider: MockProvider::start().await.unwrap(),
            hook: WebhookReceiver::start().await.unwrap(),
            log: "info".to_owned(),
            folder: TempDir::new().unwrap(),
            gateway_port: AtomicU16::new(0),
            collector_port: AtomicU16::new(0),
            environment: Vec::new(),
        };
        stage.configure(more);
        stage
    }

    /// Gives what starts from now on a configuration that ends with `more`.
    ///
    /// # Panics
    ///
    /// If there is no disk.
    pub fn configure(&self, more: &str) {
        let base = self.provider.base();
        let config = configuration(&base, &self.sinks()) + more + "\n";
        fs::write(self.path("config.yaml"), config).unwrap();
    }

    /// Puts `entries` in front of the models of what starts from now on.
    ///
    /// # Panics
    ///
    /// If there is no disk.
    pub fn add_models(&self, entries: &str) {
        let config = fs::read_to_string(self.path("config.yaml")).unwrap();
        let list = "model_list:\n";
        let config = config.replacen(list, &format!("{list}{entries}"), 1);
        fs::write(self.path("config.yaml"), config).unwrap();
    }

    /// A file of this stage.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts gateway and collector in one process.
    pub async fn up(&self) -> Running {
        self.start("up").await
    }

    /// Starts a gateway.
    pub async fn gateway(&self) -> Running {
        self.start("gateway").await
    }

    /// Starts a collector.
    pub async fn collector(&self) -> Running {
        self.start("collector").await
    }

    async fn start(&self, role: &str) -> Running {
        let address = |port: &AtomicU16| format!("127.0.0.1:{}", port.load(Ordering::Relaxed));
        let (listen, collector) = (address(&self.gateway_port), address(&self.collector_port));
        let (config, data) = (self.path("config.yaml"), self.path("data"));
        let mut arguments = vec![
            role,
            "--config",
            config.to_str().unwrap(),
            "--data",
            data.to_str().unwrap(),
            "--log",
            &self.log,
        ];
        if role != "collector" {
            arguments.extend(["--listen", &listen]);
        }
        if role != "gateway" {
            arguments.extend(["--collector-listen", &collector]);
        }
        let log = self.path(&format!("{role}.log"));
        let given = (&*arguments, &*self.environment);
        let mut program = Program::start_with(tollkeeper(), given, &log);
        let gateway = match role {
            "collector" => None,
            _ => Some(ready(&mut program, "gateway", &self.gateway_port).await),
        };
        let collector = match role {
            "gateway" => None,
            _ => Some(ready(&mut program, "collector", &self.collector_port).await),
        };
        Running {
            program,
            gateway,
            collector,
        }
    }

    fn sinks(&self) -> String {
        let events = self.path("events");
        format!(
            "sinks:\n  events: {{kind: file, path: \"{}\"}}\n  \
             hook: {{kind: webhook, url: \"http://{}/hook\", secret: {SECRET}}}\n\
             collector: {{egress: {{allow: [\"127.0.0.0/8\"]}}}}\n",
            events.display(),
            self.hook.address(),
        )
    }
}

/// The models of the tests in front of the provider at `base`, and what else a configuration needs.
#[must_use]
pub fn configuration(base: &str, more: &str) -> String {
    let deployment = |name: &str, model: &str, base: &str, retries: u32| {
        format!(
            "  - model_name: {name}\n    litellm_params: \
             {{model: {model}, api_base: \"{base}\", api_key: {PROVIDER_KEY}, num_retries: {retries}}}\n"
        )
    };
    let models = [
        deployment("mock", "openai/gpt-4o", base, 0),
        deployment("embed", "openai/text-embedding-3-small", base, 0),
        deployment("unpriced", "openai/a-model-that-nobody-knows", base, 0),
        deployment("stubborn", "openai/gpt-4o", base, 2),
        // Clients know what a model of this name can do.
        deployment("gpt-4o", "openai/gpt-4o", base, 0),
        deployment("thinker", "openai/o4-mini", base, 0),
        deployment("claude", "anthropic/claude-sonnet-4-5", base, 0),
        deployment("picture", "openai/gpt-image-1", base, 0),
        deployment("hear", "openai/whisper-1", base, 0),
        deployment("speak", "openai/tts-1", base, 0),
        deployment("talk", "openai/gpt-realtime", base, 0),
        deployment("judge", "openai/omni-moderation-latest", base, 0),
        deployment(
            "rank",
            "jina_ai/jina-reranker-v2-base-multilingual",
            base,
            0,
        ),
        // Nobody listens on port 1.
        deployment("gone", "openai/gpt-4o", "http://127.0.0.1:1/v1", 0),
    ];
    format!(
        "model_list:\n{}general_settings: {{master_key: {MASTER_KEY}}}\n\
         router_settings: {{num_retries: 0}}\n{more}",
        models.concat()
    )
}

/// What a call of the model `mock` must cost, computed here from the public price of gpt-4o and
/// not by the code under test.
#[must_use]
pub fn price(usage: Usage) -> Decimal {
    // USD for a million tokens: input, cached input, output.
    let (input, cached, output) = (
        Decimal::new(25, 7),
        Decimal::new(125, 8),
        Decimal::new(10, 6),
    );
    let fresh = Decimal::from(usage.prompt - usage.cached);
    fresh * input + Decimal::from(usage.cached) * cached + Decimal::from(usage.completion) * output
}

/// Waits until `who` listens and says that it is well.
async fn ready(program: &mut Program, who: &str, port: &AtomicU16) -> SocketAddr {
    let address = program.address(who).await;
    port.store(address.port(), Ordering::Relaxed);
    let client = Client::new(address);
    let deadline = Instant::now() + Duration::from_secs(60);
    while client.get("/health/readiness").await.status != 200 {
        assert!(
            Instant::now() < deadline,
            "{who} is not ready\n{}",
            program.errors()
        );
        sleep(Duration::from_millis(20)).await;
    }
    address
}
