//! Names as they are written, and the entries that they find.

use proptest::prelude::*;

use super::*;

const MAP: &str = r#"{
    "gpt-4o": {"litellm_provider": "openai"},
    "ft:gpt-4o-2024-08-06": {"litellm_provider": "openai"},
    "text-davinci": {"litellm_provider": "text-completion-openai"},
    "azure/gpt-4o": {"litellm_provider": "azure"},
    "azure/gpt-5": {"litellm_provider": "azure"},
    "azure/eu/gpt-4o": {"litellm_provider": "azure"},
    "azure/global/gpt-5": {"litellm_provider": "azure"},
    "anthropic.claude-3-v1:0": {"litellm_provider": "bedrock"},
    "eu.anthropic.claude-3-v1:0": {"litellm_provider": "bedrock_converse"},
    "bedrock/us-gov-west-1/anthropic.claude-3-v1:0": {"litellm_provider": "bedrock"},
    "bedrock_mantle/openai.gpt-5.5": {"litellm_provider": "bedrock_mantle"},
    "bedrock_mantle/us-gov-west-1/openai.gpt-5.5": {"litellm_provider": "bedrock_mantle"},
    "gemini-2.5-pro": {"litellm_provider": "vertex_ai-language-models"},
    "gemini/gemini-2.5-pro": {"litellm_provider": "gemini"},
    "vertex_ai/mistral-large@latest": {"litellm_provider": "vertex_ai-mistral_models"},
    "vertex_ai/claude-opus-5@default": {"litellm_provider": "vertex_ai-anthropic_models"},
    "vertex_ai/meta/llama-4-maas": {"litellm_provider": "vertex_ai-llama_models"},
    "fireworks_ai/accounts/fireworks/models/kimi-k2": {"litellm_provider": "fireworks_ai"},
    "fireworks_ai/glm-5": {"litellm_provider": "fireworks_ai"},
    "fireworks-ai-4.1b-to-16b": {"litellm_provider": "fireworks_ai"},
    "together-ai-41.1b-80b": {"litellm_provider": "together_ai"},
    "together_ai/Qwen/Qwen3": {"litellm_provider": "together_ai"},
    "perplexity/perplexity/glm-5": {"litellm_provider": "perplexity"},
    "perplexity/sonar": {"litellm_provider": "perplexity"},
    "azure/standard/1024-x-1024/dall-e-3": {"litellm_provider": "azure"},
    "azure/hd/1024-x-1792/dall-e-3": {"litellm_provider": "azure"},
    "high/1024-x-1536/gpt-image-1.5": {"litellm_provider": "openai"},
    "1024-x-1024/gpt-image-1.5": {"litellm_provider": "openai"},
    "gpt-image-1.5": {"litellm_provider": "openai"},
    "1024-x-1024/50-steps/stability.sdxl": {"litellm_provider": "bedrock"},
    "1024-x-1024/max-steps/stability.sdxl": {"litellm_provider": "bedrock"},
    "512-x-512/50-steps/bedrock/amazon.nova-canvas": {"litellm_provider": "bedrock"},
    "fal_ai/low/1024-x-768/openai/gpt-image-2": {"litellm_provider": "fal_ai"}
}"#;

fn map() -> PriceMap {
    PriceMap::parse(MAP.as_bytes(), "test").unwrap()
}

fn found(provider: &str, region: &str, name: &str) -> (String, Option<How>) {
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let map = map();
    let found = map.resolve_in(some(provider), some(region), name);
    let how = found.map(|found| found.how);
    (
        found.map_or_else(String::new, |found| found.name.to_owned()),
        how,
    )
}

#[track_caller]
fn assert_found(provider: &str, region: &str, name: &str, entry: &str, how: How) {
    let expected = (entry.to_owned(), Some(how));
    assert_eq!(found(provider, region, name), expected, "{provider} {name}");
}

#[track_caller]
fn assert_none(provider: &str, name: &str) {
    assert_eq!(found(provider, "", name).1, None, "{provider} {name}");
}

