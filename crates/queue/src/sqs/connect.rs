//! The client, and the attributes of the queue.

use std::collections::HashMap;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Credentials;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesError;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use super::{Inner, Service};
use crate::bounds::{ANSWER_TIMEOUT, ATTRIBUTES_BYTES_MAX, CONNECT_TIMEOUT, RECEIVE_MAX_MIN};
use crate::error::Error;

/// Timeouts of a request whose answer must come within this time.
pub(super) fn timeouts(answer: std::time::Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(answer).build()
}

/// A client without retries of the SDK: ours handle single entries and their order.
pub(super) async fn client(service: &Service) -> Client {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts(ANSWER_TIMEOUT));
    if let Some(endpoint_url) = &service.endpoint_url {
        loader = loader.endpoint_url(endpoint_url);
    }
    if let Some(region) = &service.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(key) = &service.access_key {
        loader = loader.credentials_provider(Credentials::new(&key.id, &key.secret, None, None, "given"));
    }
    Client::new(&Box::pin(loader.load()).await)
}

/// The attributes that identify an inbox.
pub(super) const IDENTITY: [Attribute; 2] = [Attribute::QueueArn, Attribute::CreatedTimestamp];

/// Attributes of a queue.
pub(super) struct Attributes(HashMap<Attribute, String>);

impl Attributes {
    fn text(&self, name: &Attribute) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn number(&self, name: &Attribute) -> Result<u64, Error> {
        self.text(name).parse().map_err(Error::corrupt)
    }

    /// Distinguishes a queue from one that was created anew under its name.
    fn inbox_id(&self) -> Result<String, Error> {
        let made_at_s = self.number(&Attribute::CreatedTimestamp)?;
        Ok(format!("{}@{made_at_s}", self.text(&Attribute::QueueArn)))
    }

    fn must_be(&self, attribute: &'static str, needed: &str) -> Result<(), Error> {
        let found = self.text(&Attribute::from(attribute));
        if found == needed { Ok(()) } else { Err(unfit(attribute, found, needed)) }
    }

    fn must_have_room(&self, options: &crate::Options) -> Result<(), Error> {
        let attribute = Attribute::MaximumMessageSize;
        let needed_bytes = options.body_bytes_max + ATTRIBUTES_BYTES_MAX;
        let found = self.text(&attribute);
        match found.parse::<usize>() {
            Ok(found_bytes) if found_bytes >= needed_bytes => Ok(()),
            _ => Err(unfit("MaximumMessageSize", found, &format!("at least {needed_bytes}"))),
        }
    }
}

fn unfit(attribute: &'static str, found: &str, needed: &str) -> Error {
    Error::Unfit { attribute, found: found.to_owned(), needed: needed.to_owned() }
}

/// The parsed redrive policy.
struct Redrive {
    /// Account and name of the dead-letter queue.
    account: String,
    name: String,
    receive_max: u32,
}

impl Redrive {
    fn read(policy: &str) -> Option<Self> {
        let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
        // arn:aws:sqs:region:account:name
        let mut arn = policy["deadLetterTargetArn"].as_str()?.rsplitn(3, ':');
        let (name, account) = (arn.next()?.to_owned(), arn.next()?.to_owned());
        let count = &policy["maxReceiveCount"];
        let receive_max = match count.as_str() {
            Some(count) => count.parse().ok()?,
            None => u32::try_from(count.as_u64()?).ok()?,
        };
        Some(Self { account, name, receive_max })
    }
}

impl Inner {
    pub(super) async fn attributes(&self, url: &str, names: &[Attribute]) -> Result<Attributes, Error> {
        let request = || async {
            let request = self.client.get_queue_attributes().queue_url(url);
            let answer = request.set_attribute_names(Some(names.to_vec())).send().await?;
            Ok::<_, SdkError<GetQueueAttributesError, HttpResponse>>(answer.attributes.unwrap_or_default())
        };
        self.call(request).await.map(Attributes)
    }

    /// Reads the attributes of the queue, and refuses one that cannot be an inbox.
    pub(super) async fn look_up(&mut self) -> Result<(), Error> {
        let queue = self.attributes(&self.url, &[Attribute::All]).await?;
        queue.must_be("FifoQueue", "true")?;
        queue.must_be("DeduplicationScope", "messageGroup")?;
        queue.must_be("FifoThroughputLimit", "perMessageGroupId")?;
        queue.must_have_room(&self.options)?;
        let policy = queue.text(&Attribute::RedrivePolicy);
        let redrive = Redrive::read(policy)
            .ok_or_else(|| unfit("RedrivePolicy", policy, "one with a dead-letter queue"))?;
        let request = || {
            let request = self.client.get_queue_url().queue_name(&redrive.name);
            request.queue_owner_aws_account_id(&redrive.account).send()
        };
        self.dead_url = self.call(request).await?.queue_url.unwrap_or_default();
        let dead = self.attributes(&self.dead_url, &[Attribute::All]).await?;
        dead.must_be("FifoQueue", "true")?;
        dead.must_have_room(&self.options)?;
        // If SQS moves a message to the dead letters, the messages after it are applied without it.
        let least = RECEIVE_MAX_MIN.min(self.options.receive_max);
        if redrive.receive_max < least {
            let needed = format!("one with a maxReceiveCount of at least {least}");
            return Err(unfit("RedrivePolicy", policy, &needed));
        }
        self.receive_max = redrive.receive_max;
        let arn = queue.text(&Attribute::QueueArn);
        // It becomes part of JSON and of ids that are split at a slash.
        if arn.is_empty() || !arn.bytes().all(|of| of.is_ascii_alphanumeric() || b":-_.".contains(&of)) {
            return Err(unfit("QueueArn", arn, "letters, digits and :-_."));
        }
        self.inbox_id = queue.inbox_id()?;
        Ok(())
    }

    /// Checks that these attributes, which include [`IDENTITY`], are those of the queue that was opened.
    pub(super) fn must_be_same(&self, attributes: &Attributes) -> Result<(), Error> {
        let found = attributes.inbox_id()?;
        if found == self.inbox_id {
            Ok(())
        } else {
            Err(Error::Replaced { known: self.inbox_id.clone(), found })
        }
    }
}
