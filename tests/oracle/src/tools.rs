//! What tools add to a call: RULES, section 7.

use crate::{
    bill::Line,
    json::{Fields, Object},
    map::Map,
    number::{self, Q},
};

/// What the lines of tools need to know.
pub struct Tools<'a> {
    /// The call.
    pub call: &'a Object,
    /// Its usage.
    pub usage: &'a Object,
    /// The entry's name.
    pub name: &'a str,
    /// The entry.
    pub entry: &'a Object,
    /// The provider by LiteLLM's name.
    pub provider: &'a str,
}

impl Tools<'_> {
    /// All lines, in the order of the rules.
    ///
    /// # Errors
    /// The key that is missing.
    pub fn lines(&self, map: &Map) -> Result<Vec<Line>, String> {
        let mut lines = Vec::new();
        self.web_search(&mut lines)?;
        self.maps(&mut lines)?;
        self.file_search(&mut lines)?;
        self.interpreter(map, &mut lines)?;
        self.computer(&mut lines);
        let key = "citation_cost_per_token";
        let reported = self
            .usage
            .count("citation_tokens")
            .filter(|count| *count > 0);
        let count = self
            .count("citation_tokens")
            .or(reported.map(number::whole));
        if let (Some(count), Some(price)) = (count, self.entry.number(key)) {
            lines.push(Line::new(key, count, price.clone()));
        }
        Ok(lines)
    }

    fn count(&self, name: &str) -> Option<Q> {
        let count = self.call.count(name).filter(|count| *count > 0)?;
        Some(number::whole(count))
    }

    /// The searches that the call counts, else the most that its usage reports.
    fn searches(&self) -> Option<Q> {
        let name = "web_search_requests";
        if self.call.contains_key(name) {
            return self.count(name);
        }
        let parts = [
            "server_tool_use",
            "prompt_tokens_details",
            "input_tokens_details",
        ];
        let parts = parts
            .iter()
            .filter_map(|part| self.usage.object(part)?.count(name));
        let most = parts.chain(self.usage.count("num_search_queries")).max();
        most.filter(|count| *count > 0).map(number::whole)
    }

    /// Whether the defaults of Gemini hold.
    fn gemini(&self) -> bool {
        let name = self
            .call
            .text("base_model")
            .or_else(|| self.call.text("model"));
        self.provider == "gemini"
            || self.provider == "vertex_ai" && name.is_some_and(|name| name.contains("gemini"))
    }

    fn per_prompt(&self) -> bool {
        let unit = self.entry.text("web_search_billing_unit");
        unit.map_or(self.gemini(), |unit| unit == "per_prompt")
    }

    /// R7.1.
    fn web_search(&self, lines: &mut Vec<Line>) -> Result<(), String> {
        let Some(mut count) = self.searches() else {
            return Ok(());
        };
        if self.per_prompt() {
            count = number::whole(1);
        }
        let object = "search_context_cost_per_query";
        let Some(prices) = self.entry.object(object) else {
            let (key, price) = match self.provider {
                "xai" => ("default.xai.web_search", number::fraction(5, 1000)),
                _ if self.gemini() => ("default.gemini.web_search", number::fraction(35, 1000)),
                _ => return Err(object.to_owned()),
            };
            lines.push(Line::new(key, count, price));
            return Ok(());
        };
        let usual = if self.provider == "perplexity" {
            "low"
        } else {
            "medium"
        };
        let size = self.call.text("search_context_size").unwrap_or(usual);
        for size in [size, "medium", "low", "high"] {
            let key = format!("search_context_size_{size}");
            if let Some(price) = prices.number(&key) {
                lines.push(Line::new(format!("{object}.{key}"), count, price.clone()));
                return Ok(());
            }
        }
        Err(object.to_owned())
    }

    /// R7.2.
    fn maps(&self, lines: &mut Vec<Line>) -> Result<(), String> {
        let Some(mut count) = self.count("google_maps_queries") else {
            return Ok(());
        };
        let key = "google_maps_grounding_cost_per_query";
        let usual = "default.gemini.maps";
        let (key, price) = match self.entry.number(key) {
            Some(price) => (key, price.clone()),
            None if !self.gemini() => return Err(key.to_owned()),
            None if self.per_prompt() => (usual, number::fraction(25, 1000)),
            None => (usual, number::fraction(14, 1000)),
        };
        if self.per_prompt() {
            count = number::whole(1);
        }
        lines.push(Line::new(key, count, price));
        Ok(())
    }

    /// R7.3.
    fn file_search(&self, lines: &mut Vec<Line>) -> Result<(), String> {
        let Some(count) = self.count("file_search_calls") else {
            return Ok(());
        };
        let key = "file_search_cost_per_1k_calls";
        let (key, price) = match self.entry.number(key) {
            Some(price) => (key, price / number::whole(1000)),
            None if ["azure", "openai"].contains(&self.provider) => {
                ("default.openai.file_search", number::fraction(25, 10_000))
            }
            None => return Err(key.to_owned()),
        };
        lines.push(Line::new(key, count, price));
        Ok(())
    }

    /// R7.4.
    fn interpreter(&self, map: &Map, lines: &mut Vec<Line>) -> Result<(), String> {
        let Some(count) = self.count("code_interpreter_sessions") else {
            return Ok(());
        };
        let key = "code_interpreter_cost_per_session";
        let container = map.get(&format!("{}/container", self.provider));
        let price = self.entry.number(key);
        let price = price.or_else(|| container?.entry.number(key)).ok_or(key)?;
        lines.push(Line::new(key, count, price.clone()));
        Ok(())
    }

    /// R7.5.
    fn computer(&self, lines: &mut Vec<Line>) {
        for (side, millis) in [("input", 3), ("output", 12)] {
            let Some(count) = self.count(&format!("computer_use_{side}_tokens")) else {
                continue;
            };
            let key = format!("computer_use_{side}_cost_per_1k_tokens");
            let line = match self.entry.number(&key) {
                Some(price) => Line::new(key, count, price / number::whole(1000)),
                None if self.provider == "azure" => {
                    let key = format!("default.azure.computer_use_{side}");
                    Line::new(key, count, number::fraction(millis, 1_000_000))
                }
                None => continue,
            };
            lines.push(line);
        }
    }
}
