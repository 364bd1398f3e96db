//! What a client can ask a model for.

/// What a client asks a model for. Each is a row of the routes in `serve.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// A conversation, to be continued.
    Chat,
    /// A text, to be continued.
    Completion,
    /// Texts as vectors.
    Embedding,
    /// Documents in the order of their relevance to a query.
    Rerank,
    /// Whether a text is harmful.
    Moderation,
    /// Images from a text.
    ImageGeneration,
}

impl Operation {
    /// LiteLLM's name of it, as events say it.
    #[must_use]
    pub const fn call_type(self) -> &'static str {
        match self {
            Self::Chat => "acompletion",
            Self::Completion => "atext_completion",
            Self::Embedding => "aembedding",
            Self::Rerank => "arerank",
            Self::Moderation => "amoderation",
            Self::ImageGeneration => "aimage_generation",
        }
    }

    /// Where it is served below the address of a provider that speaks OpenAI's dialect.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "chat/completions",
            Self::Completion => "completions",
            Self::Embedding => "embeddings",
            Self::Rerank => "rerank",
            Self::Moderation => "moderations",
            Self::ImageGeneration => "images/generations",
        }
    }

    /// The field of the request that holds the content, and what it has to be.
    #[must_use]
    pub const fn content(self) -> Content {
        let (name, wanted) = match self {
            Self::Chat => ("messages", "a list"),
            Self::Completion | Self::ImageGeneration => ("prompt", "text, or a list"),
            Self::Embedding | Self::Moderation => ("input", "text, or a list"),
            Self::Rerank => ("documents", "a list"),
        };
        Content { name, wanted }
    }

    /// Whether the answer may be streamed.
    #[must_use]
    pub const fn streams(self) -> bool {
        matches!(self, Self::Chat | Self::Completion)
    }

    /// Whether the output has a price of its own, so that a call in flight may still cost it.
    #[must_use]
    pub const fn generates(self) -> bool {
        matches!(self, Self::Chat | Self::Completion)
    }
}

/// The field of a request that holds its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// The field.
    pub name: &'static str,
    /// What it has to be, for an error.
    pub wanted: &'static str,
}
