//! A conversation as the one text that a model continues, with the model's own marks for who
//! speaks.

use serde_json::Value;

use super::super::{
    super::{
        ProviderError,
        content::{Kind, list, parts, text},
    },
    model::Family,
};

/// The prompt for `messages`.
///
/// # Errors
///
/// If a message is more than text.
pub(super) fn of(messages: &[Value], family: Family) -> Result<String, ProviderError> {
    let turns: Vec<(&str, String)> = messages.iter().map(turn).collect::<Result<_, _>>()?;
    Ok(match family {
        Family::Llama => llama(&turns),
        Family::Mistral => mistral(&turns),
        _ => titan(&turns),
    })
}

/// Who speaks, and what.
fn turn(message: &Value) -> Result<(&'static str, String), ProviderError> {
    let role = match text(message, "role").unwrap_or_default() {
        "system" | "developer" => "system",
        "assistant" => "assistant",
        _ => "user",
    };
    let mut said = Vec::new();
    for part in parts(message.get("content")) {
        let Kind::Text(text) = part.kind else {
            let message = "`messages` has more than text, which this model does not take";
            return Err(ProviderError::Request(message.to_owned()));
        };
        said.push(text.to_owned());
    }
    for call in list(message, "tool_calls") {
        said.push(call.get("function").unwrap_or(call).to_string());
    }
    Ok((role, said.join("\n")))
}

/// <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html>
fn llama(turns: &[(&str, String)]) -> String {
    let head = |role: &str| format!("<|start_header_id|>{role}<|end_header_id|>\n\n");
    let turns = turns
        .iter()
        .map(|(role, said)| format!("{}{}<|eot_id|>", head(role), said.trim()));
    let said: String = turns.collect();
    format!("<|begin_of_text|>{said}{}", head("assistant"))
}

/// <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-text-completion.html>
fn mistral(turns: &[(&str, String)]) -> String {
    let mut prompt = "<s>".to_owned();
    let mut instruction: Vec<&str> = Vec::new();
    for (role, said) in turns {
        if *role != "assistant" {
            instruction.push(said);
            continue;
        }
        instruct(&mut prompt, &mut instruction);
        prompt.push_str(&format!(" {said}</s>"));
    }
    instruct(&mut prompt, &mut instruction);
    prompt
}

fn instruct(prompt: &mut String, instruction: &mut Vec<&str>) {
    if !instruction.is_empty() {
        prompt.push_str(&format!("[INST] {} [/INST]", instruction.join("\n\n")));
        instruction.clear();
    }
}

/// <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-text.html>
fn titan(turns: &[(&str, String)]) -> String {
    let turns = turns.iter().map(|(role, said)| match *role {
        "assistant" => format!("Bot: {said}\n"),
        "system" => format!("{said}\n"),
        _ => format!("User: {said}\n"),
    });
    let said: String = turns.collect();
    format!("{said}Bot:")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_family_has_its_marks() {
        let messages = json!([
            {"role": "system", "content": "S"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": "c"},
            {"role": "user", "content": "d"},
        ]);
        let messages = messages.as_array().unwrap();
        for (family, wanted) in [
            (
                Family::Llama,
                "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>\
                 <|start_header_id|>user<|end_header_id|>\n\na\nb<|eot_id|>\
                 <|start_header_id|>assistant<|end_header_id|>\n\nc<|eot_id|>\
                 <|start_header_id|>user<|end_header_id|>\n\nd<|eot_id|>\
                 <|start_header_id|>assistant<|end_header_id|>\n\n",
            ),
            (
                Family::Mistral,
                "<s>[INST] S\n\na\nb [/INST] c</s>[INST] d [/INST]",
            ),
            (Family::Titan, "S\nUser: a\nb\nBot: c\nUser: d\nBot:"),
        ] {
            assert_eq!(of(messages, family).unwrap(), wanted);
        }
        let image =
            json!({"role": "user", "content": [{"type": "image_url", "image_url": "data:"}]});
        assert!(of(&[image], Family::Titan).is_err());
    }
}
