//! `/model/info` and `/model_group/info`: what is known of deployments, in LiteLLM's shape, without
//! their secrets.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::LazyLock,
};

use cost_map::PriceMap;
use event::Json;
use serde_json::{Value, json, value::RawValue};

use crate::{admission::Lists, config::Deployment, gateway::Shared, payload, routing::Member};

/// The fields of an entry of the price map, as they are written there.
type Fields = BTreeMap<String, Box<RawValue>>;

/// The entries of the map that is compiled in, as they are written there: capabilities are read by
/// nobody but clients.
static ENTRIES: LazyLock<HashMap<&str, &RawValue>> =
    LazyLock::new(|| serde_json::from_slice(PriceMap::bundled_json()).unwrap_or_default());

/// The deployments of the model `wanted`, or of all that the lists have.
pub(super) fn deployments(shared: &Shared, lists: &Lists<'_>, wanted: Option<&str>) -> Json {
    let is_wanted = |member: &&Member| {
        let deployment = &member.deployment;
        let denied = lists.denied(&shared.groups, &deployment.model_name);
        denied.is_none()
            && wanted.is_none_or(|name| deployment.model_name == name || deployment.id == name)
    };
    let members = shared.groups.members().map(|member| &**member);
    let data: Vec<Value> = members
        .filter(is_wanted)
        .map(|member| deployment(&member.deployment))
        .collect();
    Json::of(&json!({ "data": data }))
}

fn deployment(deployment: &Deployment) -> Value {
    let mut params = json!({
        "model": payload::qualified(deployment),
        "custom_llm_provider": deployment.provider_name,
        "api_base": deployment.api_base,
        "weight": deployment.weight,
        "order": deployment.order,
        "tags": deployment.tags,
    });
    let optional = [
        ("api_version", json!(deployment.api_version)),
        ("rpm", json!(deployment.rpm)),
        ("tpm", json!(deployment.tpm)),
        (
            "max_parallel_requests",
            json!(deployment.max_parallel_requests),
        ),
        ("num_retries", json!(deployment.retries_max)),
        (
            "timeout",
            json!(deployment.timeout.map(|time| time.as_secs())),
        ),
        (
            "stream_timeout",
            json!(deployment.stream_timeout.map(|time| time.as_secs())),
        ),
    ];
    if let Some(params) = params.as_object_mut() {
        for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_null()) {
            params.insert(name.to_owned(), value);
        }
    }
    json!({
        "model_name": deployment.model_name,
        "litellm_params": params,
        "model_info": info(deployment),
    })
}

/// What the price map says, under what the deployment says.
fn info(deployment: &Deployment) -> Fields {
    let (key, mut fields) = entry(deployment);
    let own = deployment.price_overrides.as_ref();
    let own: Option<Fields> = own.and_then(Json::read);
    fields.extend(own.into_iter().flatten());
    let mut set = |name: &str, value: Value| {
        if let Ok(raw) = serde_json::value::to_raw_value(&value) {
            fields.insert(name.to_owned(), raw);
        }
    };
    set("id", json!(deployment.id));
    set("db_model", json!(false));
    set("key", json!(key));
    set("litellm_provider", json!(deployment.provider_name));
    if let Some(base_model) = &deployment.base_model {
        set("base_model", json!(base_model));
    }
    fields
}

/// The deployment's entry of the price map, and its name there.
fn entry(deployment: &Deployment) -> (Option<&'static str>, Fields) {
    let model = deployment.base_model.as_deref();
    let model = model.unwrap_or(&deployment.model);
    let provider = Some(deployment.provider_name.as_str());
    let Some(found) = PriceMap::bundled().resolve(provider, model) else {
        return (None, Fields::new());
    };
    let raw = ENTRIES.get(found.name);
    let fields = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
    (Some(found.name), fields.unwrap_or_default())
}

/// The models that clients see, each with what all its deployments have in common.
pub(super) fn groups(shared: &Shared, lists: &Lists<'_>, wanted: Option<&str>) -> Json {
    let names = lists.shown(&shared.groups).into_iter();
    let names = names.filter(|name| wanted.is_none_or(|wanted| wanted == *name));
    let data: Vec<Value> = names.filter_map(|name| group(shared, name)).collect();
    Json::of(&json!({ "data": data }))
}

fn group(shared: &Shared, name: &str) -> Option<Value> {
    let found = shared.groups.find(name)?;
    let members = found.group.members();
    let mut told: Option<Fields> = None;
    let mut providers = BTreeSet::new();
    for member in members {
        providers.insert(member.deployment.provider_name.as_str());
        let fields = info(&member.deployment);
        // What one deployment cannot, the group cannot be trusted with.
        match &mut told {
            None => told = Some(fields),
            Some(told) => told.retain(|key, value| {
                let other = fields.get(key);
                other.is_some_and(|other| other.get() == value.get())
            }),
        }
    }
    let mut told = told?;
    for name in ["id", "db_model", "key", "litellm_provider"] {
        told.remove(name);
    }
    let mut value = serde_json::to_value(told).ok()?;
    let object = value.as_object_mut()?;
    object.insert("model_group".to_owned(), json!(name));
    object.insert("providers".to_owned(), json!(providers));
    Some(value)
}
