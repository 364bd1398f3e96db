//! What a model on Bedrock is and can do, read from its name.

use super::super::anthropic;

/// A model, and the way it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// As Bedrock knows it: a name, an inference profile or an ARN.
    pub(super) id: String,
    /// The name of the model itself, `anthropic.claude-sonnet-4-20250514-v1:0`; empty if an ARN
    /// does not tell it.
    pub(super) name: String,
    /// The region that the name or the ARN says.
    pub(super) region: Option<String>,
    /// How it is asked.
    pub(super) route: Route,
}

/// How a model is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// By the API that is the same for all models.
    Converse,
    /// In the model's own dialect.
    Invoke(Family),
}

/// Dialects of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic's Messages API.
    Claude,
    /// A prompt.
    Llama,
    /// A prompt.
    Mistral,
    /// A prompt.
    Titan,
    /// One that is not spoken here.
    Other,
}

/// Who makes models: a first label that is none of these is a geography, `us.`.
const MAKERS: &[&str] = &[
    "ai21",
    "amazon",
    "anthropic",
    "cohere",
    "deepseek",
    "google",
    "luma",
    "meta",
    "minimax",
    "mistral",
    "moonshot",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "stability",
    "twelvelabs",
    "writer",
    "xai",
    "zai",
];

/// Models that are asked in their own dialect unless the route is named.
const INVOKED: &[&str] = &["amazon.titan-", "mistral.mistral-7b", "mistral.mixtral"];

/// Models that have no tools.
const WITHOUT_TOOLS: &[&str] = &[
    "ai21.j2",
    "amazon.titan",
    "anthropic.claude-instant",
    "anthropic.claude-v",
    "cohere.command-light",
    "cohere.command-text",
    "deepseek.r1",
    "meta.llama2",
    "meta.llama3-70b",
    "meta.llama3-8b",
    "mistral.mistral-7b",
    "mistral.mixtral",
];

/// Makers whose models call what they like.
const WITHOUT_CHOICE: &[&str] = &["ai21.", "cohere.", "google.gemma-3", "meta.", "writer."];

/// Models beside Claude that keep to a schema by themselves.
const WITH_SCHEMAS: &[&str] = &[
    "deepseek.v3",
    "minimax.minimax-m2",
    "mistral.ministral-3",
    "mistral.mistral-large-3",
    "mistral.voxtral",
    "moonshot.kimi-k2",
    "nvidia.nemotron-nano-3",
    "qwen.qwen3",
    "zai.glm-5",
];

impl Model {
    /// Reads the name that stands in the configuration; `id`: what Bedrock is asked for instead.
    pub(super) fn of(configured: &str, id: Option<String>) -> Self {
        let mut rest = configured.strip_prefix("bedrock/").unwrap_or(configured);
        let mut route = None;
        let mut spoken = None;
        let mut region = None;
        while let Some((first, behind)) = rest.split_once('/') {
            match first {
                "converse" | "converse_like" | "nova" | "nova-2" => route = Some(false),
                "invoke" => route = Some(true),
                "llama" => spoken = Some(Family::Llama),
                "deepseek_r1" | "openai" | "qwen2" | "qwen3" | "moonshot" => {
                    spoken = Some(Family::Other);
                }
                place if is_place(place) => region = Some(place.to_owned()),
                term if term.ends_with("-month-commitment") => {}
                _ => break,
            }
            rest = behind;
        }
        let id = id.unwrap_or_else(|| rest.to_owned());
        let name = own_name(rest);
        let invoked = route.unwrap_or_else(|| spoken.is_some() || starts(&name, INVOKED));
        let family = spoken.unwrap_or_else(|| family(&name));
        let route = if invoked {
            Route::Invoke(family)
        } else {
            Route::Converse
        };
        let of_arn = || {
            id.strip_prefix("arn:")?
                .split(':')
                .nth(2)
                .map(str::to_owned)
        };
        Self {
            region: region.or_else(of_arn).filter(|region| !region.is_empty()),
            id,
            name,
            route,
        }
    }

    /// What Claude it is, if it is one.
    pub(super) fn claude(&self) -> Option<anthropic::Model> {
        let is_claude = self.name.starts_with("anthropic.");
        is_claude.then(|| anthropic::Model::of(&self.name))
    }

