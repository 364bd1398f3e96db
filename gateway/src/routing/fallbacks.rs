//! Where a call goes when a group could not answer it.

use crate::{config::RouterSettings, error::ErrorClass, request::ClientRequest};

/// The names of the groups to be asked instead of `group`, in order. A context window that was too
/// small, or content that was refused, have lists of their own.
pub(crate) fn fallbacks(
    router: &RouterSettings,
    request: &ClientRequest,
    group: &str,
    class: ErrorClass,
) -> Vec<String> {
    if request.disable_fallbacks {
        return Vec::new();
    }
    let special = match class {
        ErrorClass::ContextWindowExceeded => Some((
            &request.context_window_fallbacks,
            &router.context_window_fallbacks,
        )),
        ErrorClass::ContentPolicyViolation => Some((
            &request.content_policy_fallbacks,
            &router.content_policy_fallbacks,
        )),
        _ => None,
    };
    if let Some((own, configured)) = special {
        if let Some(list) = own.of(group).or_else(|| configured.of(group)) {
            return list.to_vec();
        }
        // Whoever has such lists does not want these errors to go anywhere else.
        if !own.is_empty() || !configured.is_empty() {
            return Vec::new();
        }
    }
    if !request.fallbacks.is_empty() {
        return request.fallbacks.clone();
    }
    let stripped = group.split_once('/').map_or(group, |(_, model)| model);
    let configured = router
        .fallbacks
        .of(group)
        .or_else(|| router.fallbacks.of(stripped))
        .or_else(|| router.fallbacks.of("*"));
    configured.unwrap_or(&router.default_fallbacks).to_vec()
}
