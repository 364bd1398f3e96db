//! The one way in which a request makes or changes an entity: find it, read every field, look at
//! what became of it, write it; or nothing at all.

use super::{answer::Answer, caller::Caller, form::Form};
use crate::{
    api::{Api, answer::Refusal},
    books::Books,
    entities::{Change, Stored},
};

/// On whose behalf an entity is changed.
#[derive(Clone, Copy)]
pub(super) struct By<'a> {
    pub(super) caller: &'a Caller,
    pub(super) books: &'a Books,
    /// Whether it is made, and not changed.
    pub(super) makes: bool,
}

/// An entity that requests change field by field.
pub(super) trait Edited: Stored + Clone {
    /// The one that a request names, if the caller may change it.
    async fn find(form: &mut Form, change: &mut Change<'_>, by: By<'_>) -> Result<Self, Refusal>;

    /// Reads what the request says of it; what it leaves out stays.
    async fn read(
        &mut self,
        form: &mut Form,
        change: &mut Change<'_>,
        by: By<'_>,
    ) -> Result<(), Refusal>;

    /// Looks at what became of it, and brings along what goes with it.
    async fn settle(
        &mut self,
        _before: &Self,
        _change: &mut Change<'_>,
        _by: By<'_>,
    ) -> Result<(), Refusal> {
        Ok(())
    }
}

/// An entity that requests make.
pub(super) trait Made: Edited {
    /// A new one, as a request names it, if the caller may make one and there is none yet.
    async fn fresh(form: &mut Form, change: &mut Change<'_>, by: By<'_>) -> Result<Self, Refusal>;
}

/// Makes an entity.
pub(super) async fn make<S: Made>(
    api: &Api,
    caller: &Caller,
    mut form: Form,
) -> Result<(Answer, S), Refusal> {
    let by = By {
        caller,
        books: &api.books,
        makes: true,
    };
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let row = S::fresh(&mut form, &mut change, by).await?;
    let done = write(row, form, &mut change, by).await?;
    change.commit().await?;
    Ok(done)
}

/// Changes fields of an entity.
pub(super) async fn update<S: Edited>(
    api: &Api,
    caller: &Caller,
    form: Form,
) -> Result<(Answer, S), Refusal> {
    let mut done = each(api, caller, vec![form]).await?;
    done.pop()
        .ok_or_else(|| Refusal::unavailable("nothing was changed"))
}

/// Changes fields of several entities: all of them, or none.
pub(super) async fn each<S: Edited>(
    api: &Api,
    caller: &Caller,
    forms: Vec<Form>,
) -> Result<Vec<(Answer, S)>, Refusal> {
    let by = By {
        caller,
        books: &api.books,
        makes: false,
    };
    let mut writer = api.books.writer().await;
    let mut change = caller.change(&mut writer).await?;
    let mut done = Vec::with_capacity(forms.len());
    for mut form in forms {
        let row = S::find(&mut form, &mut change, by).await?;
        done.push(write(row, form, &mut change, by).await?);
    }
    change.commit().await?;
    Ok(done)
}

/// Reads the rest of a request into an entity, and writes it.
async fn write<S: Edited>(
    before: S,
    mut form: Form,
    change: &mut Change<'_>,
    by: By<'_>,
) -> Result<(Answer, S), Refusal> {
    let mut row = before.clone();
    row.read(&mut form, change, by).await?;
    row.settle(&before, change, by).await?;
    let answer = form.finish()?;
    change.put(&mut row).await?;
    Ok((answer, row))
}
