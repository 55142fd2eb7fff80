//! The settings of the function, from its environment.

use ranks::Ranks;
use serve::chain;
use settings::{
    BOARD_URL, ConfigErrors, Given, LOG, Role, STORE_URL, Setting, SettingsReader, holds_password, settings,
};
use store::{Options, Store};
use tracing_subscriber::filter::Targets;
use url::Url;

settings! {
    /// The settings of the function. Those of AWS's SDKs are set by Lambda itself.
    pub struct Settings {
        /// A URL of PostgreSQL without a password.
        pub(super) store_url: Url = store_url,
            STORE_URL.without_default().unit("postgres://USER@HOST/DATABASE");
        /// The ARN or the name of the secret.
        pub(super) secret_id: String = Given::string, Setting::new(
            "STORE_SECRET", "ARN",
            "the secret in AWS Secrets Manager that holds the store's login",
        );
        /// Without one, no ranks are shown.
        pub(super) board_url: Option<String> = board_url,
            BOARD_URL.without_default().unit("redis://HOST/NUMBER or rediss://HOST (with TLS)").roles(&[]);
        pub log: Targets = log, LOG;
        pub(super) region: String = Given::string, Setting::new(
            "AWS_REGION", "name",
            "the region of the secret",
        );
        pub(super) access_key_id: String = Given::string, Setting::new(
            "AWS_ACCESS_KEY_ID", "text",
            "the key that may read the secret",
        );
        pub(super) secret_access_key: String = Given::string, Setting::new(
            "AWS_SECRET_ACCESS_KEY", "text",
            "the key's secret half",
        ).secret();
        pub(super) session_token: Option<String> = Given::optional, Setting::new(
            "AWS_SESSION_TOKEN", "text",
            "the token of a key that expires",
        ).secret();
        pub(super) secrets_endpoint_url: Option<String> = Given::optional, Setting::new(
            "AWS_ENDPOINT_URL_SECRETS_MANAGER", "URL",
            "another address of Secrets Manager than the region's own",
        );
        pub(super) endpoint_url: Option<String> = Given::optional, Setting::new(
            "AWS_ENDPOINT_URL", "URL",
            "another address of every service of AWS",
        );
    }
}

impl Settings {
    /// Reads them with `lookup`, which gives the value of an environment variable. An empty value counts as not given.
    ///
    /// # Errors
    /// Every mistake, by name.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let given = |setting: &Setting| lookup(&setting.variable()).filter(|value| !value.is_empty());
        let mut reader = SettingsReader::new(Role::Fetch, Self::SETTINGS, given);
        let settings = Self::collect(&mut reader);
        reader.finish(|_| settings)
    }
}

fn store_url(given: Given<'_>) -> Result<Url, String> {
    let text = given.text()?;
    Store::postgres(text, Options::default()).map_err(|error| error.to_string())?;
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if holds_password(&url) {
        return Err("must not contain a password; it comes from BUTTONPARTY_STORE_SECRET".to_owned());
    }
    Ok(url)
}

fn board_url(given: Given<'_>) -> Result<Option<String>, String> {
    let Some(url) = given.filled() else { return Ok(None) };
    Ranks::redis(url, 1).map_err(|error| chain(&error))?;
    Ok(Some(url.to_owned()))
}

fn log(given: Given<'_>) -> Result<Targets, String> {
    given.text()?.parse::<Targets>().map_err(|error| error.to_string())
}
