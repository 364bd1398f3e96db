//! The fields of a key, as making and changing one read them.

use serde::Deserialize;

use super::{attach, rights};
use crate::{
    api::answer::Refusal,
    entities::{Change, Key, ModelRates},
    management::{
        edit::{By, Edited},
        form::Form,
        given::Given,
        lifetime,
    },
};

/// For which routes a key is.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeyType {
    Default,
    LlmApi,
    Management,
    ReadOnly,
}

impl Edited for Key {
    async fn find(form: &mut Form, change: &mut Change<'_>, by: By<'_>) -> Result<Self, Refusal> {
        let named = form.text("key")?.required("key")?;
        rights::of(by.caller, by.books, change, &named).await
    }

    async fn read(
        &mut self,
        form: &mut Form,
        change: &mut Change<'_>,
        _by: By<'_>,
    ) -> Result<(), Refusal> {
        read(form, change, self).await
    }

    async fn settle(
        &mut self,
        before: &Self,
        change: &mut Change<'_>,
        by: By<'_>,
    ) -> Result<(), Refusal> {
        rights::place(by, change, (before, self)).await?;
        if by.makes {
            return Ok(());
        }
        let Some(field) = self.loosened(before) else {
            return Ok(());
        };
        if rights::may_loosen(by.caller, by.books, before).await? {
            return Ok(());
        }
        let message =
            format!("only an admin may loosen `{field}` of a key that somebody else has set up");
        Err(Refusal::forbidden(&message))
    }
}

async fn read(form: &mut Form, change: &mut Change<'_>, key: &mut Key) -> Result<(), Refusal> {
    form.text("key_alias")?.put(&mut key.key_alias);
    if let Some(alias) = &key.key_alias {
        let same = change.find::<Key>("key_alias", alias, 1).await?;
        if same.iter().any(|other| other.id != key.id) {
            let message = format!(
                "Key with alias '{alias}' already exists. Unique key aliases are required."
            );
            return Err(Refusal::bad_request("key_alias", &message));
        }
    }
    form.text("user_id")?.put(&mut key.user_id);
    form.text("team_id")?.put(&mut key.team_id);
    form.text("organization_id")?.put(&mut key.organization_id);
    form.text("budget_id")?.put(&mut key.budget_id);
    if let Some(id) = &key.budget_id {
        attach::shared(change, id).await?;
    }
    form.limits(&mut key.limits)?;
    form.windows()?.replace(&mut key.budget_limits);
    let rates = ModelRates {
        model_rpm_limit: std::mem::take(&mut key.model_rpm_limit),
        model_tpm_limit: std::mem::take(&mut key.model_tpm_limit),
    };
    key.set_rates(form.rates(rates)?);
    form.texts("models")?.replace(&mut key.models);
    form.names("aliases")?.replace(&mut key.aliases);
    form.texts("tags")?.replace(&mut key.tags);
    routes(form, key)?;
    form.networks("allowed_ips")?.replace(&mut key.allowed_ips);
    form.texts("allowed_request_params")?
        .replace(&mut key.allowed_request_params);
    form.texts("enforced_params")?
        .replace(&mut key.enforced_params);
    if let Given::Value(metadata) = form.metadata()? {
        key.metadata = metadata;
    }
    form.flag("blocked")?.replace(&mut key.blocked);
    match form.text("duration")? {
        Given::Absent => {}
        Given::Null => key.expires = None,
        Given::Value(text) if text == "-1" => key.expires = None,
        Given::Value(text) => {
            key.expires = Some(lifetime::after("duration", &text, change.at())?);
        }
    }
    Ok(())
}

fn routes(form: &mut Form, key: &mut Key) -> Result<(), Refusal> {
    form.texts("allowed_routes")?
        .replace(&mut key.allowed_routes);
    let names = "`default`, `llm_api`, `management` or `read_only`";
    let group = match form.choice("key_type", names)? {
        Given::Absent | Given::Null | Given::Value(KeyType::Default) => return Ok(()),
        Given::Value(KeyType::LlmApi) => "llm_api_routes",
        Given::Value(KeyType::Management) => "management_routes",
        Given::Value(KeyType::ReadOnly) => "info_routes",
    };
    key.allowed_routes = vec![group.to_owned()];
    Ok(())
}
