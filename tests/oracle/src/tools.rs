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
        self.computer(&mut lines)?;
        if let Some(count) = self.count("citation_tokens") {
            let price = self.entry.number("citation_cost_per_token");
            let price = price.ok_or("citation_cost_per_token")?;
            lines.push(Line::new("citation_cost_per_token", count, price.clone()));
        }
        Ok(lines)
    }

    fn count(&self, name: &str) -> Option<Q> {
        let here = self.call.count(name).or_else(|| {
            let web = name == "web_search_requests";
            let nested = ["server_tool_use", "prompt_tokens_details"];
            let mut nested = nested
                .iter()
                .filter_map(|part| self.usage.object(part)?.count(name));
            nested.next().filter(|_| web)
        });
        here.filter(|count| *count > 0).map(number::whole)
    }

    fn google(&self) -> bool {
        ["gemini", "vertex_ai"].contains(&self.provider)
    }

    fn per_prompt(&self) -> bool {
        self.entry.text("web_search_billing_unit") == Some("per_prompt")
    }

    /// R7.1.
    fn web_search(&self, lines: &mut Vec<Line>) -> Result<(), String> {
        let Some(mut count) = self.count("web_search_requests") else {
            return Ok(());
        };
        if self.google() && self.per_prompt() {
            count = number::whole(1);
        }
        let object = "search_context_cost_per_query";
        let Some(prices) = self.entry.object(object) else {
            let price = match self.provider {
                "gemini" | "vertex_ai" => number::fraction(35, 1000),
                "xai" => number::fraction(5, 1000),
                _ => return Err(object.to_owned()),
            };
            lines.push(Line::new(object, count, price));
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
        let price = match self.entry.number(key) {
            Some(price) => price.clone(),
            None if !self.google() => return Err(key.to_owned()),
            None if self.per_prompt() => number::fraction(25, 1000),
            None => number::fraction(14, 1000),
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
        let price = match self.entry.number(key) {
            Some(price) => price / number::whole(1000),
            None if self.provider == "openai" => number::fraction(25, 10_000),
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
        let price = container
            .and_then(|found| found.entry.number(key))
            .ok_or(key)?;
        lines.push(Line::new(key, count, price.clone()));
        Ok(())
    }

    /// R7.5.
    fn computer(&self, lines: &mut Vec<Line>) -> Result<(), String> {
        for (name, key, millis) in [
            (
                "computer_use_input_tokens",
                "computer_use_input_cost_per_1k_tokens",
                3,
            ),
            (
                "computer_use_output_tokens",
                "computer_use_output_cost_per_1k_tokens",
                12,
            ),
        ] {
            let Some(count) = self.count(name) else {
                continue;
            };
            if self.provider != "azure" {
                return Err(key.to_owned());
            }
            lines.push(Line::new(key, count, number::fraction(millis, 1_000_000)));
        }
        Ok(())
    }
}
