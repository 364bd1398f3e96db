//! Every path that is served, and what it leads to.

mod rows;

use http::Method;

pub(crate) use self::rows::KEEPERS;
use self::rows::{CALLS, MANAGED, OTHERS, PASSED, STORED, UNDERSTOOD};
use crate::{operation::Operation, request::Place};

/// What a route leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A call of a model.
    Call(Operation),
    /// A call that is passed on as it is, to a deployment of one of these providers.
    Passed(Operation, &'static [&'static str]),
    Models,
    Model,
    ModelInfo,
    ModelGroupInfo,
    Parameters,
    CountTokens,
    Health,
    Alive,
    Ready,
    Metrics,
    /// What the collector answers.
    Managed,
}

/// One path, with `{name}` for any one part of it and `{*}` for all the rest.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) pattern: &'static str,
    /// `None`: any method.
    pub(crate) method: Option<Method>,
    pub(crate) endpoint: Endpoint,
}

/// A route, and what the path says.
#[derive(Debug)]
pub(crate) struct Matched {
    pub(crate) route: &'static Route,
    /// What stands for `{model}`.
    pub(crate) model: Option<String>,
    /// What stands for `{*}`.
    pub(crate) rest: Option<String>,
}

/// Why no route was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmatched {
    /// No such path.
    Path,
    /// The path takes another method.
    Method(&'static Route),
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern && self.method == other.method
    }
}

impl Eq for Route {}

/// Every route there is, the more particular first.
pub(crate) fn all() -> impl Iterator<Item = &'static Route> {
    let calls = CALLS.iter().flatten();
    calls
        .chain(OTHERS)
        .chain(STORED)
        .chain(PASSED)
        .chain(MANAGED)
}

/// The route of a path.
///
/// # Errors
///
/// If there is none.
pub(crate) fn find(path: &str, method: &Method) -> Result<Matched, Unmatched> {
    let path = if path.len() > 1 {
        path.trim_end_matches('/')
    } else {
        path
    };
    let mut other_method = None;
    for route in all() {
        let Some((model, rest)) = route.captures(path) else {
            continue;
        };
        if route.method.as_ref().is_none_or(|own| own == method) {
            return Ok(Matched { route, model, rest });
        }
        other_method.get_or_insert(route);
    }
    Err(other_method.map_or(Unmatched::Path, Unmatched::Method))
}

/// What stands for `{model}` and for `{*}`.
type Captures = (Option<String>, Option<String>);

/// The methods that a path takes.
pub(crate) fn methods(pattern: &str) -> Vec<&'static str> {
    let routes = all().filter(|route| route.pattern == pattern);
    let methods = routes.filter_map(|route| route.method.as_ref());
    methods.map(Method::as_str).collect()
}

impl Matched {
    /// What is asked for with `method`, and what the path says of it.
    pub(crate) fn place(&self, method: &Method) -> (Operation, Place) {
        let model = self.model.clone();
        let (operation, providers) = match self.route.endpoint {
            Endpoint::Passed(operation, providers) => (operation, providers),
            Endpoint::Call(operation) => {
                let place = Place {
                    model,
                    ..Place::default()
                };
                return (operation, place);
            }
            // No other endpoint is a call.
            _ => (Operation::PassThrough, &[][..]),
        };
        let own_dialect = operation == Operation::PassThrough;
        let mut place = Place {
            model,
            rest: self.rest.clone().filter(|_| own_dialect),
            providers,
            own_dialect,
        };
        let operation = match &place.rest {
            Some(_) if method != Method::POST => Operation::Stored(operation.call_type()),
            Some(rest) if UNDERSTOOD.contains(&self.route.pattern) => {
                Operation::of_path(rest).unwrap_or(operation)
            }
            _ => operation,
        };
        if operation != Operation::PassThrough && method == Method::POST {
            // Understood, so it is accounted like any other of its kind.
            place.rest = place
                .rest
                .filter(|_| matches!(operation, Operation::Stored(_)));
        }
        (operation, place)
    }
}

impl Route {
    fn captures(&self, path: &str) -> Option<Captures> {
        if self.pattern == path {
            return Some((None, None));
        }
        if !self.pattern.contains('{') {
            return None;
        }
        let mut parts = path.split('/');
        let mut model = None;
        let mut read = 0;
        for wanted in self.pattern.split('/') {
            if wanted == "{*}" {
                let rest = path.get(read..).filter(|rest| !rest.is_empty())?;
                return Some((model, Some(rest.to_owned())));
            }
            let part = parts.next()?;
            read += part.len() + 1;
            match wanted {
                "{model}" if !part.is_empty() => model = Some(decoded(part)),
                "{id}" if !part.is_empty() => {}
                wanted if wanted == part => {}
                _ => return None,
            }
        }
        parts.next().is_none().then_some((model, None))
    }
}

/// A part of a path without `%`-escapes.
pub(crate) fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| after.get(..2).and_then(|digits| hex::decode(digits).ok()))
            .flatten();
        match escaped {
            Some(byte) => {
                bytes.extend(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Text = Option<&'static str>;
    /// Path, method, and what they lead to: the pattern, the model, the rest.
    type Lead = (&'static str, Method, &'static str, Text, Text);

    const LEADS: &[Lead] = &[
        (
            "/v1/chat/completions",
            Method::POST,
            "/v1/chat/completions",
            None,
            None,
        ),
        (
            "/v1/chat/completions/",
            Method::POST,
            "/v1/chat/completions",
            None,
            None,
        ),
        (
            "/openai/deployments/gpt%2F4/chat/completions",
            Method::POST,
            "/openai/deployments/{model}/chat/completions",
            Some("gpt/4"),
            None,
        ),
        (
            "/engines/m/audio/speech",
            Method::POST,
            "/engines/{model}/audio/speech",
            Some("m"),
            None,
        ),
        (
            "/v1/models/a/b",
            Method::GET,
            "/v1/models/{*}",
            None,
            Some("a/b"),
        ),
        (
            "/v1/responses/resp_1",
            Method::GET,
            "/v1/responses/{id}",
            None,
            None,
        ),
        (
            "/files/f/content",
            Method::GET,
            "/files/{id}/content",
            None,
            None,
        ),
        (
            "/v1/threads/runs",
            Method::POST,
            "/v1/threads/runs",
            None,
            None,
        ),
        (
            "/v1/threads/t/runs/r",
            Method::GET,
            "/v1/threads/{id}/{*}",
            None,
            Some("runs/r"),
        ),
        (
            "/anthropic/v1/x",
            Method::POST,
            "/anthropic/{*}",
            None,
            Some("v1/x"),
        ),
    ];

    #[test]
    fn paths_lead_where_clients_expect() {
        for (path, method, pattern, model, rest) in LEADS {
            let found = find(path, method).unwrap();
            let captured = (found.model.as_deref(), found.rest.as_deref());
            assert_eq!(
                (found.route.pattern, captured),
                (*pattern, (*model, *rest)),
                "{path}"
            );
        }
        for (path, method) in [
            ("/nowhere", Method::GET),
            ("/anthropic/", Method::GET),
            ("/v1/responses//cancel", Method::POST),
        ] {
            assert_eq!(find(path, &method).unwrap_err(), Unmatched::Path, "{path}");
        }
        let other = find("/v1/chat/completions", &Method::GET);
        assert!(matches!(other, Err(Unmatched::Method(_))));
    }

    #[test]
    fn no_route_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for route in all() {
            assert!(seen.insert((route.pattern, route.method.as_ref().map(Method::as_str))));
        }
    }
}
