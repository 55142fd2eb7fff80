//! The address of a database in PostgreSQL, its connections, and the settings of their sessions.

use std::fmt;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledger::Ledger;
use ledger::postgres::{Pool, SessionSettings, begin_session, check_session, timeout};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use url::Url;

use super::migrations;
use crate::bounds::KEEPALIVE;
use crate::{Error, Options};

/// The `application_name` of the connections, as operators see it.
const APPLICATION: &str = "buttonparty";
/// Makes every statement find its rows by key, whatever the statistics say: plans are cached, and one may have been
/// made when the table was empty. These settings leave the planner one choice, together with statements that pass their
/// keys as rows which it cannot look into: `LATERAL … OFFSET 0`, or in an update a join by `= ANY`, which rules out
/// sorting.
///
/// JIT is off because a plan with a disabled node counts as very expensive: each would be compiled, for a second.
const BY_KEY: [(&str, &str); 5] = [
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// The address of the database, and the options of its connections.
#[derive(Clone)]
pub(crate) struct Database {
    connect: PgConnectOptions,
    session: SessionSettings,
    pub(super) options: Options,
    /// Whether a login was rejected since the last call of [`Self::login_was_refused`].
    refused: Arc<AtomicBool>,
}

impl fmt::Debug for Database {
    /// Leaves out the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("host", &self.connect.get_host())
            .field("port", &self.connect.get_port())
            .field("user", &self.connect.get_username())
            .field("database", &self.connect.get_database())
            .field("options", &self.options)
            .finish()
    }
}

impl Database {
    pub(crate) fn new(url: &str, options: Options) -> Result<Self, Error> {
        let limits = [
            ("search_path", "public".to_owned()),
            ("lock_timeout", options.busy_timeout_ms.to_string()),
            ("statement_timeout", options.statement_ms_max.to_string()),
            ("idle_in_transaction_session_timeout", options.idle_in_transaction_ms_max.to_string()),
        ];
        let fixed = KEEPALIVE.into_iter().chain(BY_KEY).map(|(name, value)| (name, value.to_owned()));
        let session = SessionSettings::new(limits.into_iter().chain(fixed));
        let connect = parse(url)?
            .application_name(APPLICATION)
            .extra_float_digits(None) // no column is a float, and PgBouncer rejects settings that it does not know
            .disable_statement_logging();
        Ok(Self { connect, session, options, refused: Arc::default() })
    }

    /// Whether a login of any pool was rejected since the last call.
    pub(crate) fn login_was_refused(&self) -> bool {
        self.refused.swap(false, Ordering::Relaxed)
    }

    /// Logs in on a new connection, and closes it.
    pub(crate) async fn log_in(&self) -> Result<(), Error> {
        Ok(self.connect().await?.close().await?)
    }

    /// Opens one connection.
    pub(super) async fn connect(&self) -> Result<PgConnection, Error> {
        let connecting = async {
            let mut connection = self.connect.connect().await?;
            match begin_session(&mut connection, &self.session.statements()).await? {
                true => Ok(connection),
                false => Err(Error::Pooled),
            }
        };
        timeout(self.options.connect_ms_max, connecting).await
    }

    /// A pool of write connections.
    pub(super) async fn write_pool(&self, connections: u32) -> Result<Pool, Error> {
        self.check().await?;
        Ok(self.pool(&self.session, connections))
    }

    /// The handler's connections.
    pub(crate) async fn ledger(&self) -> Result<Ledger, Error> {
        Ok(Ledger::postgres(self.write_pool(self.options.writers).await?))
    }

    /// A pool of connections that are read-only by default; the role `buttonparty_reader` cannot change that.
    pub(super) async fn read_pool(&self) -> Result<Pool, Error> {
        self.check().await?;
        let session = self.session.clone().with("default_transaction_read_only", "on");
        Ok(self.pool(&session, self.options.readers))
    }

    fn pool(&self, session: &SessionSettings, connections: u32) -> Pool {
        let (connect, refused) = (self.connect.clone(), Arc::clone(&self.refused));
        Pool::new(connect, session.statements(), connections, self.options, refused)
    }

    /// Checks that the database can be reached and has a schema that this program can serve. Uses a connection of its
    /// own: a pool would wait for an unreachable server without saying why.
    async fn check(&self) -> Result<(), Error> {
        let mut connection = self.connect().await?;
        timeout(self.options.statement_ms_max, check_session(&mut connection)).await?;
        let found = timeout(self.options.statement_ms_max, migrations::found(&mut connection)).await?;
        connection.close().await?;
        found.serves(migrations::known())
    }
}

/// Parses the URL. It must name host, user and database, which the driver would otherwise take from the environment.
fn parse(url: &str) -> Result<PgConnectOptions, Error> {
    let wrong = |reason: String| Error::Url { reason };
    let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    if !matches!(parsed.scheme(), "postgres" | "postgresql") {
        return Err(wrong(format!("it must begin with postgres:, not {}:", parsed.scheme())));
    }
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it has no host".to_owned()));
    }
    if parsed.username().is_empty() {
        return Err(wrong("it has no user".to_owned()));
    }
    if parsed.path().trim_matches('/').is_empty() {
        return Err(wrong("it has no database".to_owned()));
    }
    PgConnectOptions::from_str(url).map_err(|error| wrong(error.to_string()))
}
