//! What a call costs: the price map in LiteLLM's format, how a model's name finds its entry, and
//! exact arithmetic from tokens to dollars. Pure: no I/O, no clock, no settings.

mod calculate;
mod classes;
mod entry;
mod keys;
mod map;
mod nearest;
mod overrides;
mod parse;
pub mod reported;
mod resolve;
mod tiers;

pub use crate::{
    calculate::{Call, price},
    entry::Entry,
    map::PriceMap,
    overrides::Overrides,
    parse::{MapError, Problem},
    resolve::{How, Picture, Resolved},
};
