//! The real program, from outside, against a provider that follows a script.

mod collector_away;
mod crash;
mod errors;
mod first_call;
mod garbage;
mod openai_client;
mod proxying;
mod readme;
mod shutdown;