#[test]
fn a_provider_stands_beside_or_in_front() {
    assert_found("openai", "", "gpt-4o", "gpt-4o", How::Exact);
    assert_found(
        "openai",
        "",
        "openai/gpt-4o",
        "gpt-4o",
        How::WithoutProvider,
    );
    assert_found("", "", "openai/GPT-4O", "gpt-4o", How::WithoutProvider);
    assert_found("openai", "", "GPT-4o", "gpt-4o", How::OtherCase);
    assert_found(
        "together_ai",
        "",
        "qwen/qwen3",
        "together_ai/Qwen/Qwen3",
        How::OtherCase,
    );
    assert_found("openai", "", "text-davinci", "text-davinci", How::Exact);
    assert_found("github", "", "gpt-4o", "gpt-4o", How::Exact);
    assert_found(
        "perplexity",
        "",
        "perplexity/glm-5",
        "perplexity/perplexity/glm-5",
        How::Exact,
    );
    assert_found("perplexity", "", "sonar", "perplexity/sonar", How::Exact);
    assert_none("mistral", "gpt-4o");
    assert_none("openai", "gpt-4");
    assert_none("", "");
}

#[test]
fn a_region_has_prices_of_its_own() {
    let name = "anthropic.claude-3-v1:0";
    let own = "bedrock/us-gov-west-1/anthropic.claude-3-v1:0";
    assert_found("bedrock", "us-gov-west-1", name, own, How::InRegion);
    assert_found("bedrock", "us-east-1", name, name, How::Exact);
    assert_found("azure", "eu", "gpt-4o", "azure/eu/gpt-4o", How::InRegion);
    assert_found("", "eu", "azure/gpt-4o", "azure/eu/gpt-4o", How::InRegion);
    assert_found("azure", "eu", "gpt-5", "azure/gpt-5", How::Exact);
}

#[test]
fn bedrock_names_say_the_way_to_the_model() {
    let name = "anthropic.claude-3-v1:0";
    let gov = "bedrock/us-gov-west-1/anthropic.claude-3-v1:0";
    let eu = "eu.anthropic.claude-3-v1:0";
    for (asked, entry, how) in [
        ("converse/anthropic.claude-3-v1:0", name, How::WithoutRoute),
        (
            "converse/us-east-1/anthropic.claude-3-v1:0",
            name,
            How::WithoutRoute,
        ),
        ("anthropic.claude-3-v1:0:28k", name, How::WithoutRoute),
        ("anthropic.claude-3-v1:0[1m]", name, How::WithoutRoute),
        ("us.anthropic.claude-3-v1:0", name, How::WithoutGeography),
        ("eu.anthropic.claude-3-v1:0:28k", eu, How::WithoutRoute),
        (
            "invoke/us-gov-west-1/anthropic.claude-3-v1:0",
            gov,
            How::InRegion,
        ),
        ("us-gov-west-1/anthropic.claude-3-v1:0", gov, How::Exact),
    ] {
        assert_found("bedrock", "", asked, entry, how);
        let prefixed = format!("bedrock/{asked}");
        assert_eq!(found("bedrock", "", &prefixed).0, entry, "{prefixed}");
        assert_eq!(found("", "", &prefixed).0, entry, "{prefixed}");
    }
    let arn = "arn:aws:bedrock:us-west-2::foundation-model/anthropic.claude-3-v1:0";
    assert_found("bedrock", "", arn, name, How::WithoutRoute);
    let arn = "arn:aws:bedrock:us-west-2:7:inference-profile/us.anthropic.claude-3-v1:0";
    assert_found("", "", arn, name, How::WithoutGeography);
    let arn = "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/anthropic.claude-3-v1:0";
    assert_found("bedrock", "", arn, gov, How::InRegion);
    assert_none(
        "bedrock",
        "arn:aws:bedrock:us-west-2:7:application-inference-profile/x1",
    );
}

#[test]
fn the_newer_endpoint_of_bedrock_has_entries_of_its_own() {
    let (name, plain) = ("openai.gpt-5.5", "bedrock_mantle/openai.gpt-5.5");
    let gov = "bedrock_mantle/us-gov-west-1/openai.gpt-5.5";
    assert_found("bedrock_mantle", "", name, plain, How::Exact);
    assert_found(
        "bedrock",
        "",
        &format!("mantle/{name}"),
        plain,
        How::WithoutRoute,
    );
    assert_found(
        "bedrock_mantle",
        "",
        &format!("us-east-1/{name}"),
        plain,
        How::WithoutRoute,
    );
    assert_found("bedrock_mantle", "us-gov-west-1", name, gov, How::InRegion);
}

