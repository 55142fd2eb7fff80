//! What the environment says: where the store, its login and the ranks are.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ranks::Ranks;
use serve::chain;
use store::{Options, Store};
use tracing_subscriber::filter::Targets;
use url::Url;

use super::secret::Login;

const STORE_URL: &str = "BUTTONPARTY_STORE_URL";
const STORE_SECRET: &str = "BUTTONPARTY_STORE_SECRET";
const BOARD_URL: &str = "BUTTONPARTY_BOARD_URL";
const LOG: &str = "BUTTONPARTY_LOG";

/// The environment variables of this program: where the store is, without a password; the ARN of the secret with its
/// login; where ranks are kept, without which there are none; and what is logged. What AWS's SDKs read comes besides,
/// and Lambda sets that by itself.
pub const SETTINGS: [&str; 4] = [STORE_URL, STORE_SECRET, BOARD_URL, LOG];

/// What is logged when nothing is said.
const LOG_DEFAULT: &str = "info";

/// Everything that is wrong with the environment.
#[derive(Debug, thiserror::Error)]
#[error("{}", .faults.join("; "))]
pub struct SettingsError {
    /// Each begins with the name of a variable. None holds a password.
    pub faults: Vec<String>,
}

/// The settings of this program.
pub struct Settings {
    store_url: Url,
    pub(super) secret_id: String,
    pub(super) board_url: Option<String>,
    pub(super) aws: Aws,
    /// What is logged.
    pub log: Targets,
}

/// How to get to AWS's services.
pub(super) struct Aws {
    pub(super) region: String,
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) session_token: Option<String>,
    /// Instead of the region's own.
    pub(super) endpoint_url: Option<String>,
}

impl Settings {
    /// Reads them with `lookup`, which gives the value of an environment variable.
    ///
    /// # Errors
    /// All that is wrong, by name.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut faults = Vec::new();
        let given = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let mut required = |name: &str| {
            given(name).unwrap_or_else(|| {
                faults.push(format!("{name} is required"));
                String::new()
            })
        };
        let (store_url, secret_id) = (required(STORE_URL), required(STORE_SECRET));
        let aws = Aws {
            region: required("AWS_REGION"),
            access_key_id: required("AWS_ACCESS_KEY_ID"),
            secret_access_key: required("AWS_SECRET_ACCESS_KEY"),
            session_token: given("AWS_SESSION_TOKEN"),
            endpoint_url: given("AWS_ENDPOINT_URL_SECRETS_MANAGER").or_else(|| given("AWS_ENDPOINT_URL")),
        };
        let board_url = given(BOARD_URL);
        let log = given(LOG).unwrap_or_else(|| LOG_DEFAULT.to_owned()).parse::<Targets>();
        if let Some(Err(error)) = board_url.as_ref().map(|url| Ranks::redis(url, 1)) {
            faults.push(format!("{BOARD_URL}: {}", chain(&error)));
        }
        if let Err(error) = &log {
            faults.push(format!("{LOG}: {error}"));
        }
        let parsed = parse_store_url(&store_url);
        if let (Err(fault), false) = (&parsed, store_url.is_empty()) {
            faults.push(format!("{STORE_URL}: {fault}"));
        }
        match (parsed, log) {
            (Ok(store_url), Ok(log)) if faults.is_empty() => {
                Ok(Self { store_url, secret_id, board_url, aws, log })
            }
            _ => Err(SettingsError { faults }),
        }
    }

    /// The URL of the store for who logs in to it.
    pub(super) fn store_url_for(&self, login: &Login) -> String {
        let mut url = self.store_url.clone();
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        // Both succeed for a URL with a host, as this one has been found to be.
        if let Some(username) = &login.username {
            let _ = url.set_username(&encoded(username));
        }
        let _ = url.set_password(Some(&encoded(&login.password)));
        url.into()
    }
}

fn parse_store_url(text: &str) -> Result<Url, String> {
    Store::postgres(text, Options::default()).map_err(|error| error.to_string())?;
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let query_has_one = url.query_pairs().any(|(name, _)| name == "password");
    if url.password().is_some() || query_has_one {
        return Err(format!("it holds a password, which must come from {STORE_SECRET}"));
    }
    Ok(url)
}
