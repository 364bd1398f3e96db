//! Tests of the system as a whole; nothing here is built into a product.
//!
//! The parts that the tests and the benchmarks share: a provider that follows a script, the plain
//! reverse proxy that the gateway is compared with, a load generator, a receiver of webhooks, and
//! handles on the real program, its books, and a real Redis.

pub mod books;
pub mod client;
pub mod floor;
pub mod load;
pub mod machine;
pub mod mock_provider;
pub mod process;
pub mod redis;
pub mod serve;
pub mod stage;
pub mod webhook_receiver;
