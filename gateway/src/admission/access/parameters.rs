//! Which parameters a request may set, and which it has to set.

use event::{EntityId, control::Key};

use crate::{
    error::{ApiError, ErrorClass},
    request::ClientRequest,
};

/// What is no parameter: the answer's form, and what every request says.
const ALWAYS: [&str; 3] = ["model", "stream", "stream_options"];

/// Whether a request sets nothing but what its key, or else the configuration, lets it set.
///
/// # Errors
///
/// The first parameter that it may not set.
pub(super) fn check(
    request: &ClientRequest,
    key: Option<&Key>,
    configured: Option<&[String]>,
) -> Result<(), ApiError> {
    let of_key = key.map(|key| &key.allowed_request_params);
    let of_key = of_key.filter(|list| !list.is_empty());
    let allowed: Vec<&str> = match (of_key, configured) {
        (Some(list), _) => list.iter().map(EntityId::as_str).collect(),
        (None, Some(list)) => list.iter().map(String::as_str).collect(),
        (None, None) => return Ok(()),
    };
    let content = request.operation.content().name;
    let may_be = |name: &str| name == content || ALWAYS.contains(&name) || allowed.contains(&name);
    let Some(name) = request
        .parameter_names()
        .into_iter()
        .find(|name| !may_be(name))
    else {
        return Ok(());
    };
    let name: String = name.chars().take(64).collect();
    let message = format!(
        "`{name}` is not one of the parameters that this key may set: {}",
        allowed.join(", ").chars().take(500).collect::<String>()
    );
    Err(ApiError {
        param: Some(name),
        ..ApiError::new(ErrorClass::UnsupportedParams, message)
    })
}

/// Whether a request sets what its key and the configuration want it to set: `user`,
/// `metadata.project`.
///
/// # Errors
///
/// The first parameter that it lacks.
pub(super) fn required(
    request: &ClientRequest,
    key: Option<&Key>,
    configured: &[String],
) -> Result<(), ApiError> {
    if !request.operation.consumes() {
        return Ok(());
    }
    let of_key = key.into_iter().flat_map(|key| &key.enforced_params);
    let of_key = of_key.map(EntityId::as_str);
    let mut wanted = configured.iter().map(String::as_str).chain(of_key);
    match wanted.find(|path| !request.says(path)) {
        None => Ok(()),
        Some(path) => {
            let message = format!(
                "BadRequest please pass param={path} in request body. This is a required param"
            );
            Err(ApiError {
                param: Some(path.to_owned()),
                ..ApiError::new(ErrorClass::BadRequest, message)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Operation;

    fn request(body: &str) -> ClientRequest {
        ClientRequest::parse(Operation::Chat, body.to_owned().into(), 1000).unwrap()
    }

    fn key(json: &str) -> Key {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_request_sets_what_it_may_set() {
        let body = r#"{"model": "m", "messages": [], "temperature": 1, "metadata": {"tags": []},
            "top_k": null, "stream": true, "num_retries": 1}"#;
        let request = request(body);
        let own = key(r#"{"allowed_request_params": ["temperature"]}"#);
        let other = key(r#"{"allowed_request_params": ["max_tokens"]}"#);
        let usual = ["max_tokens".to_owned()];
        check(&request, None, None).unwrap();
        check(&request, Some(&Key::default()), None).unwrap();
        // The key's list holds instead of the usual one.
        check(&request, Some(&own), Some(&usual)).unwrap();
        for (key, configured) in [
            (Some(&other), None),
            (None, Some(&usual[..])),
            (Some(&Key::default()), Some(&[][..])),
        ] {
            let error = check(&request, key, configured).unwrap_err();
            assert_eq!(error.param.as_deref(), Some("temperature"));
            assert_eq!(error.class, ErrorClass::UnsupportedParams);
        }
    }

    #[test]
    fn a_request_sets_what_it_has_to_set() {
        let body = r#"{"model": "m", "messages": [], "user": "u", "top_p": null,
            "metadata": {"a": {"b": 1}, "t\u0065am": 0}}"#;
        let request = request(body);
        let lacks = |path: &str| {
            let key = key(&format!(r#"{{"enforced_params": ["{path}"]}}"#));
            let by_key = required(&request, Some(&key), &[]).is_err();
            let by_all = required(&request, None, &[path.to_owned()]).is_err();
            assert_eq!(by_key, by_all, "{path}");
            by_key
        };
        for path in [
            "user",
            "metadata",
            "metadata.a",
            "metadata.a.b",
            "metadata.team",
        ] {
            assert!(!lacks(path), "{path}");
        }
        for path in ["top_p", "seed", "metadata.c", "user.name", "metadata.a.b.c"] {
            assert!(lacks(path), "{path}");
        }
    }
}
