//! The real program, from outside, against a provider that follows a script.

mod adjustments;
mod cache;
mod collector_away;
mod commands;
mod crash;
mod errors;
mod first_call;
mod full_disk;
mod garbage;
mod hostile;
mod mocks;
mod openai_client;
mod prices;
mod proxying;
mod readme;
mod redaction;
mod reprice;
mod routing;
mod secrets;
mod several;
mod shutdown;
mod stored;
mod surfaces;
mod texts;
