//! The real program, from outside, against a provider that follows a script.

mod adjustments;
mod budgets;
mod cache;
mod collector_away;
mod commands;
mod crash;
mod errors;
mod first_call;
mod full_disk;
mod garbage;
mod openai_client;
mod prices;
mod proxying;
mod readme;
mod reprice;
mod routing;
mod secrets;
mod shutdown;
mod stored;
mod surfaces;
mod texts;
