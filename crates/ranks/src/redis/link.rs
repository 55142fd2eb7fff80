//! Connections to Redis, and the scripts that run there.

use deadpool_redis::redis::{
    AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, Pipeline, RedisResult, Script,
    ScriptInvocation, ServerErrorKind,
};
use deadpool_redis::{Connection, Manager, Pool, Runtime};

use super::Error;
use crate::bounds::{ANSWER_TIMEOUT, CONNECT_TIMEOUT, CONNECTIONS_MAX};

/// Connections to Redis, opened on demand.
pub(super) struct Link {
    pool: Pool,
    pub(super) client: Client,
    pub(super) scripts: Scripts,
}

/// The scripts; each is atomic.
pub(super) struct Scripts {
    pub(super) project: Script,
    pub(super) rank: Script,
    pub(super) look: Script,
    pub(super) lock: Script,
    pub(super) extend: Script,
    pub(super) adopt: Script,
    pub(super) begin: Script,
    pub(super) open: Script,
    pub(super) write: Script,
    pub(super) finish: Script,
}

macro_rules! script {
    ($name:literal) => {
        Script::new(include_str!(concat!("scripts/", $name, ".lua")))
    };
    (shared, $name:literal) => {
        Script::new(concat!(
            include_str!("scripts/shared.lua"),
            include_str!(concat!("scripts/", $name, ".lua"))
        ))
    };
}

impl Scripts {
    fn new() -> Self {
        Self {
            project: script!(shared, "project"),
            rank: script!("rank"),
            look: script!("look"),
            lock: script!("lock"),
            extend: script!("extend"),
            adopt: script!("adopt"),
            begin: script!("begin"),
            open: script!(shared, "open"),
            write: script!(shared, "write"),
            finish: script!(shared, "finish"),
        }
    }
}

impl Link {
    pub(super) fn new(url: &str) -> Result<Self, Error> {
        let wrong = |reason| Error::Url { reason };
        if !url.starts_with("redis://") && !url.starts_with("rediss://") {
            return Err(wrong("must begin with redis:// or rediss://"));
        }
        let unlike = || wrong("must be like redis[s]://[user:password@]host[:port][/database]");
        if url.contains('#') {
            return Err(unlike()); // `#insecure` would take any certificate
        }
        let client = Client::open(url).map_err(|_| unlike())?;
        if client.get_connection_info().redis_settings().db() < 0 {
            return Err(unlike());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let manager = Manager::new_with_config(url, config).map_err(|_| unlike())?;
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS_MAX)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(ANSWER_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .recycle_timeout(Some(CONNECT_TIMEOUT))
            .build();
        // Cannot fail: timeouts need a runtime, and have one.
        let pool = pool.map_err(|_| wrong("cannot be used without timers"))?;
        Ok(Self { pool, client, scripts: Scripts::new() })
    }

    /// The number of the database.
    pub(super) fn database(&self) -> i64 {
        self.client.get_connection_info().redis_settings().db()
    }

    /// Runs one script.
    pub(super) async fn call<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, Error> {
        let mut connection = self.connection().await?;
        let result = call.invoke_async(&mut *connection).await;
        Ok(dropped_on_failure(connection, result)?)
    }

    /// Sends calls of one script in one round trip. After an error, any of them may have run.
    pub(super) async fn pipeline(&self, script: &Script, calls: &Pipeline) -> Result<(), Error> {
        let mut connection = self.connection().await?;
        let mut result: RedisResult<()> = calls.query_async(&mut *connection).await;
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)) {
            result = match script.load_async(&mut *connection).await {
                Ok(_) => calls.query_async(&mut *connection).await,
                Err(error) => Err(error),
            };
        }
        Ok(dropped_on_failure(connection, result)?)
    }

    async fn connection(&self) -> Result<Connection, Error> {
        self.pool.get().await.map_err(|source| Error::Connect { source })
    }
}

/// Drops a connection after a failure: its server may have become a replica.
fn dropped_on_failure<T>(connection: Connection, result: RedisResult<T>) -> RedisResult<T> {
    if result.is_err() {
        drop(Connection::take(connection));
    }
    result
}
