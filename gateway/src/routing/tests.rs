//! Names find their groups, calls spread over deployments, and those that fail are left alone.

use event::Timestamp;
use serde_json::{Value, json};

use super::{group::Unavailable, health::Failed, *};
use crate::error::{ApiError, ErrorClass};

const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

fn config(deployments: &[Value], router: &Value) -> Config {
    let tree = json!({ "model_list": deployments, "router_settings": router });
    let (config, warnings) = Config::from_tree(tree.as_object().unwrap()).unwrap();
    assert_eq!(warnings, []);
    config
}

fn deployment(name: &str, more: &Value) -> Value {
    let mut params = json!({ "model": "openai/gpt-4o", "api_key": "k" });
    params
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({ "model_name": name, "litellm_params": params })
}

/// Deployments of one group with their weights as names of models.
fn group(models: &[(&str, Value)], router: &Value) -> (Arc<Group>, Config) {
    let list: Vec<Value> = models
        .iter()
        .map(|(model, more)| {
            let mut more = more.clone();
            more["model"] = json!(format!("openai/{model}"));
            deployment("g", &more)
        })
        .collect();
    let config = config(&list, router);
    let found = Groups::new(&config).find("g").unwrap();
    (found.group, config)
}

fn choose(group: &Group, config: &Config, tags: &[&str]) -> Result<Arc<Member>, Unavailable> {
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    group.choose(Wanted {
        router: &config.router,
        now: NOW,
        tags: &tags,
        prompt_tokens: 1000,
        tried: &[],
    })
}

fn chosen(group: &Group, config: &Config, tags: &[&str]) -> String {
    choose(group, config, tags)
        .unwrap()
        .deployment
        .model
        .clone()
}

fn count(group: &Group, config: &Config, model: &str) -> usize {
    let times = (0..100).filter(|_| chosen(group, config, &[]) == model);
    times.count()
}

#[test]
fn a_name_is_a_group_an_alias_or_what_a_star_stands_for() {
    let list = ["a", "openai/*", "openai/gpt-*", "*"].map(|name| deployment(name, &json!({})));
    let aliases =
        json!({ "model_group_alias": { "fast": "a", "old": {"model": "a", "hidden": true} } });
    let config = config(&list, &aliases);
    let groups = Groups::new(&config);
    for (name, group, star) in [
        ("a", "a", None),
        ("fast", "a", None),
        ("old", "a", None),
        ("openai/gpt-5", "openai/gpt-*", Some("5")),
        ("openai/o3", "openai/*", Some("o3")),
        ("anything", "*", Some("anything")),
    ] {
        let found = groups.find(name).unwrap();
        assert_eq!(
            (found.group.name(), found.star.as_deref()),
            (group, star),
            "{name}"
        );
    }
    assert!(groups.names().contains(&"fast".to_owned()));
    assert!(!groups.names().contains(&"old".to_owned()));
}

#[test]
fn calls_spread_by_weight_and_a_weight_of_zero_stands_by() {
    let weights = [
        ("a", json!({"weight": 3})),
        ("b", json!({"weight": 1})),
        ("c", json!({"weight": 0})),
    ];
    let (group, config) = group(&weights, &json!({}));
    let a = count(&group, &config, "a");
    assert!((70..=80).contains(&a), "{a} of 100");
    assert_eq!(count(&group, &config, "c"), 0);
}

#[test]
fn the_lowest_order_is_asked_first() {
    let orders = [("a", json!({"order": 2})), ("b", json!({"order": 1}))];
    let (group, config) = group(&orders, &json!({}));
    assert_eq!(count(&group, &config, "b"), 100);
    let first = choose(&group, &config, &[]).unwrap();
    let wanted = Wanted {
        router: &config.router,
        now: NOW,
        tags: &[],
        prompt_tokens: 1,
        tried: &[first],
    };
    assert_eq!(group.choose(wanted).unwrap().deployment.model, "a");
}

