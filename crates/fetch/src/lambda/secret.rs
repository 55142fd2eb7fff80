//! The login to the store, in AWS Secrets Manager.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use serde::Deserialize;
use settings::with_login;
use url::Url;

use super::settings::Settings;

/// How long connecting may take, milliseconds.
const CONNECT_MS_MAX: u64 = 1_000;
/// How long one attempt may take, milliseconds.
const TRY_MS_MAX: u64 = 1_500;
/// How long a read may take with all its attempts, milliseconds.
const READ_MS_MAX: u64 = 3_000;
/// The most attempts of a read.
const TRIES_MAX: u32 = 3;
/// The longest pause before the second attempt, milliseconds; each further one is up to twice as long.
const PAUSE_MS_MAX: u64 = 100;

/// A login to the store. It has no `Debug`, so that its password is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Login {
    /// Replaces the user in the store's URL.
    pub(super) username: Option<String>,
    pub(super) password: String,
}

/// The version of the secret. During a rotation the store and the secret change one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Valid now, or soon.
    Current,
    /// Replaced by the current one.
    Previous,
}

impl Login {
    /// The URL of the store with this login. A URL without a host takes none.
    pub(super) fn in_url(&self, store_url: &Url) -> String {
        let url = with_login(store_url.clone(), self.username.as_deref(), &self.password);
        url.unwrap_or_else(|| store_url.to_string())
    }
}

impl Version {
    fn stage(self) -> &'static str {
        match self {
            Self::Current => "AWSCURRENT",
            Self::Previous => "AWSPREVIOUS",
        }
    }
}

/// Why there is no login.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    #[error("cannot read the secret {id}")]
    Read { id: String, source: Box<SdkError<GetSecretValueError, HttpResponse>> },
    /// The content is not shown.
    #[error("the secret {id} is not a JSON object with a password")]
    Shape { id: String },
}

/// The secret that holds the login.
pub(super) struct Secret {
    client: Client,
    id: String,
}

impl Secret {
    /// Connects to nothing yet.
    pub(super) fn new(settings: &Settings) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_millis(CONNECT_MS_MAX))
            .operation_attempt_timeout(Duration::from_millis(TRY_MS_MAX))
            .operation_timeout(Duration::from_millis(READ_MS_MAX));
        // The environment has everything, so the SDK need not look for a region or keys.
        let (key, secret, token) =
            (&settings.access_key_id, &settings.secret_access_key, settings.session_token.clone());
        let retries = RetryConfig::standard()
            .with_max_attempts(TRIES_MAX)
            .with_initial_backoff(Duration::from_millis(PAUSE_MS_MAX));
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(settings.region.clone()))
            .credentials_provider(Credentials::new(key, secret, token, None, "environment"))
            .retry_config(retries)
            .timeout_config(timeouts.build());
        if let Some(endpoint_url) = settings.secrets_endpoint_url.as_ref().or(settings.endpoint_url.as_ref())
        {
            config = config.endpoint_url(endpoint_url);
        }
        Self { client: Client::from_conf(config.build()), id: settings.secret_id.clone() }
    }

    /// Reads a login.
    pub(super) async fn read(&self, version: Version) -> Result<Login, SecretError> {
        let request = self.client.get_secret_value().secret_id(&self.id).version_stage(version.stage());
        let answer = request.send().await;
        let answer =
            answer.map_err(|source| SecretError::Read { id: self.id.clone(), source: Box::new(source) })?;
        // The parser's reason is dropped: it may quote the secret.
        serde_json::from_str(answer.secret_string().unwrap_or_default())
            .map_err(|_| SecretError::Shape { id: self.id.clone() })
    }
}
