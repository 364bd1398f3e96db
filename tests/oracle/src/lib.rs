//! An independent second opinion on every price: the rules of `cost-map/RULES.md` written once more,
//! in exact fractions, and compared with the calculator on generated calls.

pub mod adjust;
pub mod bill;
pub mod calculator;
pub mod clock;
pub mod compare;
pub mod generate;
pub mod json;
pub mod map;
pub mod number;
pub mod price;
pub mod prices;
pub mod random;
mod shapes;
mod shrink;
mod tokens;
pub mod tools;
pub mod units;
pub mod usage;
