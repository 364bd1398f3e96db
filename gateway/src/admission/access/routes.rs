//! Which routes a key may use: their paths, patterns, or LiteLLM's names for many of them.

/// What a provider's own dialect stands under; the list of `routes/rows.rs` is the same.
const OWN_DIALECTS: [&str; 6] = [
    "/openai/{*}",
    "/anthropic/{*}",
    "/gemini/{*}",
    "/cohere/{*}",
    "/mistral/{*}",
    "/vllm/{*}",
];

/// What tells of the gateway, and calls nobody.
const INFO: [&str; 6] = [
    "/models",
    "/models/{*}",
    "/model/info",
    "/model_group/info",
    "/health",
    "/utils/supported_openai_params",
];

/// Whether a key with this list may use `route`, which stands as in the table of routes. An empty
/// list has every route.
pub(super) fn may_use(list: &[event::EntityId], route: &str) -> bool {
    let mut names = list.iter().map(event::EntityId::as_str);
    list.is_empty() || names.any(|allowed| is_of(allowed, route))
}

fn is_of(allowed: &str, route: &str) -> bool {
    let route = without_version(route);
    let informs = INFO.contains(&route);
    let lists_models = route.starts_with("/models");
    let calls = (!informs && route != "/metrics") || lists_models;
    let is_anthropic = route.starts_with("/messages") || route == "/anthropic/{*}";
    match allowed {
        "llm_api_routes" => calls,
        "openai_routes" => calls && !is_anthropic && !OWN_DIALECTS.contains(&route),
        "anthropic_routes" => is_anthropic,
        "mapped_pass_through_routes" => OWN_DIALECTS.contains(&route),
        "management_routes" | "info_routes" => informs,
        allowed => {
            let allowed = without_version(allowed);
            match allowed.strip_suffix("/*") {
                Some(head) => {
                    let below = route.strip_prefix(head);
                    below.is_some_and(|below| below.starts_with('/'))
                }
                None => allowed == route,
            }
        }
    }
}

fn without_version(path: &str) -> &str {
    path.strip_prefix("/v1")
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_named_by_itself_by_a_pattern_or_with_many_others() {
        for (allowed, route, is) in [
            ("/chat/completions", "/v1/chat/completions", true),
            ("/v1/chat/completions", "/chat/completions", true),
            ("/v1/embeddings", "/v1/chat/completions", false),
            ("/v1/audio/*", "/v1/audio/speech", true),
            ("/v1/audio/*", "/v1/audios", false),
            ("/v1/audio", "/v1/audio/speech", false),
            ("/v1alpha", "/alpha", false),
            ("llm_api_routes", "/v1/embeddings", true),
            ("llm_api_routes", "/v1/models", true),
            ("llm_api_routes", "/anthropic/{*}", true),
            ("llm_api_routes", "/model/info", false),
            ("openai_routes", "/engines/{model}/chat/completions", true),
            ("openai_routes", "/v1/messages", false),
            ("openai_routes", "/gemini/{*}", false),
            ("anthropic_routes", "/v1/messages/count_tokens", true),
            ("anthropic_routes", "/v1/chat/completions", false),
            ("/anthropic/*", "/anthropic/{*}", true),
            ("management_routes", "/v1/embeddings", false),
            ("info_routes", "/v1/models", true),
            ("info_routes", "/v1/model/info", true),
            ("info_routes", "/v1/responses", false),
            ("spend_tracking_routes", "/v1/embeddings", false),
        ] {
            assert_eq!(is_of(allowed, route), is, "{allowed} {route}");
        }
        assert!(may_use(&[], "/v1/embeddings"));
    }

    #[test]
    fn own_dialects_are_those_of_the_table() {
        for dialect in OWN_DIALECTS {
            let path = dialect.replace("{*}", "x");
            let found = crate::routes::find(&path, &http::Method::GET).unwrap();
            assert_eq!(found.route.pattern, dialect);
        }
        let all = crate::routes::all().map(|route| route.pattern);
        let own = all.filter(|pattern| {
            let deep = pattern.matches('/').count() == 2 && pattern.ends_with("/{*}");
            let found = crate::routes::find(&pattern.replace("{*}", "x"), &http::Method::PUT);
            deep && found.is_ok_and(|found| {
                matches!(found.route.endpoint, crate::routes::Endpoint::Passed(..))
            })
        });
        assert_eq!(own.collect::<Vec<_>>(), OWN_DIALECTS);
    }
}