#[test]
fn each_strategy_measures_something_else() {
    let both = |more: Value| [("a", more.clone()), ("b", more)];
    let (members, config) = group(&both(json!({})), &json!({"routing_strategy": "least-busy"}));
    let busy = choose(&members, &config, &[]).unwrap();
    let call = InFlight::begin(&busy, NOW);
    assert_ne!(chosen(&members, &config, &[]), busy.deployment.model);
    call.answered(NOW, Timestamp::from_micros(NOW.micros() + 900));
    drop(call);

    let (members, config) = group(
        &both(json!({})),
        &json!({"routing_strategy": "latency-based-routing"}),
    );
    for (member, took) in members.members().iter().zip([900, 200]) {
        let later = Timestamp::from_micros(NOW.micros() + took);
        InFlight::begin(member, NOW).answered(NOW, later);
    }
    assert_eq!(count(&members, &config, "b"), 100);

    let limits = both(json!({"tpm": 10_000, "rpm": 10}));
    let (members, config) = group(
        &limits,
        &json!({"routing_strategy": "usage-based-routing-v2"}),
    );
    for (member, tokens) in members.members().iter().zip([3000, 9500]) {
        InFlight::begin(member, NOW).consumed(tokens, NOW);
    }
    assert_eq!(count(&members, &config, "a"), 100);

    let models = [("gpt-4o", json!({})), ("gpt-4o-mini", json!({}))];
    let (members, config) = group(&models, &json!({"routing_strategy": "cost-based-routing"}));
    assert_eq!(count(&members, &config, "gpt-4o-mini"), 100);
}

#[test]
fn a_deployment_with_all_the_calls_it_may_have_is_not_asked() {
    let (group, config) = group(&[("a", json!({"max_parallel_requests": 1}))], &json!({}));
    let member = choose(&group, &config, &[]).unwrap();
    let call = InFlight::begin(&member, NOW);
    assert_eq!(
        choose(&group, &config, &[]).unwrap_err(),
        Unavailable::NoneHealthy
    );
    drop(call);
    assert!(choose(&group, &config, &[]).is_ok());
}

#[test]
fn tags_choose_and_the_default_takes_the_rest() {
    let tagged = [
        ("a", json!({"tags": ["paid"]})),
        ("b", json!({"tags": ["default"]})),
    ];
    let (members, config) = group(&tagged, &json!({"enable_tag_filtering": true}));
    assert_eq!(chosen(&members, &config, &["paid"]), "a");
    assert_eq!(chosen(&members, &config, &["other"]), "b");
    assert_eq!(chosen(&members, &config, &[]), "b");
    let (members, config) = group(
        &[("a", json!({"tags": ["paid"]}))],
        &json!({"enable_tag_filtering": true}),
    );
    assert_eq!(
        choose(&members, &config, &["free"]).unwrap_err(),
        Unavailable::Tags
    );
}

#[test]
fn prompts_are_held_against_context_windows() {
    let models = [("gpt-4", json!({})), ("gpt-4o", json!({}))];
    let (group, config) = group(&models, &json!({"enable_pre_call_checks": true}));
    let fits = |prompt_tokens| {
        let wanted = Wanted {
            router: &config.router,
            now: NOW,
            tags: &[],
            prompt_tokens,
            tried: &[],
        };
        group
            .choose(wanted)
            .map(|member| member.deployment.model.clone())
    };
    assert_eq!(fits(100_000).unwrap(), "gpt-4o");
    assert_eq!(fits(10_000_000).unwrap_err(), Unavailable::TooLong);
}

