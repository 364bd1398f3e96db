//! What names tell.

use super::*;

const CLAUDE: &str = "anthropic.claude-sonnet-4-20250514-v1:0";

#[test]
fn names_tell_model_and_route() {
    let imported = "arn:aws:bedrock:us-east-1:1:imported-model/r4";
    for (configured, id, name, route) in [
        (CLAUDE, CLAUDE, CLAUDE, "Converse"),
        ("us.meta.m-1", "us.meta.m-1", "meta.m-1", "Converse"),
        ("bedrock/nova/x", "x", "x", "Converse"),
        (
            "invoke/us.anthropic.c",
            "us.anthropic.c",
            "anthropic.c",
            "Invoke(Claude)",
        ),
        (
            "amazon.titan-t",
            "amazon.titan-t",
            "amazon.titan-t",
            "Invoke(Titan)",
        ),
        (
            "mistral.mixtral-8",
            "mistral.mixtral-8",
            "mistral.mixtral-8",
            "Invoke(Mistral)",
        ),
        (
            "converse/mistral.mixtral-8",
            "mistral.mixtral-8",
            "mistral.mixtral-8",
            "Converse",
        ),
        (
            "llama/arn:aws:bedrock:us-east-1:1:imported-model/r4",
            imported,
            "",
            "Invoke(Llama)",
        ),
        ("qwen3/arn:x", "arn:x", "", "Invoke(Other)"),
        (
            "us-east-1/1-month-commitment/cohere.r",
            "cohere.r",
            "cohere.r",
            "Converse",
        ),
    ] {
        let model = Model::of(configured, None);
        let told = (&*model.id, &*model.name, format!("{:?}", model.route));
        assert_eq!(told, (id, name, route.to_owned()), "{configured}");
    }
    assert_eq!(Model::of(CLAUDE, Some("mine".to_owned())).id, "mine");
}

#[test]
fn names_may_tell_a_region() {
    let profile = format!("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.{CLAUDE}");
    let opaque = "arn:aws:bedrock:us-west-2:1:application-inference-profile/x1";
    for (configured, name, region) in [
        (CLAUDE, CLAUDE, None),
        (&format!("converse/{profile}"), CLAUDE, Some("eu-west-1")),
        (
            &format!("us-gov-west-1/{CLAUDE}"),
            CLAUDE,
            Some("us-gov-west-1"),
        ),
        (opaque, "", Some("us-west-2")),
        ("arn:", "", None),
    ] {
        let model = Model::of(configured, None);
        assert_eq!((&*model.name, model.region.as_deref()), (name, region));
    }
}

#[test]
fn models_differ_in_what_they_can() {
    for row in [
        "anthropic.claude-sonnet-4-5-20250929-v1:0 calls chooses keeps caches Thinking",
        "anthropic.claude-3-5-sonnet-20240620-v1:0 calls chooses",
        "anthropic.claude-opus-4-7 calls chooses caches Thinking",
        "meta.llama3-3-70b-instruct-v1:0 calls",
        "meta.llama3-8b-instruct-v1:0",
        "amazon.nova-pro-v1:0 calls chooses caches",
        "us.amazon.nova-2-lite-v1:0 calls chooses caches Nova",
        "openai.gpt-oss-120b-1:0 calls chooses Plain",
        "openai.gpt-5.5 calls chooses Reasoning",
        "qwen.qwen3-32b-v1:0 calls chooses keeps",
        "arn:aws:bedrock:us-west-2:1:application-inference-profile/x calls chooses caches Thinking",
    ] {
        let name = row.split(' ').next().unwrap();
        let model = Model::of(name, None);
        let mut told = name.to_owned();
        for (can, word) in [
            (model.calls(), "calls"),
            (model.chooses(), "chooses"),
            (model.keeps_to_schemas(), "keeps"),
            (model.caches(), "caches"),
        ] {
            if can {
                told = format!("{told} {word}");
            }
        }
        if let Some(effort) = model.effort() {
            told = format!("{told} {effort:?}");
        }
        assert_eq!(told, row);
    }
}
