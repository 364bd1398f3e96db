//! The HTTP API: LiteLLM's spend routes, and what only these books can say.

mod activity;
pub(crate) mod answer;
mod asked;
pub(crate) mod auth;
pub(crate) mod calculate;
mod dates;
mod global;
mod prices;
mod providers;
mod report;
mod reprice;
mod row;
mod sinks;
mod spend;
mod tap;

use std::{error::Error as StdError, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{Method, StatusCode, Uri, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use event::Secret;
use tokio::net::TcpListener;

use self::answer::Refusal;
use crate::{
    books::Books, control, deliver::Control, health::Health, management, metrics::Metrics,
    price::PriceMaps, reprice::Repricer, tap::Tap, tasks::Tasks,
};

/// What the routes read.
pub(crate) struct Api {
    pub(crate) books: Books,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tap: Tap,
    pub(crate) prices: PriceMaps,
    pub(crate) repricer: Repricer,
    pub(crate) sinks: Vec<Arc<Control>>,
    pub(crate) master_key: Option<Secret>,
    pub(crate) control_key: Option<Secret>,
    pub(crate) metrics_auth: bool,
    pub(crate) tasks: Tasks,
}

pub(crate) type Shared = State<Arc<Api>>;

/// Serves until told to stop, and then until the requests in flight are answered.
pub(crate) async fn serve(listener: TcpListener, api: Api) {
    let tasks = api.tasks.clone();
    let stopping = async move { tasks.stopping().await };
    let served = axum::serve(listener, router(api))
        .with_graceful_shutdown(stopping)
        .await;
    if let Err(error) = served {
        tracing::error!(error = &error as &dyn StdError, "API stopped");
    }
}

/// All routes.
pub(crate) fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let metrics = Router::new().route("/metrics", get(metrics));
    let open = Router::new()
        .route("/health/liveliness", get(alive))
        .route("/health/liveness", get(alive))
        .route("/health/readiness", get(ready));
    let guarded = Router::new()
        .route("/spend/calculate", post(calculate::calculate))
        .route("/audit", get(audit))
        .route("/alerts", get(alerts))
        .merge(sinks::routes())
        .route("/prices", get(prices::status))
        .route("/prices/layers/{sha256}", get(prices::layer))
        .route("/prices/update", post(prices::update))
        .route("/reprice", get(reprice::last).post(reprice::start))
        .route("/tap", get(tap::tap));
    let (open, guarded) = match api.metrics_auth {
        true => (open, guarded.merge(metrics)),
        false => (open.merge(metrics), guarded),
    };
    let guard = middleware::from_fn_with_state(Arc::clone(&api), auth::check);
    let owners = middleware::from_fn_with_state(Arc::clone(&api), management::caller::enter);
    let for_gateways = middleware::from_fn_with_state(Arc::clone(&api), auth::check_gateway);
    guarded
        .route_layer(guard)
        .merge(spending().route_layer(owners))
        .merge(control::routes().route_layer(for_gateways))
        .merge(management::router(&api))
        .merge(open)
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .with_state(api)
}

/// Routes that everybody may ask with a key, each answering as far as the asker sees.
fn spending() -> Router<Arc<Api>> {
    Router::new()
        .route("/spend/logs", get(spend::logs))
        .route("/spend/logs/v2", get(spend::paged))
        .route("/spend/logs/ui", get(spend::paged))
        .route("/spend/logs/{call_id}/explain", get(spend::explain))
        .route("/spend/tags", get(global::tags))
        .route("/spend/team_members", get(global::members))
        .route("/global/spend", get(global::total))
        .route("/global/spend/report", get(report::report))
        .route("/global/spend/logs", get(report::logs))
        .route("/global/spend/all_tag_names", get(global::tag_names))
        .route("/global/spend/{kind}", get(global::by_entity))
        .route("/global/activity", get(report::activity))
        .route("/global/activity/model", get(report::activity_by_model))
        .route("/user/daily/activity", get(activity::users))
        .route(
            "/user/daily/activity/aggregated",
            get(activity::users_whole),
        )
        .route("/team/daily/activity", get(activity::teams))
        .route("/organization/daily/activity", get(activity::organizations))
        .route("/tag/daily/activity", get(activity::tags))
        .route("/customer/daily/activity", get(activity::customers))
        .route("/end_user/daily/activity", get(activity::customers))
        .route("/provider/budgets", get(providers::budgets))
}

async fn alive() -> Json<&'static str> {
    Json("I'm alive!")
}

#[derive(serde::Serialize)]
struct Readiness {
    status: &'static str,
    db: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

async fn ready(State(api): Shared) -> Response {
    let trouble = match api.health.trouble() {
        None => api
            .books
            .totals()
            .await
            .err()
            .map(|error| error.to_string()),
        trouble => trouble,
    };
    match trouble {
        None => Json(Readiness {
            status: "healthy",
            db: "connected",
            reason: None,
        })
        .into_response(),
        reason => {
            let body = Readiness {
                status: "unhealthy",
                db: "disconnected",
                reason,
            };
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}

async fn metrics(State(api): Shared) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], api.metrics.text()).into_response()
}

async fn audit(State(api): Shared) -> Result<Response, Refusal> {
    Ok(Json(api.books.audit().await?).into_response())
}

async fn alerts(State(api): Shared) -> Result<Response, Refusal> {
    Ok(Json(api.books.alerts().await?).into_response())
}

async fn unknown(uri: Uri) -> Refusal {
    management::absent(uri.path())
}

async fn other_method(method: Method, uri: Uri) -> Refusal {
    management::instead(uri.path()).unwrap_or_else(|| {
        let path: String = uri.path().chars().take(100).collect();
        let message = format!("`{}` does not take {method}", path.escape_debug());
        Refusal::method_not_allowed(&message)
    })
}

#[cfg(test)]
pub(crate) mod tests;
