//! `/tag/…`: tags of requests, with budgets of their own.

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;

use super::{
    answer::Answer,
    attach,
    caller::Who,
    edit::{self, By, Edited, Made},
    form::Form,
    query::Query,
    shown::{self, Shown},
};
use crate::{
    api::{Api, Shared, answer::Refusal},
    books::Page,
    entities::{self, Change, Filter, Tag},
};

/// A tag after a change.
#[derive(Serialize)]
struct Changed {
    message: String,
    tag: Shown<Tag>,
}

/// Makes a tag.
pub(super) async fn new(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    let (answer, tag) = edit::make(&api, &caller, form).await?;
    told(&api, answer, tag, "created").await
}

/// Changes fields of a tag.
pub(super) async fn update(
    State(api): Shared,
    Extension(caller): Who,
    form: Form,
) -> Result<Response, Refusal> {
    let (answer, tag) = edit::update(&api, &caller, form).await?;
    told(&api, answer, tag, "updated").await
}

async fn told(api: &Api, answer: Answer, tag: Tag, became: &str) -> Result<Response, Refusal> {
    let message = format!("Tag {} {became} successfully", tag.name);
    let tag = shown::one(&api.books, tag).await?;
    Ok(answer.json(&Changed { message, tag }))
}

impl Edited for Tag {
    async fn find(form: &mut Form, change: &mut Change<'_>, by: By<'_>) -> Result<Self, Refusal> {
        by.caller.admin()?;
        let name = form.text("name")?.required("name")?;
        change.get(&name).await?.ok_or_else(|| missing(&name))
    }

    async fn read(
        &mut self,
        form: &mut Form,
        change: &mut Change<'_>,
        _by: By<'_>,
    ) -> Result<(), Refusal> {
        form.text("description")?.put(&mut self.description);
        let mut budget_id = self.budget_id.clone();
        attach::budget(change, form, &*self, &mut budget_id).await?;
        self.budget_id = budget_id;
        Ok(())
    }
}

impl Made for Tag {
    async fn fresh(form: &mut Form, change: &mut Change<'_>, by: By<'_>) -> Result<Self, Refusal> {
        by.caller.admin()?;
        let name = form.text("name")?.required("name")?;
        if change.get::<Self>(&name).await?.is_some() {
            let message = format!("Tag {name} already exists");
            return Err(Refusal::bad_request("name", &message));
        }
        Ok(Self {
            name,
            ..Self::default()
        })
    }
}

fn missing(name: &str) -> Refusal {
    Refusal::not_found(&format!("Tag {name} not found"))
}

/// Takes a tag away. What was spent under it stays in the books.
pub(super) async fn delete(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    caller.admin()?;
    let name = form.text("name")?.required("name")?;
    let answer = form.finish()?;
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let tag: Tag = change.get(&name).await?.ok_or_else(|| missing(&name))?;
    attach::drop_own(&mut change, &tag, tag.budget_id.as_deref()).await?;
    change.remove(&tag).await?;
    change.commit().await?;
    #[derive(Serialize)]
    struct Body {
        message: String,
    }
    let message = format!("Tag {name} deleted successfully");
    Ok(answer.json(&Body { message }))
}

/// The tags of these names, by name.
pub(super) async fn info(
    State(api): Shared,
    Extension(caller): Who,
    mut form: Form,
) -> Result<Response, Refusal> {
    caller.viewer()?;
    let names = form.texts("names")?.required("names")?;
    let answer = form.finish()?;
    let page = Page {
        skip: 0,
        take: u32::try_from(names.len()).unwrap_or(u32::MAX),
    };
    let filter = Filter::default().within("id", names.clone());
    let rows: Vec<Tag> = entities::page(&api.books, &filter, page).await?;
    let tags = shown::all(&api.books, rows).await?;
    let tags: BTreeMap<_, _> = tags
        .into_iter()
        .map(|tag| (tag.row.name.clone(), tag))
        .collect();
    if let Some(name) = names.iter().find(|name| !tags.contains_key(*name)) {
        return Err(missing(name));
    }
    Ok(answer.json(&tags))
}

/// Tags, newest first.
pub(super) async fn list(
    State(api): Shared,
    Extension(caller): Who,
    mut query: Query,
) -> Result<Response, Refusal> {
    caller.viewer()?;
    let wanted = query.wanted("page_size", 100)?;
    query.finish()?;
    let rows: Vec<Tag> = entities::page(&api.books, &Filter::default(), wanted.page()).await?;
    Ok(Json(shown::all(&api.books, rows).await?).into_response())
}
