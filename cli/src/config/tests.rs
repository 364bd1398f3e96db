//! What users have is read; what is wrong is said with its line.

use super::*;

fn environment(name: &str) -> Option<String> {
    match name {
        "MASTER" => Some("sk-master".to_owned()),
        "OPENAI_API_KEY" => Some("sk-openai".to_owned()),
        "DD_API_KEY" => Some("dd-key".to_owned()),
        "DD_SITE" => Some("us5.datadoghq.com".to_owned()),
        "GENERIC_LOGGER_ENDPOINT" => Some("https://logs.example".to_owned()),
        "GENERIC_LOGGER_HEADERS" => Some("authorization=secret".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("config.yaml", text, &environment).map_err(|error| error.to_string())
}

fn refused(text: &str) -> String {
    parse(text).err().expect("this configuration is wrong")
}

const LITELLM: &str = "\
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: azure/my-deployment
      api_base: https://example.openai.azure.com/
      api_version: '2024-10-21'
      api_key: os.environ/AZURE_KEY
      rpm: 6
    model_info:
      base_model: azure/gpt-4o
      mode: chat
  - model_name: gpt-4o
    litellm_params:
      model: gpt-4o
      input_cost_per_token: 0.0000025
litellm_settings:
  drop_params: True
  success_callback: [langfuse]
general_settings:
  master_key: os.environ/MASTER
  database_url: postgresql://u:p@h/db
router_settings:
  routing_strategy: simple-shuffle
  num_retries: 1
sinks:
  events:
    kind: file
    path: /tmp/events
";

#[test]
fn a_litellm_file_with_our_sections_is_read() {
    let config = parse(LITELLM).unwrap();
    let [azure, openai] = config.gateway.deployments.as_slice() else {
        panic!("two deployments")
    };
    assert_eq!(azure.provider_name, "azure");
    assert_eq!(azure.base_model.as_deref(), Some("azure/gpt-4o"));
    assert_eq!(azure.api_base, "https://example.openai.azure.com");
    assert!(azure.api_key.is_none());
    assert_eq!(openai.api_key.as_ref().unwrap().expose(), "sk-openai");
    assert_eq!(
        openai.price_overrides.as_ref().unwrap().text(),
        r#"{"input_cost_per_token":2.5e-6}"#
    );
    assert_eq!(
        config.gateway.master_key.as_ref().unwrap().expose(),
        "sk-master"
    );
    assert_eq!(config.gateway.retries_max, 1);
    assert_eq!(config.sinks["events"].kind, "file");
}

#[test]
fn what_has_no_effect_is_said() {
    let warnings = parse(LITELLM).unwrap().warnings;
    let wanted = [
        "line 7: `model_list[0].litellm_params.api_key`: the variable `AZURE_KEY` is not set",
        "line 18: `litellm_settings.success_callback` is not supported here and has no effect",
        "line 21: `general_settings.database_url` is not supported here and has no effect",
    ];
    assert_eq!(warnings, wanted);
}

#[test]
fn an_unknown_key_is_an_error_with_its_line() {
    let text = "model_list:\n  - model_name: a\n    litellm_params:\n      modle: b\n";
    assert_eq!(
        refused(text),
        ":4: `model_list[0].litellm_params.modle`: unknown key, did you mean `model`?"
    );
    assert!(refused("general_settings:\n  master_kye: a\n").starts_with(":2: "));
    assert!(refused("colector: {}\n").starts_with(":1: "));
    assert!(refused("bus:\n  journal:\n    segment_byte: 1\n").starts_with(":3: "));
    assert!(refused("gateway:\n\n  head_timeout: soon\n").starts_with(":3: "));
    assert!(refused("collector:\n  settle:\n    linger: soon\n").starts_with(":3: "));
}

#[test]
fn what_is_not_yaml_is_refused_with_its_line() {
    assert!(refused("a: [1\nb: 2\n").starts_with(':'));
    assert!(refused("- 1\n").starts_with(":1: "));
    assert!(refused("bus: {}\nbus: {}\n").starts_with(":2: "));
    assert!(refused("bus: {}\n---\nbus: {}\n").contains("second document"));
}

#[test]
fn an_unknown_provider_is_told_what_there_is() {
    let text = "model_list:\n  - model_name: a\n    litellm_params: {model: nobody/x}\n";
    let error = refused(text);
    assert!(
        error.starts_with(":3: ") && error.contains("`nobody`") && error.contains("groq"),
        "{error}"
    );
}

#[test]
fn a_price_that_is_none_is_refused() {
    let text = "model_list:\n  - model_name: a\n    litellm_params:\n      model: gpt-4o\n      input_cost_per_token: -1\n";
    assert!(refused(text).starts_with(":5: "));
}

#[test]
fn two_deployments_that_differ_in_their_key_alone_are_two() {
    let text = "model_list:\n  - {model_name: a, litellm_params: {model: gpt-4o, api_key: x}}\n  - {model_name: a, litellm_params: {model: gpt-4o, api_key: y}}\n";
    let config = parse(text).unwrap();
    let [one, other] = config.gateway.deployments.as_slice() else {
        panic!("two deployments")
    };
    assert_eq!(other.id, format!("{}-2", one.id));
}

#[test]
fn a_place_is_found_again() {
    let config = parse(LITELLM).unwrap();
    assert_eq!(config.place("sinks.events"), "config.yaml:26");
    // What stands nowhere is the whole file's.
    assert_eq!(config.place("collector.prices"), "config.yaml");
}

#[test]
fn litellms_variables_for_the_price_map_count() {
    let at = |text: &str, url: &'static str, local: &'static str| {
        let environment = |name: &str| match name {
            "LITELLM_MODEL_COST_MAP_URL" => Some(url.to_owned()),
            "LITELLM_LOCAL_MODEL_COST_MAP" => Some(local.to_owned()),
            _ => None,
        };
        let config = Config::parse("config.yaml", text, &environment);
        config.map_err(|error| error.to_string()).map(|config| {
            let host = config.collector.prices.url.map(|url| url.host().to_owned());
            (host, config.warnings.len())
        })
    };
    let host = |host: &str| Some(host.to_owned());
    let set = "collector: {prices: {url: 'https://set.example/map'}}";
    let theirs = "https://theirs.example/map";
    assert_eq!(at("{}", theirs, "False"), Ok((host("theirs.example"), 0)));
    assert_eq!(at(set, theirs, ""), Ok((host("set.example"), 0)));
    assert_eq!(at("{}", theirs, "True"), Ok((None, 0)));
    assert_eq!(at(set, theirs, "true"), Ok((None, 1)));
    let refused = at("{}", "no url", "").unwrap_err();
    assert!(
        refused.contains("`LITELLM_MODEL_COST_MAP_URL`"),
        "{refused}"
    );
}

#[test]
fn discounts_and_margins_are_the_collectors() {
    let of = |text: &str| {
        parse(text).map(|config| (config.collector.prices.adjustments(), config.warnings))
    };
    let theirs = "litellm_settings:\n  cost_discount_config: {openai: 0.05}\n  \
                  cost_margin_config:\n    global: 0.1\n    openai:\n      percentage: 0.08\n      fixed_amount: 1e-3\n";
    let expected = cost_map::Adjustments::parse(
        r#"{"openai": 0.05}"#,
        r#"{"global": 0.1, "openai": {"percentage": 0.08, "fixed_amount": 0.001}}"#,
    )
    .unwrap();
    assert_eq!(of(theirs), Ok((expected.clone(), Vec::new())));
    let both = format!("{theirs}collector: {{prices: {{cost_margin_config: {{}}}}}}\n");
    let (found, warnings) = of(&both).unwrap();
    assert_eq!(found.discounts, expected.discounts);
    assert_eq!(found.margins, cost_map::Margins::default());
    let warning = "line 3: `litellm_settings.cost_margin_config` has no effect: \
                   `collector.prices.cost_margin_config` is set";
    assert_eq!(warnings, [warning]);
}

#[test]
fn a_discount_or_margin_that_is_none_is_refused_with_its_line() {
    for (text, line, words) in [
        (
            "litellm_settings:\n  cost_discount_config:\n    azure: 0.1\n    openai: 1.5\n",
            ":4: `litellm_settings.cost_discount_config.openai`: ",
            "a number from 0 to 1, found `1.5`",
        ),
        (
            "collector:\n  prices:\n    cost_margin_config:\n      global: {amount: 1}\n",
            ":4: `collector.prices.cost_margin_config.global`: ",
            "`percentage` and `fixed_amount`",
        ),
        (
            "litellm_settings:\n  cost_margin_config: 0.1\n",
            ":2: `litellm_settings.cost_margin_config`: ",
            "expected a map",
        ),
    ] {
        let error = refused(text);
        assert!(error.starts_with(line) && error.contains(words), "{error}");
    }
}

#[test]
fn secrets_do_not_show() {
    let shown = format!("{:?}", parse(LITELLM).unwrap().gateway);
    assert!(
        !shown.contains("sk-master") && !shown.contains("sk-openai"),
        "{shown}"
    );
}

#[test]
fn the_demo_is_a_configuration() {
    assert!(parse(DEMO).unwrap().warnings.is_empty());
}

#[test]
fn litellms_alerts_are_the_collectors() {
    let text = "general_settings:\n  alert_types: [budget_alerts, llm_exceptions]\n  \
                spend_report_frequency: 1d\n  alerting_args:\n    log_to_console: true\n";
    let warnings = [
        "`general_settings.alert_types: llm_exceptions` is not supported here and has no effect",
        "`general_settings.alerting_args.log_to_console` is not supported here and has no effect",
    ];
    assert_eq!(parse(text).unwrap().warnings, warnings);
    let both = format!("{text}collector: {{alerting: {{alerting_threshold: 10}}}}\n");
    let warnings = parse(&both).unwrap().warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].contains("`collector.alerting` is set"));
    for (text, line) in [
        ("general_settings:\n  alerting_threshold: soon\n", ":2: "),
        (
            "general_settings:\n  alerting_args:\n    budget_ttl: 1\n",
            ":3: ",
        ),
        ("general_settings:\n  spend_report_frequency: 5h\n", ":2: "),
        ("collector:\n  alerting:\n    alert_types: [all]\n", ":3: "),
    ] {
        let error = refused(text);
        assert!(error.starts_with(line), "{error}");
    }
}

#[test]
fn sinks_take_what_is_not_written_from_the_variables_that_litellm_takes_it_from() {
    let text = "\
sinks:
  one: {kind: datadog, site: datadoghq.eu}
  agent: {kind: datadog, agent: 'http://agent:8126'}
  litellm: {kind: webhook, dialect: litellm}
  elsewhere: {kind: webhook, dialect: litellm, url: 'https://other.example'}
  standard: {kind: webhook, url: 'https://hooks.example', secret: x}
";
    let sinks = parse(text).unwrap().sinks;
    let has = |sink: &str, setting: &str| sinks[sink].rest.get(setting).cloned();
    assert_eq!(has("one", "api_key"), Some("dd-key".into()));
    assert_eq!(has("one", "site"), Some("datadoghq.eu".into()));
    assert_eq!(has("agent", "api_key"), None);
    assert_eq!(has("litellm", "url"), Some("https://logs.example".into()));
    assert_eq!(
        has("litellm", "headers"),
        Some("authorization=secret".into())
    );
    // The headers are for that address alone.
    assert_eq!(has("elsewhere", "headers"), None);
    assert_eq!(has("standard", "headers"), None);
}
