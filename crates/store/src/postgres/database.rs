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

/// The name under which an operator sees the connections.
const APPLICATION: &str = "buttonparty";
/// What finds its rows by keys must do so whatever the statistics say: a plan is kept, and was made when the table was
/// empty, perhaps. So there is only one way to go: with these settings, and with the keys as a list of rows that the
/// planner cannot see into and that each row is looked up for (`LATERAL … OFFSET 0`), or, where that cannot be said, in
/// an update, joined to in a way that nothing can be sorted by (`= ANY`).
///
/// With what is off counted as endlessly dear, every plan would be worth compiling to the planner: a second each time.
const BY_KEY: [(&str, &str); 5] = [
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// The server and the database, and how they are opened.
#[derive(Clone)]
pub(crate) struct Database {
    connect: PgConnectOptions,
    session: SessionSettings,
    pub(super) options: Options,
    /// Whether a login was refused since somebody asked.
    refused: Arc<AtomicBool>,
}

impl fmt::Debug for Database {
    /// Without the password.
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
            .extra_float_digits(None) // no column is a float, and PgBouncer refuses what it does not know
            .disable_statement_logging();
        Ok(Self { connect, session, options, refused: Arc::default() })
    }

    /// Whether a login was refused to any pool since this was last asked.
    pub(crate) fn login_was_refused(&self) -> bool {
        self.refused.swap(false, Ordering::Relaxed)
    }

    /// Logs in anew, and out.
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

    /// Connections that may write.
    pub(super) async fn write_pool(&self, connections: u32) -> Result<Pool, Error> {
        self.check().await?;
        Ok(self.pool(&self.session, connections))
    }

    /// The handler's connections.
    pub(crate) async fn ledger(&self) -> Result<Ledger, Error> {
        Ok(Ledger::postgres(self.write_pool(self.options.writers).await?))
    }

    /// Connections that write only if somebody takes that off them; the role `buttonparty_reader` cannot even then.
    pub(super) async fn read_pool(&self) -> Result<Pool, Error> {
        self.check().await?;
        let session = self.session.clone().with("default_transaction_read_only", "on");
        Ok(self.pool(&session, self.options.readers))
    }

    fn pool(&self, session: &SessionSettings, connections: u32) -> Pool {
        let (connect, refused) = (self.connect.clone(), Arc::clone(&self.refused));
        Pool::new(connect, session.statements(), connections, self.options, refused)
    }

    /// Whether the database can be reached at all, with a schema that this program can serve. Asked on a connection of
    /// its own, because a pool would wait for a server that is not there and not say why.
    async fn check(&self) -> Result<(), Error> {
        let mut connection = self.connect().await?;
        timeout(self.options.statement_ms_max, check_session(&mut connection)).await?;
        let found = timeout(self.options.statement_ms_max, migrations::found(&mut connection)).await?;
        connection.close().await?;
        found.serves(migrations::known())
    }
}

/// What is in the URL. All that matters must be, so that nothing of the environment takes its place.
fn parse(url: &str) -> Result<PgConnectOptions, Error> {
    let wrong = |reason: String| Error::Url { reason };
    let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    if !matches!(parsed.scheme(), "postgres" | "postgresql") {
        return Err(wrong(format!("it begins with {}: instead of postgres:", parsed.scheme())));
    }
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it names no host".to_owned()));
    }
    if parsed.username().is_empty() {
        return Err(wrong("it names no user".to_owned()));
    }
    if parsed.path().trim_matches('/').is_empty() {
        return Err(wrong("it names no database".to_owned()));
    }
    PgConnectOptions::from_str(url).map_err(|error| wrong(error.to_string()))
}
