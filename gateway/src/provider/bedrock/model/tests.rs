//! What names tell.

use super::*;

#[test]
fn names_tell_model_route_and_region() {
    let claude = "anthropic.claude-sonnet-4-20250514-v1:0";
    let profile = format!("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.{claude}");
    let opaque = "arn:aws:bedrock:us-west-2:1:application-inference-profile/x1";
    let invoke = Route::Invoke;
    for (configured, id, name, region, route) in [
        (claude, claude, claude, None, Route::Converse),
        (
            "us.anthropic.claude-v2:1",
            "us.anthropic.claude-v2:1",
            "anthropic.claude-v2:1",
            None,
            Route::Converse,
        ),
        (
            "invoke/anthropic.claude-v2:1",
            "anthropic.claude-v2:1",
            "anthropic.claude-v2:1",
            None,
            invoke(Family::Claude),
        ),
        (
            &format!("converse/{profile}"),
            &profile,
            claude,
            Some("eu-west-1"),
            Route::Converse,
        ),
        (opaque, opaque, "", Some("us-west-2"), Route::Converse),
        (
            "us-east-1/1-month-commitment/cohere.command-r-v1:0",
            "cohere.command-r-v1:0",
            "cohere.command-r-v1:0",
            Some("us-east-1"),
            Route::Converse,
        ),
        (
            "llama/arn:aws:bedrock:us-east-1:1:imported-model/r4",
            "arn:aws:bedrock:us-east-1:1:imported-model/r4",
            "",
            Some("us-east-1"),
            invoke(Family::Llama),
        ),
        ("qwen3/arn:x", "arn:x", "", None, invoke(Family::Other)),
        (
            "amazon.titan-text-express-v1",
            "amazon.titan-text-express-v1",
            "amazon.titan-text-express-v1",
            None,
            invoke(Family::Titan),
        ),
        (
            "converse/mistral.mistral-7b-instruct-v0:2",
            "mistral.mistral-7b-instruct-v0:2",
            "mistral.mistral-7b-instruct-v0:2",
            None,
            Route::Converse,
        ),
    ] {
        let wanted = Model {
            id: id.to_owned(),
            name: name.to_owned(),
            region: region.map(str::to_owned),
            route,
        };
        assert_eq!(Model::of(configured, None), wanted, "{configured}");
    }
    assert_eq!(Model::of(claude, Some("mine".to_owned())).id, "mine");
}

#[test]
fn models_differ_in_what_they_can() {
    let model = |name: &str| Model::of(name, None);
    for (name, calls, chooses, keeps, caches, effort) in [
        (
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            true,
            true,
            true,
            true,
            Some(Effort::Thinking),
        ),
        (
            "anthropic.claude-3-5-sonnet-20240620-v1:0",
            true,
            true,
            false,
            false,
            None,
        ),
        (
            "anthropic.claude-opus-4-7",
            true,
            true,
            false,
            true,
            Some(Effort::Thinking),
        ),
        (
            "meta.llama3-3-70b-instruct-v1:0",
            true,
            false,
            false,
            false,
            None,
        ),
        (
            "meta.llama3-8b-instruct-v1:0",
            false,
            false,
            false,
            false,
            None,
        ),
        ("amazon.nova-pro-v1:0", true, true, false, true, None),
        (
            "us.amazon.nova-2-lite-v1:0",
            true,
            true,
            false,
            true,
            Some(Effort::Nova),
        ),
        (
            "openai.gpt-oss-120b-1:0",
            true,
            true,
            false,
            false,
            Some(Effort::Plain),
        ),
        ("qwen.qwen3-32b-v1:0", true, true, true, false, None),
        (
            "arn:aws:bedrock:us-west-2:1:application-inference-profile/x",
            true,
            true,
            false,
            true,
            Some(Effort::Thinking),
        ),
    ] {
        let model = model(name);
        let can = (
            model.calls(),
            model.chooses(),
            model.keeps_to_schemas(),
            model.caches(),
            model.effort(),
        );
        assert_eq!(can, (calls, chooses, keeps, caches, effort), "{name}");
    }
}
