//! What a deployment says to its provider beyond address and key.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};

use crate::provider::Setting;

/// Settings of a provider by their keys, `vertex_project`. Some are credentials, so none is shown.
#[derive(Clone, Default, PartialEq)]
pub struct Settings(BTreeMap<&'static str, Value>);

impl Settings {
    /// Takes what `known` names out of a deployment's parameters.
    pub(super) fn take(known: &[Setting], params: &mut Map<String, Value>) -> Self {
        let found = |setting: &Setting| Some((setting.key, params.remove(setting.key)?));
        let set = known.iter().filter_map(found);
        Self(set.filter(|(_, value)| !value.is_null()).collect())
    }

    /// Looks up what `known` names and the deployment does not set.
    pub fn fill(&mut self, known: &[Setting], environment: &dyn Fn(&str) -> Option<String>) {
        for Setting { key, variables } in known {
            let mut found = variables.iter().filter_map(|name| environment(name));
            if let (false, Some(value)) = (self.0.contains_key(key), found.next()) {
                self.0.insert(key, Value::String(value));
            }
        }
    }

    /// Reads the files whose paths stand in the settings `names`; a setting that is JSON is none.
    ///
    /// # Errors
    ///
    /// The setting whose file cannot be read, and why.
    pub fn read_files(
        &mut self,
        names: &[&'static str],
        read: &dyn Fn(&str) -> std::io::Result<String>,
    ) -> Result<(), (&'static str, std::io::Error)> {
        for name in names {
            if let Some(Value::String(text)) = self.0.get_mut(name)
                && !text.trim_start().starts_with('{')
            {
                *text = read(text).map_err(|error| (*name, error))?;
            }
        }
        Ok(())
    }

    /// A setting that is text, or a number as text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        match self.0.get(key)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Where the provider runs the model: Vertex AI's location, AWS's region.
    #[must_use]
    pub fn region(&self) -> Option<String> {
        let keys = ["vertex_location", "vertex_ai_location", "aws_region_name"];
        keys.iter().find_map(|key| self.text(key))
    }

    /// A setting of any type.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_vertexs_location_or_aws_region() {
        let region = |key, value: &str| Settings([(key, Value::from(value))].into()).region();
        assert_eq!(
            region("vertex_location", "us-east5").as_deref(),
            Some("us-east5")
        );
        assert_eq!(
            region("aws_region_name", "eu-west-1").as_deref(),
            Some("eu-west-1")
        );
        assert_eq!(region("vertex_location", ""), None);
        assert_eq!(region("vertex_project", "p"), None);
    }
}
