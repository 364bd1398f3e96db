//! A budget that entities share by its id: the same limits for each of them, not one purse.

use serde::{Deserialize, Serialize};

use super::{Limits, Stamps, Stored};

/// A budget.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct BudgetRow {
    pub(crate) budget_id: String,
    /// The entity that it was made for, and goes with: its table and id. `None` for one that is
    /// shared.
    pub(crate) owner: Option<(String, String)>,
    #[serde(flatten, skip_deserializing)]
    pub(crate) limits: Limits,
    #[serde(flatten, skip_deserializing)]
    pub(crate) stamps: Stamps,
}

impl BudgetRow {
    /// Whether it was made for this entity alone.
    pub(crate) fn is_of<S: Stored>(&self, entity: &S) -> bool {
        let owner = self.owner.as_ref();
        owner.is_some_and(|(table, id)| table == S::TABLE && *id == entity.id())
    }
}

impl Stored for BudgetRow {
    const TABLE: &'static str = "budgets";

    fn id(&self) -> String {
        self.budget_id.clone()
    }

    fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    fn limits(&mut self) -> Option<&mut Limits> {
        Some(&mut self.limits)
    }
}
