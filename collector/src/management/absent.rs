//! LiteLLM's routes that are not here, and what to do instead.

use crate::api::answer::Refusal;

/// The beginning of a path, and what there is in its place.
const ABSENT: [(&str, &str); 21] = [
    (
        "/credentials",
        "credentials stand in the configuration, in `litellm_params` of a model or in the environment",
    ),
    (
        "/model/",
        "models stand in the configuration, in `model_list`; `/model/info` of the gateway shows them",
    ),
    (
        "/v2/model/",
        "models stand in the configuration; `/model/info` of the gateway shows them",
    ),
    (
        "/access_group",
        "a model says which access groups it is in: `model_info.access_groups` in the configuration",
    ),
    (
        "/v1/access_group",
        "a model says which access groups it is in: `model_info.access_groups` in the configuration",
    ),
    (
        "/project",
        "there are no projects: give each a team within an organization, with a budget of its own",
    ),
    (
        "/global/spend/reset",
        "spend is what the calls in the books add up to, and is never set: give budgets a \
         `budget_duration` instead",
    ),
    (
        "/global/spend/refresh",
        "sums are kept with every call, and need no refresh",
    ),
    (
        "/config",
        "the configuration is a file: change it and start anew",
    ),
    (
        "/get/config",
        "the configuration is a file: change it and start anew",
    ),
    (
        "/guardrail",
        "there are no guardrails: put one in front of the gateway",
    ),
    (
        "/policies",
        "there are no policies: limits stand at keys, teams and users",
    ),
    ("/mcp", "MCP servers are not passed on"),
    ("/v1/mcp", "MCP servers are not passed on"),
    ("/agent", "there are no agents: give each a key of its own"),
    (
        "/v1/agents",
        "there are no agents: give each a key of its own",
    ),
    (
        "/sso",
        "there is no single sign-on: make users with `/user/new` and keys with `/key/generate`",
    ),
    (
        "/invitation",
        "nobody is invited: make users with `/user/new` and keys with `/key/generate`",
    ),
    ("/login", "there is no login: every request brings its key"),
    (
        "/prompts",
        "prompts are not kept here: send them with each request",
    ),
    (
        "/callbacks",
        "sinks stand in the configuration under `sinks`; `/sinks` tells how they fare",
    ),
];

/// What whoever asks for a route of LiteLLM's is told that is not here.
pub(crate) fn instead(path: &str) -> Option<Refusal> {
    let mut rows = ABSENT.iter();
    let (_, instead) = rows.find(|(beginning, _)| path.starts_with(beginning))?;
    Some(Refusal::not_implemented(&format!("not here: {instead}")))
}

/// What whoever asks for a path is told that leads nowhere.
pub(crate) fn absent(path: &str) -> Refusal {
    instead(path).unwrap_or_else(|| {
        let path: String = path.chars().take(100).collect();
        Refusal::not_found(&format!(
            "no route `{}` here: keys, users, teams, organizations, customers, budgets and tags have \
             `new`, `info`, `list`, `update` and `delete`; spend is told by `/spend/…` and `/global/…`",
            path.escape_debug()
        ))
    })
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn what_is_absent_says_what_there_is() {
        for (path, status) in [
            ("/credentials", 501),
            ("/model/new", 501),
            ("/project/new", 501),
            ("/global/spend/reset", 501),
            ("/key/nothing", 404),
            ("/nowhere", 404),
        ] {
            let status_of = absent(path).into_response().status();
            assert_eq!(status_of.as_u16(), status, "{path}");
        }
    }
}