    /// Whether it may be any.
    pub(super) fn is_opaque(&self) -> bool {
        self.name.is_empty()
    }

    /// Whether it calls tools.
    pub(super) fn calls(&self) -> bool {
        !starts(&self.name, WITHOUT_TOOLS)
    }

    /// Whether it can be told which tool to call.
    pub(super) fn chooses(&self) -> bool {
        self.calls() && !starts(&self.name, WITHOUT_CHOICE)
    }

    /// Whether it streams calls of tools.
    pub(super) fn streams_calls(&self) -> bool {
        !self.name.starts_with("meta.")
    }

    /// Whether it can be asked for one call at a time.
    pub(super) fn calls_one_by_one(&self) -> bool {
        self.claude()
            .is_some_and(anthropic::Model::keeps_to_schemas)
    }

    /// Whether its tools may say that their schemas are strict.
    pub(super) fn is_strict(&self) -> bool {
        self.claude()
            .is_some_and(|claude| !claude.refuses_budgets())
    }

    /// Whether it keeps to a schema by itself.
    pub(super) fn keeps_to_schemas(&self) -> bool {
        let claude = self.claude();
        let keeps =
            |claude: anthropic::Model| claude.keeps_to_schemas() && !claude.refuses_budgets();
        claude.is_some_and(keeps) || starts(&self.name, WITH_SCHEMAS)
    }

    /// Whether prompts may be marked to be cached.
    pub(super) fn caches(&self) -> bool {
        let early = ["claude-3-5-haiku", "claude-3-5-sonnet-20241022"];
        let does = |claude: anthropic::Model| {
            claude.thinks() || early.iter().any(|name| self.name.contains(name))
        };
        let is_nova = self.name.starts_with("amazon.nova-");
        self.is_opaque() || is_nova || self.claude().is_some_and(does)
    }

    /// Whether a cached prompt may be kept for an hour.
    pub(super) fn caches_long(&self) -> bool {
        self.claude()
            .is_some_and(anthropic::Model::keeps_to_schemas)
    }

    /// Whether it takes Claude's way to say how much is thought.
    pub(super) fn thinks(&self) -> bool {
        self.is_opaque() || self.claude().is_some_and(anthropic::Model::thinks)
    }

    /// How it is told how hard to try, in its own dialect; `None` if it is not.
    pub(super) fn effort(&self) -> Option<Effort> {
        let name = &self.name;
        if name.contains("gpt-oss") || name.starts_with("deepseek.v3") {
            Some(Effort::Plain)
        } else if name.starts_with("openai.gpt-") {
            Some(Effort::Reasoning)
        } else if name.starts_with("amazon.nova-2-") {
            Some(Effort::Nova)
        } else {
            self.thinks().then_some(Effort::Thinking)
        }
    }
}

/// Ways to tell a model how hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// `reasoning_effort`.
    Plain,
    /// `reasoning.effort`.
    Reasoning,
    /// `reasoningConfig`.
    Nova,
    /// Claude's `thinking`.
    Thinking,
}

fn family(name: &str) -> Family {
    match name.split('.').next().unwrap_or_default() {
        "anthropic" => Family::Claude,
        "meta" => Family::Llama,
        "mistral" => Family::Mistral,
        "amazon" if name.starts_with("amazon.titan-") => Family::Titan,
        _ => Family::Other,
    }
}

/// The model's name without the geography that it is asked in; nothing if it is not told.
fn own_name(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or_default();
    let is_maker = |label: &str| MAKERS.contains(&label);
    match last.split_once('.') {
        Some((geography, behind)) if !is_maker(geography) => {
            let maker = behind.split('.').next().unwrap_or_default();
            if is_maker(maker) { behind } else { last }.to_owned()
        }
        Some(_) => last.to_owned(),
        None if name.starts_with("arn:") => String::new(),
        None => last.to_owned(),
    }
}

/// Whether it is the name of a region, `us-east-1`.
fn is_place(name: &str) -> bool {
    let mut parts = name.rsplit('-');
    let number = parts.next().unwrap_or_default();
    let is_number = number.len() == 1 && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        && parts.clone().count() >= 2
        && parts.all(|part| part.bytes().all(|byte| byte.is_ascii_lowercase()))
}

fn starts(name: &str, list: &[&str]) -> bool {
    list.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests;
