//! The management API: LiteLLM's routes for keys, users, teams, organizations, customers, budgets
//! and tags.
//!
//! A request passes [`caller::enter`], which finds out who asks; its handler checks that they may,
//! reads every field ([`form::Form`]), and writes all of it in one [`Change`](crate::entities::Change),
//! or nothing.

mod absent;
mod answer;
mod attach;
mod budgets;
pub(crate) mod caller;
mod customers;
mod edit;
mod form;
mod given;
mod keys;
mod lifetime;
mod manager;
mod organizations;
pub(crate) mod query;
mod secret;
mod shown;
mod tags;
mod teams;
mod trail;
mod unsupported;
mod users;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{MethodRouter, delete, get, patch, post},
};

pub(crate) use self::{
    absent::{absent, instead},
    caller::admit,
};
use crate::api::Api;

type Rows = Vec<(&'static str, MethodRouter<Arc<Api>>)>;

/// All of its routes, behind the check of who asks.
pub(crate) fn router(api: &Arc<Api>) -> Router<Arc<Api>> {
    let guard = middleware::from_fn_with_state(Arc::clone(api), caller::enter);
    rows()
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            router.route(path, methods)
        })
        .route_layer(guard)
}

#[expect(clippy::too_many_lines, reason = "a table, one row for each route")]
fn rows() -> Rows {
    vec![
        ("/key/generate", post(keys::generate)),
        ("/key/info", get(keys::info)),
        ("/key/list", get(keys::list)),
        ("/key/update", post(keys::update)),
        ("/key/delete", post(keys::delete)),
        ("/key/block", post(keys::block)),
        ("/key/unblock", post(keys::unblock)),
        ("/key/regenerate", post(keys::regenerate)),
        (
            "/key/service-account/generate",
            post(keys::generate_for_service),
        ),
        ("/key/bulk_update", post(keys::bulk_update)),
        ("/key/aliases", get(keys::aliases)),
        ("/key/health", post(keys::health)),
        ("/v2/key/info", post(keys::info_of_several)),
        ("/key/{key}/regenerate", post(keys::regenerate_named)),
        ("/key/{key}/reset_spend", post(keys::reset_spend)),
        ("/user/new", post(users::new)),
        ("/user/info", get(users::about::info)),
        ("/v2/user/info", get(users::about::short)),
        ("/user/available_roles", get(users::about::roles)),
        ("/user/bulk_update", post(users::bulk_update)),
        ("/user/list", get(users::list)),
        ("/user/update", post(users::update)),
        ("/user/delete", post(users::delete)),
        ("/team/new", post(teams::new)),
        ("/team/info", get(teams::info)),
        ("/team/list", get(teams::list)),
        ("/v2/team/list", get(teams::paged)),
        ("/team/available", get(teams::available)),
        ("/team/permissions_list", get(teams::permissions::list)),
        ("/team/permissions_update", post(teams::permissions::update)),
        ("/team/model/add", post(teams::models::add)),
        ("/team/model/delete", post(teams::models::delete)),
        ("/team/{team}", patch(teams::update_named)),
        (
            "/team/{team}/member/{user}/reset_spend",
            post(teams::members::reset_spend),
        ),
        ("/team/bulk_member_add", post(teams::members::bulk_add)),
        ("/team/update", post(teams::update)),
        ("/team/delete", post(teams::delete)),
        ("/team/block", post(teams::block)),
        ("/team/unblock", post(teams::unblock)),
        ("/team/member_add", post(teams::members::add)),
        ("/team/member_update", post(teams::members::update)),
        ("/team/member_delete", post(teams::members::delete)),
        ("/organization/new", post(organizations::new)),
        ("/organization/info", get(organizations::info)),
        ("/organization/list", get(organizations::list)),
        ("/organization/update", patch(organizations::update)),
        ("/organization/delete", delete(organizations::delete)),
        (
            "/organization/member_add",
            post(organizations::members::add),
        ),
        (
            "/organization/member_update",
            patch(organizations::members::update),
        ),
        (
            "/organization/member_delete",
            delete(organizations::members::delete),
        ),
        ("/customer/new", post(customers::new)),
        ("/customer/info", get(customers::info)),
        ("/customer/list", get(customers::list)),
        ("/customer/update", post(customers::update)),
        ("/customer/delete", post(customers::delete)),
        ("/customer/block", post(customers::block)),
        ("/customer/unblock", post(customers::unblock)),
        ("/end_user/new", post(customers::new)),
        ("/end_user/info", get(customers::info)),
        ("/end_user/list", get(customers::list)),
        ("/end_user/update", post(customers::update)),
        ("/end_user/delete", post(customers::delete)),
        ("/end_user/block", post(customers::block)),
        ("/end_user/unblock", post(customers::unblock)),
        ("/budget/new", post(budgets::new)),
        ("/budget/info", post(budgets::info)),
        ("/budget/list", get(budgets::list)),
        ("/budget/settings", get(budgets::settings)),
        ("/budget/update", post(budgets::update)),
        ("/budget/delete", post(budgets::delete)),
        ("/tag/new", post(tags::new)),
        ("/tag/info", post(tags::info)),
        ("/tag/list", get(tags::list)),
        ("/tag/update", post(tags::update)),
        ("/tag/delete", post(tags::delete)),
        ("/audit/entities", get(trail::list)),
        (
            "/budget_manager/{method}",
            get(manager::read).post(manager::write),
        ),
    ]
}

#[cfg(test)]
mod tests;
