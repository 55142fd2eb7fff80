//! Where the inbox, the store and the board of ranks are.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::without_password;

/// Where the ordered inbox is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueAddress {
    /// A file on this machine.
    File(PathBuf),
    /// The URL of an SQS FIFO queue. Region, keys and endpoint are found as AWS's SDK finds them.
    Sqs(String),
}

/// Where the game's database is.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// A file on this machine.
    File(PathBuf),
    /// The URL of a PostgreSQL database; it may hold a password.
    Postgres(String),
}

/// Where ranks are kept.
#[derive(Clone, PartialEq, Eq)]
pub enum BoardAddress {
    /// In the process that applies presses and answers reads.
    InProcess,
    /// The URL of a Redis or Valkey server; it may hold a password.
    Redis(String),
}

impl QueueAddress {
    pub(super) fn parse(text: &str, data: &Path) -> Result<Self, &'static str> {
        if let Some(path) = file(text, data, "inbox.sqlite") {
            return Ok(Self::File(path));
        }
        match text.strip_prefix("sqs:").filter(|url| is_web(url)) {
            Some(url) => Ok(Self::Sqs(url.to_owned())),
            None => Err("must be `embedded`, `sqlite:PATH` or `sqs:` and the https URL of a FIFO queue"),
        }
    }

    /// Whether it is a file of this machine.
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl StoreAddress {
    pub(super) fn parse(text: &str, data: &Path) -> Result<Self, &'static str> {
        if let Some(path) = file(text, data, "game.sqlite") {
            return Ok(Self::File(path));
        }
        match text.split_once("://") {
            Some(("postgres" | "postgresql", rest)) if !rest.is_empty() => {
                Ok(Self::Postgres(text.to_owned()))
            }
            _ => Err("must be `embedded`, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`"),
        }
    }

    /// The same with a password that was given apart, as it is: it may hold what has a meaning in a URL.
    pub(super) fn with_password(&self, password: &str) -> Result<Self, &'static str> {
        const UNNAMED: &str = "needs a BUTTONPARTY_STORE_URL like `postgres://USER@HOST/DATABASE`";
        let Self::Postgres(url) = self else { return Err(UNNAMED) };
        let mut url = Url::parse(url).map_err(|_| UNNAMED)?;
        if url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password") {
            return Err("BUTTONPARTY_STORE_URL holds a password too: give it in one of the two");
        }
        if url.username().is_empty() {
            return Err(UNNAMED);
        }
        // Every special byte, which `Url` would not do with a `%`.
        let encoded = utf8_percent_encode(password, NON_ALPHANUMERIC).to_string();
        url.set_password(Some(&encoded)).map_err(|()| UNNAMED)?;
        Ok(Self::Postgres(url.into()))
    }

    /// Whether it is a file of this machine.
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl BoardAddress {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text.split_once("://") {
            None if text == "in process" => Ok(Self::InProcess),
            Some(("redis" | "rediss", rest)) if !rest.is_empty() => Ok(Self::Redis(text.to_owned())),
            _ => Err("must be `in process`, `redis://HOST/NUMBER` or `rediss://HOST`"),
        }
    }
}

fn file(text: &str, data: &Path, embedded: &str) -> Option<PathBuf> {
    match text.strip_prefix("sqlite:") {
        _ if text == "embedded" => Some(data.join(embedded)),
        Some(path) if !path.is_empty() => Some(PathBuf::from(path)),
        _ => None,
    }
}

fn is_web(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| rest.contains('/') && url.bytes().all(|byte| byte.is_ascii_graphic()))
}

impl fmt::Display for QueueAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Sqs(url) => f.write_str(url),
        }
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

impl fmt::Display for BoardAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InProcess => f.write_str("in process"),
            Self::Redis(url) => f.write_str(&without_password(url)),
        }
    }
}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for BoardAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
