//! What a client can ask for.

/// What a client asks for. Each is named by rows of `routes.rs`.
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
    /// Images from images and a text.
    ImageEdit,
    /// Speech as text.
    Transcription,
    /// Text as speech.
    Speech,
    /// A conversation in the dialect of OpenAI's Responses API.
    Responses,
    /// A conversation in the dialect of Anthropic's Messages API.
    Messages,
    /// How many tokens a request of Anthropic's Messages API has.
    CountTokens,
    /// A conversation over a WebSocket, in the dialect of OpenAI's Realtime API.
    Realtime,
    /// Something that a provider keeps: a file, a batch. By LiteLLM's name of the call.
    Stored(&'static str),
    /// A request in the provider's own dialect.
    PassThrough,
}

/// How errors are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// As OpenAI does.
    #[default]
    OpenAi,
    /// As OpenAI does in a stream of its Responses API, and elsewhere as usual.
    Responses,
    /// As Anthropic does.
    Anthropic,
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
            Self::ImageEdit => "aimage_edit",
            Self::Transcription => "atranscription",
            Self::Speech => "aspeech",
            Self::Responses => "aresponses",
            Self::Messages => "anthropic_messages",
            Self::CountTokens => "acount_tokens",
            Self::Realtime => "_arealtime",
            Self::Stored(name) => name,
            Self::PassThrough => "pass_through_endpoint",
        }
    }

    /// Where it is served below the address of a provider that speaks the dialect; nothing for
    /// what names its own path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "chat/completions",
            Self::Completion => "completions",
            Self::Embedding => "embeddings",
            Self::Rerank => "rerank",
            Self::Moderation => "moderations",
            Self::ImageGeneration => "images/generations",
            Self::ImageEdit => "images/edits",
            Self::Transcription => "audio/transcriptions",
            Self::Speech => "audio/speech",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::CountTokens => "messages/count_tokens",
            Self::Realtime => "realtime",
            Self::Stored(_) | Self::PassThrough => "",
        }
    }

    /// What is asked for at a provider's own `path`, with or without a version in front, if it is
    /// something that is known here.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        const KNOWN: &[Operation] = &[
            Operation::Chat,
            Operation::Completion,
            Operation::Embedding,
            Operation::Moderation,
            Operation::ImageGeneration,
            Operation::ImageEdit,
            Operation::Transcription,
            Operation::Speech,
            Operation::Responses,
            Operation::Messages,
            Operation::CountTokens,
        ];
        let path = path.strip_prefix("v1/").unwrap_or(path);
        KNOWN.iter().copied().find(|known| known.path() == path)
    }

    /// The field of the request that holds the content, and what it has to be.
    #[must_use]
    pub const fn content(self) -> Content {
        let (name, wanted) = match self {
            Self::Chat | Self::Messages | Self::CountTokens => ("messages", "a list"),
            Self::Completion | Self::ImageGeneration => ("prompt", "text, or a list"),
            Self::ImageEdit => ("prompt", "text"),
            Self::Embedding | Self::Moderation | Self::Responses => ("input", "text, or a list"),
            Self::Rerank => ("documents", "a list"),
            Self::Transcription => ("file", "a file"),
            Self::Speech => ("input", "text"),
            Self::Realtime | Self::Stored(_) | Self::PassThrough => ("", ""),
        };
        Content { name, wanted }
    }

    /// Whether a request without content is one all the same.
    #[must_use]
    pub const fn may_lack_content(self) -> bool {
        // A stored prompt, or the response that this one follows, may say it all.
        matches!(self, Self::Responses)
    }

    /// Whether the answer may be streamed.
    #[must_use]
    pub const fn streams(self) -> bool {
        matches!(
            self,
            Self::Chat
                | Self::Completion
                | Self::Responses
                | Self::Messages
                | Self::ImageGeneration
                | Self::ImageEdit
                | Self::Transcription
                | Self::PassThrough
        )
    }

    /// Whether it is in the dialect of chats: a stream is asked for its usage, and an answer that
    /// came whole can be given as a stream.
    #[must_use]
    pub const fn is_chat(self) -> bool {
        matches!(self, Self::Chat | Self::Completion)
    }

    /// Whether the output has a price of its own, so that a call in flight may still cost it.
    #[must_use]
    pub const fn generates(self) -> bool {
        matches!(
            self,
            Self::Chat | Self::Completion | Self::Responses | Self::Messages | Self::Realtime
        )
    }

    /// Whether tokens of text are counted where the provider does not say what was consumed.
    #[must_use]
    pub const fn is_of_text(self) -> bool {
        self.generates() || matches!(self, Self::Embedding | Self::Rerank | Self::Moderation)
    }

    /// Whether what the answer says of usage was consumed by this call. What a provider keeps says
    /// what it once consumed.
    #[must_use]
    pub const fn consumes(self) -> bool {
        !matches!(self, Self::Stored(_) | Self::CountTokens)
    }

    /// Whether the answer is passed on in the provider's own dialect, and not read as a chat's.
    #[must_use]
    pub const fn is_read_along(self) -> bool {
        self.answers_anything()
            || matches!(
                self,
                Self::ImageEdit | Self::Responses | Self::Messages | Self::CountTokens
            )
    }

    /// Whether an answer may be something else than JSON, as its head then says.
    #[must_use]
    pub const fn answers_anything(self) -> bool {
        matches!(
            self,
            Self::Transcription | Self::Speech | Self::Stored(_) | Self::PassThrough
        )
    }

    /// Whether `metadata` is for the provider; ours is then `litellm_metadata`.
    #[must_use]
    pub const fn sends_metadata(self) -> bool {
        matches!(self, Self::Responses | Self::Messages)
    }

    /// How the client is told of an error.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            Self::Responses => Dialect::Responses,
            _ => Dialect::OpenAi,
        }
    }
}

/// The field of a request that holds its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// The field; empty if there is none.
    pub name: &'static str,
    /// What it has to be, for an error.
    pub wanted: &'static str,
}

impl Content {
    /// Whether a JSON value that begins like this is what it has to be.
    #[must_use]
    pub fn is(self, first: Option<&u8>) -> bool {
        match first {
            Some(b'[') => self.wanted.ends_with("a list"),
            Some(b'"') => self.wanted.starts_with("text"),
            Some(b'{') => self.wanted == "a file",
            _ => false,
        }
    }
}
