//! Where the store and the ranks are, as URLs that may hold passwords. `Display` and `Debug` mask them.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

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

impl StoreAddress {
    /// Reads an address; the embedded file is in the folder `data`.
    ///
    /// # Errors
    /// The forms that an address can have.
    pub fn parse(text: &str, data: &Path) -> Result<Self, String> {
        if let Some(path) = embedded_file(text, data, "game.sqlite") {
            return Ok(Self::File(path));
        }
        match text.split_once("://") {
            Some(("postgres" | "postgresql", rest)) if !rest.is_empty() => {
                Ok(Self::Postgres(text.to_owned()))
            }
            _ => {
                Err("must be `embedded`, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`"
                    .to_owned())
            }
        }
    }

    /// Whether it is a file on this machine.
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl BoardAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// The forms that an address can have.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            None if text == "in process" => Ok(Self::InProcess),
            Some(("redis" | "rediss", rest)) if !rest.is_empty() => Ok(Self::Redis(text.to_owned())),
            _ => Err("must be `in process`, `redis://HOST/NUMBER` or `rediss://HOST`".to_owned()),
        }
    }
}

/// The path that `embedded` or `sqlite:PATH` stands for.
pub fn embedded_file(text: &str, data: &Path, embedded: &str) -> Option<PathBuf> {
    match text.strip_prefix("sqlite:") {
        _ if text == "embedded" => Some(data.join(embedded)),
        Some(path) if !path.is_empty() => Some(PathBuf::from(path)),
        _ => None,
    }
}

/// Whether a URL holds a password, in front of its host or as a parameter.
pub fn holds_password(url: &Url) -> bool {
    url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password")
}

/// The URL with this password, and with this user where one is given. Both are taken literally: they may hold
/// characters that have a meaning in a URL. `None`: the URL has no host.
pub fn with_login(mut url: Url, username: Option<&str>, password: &str) -> Option<String> {
    // Every special byte, which `Url` would not do with a `%`.
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    if let Some(username) = username {
        url.set_username(&encoded(username)).ok()?;
    }
    url.set_password(Some(&encoded(password))).ok()?;
    Some(url.into())
}

/// The value with what may be a password in a URL masked: everything in front of the host, and the parameters. A value
/// that is no URL may be a mistyped one, so it is treated alike.
pub fn without_password(value: &str) -> String {
    let (scheme, separator, rest) = match value.split_once("://") {
        Some((scheme, rest)) => (scheme, "://", rest),
        None => ("", "", value),
    };
    // A password may hold `?`, so the end of the login is looked for first.
    let (login, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, host)| ("********@", host));
    let (host, query) = match rest.split_once('?') {
        Some((host, query)) if query.contains("password") => (host, "?********"),
        _ => (rest, ""),
    };
    format!("{scheme}{separator}{login}{host}{query}")
}

impl Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

impl Display for BoardAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InProcess => f.write_str("in process"),
            Self::Redis(url) => f.write_str(&without_password(url)),
        }
    }
}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl fmt::Debug for BoardAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}
