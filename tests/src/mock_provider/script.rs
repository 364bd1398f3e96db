//! What a request tells the mock provider to do: `[[mock: status=429 retry_after=2]]`, anywhere in
//! the last message, which every gateway passes through.

use std::{str::FromStr, time::Duration};

const OPEN: &str = "[[mock:";
const CLOSE: &str = "]]";

/// How one request is answered. The default is a good answer at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// `delay_ms=50`: how long until the head is sent.
    pub delay: Duration,
    /// `chunk_delay_ms=5`: how long between two chunks of a stream.
    pub chunk_delay: Duration,
    /// `chunks=20`: content chunks of a stream, or words of an answer in one piece.
    pub chunks: usize,
    /// `status=429`: an error with OpenAI's body for that status.
    pub status: u16,
    /// `code=context_length_exceeded`: another error code than the usual one for the status.
    pub code: Option<String>,
    /// `retry_after=2`: the header, in seconds.
    pub retry_after: Option<u64>,
    /// `cut_after=3`: the connection breaks after so many chunks.
    pub cut_after: Option<usize>,
    /// `cut_bytes=100`: the connection breaks after so many bytes of the body.
    pub cut_bytes: Option<usize>,
    /// `hang`: never answers.
    pub hang: bool,
    /// `hang_after=3`: stops sending after so many chunks, and keeps the connection.
    pub hang_after: Option<usize>,
    /// `error_after=3`: an error event after so many chunks, and the end.
    pub error_after: Option<usize>,
    /// `no_done`: the stream ends in good order but without `[DONE]`.
    pub no_done: bool,
    /// `no_usage`: never tells how much was used.
    pub no_usage: bool,
    /// `usage=12/34/5`: prompt, completion and (optional) cached prompt tokens.
    pub usage: Option<Usage>,
    /// `reasoning=7`: so many of the answer's tokens were spent on thinking.
    pub reasoning: u64,
    /// `says={"a":1}`: the text of the answer, or the arguments of each call of a tool. No spaces.
    pub says: Option<String>,
    /// `tool_call`: calls the first tool of the request instead of talking; `tool_call=a,b`: these,
    /// side by side.
    pub tool_call: Option<Vec<String>>,
    /// `html_error`: the body of an error is a web page, as from a load balancer.
    pub html_error: bool,
    /// `empty_body`: nothing follows the head.
    pub empty_body: bool,
    /// `fail_first=2`: the first requests with this very script fail with `status` (or 500), later
    /// ones are answered well.
    pub fail_first: u64,
}

/// How much a call used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub prompt: u64,
    /// Tokens of the answer.
    pub completion: u64,
    /// Tokens of the prompt that were read from a cache.
    pub cached: u64,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            chunk_delay: Duration::ZERO,
            chunks: 8,
            status: 200,
            code: None,
            retry_after: None,
            cut_after: None,
            cut_bytes: None,
            hang: false,
            hang_after: None,
            error_after: None,
            no_done: false,
            no_usage: false,
            usage: None,
            reasoning: 0,
            says: None,
            tool_call: None,
            html_error: false,
            empty_body: false,
            fail_first: 0,
        }
    }
}

impl Script {
    /// The script in `text`, or the one given where there is none; with the words that made it.
    ///
    /// # Errors
    ///
    /// If a word of it is not known.
    pub fn of(text: &str, default: &Self) -> Result<Self, String> {
        let Some(words) = words_in(text) else {
            return Ok(default.clone());
        };
        let mut script = default.clone();
        for word in words.split_whitespace() {
            script.take(word)?;
        }
        Ok(script)
    }

    fn take(&mut self, word: &str) -> Result<(), String> {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "delay_ms" => self.delay = Duration::from_millis(number(name, value)?),
            "chunk_delay_ms" => self.chunk_delay = Duration::from_millis(number(name, value)?),
            "chunks" => self.chunks = number(name, value)?,
            "status" => self.status = number(name, value)?,
            "code" => self.code = Some(value.to_owned()),
            "retry_after" => self.retry_after = Some(number(name, value)?),
            "cut_after" => self.cut_after = Some(number(name, value)?),
            "cut_bytes" => self.cut_bytes = Some(number(name, value)?),
            "hang" => self.hang = true,
            "hang_after" => self.hang_after = Some(number(name, value)?),
            "error_after" => self.error_after = Some(number(name, value)?),
            "no_done" => self.no_done = true,
            "no_usage" => self.no_usage = true,
            "usage" => self.usage = Some(value.parse()?),
            "reasoning" => self.reasoning = number(name, value)?,
            "says" => self.says = Some(value.to_owned()),
            "tool_call" => {
                let names = value.split(',').filter(|name| !name.is_empty());
                self.tool_call = Some(names.map(str::to_owned).collect());
            }
            "html_error" => self.html_error = true,
            "empty_body" => self.empty_body = true,
            "fail_first" => self.fail_first = number(name, value)?,
            // Makes scripts differ, for `fail_first`.
            "tag" => {}
            other => return Err(format!("the mock provider does not know `{other}`")),
        }
        Ok(())
    }
}

/// The words between the brackets.
pub(super) fn words_in(text: &str) -> Option<&str> {
    let from = text.find(OPEN)? + OPEN.len();
    let length = text[from..].find(CLOSE)?;
    Some(text[from..from + length].trim())
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_error| format!("`{name}={value}` is not a number"))
}

impl FromStr for Usage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('/').map(|part| number::<u64>("usage", part));
        let mut next = || parts.next().unwrap_or(Ok(0));
        Ok(Self {
            prompt: next()?,
            completion: next()?,
            cached: next()?,
        })
    }
}

impl Usage {
    /// As OpenAI writes it; `reasoning` is the part of the answer that was thought.
    #[must_use]
    pub fn json(&self, reasoning: u64) -> String {
        let (prompt, completion) = (self.prompt, self.completion);
        format!(
            "{{\"prompt_tokens\":{prompt},\"completion_tokens\":{completion},\
             \"total_tokens\":{},\"prompt_tokens_details\":{{\"cached_tokens\":{},\
             \"audio_tokens\":0}},\"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning},\
             \"audio_tokens\":0,\"accepted_prediction_tokens\":0,\
             \"rejected_prediction_tokens\":0}}}}",
            prompt + completion,
            self.cached,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_found_in_the_middle_of_a_message() {
        let text = "Hello [[mock: status=429 retry_after=2 usage=12/34/5]] world";
        let script = Script::of(text, &Script::default()).unwrap();
        assert_eq!((script.status, script.retry_after), (429, Some(2)));
        assert_eq!(
            script.usage,
            Some(Usage {
                prompt: 12,
                completion: 34,
                cached: 5
            })
        );
    }

    #[test]
    fn a_misspelt_script_is_refused() {
        assert!(Script::of("[[mock: statsu=429]]", &Script::default()).is_err());
        assert!(Script::of("[[mock: status=many]]", &Script::default()).is_err());
    }
}
