//! Where Redis is, and how long a call may wait for it.

use std::time::Duration;

use event::Secret;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo};

use super::super::ConfigError;

/// The port if nothing names one.
const PORT: u16 = 6379;

/// Where Redis is: an address with everything in it, or its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// `redis://…`, or `rediss://…` for TLS; may hold a password.
    pub url: Option<Secret>,
    /// The host, if there is no address.
    pub host: Option<String>,
    /// Its port; `None` is 6379.
    pub port: Option<u16>,
    /// Who logs in; `None` is Redis's default user.
    pub username: Option<String>,
    /// With what.
    pub password: Option<Secret>,
    /// The number of the database.
    pub database: i64,
    /// Whether it speaks TLS (`ssl`).
    pub tls: bool,
    /// How long a call may wait for an answer of Redis (`socket_timeout`).
    pub wait: Duration,
}

impl RedisSettings {
    /// How long a call may wait if nothing else is said: LiteLLM's.
    pub(super) const WAIT: Duration = Duration::from_millis(100);

    /// The address, as the client library wants it.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without the address: it may hold a password.
    pub(crate) fn address(&self) -> Result<ConnectionInfo, String> {
        if let Some(url) = &self.url {
            let read = url.expose().into_connection_info();
            return read.map_err(|_error| {
                "`url` is not an address of Redis: write `redis://host:6379` or, for TLS, \
                 `rediss://host:6379`"
                    .to_owned()
            });
        }
        let missing = "`host` or `url` is missing: name one, or set REDIS_HOST or REDIS_URL";
        let host = self.host.clone().ok_or(missing)?;
        let port = self.port.unwrap_or(PORT);
        let place = if self.tls {
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let mut login = RedisConnectionInfo::default().set_db(self.database);
        if let Some(username) = &self.username {
            login = login.set_username(username);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password.expose());
        }
        let whole = place.into_connection_info();
        let whole = whole.map_err(|_error| "`host` cannot be used".to_owned())?;
        Ok(whole.set_redis_settings(login))
    }

    /// Whether what is there can be used; what is missing may come from the environment.
    pub(super) fn check(&self, path: &str) -> Result<(), ConfigError> {
        if self.url.is_none() && self.host.is_none() {
            return Ok(());
        }
        let address = self.address();
        address
            .map(drop)
            .map_err(|message| ConfigError::at(path, message))
    }

    /// Fills in what the environment says, where the configuration names no address.
    pub(super) fn fill(
        &mut self,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), ConfigError> {
        let find = |name: &str| environment(name).filter(|text| !text.is_empty());
        if self.url.is_none() && self.host.is_none() {
            self.url = find("REDIS_URL").map(Secret::new);
            self.host = find("REDIS_HOST");
        }
        if self.port.is_none()
            && let Some(port) = find("REDIS_PORT")
        {
            let port = port.trim().parse().map_err(|_error| {
                let message = "REDIS_PORT must be a number up to 65535";
                ConfigError::at("litellm_settings.cache_params.port", message)
            })?;
            self.port = Some(port);
        }
        if self.password.is_none() {
            self.password = find("REDIS_PASSWORD").map(Secret::new);
        }
        let address = self.address();
        address
            .map(drop)
            .map_err(|message| ConfigError::at("litellm_settings.cache_params", message))
    }
}
