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

use super::settings::Aws;

/// How long connecting may take, milliseconds.
const CONNECT_MS_MAX: u64 = 1_000;
/// How long one try may take, milliseconds.
const TRY_MS_MAX: u64 = 1_500;
/// How long reading may take with all tries, milliseconds.
const READ_MS_MAX: u64 = 3_000;
/// How often it is tried.
const TRIES_MAX: u32 = 3;
/// The longest pause before the second try, milliseconds; the next one is up to twice as long.
const PAUSE_MS_MAX: u64 = 100;

/// Who logs in to the store. Its password is shown nowhere: it has no `Debug`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Login {
    /// In place of the user in the store's URL, where there is one.
    pub(super) username: Option<String>,
    /// The password.
    pub(super) password: String,
}

/// Which value of the secret: while it is rotated, store and secret change one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// The one that is valid now, or soon.
    Current,
    /// The one before.
    Previous,
}

impl Version {
    fn stage(self) -> &'static str {
        match self {
            Self::Current => "AWSCURRENT",
            Self::Previous => "AWSPREVIOUS",
        }
    }
}

/// Why the login is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    /// It cannot be read.
    #[error("cannot read the secret {id}")]
    Read {
        /// Where it is.
        id: String,
        /// What Secrets Manager said.
        source: Box<SdkError<GetSecretValueError, HttpResponse>>,
    },
    /// It holds something else. What it holds is not repeated.
    #[error("the secret {id} is not a JSON object with a password")]
    Shape {
        /// Where it is.
        id: String,
    },
}

/// Where the login is.
pub(super) struct Secret {
    client: Client,
    id: String,
}

impl Secret {
    /// Touches nothing yet.
    pub(super) fn new(aws: &Aws, id: &str) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_millis(CONNECT_MS_MAX))
            .operation_attempt_timeout(Duration::from_millis(TRY_MS_MAX))
            .operation_timeout(Duration::from_millis(READ_MS_MAX));
        // The environment has all that is needed, so nothing else is asked for it.
        let (key, secret, token) = (&aws.access_key_id, &aws.secret_access_key, aws.session_token.clone());
        let retries = RetryConfig::standard()
            .with_max_attempts(TRIES_MAX)
            .with_initial_backoff(Duration::from_millis(PAUSE_MS_MAX));
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(aws.region.clone()))
            .credentials_provider(Credentials::new(key, secret, token, None, "environment"))
            .retry_config(retries)
            .timeout_config(timeouts.build());
        if let Some(endpoint_url) = &aws.endpoint_url {
            config = config.endpoint_url(endpoint_url);
        }
        Self { client: Client::from_conf(config.build()), id: id.to_owned() }
    }

    /// Reads a login.
    pub(super) async fn read(&self, version: Version) -> Result<Login, SecretError> {
        let request = self.client.get_secret_value().secret_id(&self.id).version_stage(version.stage());
        let answer = request.send().await;
        let answer =
            answer.map_err(|source| SecretError::Read { id: self.id.clone(), source: Box::new(source) })?;
        // Not with the reader's reason, which might repeat a part of it.
        serde_json::from_str(answer.secret_string().unwrap_or_default())
            .map_err(|_| SecretError::Shape { id: self.id.clone() })
    }
}
