//! What a call costs: the price map in LiteLLM's format, how a model's name finds its entry, and
//! exact arithmetic from tokens to dollars. Pure: no I/O, no clock, no settings.

mod calculate;
pub mod change;
pub mod check;
mod classes;
mod entry;
mod keys;
mod layers;
mod map;
mod nearest;
mod overrides;
mod parse;
mod resolve;
mod tiers;

pub use crate::{
    calculate::{Call, price},
    entry::Entry,
    map::PriceMap,
    overrides::Overrides,
    parse::{MapError, Problem},
    resolve::{How, Resolved},
};
