//! Providers who price a model that they do not list by the number of its parameters.

use rust_decimal::Decimal;

/// The number of parameters that a model's name says, in billions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    billions: Decimal,
    /// Whether it is a product: a mixture of experts.
    is_mixture: bool,
}

/// Bounds in billions, and the entries for models up to each.
type Classes = &'static [(u32, &'static str)];

const TOGETHER: Classes = &[
    (4, "together-ai-up-to-4b"),
    (8, "together-ai-4.1b-8b"),
    (21, "together-ai-8.1b-21b"),
    (41, "together-ai-21.1b-41b"),
    (80, "together-ai-41.1b-80b"),
    (110, "together-ai-81.1b-110b"),
];
const FIREWORKS: Classes = &[
    (4, "fireworks-ai-up-to-4b"),
    (16, "fireworks-ai-4.1b-to-16b"),
    (u32::MAX, "fireworks-ai-above-16b"),
];
const FIREWORKS_MIXTURES: Classes = &[
    (56, "fireworks-ai-moe-up-to-56b"),
    (176, "fireworks-ai-56b-to-176b"),
];

/// The entry for models of the size that a name says. `provider` is the name that its variants
/// share.
pub(super) fn class(provider: &str, model: &str) -> Option<&'static str> {
    let size = Size::of(model)?;
    let classes = match provider {
        "together_ai" => TOGETHER,
        "fireworks_ai" if size.is_mixture => FIREWORKS_MIXTURES,
        "fireworks_ai" => FIREWORKS,
        _ => return None,
    };
    let fits = |(up_to, _): &&(u32, &str)| size.billions <= Decimal::from(*up_to);
    classes.iter().find(fits).map(|(_, name)| *name)
}

impl Size {
    /// The first of `8x22b`, `70b`, `1.5b` or `0p5b` that stands alone, as it does not in `4bit`.
    fn of(model: &str) -> Option<Self> {
        let bytes = model.as_bytes();
        let ends = bytes
            .iter()
            .enumerate()
            .filter(|(at, byte)| {
                let next = bytes.get(at + 1);
                byte.eq_ignore_ascii_case(&b'b') && !next.is_some_and(u8::is_ascii_alphanumeric)
            })
            .map(|(at, _)| at);
        ends.filter_map(|end| Self::ending(model.get(..end)?))
            .next()
    }

    /// The size whose figures end the text.
    fn ending(text: &str) -> Option<Self> {
        let figures = |text: &str| -> usize {
            let is_figure = |byte: &u8| byte.is_ascii_digit();
            text.bytes().rev().take_while(is_figure).count()
        };
        let whole = figures(text);
        let mut start = text.len().checked_sub(whole).filter(|_| whole > 0)?;
        let mut number = text.get(start..)?.to_owned();
        let before = text.get(..start)?;
        // Fireworks writes the point as a letter.
        if let Some(rest) = before.strip_suffix(['.', 'p', 'P'])
            && figures(rest) > 0
        {
            start = rest.len() - figures(rest);
            number = format!("{}.{number}", rest.get(start..)?);
        }
        let number = Decimal::from_str_exact(&number).ok()?;
        let experts = text.get(..start)?.strip_suffix(['x', 'X']);
        let experts = experts.and_then(|rest| {
            let count = rest.get(rest.len() - figures(rest)..)?;
            Decimal::from_str_exact(count).ok()
        });
        Some(match experts {
            Some(experts) => Self {
                billions: experts.checked_mul(number)?,
                is_mixture: true,
            },
            None => Self {
                billions: number,
                is_mixture: false,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_a_size() {
        for (name, fireworks, together) in [
            ("llama-v3p1-8b-instruct", "4.1b-to-16b", "4.1b-8b"),
            ("qwen2p5-0p5b", "up-to-4b", "up-to-4b"),
            ("Qwen2.5-1.5B-Instruct", "up-to-4b", "up-to-4b"),
            ("mixtral-8x7b", "moe-up-to-56b", "41.1b-80b"),
            ("Mixtral-8x22B-Instruct", "56b-to-176b", ""),
            ("wide-8x44b", "", ""),
            ("qwen3-235b-a22b", "above-16b", ""),
            ("gemma-9b-4bit", "4.1b-to-16b", "8.1b-21b"),
            ("llama-81.1b", "above-16b", "81.1b-110b"),
            ("deepseek-v3", "", ""),
            ("b", "", ""),
            ("x-.5b", "4.1b-to-16b", "4.1b-8b"),
        ] {
            let expected = |prefix: &str, class: &str| {
                (!class.is_empty()).then(|| format!("{prefix}-{class}"))
            };
            assert_eq!(
                class("fireworks_ai", name).map(str::to_owned),
                expected("fireworks-ai", fireworks),
                "{name}"
            );
            assert_eq!(
                class("together_ai", name).map(str::to_owned),
                expected("together-ai", together),
                "{name}"
            );
        }
        assert_eq!(class("openai", "gpt-7b"), None);
    }
}
