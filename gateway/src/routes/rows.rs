//! The rows of the routing table.

use http::Method;

use super::{Endpoint, Route};
use crate::operation::Operation;

const fn call(pattern: &'static str, operation: Operation) -> Route {
    Route {
        pattern,
        method: Some(Method::POST),
        endpoint: Endpoint::Call(operation),
    }
}

const fn tell(pattern: &'static str, endpoint: Endpoint) -> Route {
    Route {
        pattern,
        method: Some(Method::GET),
        endpoint,
    }
}

const fn managed(pattern: &'static str) -> Route {
    Route {
        pattern,
        method: None,
        endpoint: Endpoint::Managed,
    }
}

/// Who keeps files, batches and the like in OpenAI's way.
pub(crate) const KEEPERS: &[&str] = &["openai", "azure"];

const fn stored(pattern: &'static str, method: Method, call_type: &'static str) -> Route {
    Route {
        pattern,
        method: Some(method),
        endpoint: Endpoint::Passed(Operation::Stored(call_type), KEEPERS),
    }
}

const fn passed(pattern: &'static str, providers: &'static [&'static str]) -> Route {
    Route {
        pattern,
        method: None,
        endpoint: Endpoint::Passed(Operation::PassThrough, providers),
    }
}

/// A call at the four places where OpenAI's and Azure's clients look for it.
macro_rules! everywhere {
    ($path:literal, $operation:ident) => {
        [
            call(concat!("/v1/", $path), Operation::$operation),
            call(concat!("/", $path), Operation::$operation),
            call(
                concat!("/openai/deployments/{model}/", $path),
                Operation::$operation,
            ),
            call(concat!("/engines/{model}/", $path), Operation::$operation),
        ]
    };
}

/// Something stored, with `/v1` and without.
macro_rules! kept {
    ($($method:ident $path:literal $name:literal,)*) => {
        &[$(
            stored(concat!("/v1/", $path), Method::$method, $name),
            stored(concat!("/", $path), Method::$method, $name),
        )*]
    };
}

/// Calls of models.
pub(super) const CALLS: &[[Route; 4]] = &[
    everywhere!("chat/completions", Chat),
    everywhere!("completions", Completion),
    everywhere!("embeddings", Embedding),
    everywhere!("moderations", Moderation),
    everywhere!("responses", Responses),
    everywhere!("images/generations", ImageGeneration),
    everywhere!("images/edits", ImageEdit),
    everywhere!("audio/transcriptions", Transcription),
    everywhere!("audio/speech", Speech),
];

/// Calls that stand in one place or two, and what the gateway answers itself.
pub(super) const OTHERS: &[Route] = &[
    call("/v1/rerank", Operation::Rerank),
    call("/v2/rerank", Operation::Rerank),
    call("/rerank", Operation::Rerank),
    call("/v1/messages", Operation::Messages),
    call("/messages", Operation::Messages),
    call("/v1/messages/count_tokens", Operation::CountTokens),
    call("/messages/count_tokens", Operation::CountTokens),
    tell("/v1/realtime", Endpoint::Call(Operation::Realtime)),
    tell("/realtime", Endpoint::Call(Operation::Realtime)),
    tell("/v1/models", Endpoint::Models),
    tell("/models", Endpoint::Models),
    tell("/v1/model/info", Endpoint::ModelInfo),
    tell("/model/info", Endpoint::ModelInfo),
    tell("/model_group/info", Endpoint::ModelGroupInfo),
    tell("/utils/supported_openai_params", Endpoint::Parameters),
    Route {
        pattern: "/utils/token_counter",
        method: Some(Method::POST),
        endpoint: Endpoint::CountTokens,
    },
    tell("/health", Endpoint::Health),
    tell("/health/liveliness", Endpoint::Alive),
    tell("/health/liveness", Endpoint::Alive),
    tell("/health/readiness", Endpoint::Ready),
    tell("/metrics", Endpoint::Metrics),
    // Last: a model's name may have slashes.
    tell("/v1/models/{*}", Endpoint::Model),
    tell("/models/{*}", Endpoint::Model),
];

/// What the collector answers: keys and budgets, what was spent, and why it does not manage the rest.
pub(super) const MANAGED: &[Route] = &[
    managed("/key/{*}"),
    managed("/v2/key/{*}"),
    managed("/user/{*}"),
    managed("/v2/user/{*}"),
    managed("/team/{*}"),
    managed("/v2/team/{*}"),
    managed("/organization/{*}"),
    managed("/customer/{*}"),
    managed("/end_user/{*}"),
    managed("/budget/{*}"),
    managed("/tag/{*}"),
    managed("/project/{*}"),
    managed("/access_group/{*}"),
    managed("/v1/access_group"),
    managed("/v1/access_group/{*}"),
    managed("/model/{*}"),
    managed("/v2/model/info"),
    managed("/credentials"),
    managed("/credentials/{*}"),
    managed("/spend/{*}"),
    managed("/global/{*}"),
    managed("/provider/budgets"),
    managed("/audit/entities"),
];

/// What providers keep. What has no row of its own falls to the last rows.
pub(super) const STORED: &[Route] = kept! {
    GET "responses/{id}" "aget_responses",
    DELETE "responses/{id}" "adelete_responses",
    GET "responses/{id}/input_items" "alist_input_items",
    POST "responses/{id}/cancel" "acancel_responses",
    POST "files" "acreate_file",
    GET "files" "afile_list",
    GET "files/{id}" "afile_retrieve",
    DELETE "files/{id}" "afile_delete",
    GET "files/{id}/content" "afile_content",
    POST "batches" "acreate_batch",
    GET "batches" "alist_batches",
    GET "batches/{id}" "aretrieve_batch",
    POST "batches/{id}/cancel" "acancel_batch",
    POST "fine_tuning/jobs" "acreate_fine_tuning_job",
    GET "fine_tuning/jobs" "alist_fine_tuning_jobs",
    GET "fine_tuning/jobs/{id}" "aretrieve_fine_tuning_job",
    POST "fine_tuning/jobs/{id}/cancel" "acancel_fine_tuning_job",
    GET "fine_tuning/jobs/{id}/{*}" "aretrieve_fine_tuning_job",
    GET "assistants" "aget_assistants",
    POST "assistants" "acreate_assistants",
    GET "assistants/{id}" "aget_assistants",
    POST "assistants/{id}" "amodify_assistants",
    DELETE "assistants/{id}" "adelete_assistant",
    POST "threads" "acreate_thread",
    POST "threads/runs" "arun_thread",
    GET "threads/{id}" "aget_thread",
    POST "threads/{id}" "amodify_thread",
    DELETE "threads/{id}" "adelete_thread",
    POST "threads/{id}/messages" "aadd_message",
    GET "threads/{id}/messages" "aget_messages",
    POST "threads/{id}/runs" "arun_thread",
    GET "threads/{id}/{*}" "aget_thread",
    POST "threads/{id}/{*}" "amodify_thread",
    DELETE "threads/{id}/{*}" "adelete_thread",
    POST "vector_stores" "avector_store_create",
    GET "vector_stores" "avector_store_list",
    GET "vector_stores/{id}" "avector_store_retrieve",
    POST "vector_stores/{id}" "avector_store_update",
    DELETE "vector_stores/{id}" "avector_store_delete",
    POST "vector_stores/{id}/search" "avector_store_search",
    GET "vector_stores/{id}/{*}" "avector_store_file_list",
    POST "vector_stores/{id}/{*}" "avector_store_file_create",
    DELETE "vector_stores/{id}/{*}" "avector_store_file_delete",
    POST "containers" "acreate_container",
    GET "containers" "alist_containers",
    GET "containers/{id}" "aretrieve_container",
    DELETE "containers/{id}" "adelete_container",
    GET "containers/{id}/{*}" "alist_container_files",
    POST "containers/{id}/{*}" "aupload_container_file",
    DELETE "containers/{id}/{*}" "adelete_container_file",
};

/// Providers' own dialects, under their names.
pub(super) const PASSED: &[Route] = &[
    passed("/openai/{*}", KEEPERS),
    passed("/anthropic/{*}", &["anthropic"]),
    passed("/gemini/{*}", &["gemini"]),
    passed("/cohere/{*}", &["cohere", "cohere_chat"]),
    passed("/mistral/{*}", &["mistral"]),
    passed("/vllm/{*}", &["hosted_vllm", "vllm"]),
];

/// Those among [`PASSED`] whose dialect is understood here.
pub(super) const UNDERSTOOD: &[&str] =
    &["/openai/{*}", "/anthropic/{*}", "/mistral/{*}", "/vllm/{*}"];