#[test]
fn azure_deploys_in_zones() {
    assert_found("azure", "", "eu/gpt-4o", "azure/eu/gpt-4o", How::Exact);
    assert_found(
        "azure",
        "",
        "eu/gpt-4o-2024-08-06",
        "azure/eu/gpt-4o",
        How::WithoutDate,
    );
    assert_found(
        "azure",
        "",
        "global/gpt-4o",
        "azure/gpt-4o",
        How::WithoutRoute,
    );
    assert_found(
        "azure",
        "",
        "global-standard/gpt-4o-2024-08-06",
        "azure/gpt-4o",
        How::WithoutRoute,
    );
    assert_found(
        "azure",
        "",
        "global/gpt-5-2025-08-07",
        "azure/global/gpt-5",
        How::WithoutDate,
    );
    // A zone costs more than the whole world; how much, only its own entry says.
    assert_none("azure", "us/gpt-4o");
    assert_found("azure_ai", "", "gpt-4o", "gpt-4o", How::Exact);
    assert_found("azure_ai", "", "gpt-5", "azure/gpt-5", How::WithoutProvider);
}

#[test]
fn google_revises_its_models() {
    for provider in ["vertex_ai", "vertex_ai_beta"] {
        for name in [
            "gemini-2.5-pro-002",
            "gemini-2.5-pro@latest",
            "gemini-2.5-pro@20250101",
        ] {
            assert_found(provider, "", name, "gemini-2.5-pro", How::WithoutRevision);
        }
        for name in [
            "google/gemini-2.5-pro",
            "publishers/google/models/gemini-2.5-pro",
        ] {
            assert_found(provider, "", name, "gemini-2.5-pro", How::ByPath);
        }
    }
    assert_found(
        "gemini",
        "",
        "models/gemini-2.5-pro",
        "gemini/gemini-2.5-pro",
        How::ByPath,
    );
    let (latest, default) = (
        "vertex_ai/mistral-large@latest",
        "vertex_ai/claude-opus-5@default",
    );
    assert_found("vertex_ai", "", "mistral-large", latest, How::Revision);
    assert_found("vertex_ai", "", "claude-opus-5", default, How::Revision);
    assert_found(
        "vertex_ai",
        "",
        "llama-4-maas",
        "vertex_ai/meta/llama-4-maas",
        How::ByPath,
    );
    assert_none("vertex_ai", "gemini-2.5");
    assert_none("vertex_ai", "gemini-2.5-pro-02");
}

#[test]
fn snapshots_and_fine_tuned_models_have_the_price_of_their_model() {
    for name in ["gpt-4o-2031-02-03", "gpt-4o-20310203", "gpt-4o@20310203"] {
        assert_found("openai", "", name, "gpt-4o", How::WithoutDate);
    }
    let tuned = "ft:gpt-4o-2024-08-06";
    for name in [
        "ft:gpt-4o-2024-08-06:acme:name:id",
        "ft:gpt-4o-2024-08-06:acme::id",
    ] {
        assert_found("openai", "", name, tuned, How::WithoutOwner);
    }
    // What is fine-tuned costs more than its base.
    assert_none("openai", "ft:gpt-4o:acme:name:id");
    assert_none("openai", "gpt-4o-0513");
    assert_none("openai", "gpt-4o-99310203");
}

#[test]
fn fireworks_has_paths() {
    let kimi = "fireworks_ai/accounts/fireworks/models/kimi-k2";
    for name in ["kimi-k2", "models/kimi-k2", "accounts/acme/models/kimi-k2"] {
        assert_found("fireworks_ai", "", name, kimi, How::ByPath);
    }
    let deployed = "accounts/fireworks/models/kimi-k2#accounts/acme/deployments/d1";
    assert_found("fireworks_ai", "", deployed, kimi, How::ByPath);
    let path = "accounts/fireworks/models/glm-5";
    assert_found("fireworks_ai", "", path, "fireworks_ai/glm-5", How::ByPath);
}

#[test]
fn what_is_not_listed_is_priced_by_size() {
    let map = map();
    let class = |provider, name| {
        map.size_class(provider, name)
            .map(|found| (found.name, found.how))
    };
    let fireworks = Some(("fireworks-ai-4.1b-to-16b", How::SizeClass));
    assert_eq!(class(Some("fireworks_ai"), "llama-v3p1-8b"), fireworks);
    let together = Some(("together-ai-41.1b-80b", How::SizeClass));
    assert_eq!(class(None, "together_ai/mistralai/Mixtral-8x7B"), together);
    assert_eq!(class(Some("openai"), "llama-8b"), None);
    assert_eq!(class(None, "llama-8b"), None);
    // The class is known, and not in this map.
    assert_eq!(class(Some("together_ai"), "llama-8b"), None);
}

