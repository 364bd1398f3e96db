//! Settings are read whole, and wrong ones are named.

use serde_json::json;

use super::*;

fn read_tree(tree: &Value) -> Result<(Config, Vec<Warning>), ConfigError> {
    Config::from_tree(tree.as_object().unwrap())
}

#[test]
fn litellm_limits_win_over_the_defaults_of_ours() {
    let tree = json!({
        "general_settings": {"max_request_size_mb": 1, "cancel_on_disconnect": true},
        "gateway": {"response_bytes_max": "1KiB", "head_timeout": "500ms"},
        "litellm_settings": {"request_timeout": 5, "num_retries": 0},
    });
    let (config, warnings) = read_tree(&tree).unwrap();
    assert_eq!(config.settings.request_bytes_max, 1 << 20);
    assert_eq!(config.settings.response_bytes_max, 1 << 10);
    assert_eq!(config.settings.head_timeout.as_millis(), 500);
    assert_eq!(config.settings.upstream_timeout.as_secs(), 5);
    assert_eq!(config.settings.on_disconnect, OnDisconnect::Cancel);
    assert_eq!(config.retries_max, 0);
    assert!(warnings.is_empty());
}

#[test]
fn every_setting_of_ours_can_be_set() {
    let section = json!({
        "request_bytes_max": 1, "response_bytes_max": 1, "content_bytes_max": 1,
        "head_timeout": 1, "body_timeout": "1m", "write_timeout": "1s", "upstream_timeout": "1h", "drain_timeout": "0s",
        "connections_max": 1, "accounting": "best_effort", "durability": "fsync", "on_disconnect": "drain",
        "reserve_output_tokens": 1, "allow_redaction_opt_out": true,
    });
    assert!(read_tree(&json!({ "gateway": section })).is_ok());
}

#[test]
fn the_environment_says_what_a_deployment_does_not() {
    let read = |params: Value, variables: &[(&str, &str)]| {
        let tree = json!({"model_list": [{"model_name": "a", "litellm_params": params}]});
        let (mut config, _warnings) = read_tree(&tree).unwrap();
        let find = |name: &str| {
            let mut variables = variables.iter();
            let found = variables.find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        config.fill(&find).map(|()| config.deployments.remove(0))
    };
    let vllm = json!({"model": "hosted_vllm/x"});
    let base = ("HOSTED_VLLM_API_BASE", "http://host/v1/");
    let found = read(vllm.clone(), &[base, ("HOSTED_VLLM_API_KEY", "k")]).unwrap();
    assert_eq!(found.api_base, "http://host/v1");
    assert_eq!(found.api_key.unwrap().expose(), "k");
    let own = json!({"model": "hosted_vllm/x", "api_base": "http://own"});
    assert_eq!(read(own, &[base]).unwrap().api_base, "http://own");
    let error = read(vllm, &[]).unwrap_err();
    assert_eq!(error.path, "model_list[0].litellm_params.api_base");
    assert!(
        error.to_string().contains("HOSTED_VLLM_API_BASE"),
        "{error}"
    );
}

#[test]
fn a_wrong_value_is_named_with_its_path() {
    for (tree, path) in [
        (
            json!({"gateway": {"head_timeout": "soon"}}),
            "gateway.head_timeout",
        ),
        (
            json!({"gateway": {"accounting": "maybe"}}),
            "gateway.accounting",
        ),
        (
            json!({"gateway": {"head_timeuot": "1s"}}),
            "gateway.head_timeuot",
        ),
        (json!({"gateway": []}), "gateway"),
        (
            json!({"general_settings": {"master_key": null}}),
            "general_settings.master_key",
        ),
        (
            json!({"general_settings": {"master_key": ""}}),
            "general_settings.master_key",
        ),
        (json!({"model_list": {}}), "model_list"),
        (
            json!({"model_list": [{"litellm_params": {}}]}),
            "model_list[0]",
        ),
        (
            json!({"model_list": [{"model_name": "a", "litellm_params":
                {"model": "gpt-4o", "extra_headers": {"a b": "c"}}}]}),
            "model_list[0].litellm_params.extra_headers.a b",
        ),
    ] {
        let error = read_tree(&tree).unwrap_err();
        assert_eq!(error.path, path, "{tree}: {error}");
    }
}

#[test]
fn a_deployments_id_outlives_its_key() {
    let with_key = |key: &str| {
        let params = json!({"model": "gpt-4o", "api_key": key});
        let tree = json!({"model_list": [{"model_name": "a", "litellm_params": params}]});
        read_tree(&tree).unwrap().0.deployments[0].id.clone()
    };
    assert_eq!(with_key("sk-1"), with_key("sk-2"));
}

#[test]
fn a_deployments_id_does_not_depend_on_the_order_of_its_settings() {
    let id = |params: &str| {
        let params: Value = serde_json::from_str(params).unwrap();
        let tree = json!({"model_list": [{"model_name": "a", "litellm_params": params}]});
        read_tree(&tree).unwrap().0.deployments[0].id.clone()
    };
    let one = id(r#"{"model": "m", "extra_headers": {"a": "1", "b": "2"}, "timeout": 3}"#);
    let other = id(r#"{"timeout": 3, "extra_headers": {"b": "2", "a": "1"}, "model": "m"}"#);
    assert_eq!(one, other);
}

#[test]
fn what_other_providers_need_is_a_warning_until_they_are_served() {
    let params = json!({"model": "gpt-4o", "aws_region_name": "eu-west-1", "tag_regex": ["a"]});
    let tree = json!({"model_list": [{"model_name": "a", "litellm_params": params}]});
    let paths: Vec<String> = read_tree(&tree)
        .unwrap()
        .1
        .into_iter()
        .map(|one| one.path)
        .collect();
    assert_eq!(
        paths,
        [
            "model_list[0].litellm_params.aws_region_name",
            "model_list[0].litellm_params.tag_regex"
        ]
    );
}

#[test]
fn a_deployments_headers_do_not_show() {
    let params = json!({"model": "gpt-4o", "extra_headers": {"authorization": "Bearer canary"}});
    let tree = json!({"model_list": [{"model_name": "a", "litellm_params": params}]});
    let shown = format!("{:?}", read_tree(&tree).unwrap().0);
    assert!(
        shown.contains("authorization") && !shown.contains("canary"),
        "{shown}"
    );
}