/// How many of `failures` in a row it takes until a deployment is left alone.
fn cools_after(class: ErrorClass, members: usize, router: &Value) -> Option<usize> {
    let models: Vec<(&str, Value)> = ["a", "b"]
        .iter()
        .take(members)
        .map(|name| (*name, json!({})))
        .collect();
    let (group, config) = group(&models, router);
    let member = Arc::clone(&group.members()[0]);
    let error = ApiError::new(class, "x");
    (1..=20).find(|_| {
        drop(InFlight::begin(&member, NOW));
        member.health.failed(&Failed {
            error: &error,
            deployment: &member.deployment,
            router: &config.router,
            has_others: members > 1,
            now: NOW,
        })
    })
}

#[test]
fn failures_have_a_deployment_left_alone() {
    let none = json!({});
    for (class, members, router, after) in [
        (ErrorClass::RateLimit, 2, &none, Some(1)),
        (ErrorClass::RateLimit, 1, &none, None),
        (ErrorClass::Authentication, 1, &none, None),
        (ErrorClass::Authentication, 2, &none, Some(1)),
        (ErrorClass::InternalServer, 2, &none, Some(5)),
        (ErrorClass::InternalServer, 1, &none, None),
        (ErrorClass::BadRequest, 2, &none, None),
        (ErrorClass::ApiConnection, 2, &none, None),
        (
            ErrorClass::InternalServer,
            1,
            &json!({"allowed_fails": 2}),
            Some(3),
        ),
        (
            ErrorClass::RateLimit,
            2,
            &json!({"disable_cooldowns": true}),
            None,
        ),
        (ErrorClass::RateLimit, 2, &json!({"cooldown_time": 0}), None),
        (
            ErrorClass::Timeout,
            1,
            &json!({"allowed_fails_policy": {"TimeoutAllowedFails": 0}}),
            Some(1),
        ),
    ] {
        assert_eq!(
            cools_after(class, members, router),
            after,
            "{class:?} of {members}, {router}"
        );
    }
}

#[test]
fn what_cools_down_is_asked_again_afterwards() {
    let (group, config) = group(
        &[("a", json!({"cooldown_time": 30}))],
        &json!({"allowed_fails": 0}),
    );
    let member = choose(&group, &config, &[]).unwrap();
    let error = ApiError::new(ErrorClass::RateLimit, "x");
    let failed = Failed {
        error: &error,
        deployment: &member.deployment,
        router: &config.router,
        has_others: false,
        now: NOW,
    };
    assert!(member.health.failed(&failed));
    let after = |seconds: i64| Timestamp::from_micros(NOW.micros() + seconds * 1_000_000);
    assert!(member.health.is_cooling(after(29)));
    assert!(!member.health.is_cooling(after(30)));
}

#[test]
fn each_kind_of_failure_has_its_own_way_on() {
    let router = json!({
        "fallbacks": [{"a": ["b", "c"]}, {"*": ["d"]}],
        "context_window_fallbacks": [{"a": ["long"]}],
    });
    let config = config(&[deployment("a", &json!({}))], &router);
    let request = |more: &str| {
        let body = format!(r#"{{"model":"a","messages":[]{more}}}"#);
        crate::ClientRequest::parse(crate::Operation::Chat, body.into(), 1000).unwrap()
    };
    for (more, group, class, wanted) in [
        ("", "a", ErrorClass::RateLimit, &["b", "c"][..]),
        ("", "x", ErrorClass::RateLimit, &["d"]),
        ("", "openai/a", ErrorClass::RateLimit, &["b", "c"]),
        ("", "a", ErrorClass::ContextWindowExceeded, &["long"]),
        ("", "x", ErrorClass::ContextWindowExceeded, &[]),
        ("", "a", ErrorClass::ContentPolicyViolation, &["b", "c"]),
        (
            r#","fallbacks":["e",{"model":"f"}]"#,
            "a",
            ErrorClass::Timeout,
            &["e", "f"],
        ),
        (
            r#","disable_fallbacks":true"#,
            "a",
            ErrorClass::Timeout,
            &[],
        ),
    ] {
        let found = fallbacks(&config.router, &request(more), group, class);
        assert_eq!(found, wanted, "{more} {group} {class:?}");
    }
}
