//! The real program, from outside, against a provider that follows a script.

mod adjustments;
mod cache;
mod collector_away;
mod commands;
mod crash;
mod errors;
mod first_call;
mod foreign;
mod full_disk;
mod garbage;
mod hostile;
mod kept;
mod openai_client;
mod prices;
mod proxying;
mod readme;
mod realtime;
mod reprice;
mod routing;
mod secrets;
mod shutdown;
mod stored;
mod surfaces;
mod texts;
