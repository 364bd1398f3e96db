//! Answers in Redis, which several gateways share.
//!
//! A call waits for it no longer than `socket_timeout`. After a failure it is left alone for a
//! moment, so that a Redis that is away costs one call its wait and not every call.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use event::Timestamp;
use redis::{
    Client, Cmd, FromRedisValue,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::timeout;

use super::{
    ANSWER_BYTES_MAX, Key, framed,
    store::{Answer, OpenError, Store, StoreError, Work},
};
use crate::config::RedisSettings;

/// How long it is left alone after a failure, in microseconds.
const REST: i64 = 1_000_000;

/// See the [module](self).
pub(super) struct Redis {
    client: Client,
    /// Connects by itself, and again when a connection has broken off.
    connection: Mutex<ConnectionManager>,
    wait: Duration,
    /// When it last failed, in microseconds since the epoch.
    failed_at: AtomicI64,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

impl Redis {
    /// Does not connect yet: the first call that needs it does.
    ///
    /// # Errors
    ///
    /// If the settings name no address.
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, OpenError> {
        let unusable = |error: redis::RedisError| OpenError::Address(error.category().to_owned());
        let address = settings.address().map_err(OpenError::Address)?;
        let client = Client::open(address).map_err(unusable)?;
        let connection = fresh(&client, settings.wait).map_err(unusable)?;
        Ok(Self {
            client,
            connection: Mutex::new(connection),
            wait: settings.wait,
            failed_at: AtomicI64::new(i64::MIN),
        })
    }

    async fn ask<T: FromRedisValue>(&self, command: Cmd, now: Timestamp) -> Result<T, StoreError> {
        let rested = self.failed_at.load(Ordering::Relaxed).saturating_add(REST);
        if now.micros() < rested {
            return Err(StoreError::Resting);
        }
        let mut connection = {
            let kept = self.connection.lock();
            kept.unwrap_or_else(PoisonError::into_inner).clone()
        };
        let asked = timeout(self.wait, command.query_async(&mut connection)).await;
        let told = match asked {
            Ok(told) => told.map_err(StoreError::Redis),
            Err(_elapsed) => {
                // Its host may have gone without a word, and then the connection never breaks off.
                self.renew();
                Err(StoreError::Late)
            }
        };
        if told.is_err() {
            self.failed_at.store(now.micros(), Ordering::Relaxed);
        }
        told
    }

    fn renew(&self) {
        if let Ok(connection) = fresh(&self.client, self.wait) {
            let mut kept = self
                .connection
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *kept = connection;
        }
    }

    async fn read(&self, key: &Key, now: Timestamp) -> Result<Option<Answer>, StoreError> {
        // Not GET: whatever stands there, no more than this comes back.
        let mut command = redis::cmd("GETRANGE");
        command
            .arg(key.to_string())
            .arg(0)
            .arg(framed::HEAD + ANSWER_BYTES_MAX);
        let bytes: Vec<u8> = self.ask(command, now).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let answer = framed::read(&Bytes::from(bytes))?;
        Ok(Some(answer).filter(|answer| answer.until > now))
    }
}

/// A connection that is made when it is first used.
fn fresh(client: &Client, wait: Duration) -> redis::RedisResult<ConnectionManager> {
    // How long an answer may take is for `ask` to say.
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(wait))
        .set_response_timeout(None);
    client.get_connection_manager_lazy(config)
}

impl Store for Redis {
    fn get(self: Arc<Self>, key: Key, now: Timestamp) -> Work<Result<Option<Answer>, StoreError>> {
        Box::pin(async move { self.read(&key, now).await })
    }

    fn put(self: Arc<Self>, key: Key, answer: Answer) -> Option<Work<Result<(), StoreError>>> {
        let millis = answer.until.since(answer.came).micros() / 1000;
        let mut command = redis::cmd("SET");
        command
            .arg(key.to_string())
            .arg(&*framed::written(&answer))
            .arg("PX")
            .arg(millis.max(1));
        Some(Box::pin(
            async move { self.ask(command, answer.came).await },
        ))
    }
}
