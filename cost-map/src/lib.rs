//! What a call costs: the price map in LiteLLM's format, how a model's name finds its entry, and
//! exact arithmetic from what was consumed to dollars. Pure: no I/O, no clock, no settings. The
//! rules stand in `RULES.md`.

mod adjustments;
mod asked;
mod bill;
mod calculate;
mod call;
pub mod change;
pub mod check;
mod choose;
mod classes;
mod differing;
mod entry;
pub mod events;
mod keys;
mod layers;
mod map;
mod most;
mod multipliers;
mod nearest;
mod off_peak;
mod overrides;
mod parse;
mod question;
pub mod reported;
mod resolve;
mod tiers;
mod together;
mod tools;
mod units;

pub use crate::{
    adjustments::{Adjustments, Discounts, Margins},
    calculate::price,
    call::{Call, Place, Units},
    entry::Entry,
    map::PriceMap,
    most::{Bounds, most},
    overrides::Overrides,
    parse::{MapError, Problem},
    question::{Question, QuestionError, answer, write_answer},
    resolve::{How, Picture, Resolved},
    together::together,
};
