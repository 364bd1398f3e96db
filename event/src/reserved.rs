//! What a call was admitted with, budget by budget.

use serde::{Deserialize, Serialize};

use crate::{EntityId, Usd, WindowId};

/// What a call holds of one budget, from its admission until it is settled. It stands in the
/// started record and in the event, so that gateway and collector count the call in the same
/// window, whatever their clocks and their versions of the budgets say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// The budget.
    pub budget: EntityId,
    /// The window in which the call was admitted.
    pub window: WindowId,
    /// What is held, in US dollars.
    pub amount: Usd,
}