fn picture(provider: &str, model: &str, quality: &str, size: &str, steps: u64) -> String {
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let picture = Picture {
        quality: some(quality),
        size: some(size),
        steps: Some(steps).filter(|steps| *steps > 0),
    };
    let map = map();
    let found = map.resolve_picture(Some(provider), model, picture);
    found.map_or_else(String::new, |found| found.name.to_owned())
}

#[test]
fn a_picture_is_priced_by_quality_and_size() {
    let tall = "azure/hd/1024-x-1792/dall-e-3";
    assert_eq!(picture("azure", "dall-e-3", "hd", "1024x1792", 0), tall);
    assert_eq!(picture("azure", "dall-e-3", "hd", "1024x1024", 0), "");
    let usual = "azure/standard/1024-x-1024/dall-e-3";
    assert_eq!(picture("azure", "azure/dall-e-3", "", "", 0), usual);

    let image = "gpt-image-1.5";
    let high = "high/1024-x-1536/gpt-image-1.5";
    assert_eq!(picture("openai", image, "high", "1024-x-1536", 0), high);
    let dated = "openai/gpt-image-1.5-2025-12-16";
    let sized = "1024-x-1024/gpt-image-1.5";
    assert_eq!(picture("openai", dated, "low", "1024x1024", 0), sized);
    assert_eq!(picture("openai", image, "high", "auto", 0), image);
    assert_eq!(picture("openai", image, "", "", 0), image);

    let wide = "fal_ai/low/1024-x-768/openai/gpt-image-2";
    assert_eq!(
        picture("fal_ai", "openai/gpt-image-2", "low", "1024x768", 0),
        wide
    );
}

#[test]
fn a_picture_is_priced_by_steps() {
    let usual = "1024-x-1024/50-steps/stability.sdxl";
    assert_eq!(
        picture("bedrock", "stability.sdxl", "", "1024x1024", 50),
        usual
    );
    assert_eq!(picture("bedrock", "stability.sdxl", "", "", 0), usual);
    let most = "1024-x-1024/max-steps/stability.sdxl";
    assert_eq!(picture("bedrock", "stability.sdxl", "", "", 51), most);
    let canvas = "512-x-512/50-steps/bedrock/amazon.nova-canvas";
    assert_eq!(
        picture("bedrock", "amazon.nova-canvas", "", "512x512", 0),
        canvas
    );
}

#[test]
fn a_name_that_is_too_long_is_not_looked_for() {
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    assert_none("openai", &long);
    assert_none("openai", &format!("openai/{long}"));
    assert_none("bedrock", &long[1..]);
    let picture = Picture {
        quality: Some(&long),
        size: Some(&long),
        steps: None,
    };
    assert!(
        map()
            .resolve_picture(Some("openai"), &long, picture)
            .is_none()
    );
}

proptest! {
    #[test]
    fn an_entry_of_another_provider_is_never_taken(
        provider in "openai|azure|azure_ai|bedrock|vertex_ai|gemini|fireworks_ai|perplexity|x",
        region in "(eu|us-gov-west-1)?",
        name in "(openai/|bedrock/|azure/|arn:aws:|ft:|eu\\.|models/)?(gpt-4o|gemini-2.5-pro|kimi-k2|\
                 anthropic.claude-3-v1:0|glm-5|é|)(-2024-08-06|@latest|:28k|\\[1m\\]|-002|#d)?",
    ) {
        let map = map();
        if let Some(found) = map.resolve_in(Some(&provider), Some(&region), &name) {
            let theirs = family(found.entry.provider().unwrap());
            let is_azure = provider == "azure_ai" && ["azure", "openai"].contains(&theirs);
            prop_assert!(theirs == provider || is_azure, "{} {}", found.name, provider);
        }
    }

    #[test]
    fn any_name_is_found_or_not(provider in ".{0,12}", region in ".{0,12}", name in ".{0,300}") {
        let map = PriceMap::bundled();
        let picture = Picture { quality: Some(&region), size: Some(&name), steps: Some(60) };
        let _found_or_not = (
            map.resolve_in(Some(&provider), Some(&region), &name),
            map.resolve_picture(Some(&provider), &name, picture),
            map.size_class(Some("together_ai"), &name),
        );
    }
}
