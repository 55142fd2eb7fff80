//! A fake SQS: the part of the protocol that the inbox uses, over HTTP on loopback, with the test's clock. It follows
//! AWS's documentation of FIFO queues, and fails when a test says so. Simple, not fast: it scans every message of a
//! queue.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// A failure of a request.
#[derive(Clone)]
pub(crate) enum Fault {
    /// The request is rejected with this status and code.
    Refuse(u16, &'static str),
    /// The connection breaks before the request is processed.
    Break,
    /// The request is processed, and the connection breaks before the response.
    BreakAfter,
    /// The request is processed, and no response follows.
    Hang,
    /// The same, from here on, for every send with a message of the first groups, up to this number.
    HangOf(u16),
    /// It is done and answered after this time.
    Slow(Duration),
    /// The entry with this id is not done and answered with this code; a fault of the service.
    Entry(&'static str, &'static str),
    /// The request is processed; counts in the response are those from before any send.
    LateCounts,
}

struct Stored {
    group: String,
    dedup_id: String,
    body: Value,
    attributes: Value,
    sent_at_ms: i64,
    count: u32,
    visible_at_ms: i64,
}

#[derive(Default)]
struct FifoQueue {
    attributes: Map<String, Value>,
    messages: BTreeMap<u128, Stored>,
    /// By group and deduplication id: expiry, and the sequence.
    remembered: HashMap<(String, String), (i64, u128)>,
}

#[derive(Default)]
struct State {
    queues: BTreeMap<String, FifoQueue>,
    faults: VecDeque<(&'static str, Fault)>,
    requests: Vec<(String, Value)>,
    sequence: u128,
}

struct Shared {
    state: Mutex<State>,
    clock: Arc<AtomicI64>,
    address: String,
}

/// The server; stops on drop.
pub(crate) struct Fake {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An SQS error: status and code.
type Refusal = (u16, &'static str);

impl Fake {
    pub(crate) async fn start(clock: Arc<AtomicI64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        // A sequence as long as those of AWS.
        let state = State { sequence: 18_849_496_460_467_696_128, ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), clock, address });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&serving);
                let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { shared, task }
    }

    pub(crate) fn address(&self) -> &str {
        &self.shared.address
    }

    /// Makes the next requests of these kinds fail, each once, in this order.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = (&'static str, Fault)>) {
        self.shared.state.lock().unwrap().faults.extend(faults);
    }

    /// All requests of a kind so far.
    pub(crate) fn requests(&self, action: &str) -> Vec<Value> {
        let state = self.shared.state.lock().unwrap();
        state.requests.iter().filter(|(of, _)| of == action).map(|(_, request)| request.clone()).collect()
    }

    /// An attribute of a queue.
    pub(crate) fn get(&self, queue: &str, attribute: &str) -> Option<String> {
        let state = self.shared.state.lock().unwrap();
        state.queues[queue].attributes.get(attribute).and_then(|value| value.as_str()).map(str::to_owned)
    }

    /// Changes an attribute of a queue without the checks of SQS.
    pub(crate) fn set(&self, queue: &str, attribute: &str, value: Option<&str>) {
        let mut state = self.shared.state.lock().unwrap();
        let attributes = &mut state.queues.get_mut(queue).unwrap().attributes;
        match value {
            Some(value) => attributes.insert(attribute.into(), value.into()),
            None => attributes.remove(attribute),
        };
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let action = request.headers()["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap().to_owned();
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    let input: Value = serde_json::from_slice(&body).unwrap();
    let fault = {
        let mut state = shared.state.lock().unwrap();
        state.requests.push((action.clone(), input.clone()));
        match state.faults.front() {
            Some((of, Fault::HangOf(groups))) if *of == action => {
                let is_of = |entry: &Value| text(entry, "MessageGroupId").parse::<u16>().unwrap() < *groups;
                input["Entries"].as_array().unwrap().iter().any(is_of).then_some(Fault::Hang)
            }
            Some((of, _)) if *of == action => state.faults.pop_front().map(|(_, fault)| fault),
            _ => None,
        }
    };
    let broken = || Err(std::io::ErrorKind::ConnectionReset.into());
    let result = match fault {
        Some(Fault::Break) => return broken(),
        Some(Fault::Refuse(status, code)) => Err((status, code)),
        Some(Fault::BreakAfter) => {
            shared.act(&action, &input, None).await.ok();
            return broken();
        }
        Some(Fault::Hang | Fault::HangOf(_)) => {
            shared.act(&action, &input, None).await.ok();
            return std::future::pending().await;
        }
        Some(Fault::Slow(time)) => tokio::join!(shared.act(&action, &input, None), sleep(time)).0,
        Some(Fault::Entry(id, code)) => shared.act(&action, &input, Some((id, code))).await,
        Some(Fault::LateCounts) => shared.act(&action, &input, None).await.map(|mut answer| {
            let attributes = answer["Attributes"].as_object_mut().unwrap();
            let counts = attributes.iter_mut().filter(|(name, _)| name.starts_with("Approximate"));
            counts.for_each(|(_, count)| *count = "0".into());
            answer
        }),
        None => shared.act(&action, &input, None).await,
    };
    let (status, output) = match result {
        Ok(output) => (200, output),
        Err((status, code)) => (
            status,
            json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": format!("told to say {code}") }),
        ),
    };
    let response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
    Ok(response.body(Full::from(output.to_string())).unwrap())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The name of the queue in a URL.
fn name(input: &Value) -> String {
    text(input, "QueueUrl").rsplit('/').next().unwrap().to_owned()
}

impl Shared {
    fn now_ms(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    async fn act(
        &self,
        action: &str,
        input: &Value,
        failing: Option<(&str, &str)>,
    ) -> Result<Value, Refusal> {
        if action == "ReceiveMessage" {
            // A wait of one second ends within a tenth of a second.
            let mut looks = input["WaitTimeSeconds"].as_u64().unwrap_or(0) * 20;
            loop {
                let messages = self.receive(input);
                if looks == 0 || messages.as_array().is_some_and(|messages| !messages.is_empty()) {
                    return Ok(json!({ "Messages": messages }));
                }
                looks -= 1;
                sleep(Duration::from_millis(5)).await;
            }
        }
        let mut guard = self.state.lock().unwrap();
        let state = &mut *guard;
        match action {
            "CreateQueue" => Ok(self.create(state, input)),
            "GetQueueUrl" => match state.queues.contains_key(text(input, "QueueName")) {
                true => Ok(json!({ "QueueUrl": format!("{}/0/{}", self.address, text(input, "QueueName")) })),
                false => Err((400, "QueueDoesNotExist")),
            },
            "GetQueueAttributes" => match state.queues.get(&name(input)) {
                Some(queue) => Ok(json!({ "Attributes": queue.all_attributes(self.now_ms()) })),
                None => Err((400, "QueueDoesNotExist")),
            },
            _ => Ok(self.each(state, action, input, failing)),
        }
    }

    fn create(&self, state: &mut State, input: &Value) -> Value {
        let name = text(input, "QueueName");
        let mut attributes = input["Attributes"].as_object().unwrap().clone();
        attributes.insert("QueueArn".into(), format!("arn:aws:sqs:us-east-1:000000000000:{name}").into());
        attributes.insert("CreatedTimestamp".into(), (self.now_ms() / 1000).to_string().into());
        state.queues.insert(name.to_owned(), FifoQueue { attributes, ..FifoQueue::default() });
        json!({ "QueueUrl": format!("{}/0/{name}", self.address) })
    }

    /// Processes a batch request: each entry separately.
    fn each(&self, state: &mut State, action: &str, input: &Value, failing: Option<(&str, &str)>) -> Value {
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        let entries = input["Entries"].as_array().unwrap();
        assert!((1..=10).contains(&entries.len()), "{} entries", entries.len());
        for entry in entries {
            let id = text(entry, "Id");
            let done = match failing {
                Some((failing, code)) if failing == id => Err((code, false)),
                _ => self.one(state, action, &name(input), entry).map_err(|code| (code, true)),
            };
            match done {
                Ok(sequence) => successful.push(json!({
                    "Id": id, "MessageId": id, "MD5OfMessageBody": "", "SequenceNumber": sequence.to_string(),
                })),
                Err((code, ours)) => failed.push(json!({ "Id": id, "Code": code, "SenderFault": ours })),
            }
        }
        json!({ "Successful": successful, "Failed": failed })
    }

    fn one(&self, state: &mut State, action: &str, queue: &str, entry: &Value) -> Result<u128, &'static str> {
        let now_ms = self.now_ms();
        let queue = state.queues.get_mut(queue).unwrap();
        if action == "SendMessageBatch" {
            return queue.send(now_ms, &mut state.sequence, entry);
        }
        let (sequence, count) = text(entry, "ReceiptHandle").split_once('/').unwrap();
        let sequence = sequence.parse().unwrap();
        let message = queue.messages.get_mut(&sequence);
        let is_held = message
            .as_ref()
            .is_some_and(|message| message.visible_at_ms > now_ms && message.count.to_string() == count);
        match (action, message) {
            // Deleting twice is not an error.
            ("DeleteMessageBatch", None) => {}
            ("DeleteMessageBatch", Some(_)) if is_held => drop(queue.messages.remove(&sequence)),
            ("DeleteMessageBatch", Some(_)) => return Err("ReceiptHandleIsInvalid"),
            ("ChangeMessageVisibilityBatch", Some(message)) if is_held => {
                message.visible_at_ms = now_ms + entry["VisibilityTimeout"].as_i64().unwrap() * 1000;
            }
            ("ChangeMessageVisibilityBatch", _) => return Err("MessageNotInflight"),
            _ => panic!("{action} is not known here"),
        }
        Ok(sequence)
    }

    fn receive(&self, input: &Value) -> Value {
        let now_ms = self.now_ms();
        let mut guard = self.state.lock().unwrap();
        let state = &mut *guard;
        let (received, exhausted) = state.queues.get_mut(&name(input)).unwrap().receive(now_ms, input);
        for (target, mut message) in exhausted {
            state.sequence += 1;
            (message.count, message.visible_at_ms, message.sent_at_ms) = (0, 0, now_ms);
            state.queues.get_mut(&target).unwrap().messages.insert(state.sequence, message);
        }
        received
    }
}

impl FifoQueue {
    fn all_attributes(&self, now_ms: i64) -> Map<String, Value> {
        let in_flight = self.messages.values().filter(|message| message.visible_at_ms > now_ms).count();
        let mut attributes = self.attributes.clone();
        let visible = self.messages.len() - in_flight;
        attributes.insert("ApproximateNumberOfMessages".into(), visible.to_string().into());
        attributes.insert("ApproximateNumberOfMessagesNotVisible".into(), in_flight.to_string().into());
        attributes
    }

    fn send(&mut self, now_ms: i64, sequence: &mut u128, entry: &Value) -> Result<u128, &'static str> {
        let (group, dedup_id) = (text(entry, "MessageGroupId"), text(entry, "MessageDeduplicationId"));
        let body = text(entry, "MessageBody");
        let is_name =
            |name: &str| (1..=128).contains(&name.len()) && name.bytes().all(|of| of.is_ascii_graphic());
        let is_allowed =
            |of: char| of >= ' ' && !('\u{FFFE}'..='\u{FFFF}').contains(&of) || "\t\n\r".contains(of);
        let longest: usize =
            text(&Value::Object(self.attributes.clone()), "MaximumMessageSize").parse().unwrap();
        if !is_name(group) || !is_name(dedup_id) || body.is_empty() || body.len() > longest {
            return Err("InvalidParameterValue");
        }
        if !body.chars().all(is_allowed) {
            return Err("InvalidMessageContents");
        }
        self.remembered.retain(|_, (until_ms, _)| *until_ms > now_ms);
        let key = (group.to_owned(), dedup_id.to_owned());
        if let Some((_, sequence)) = self.remembered.get(&key) {
            return Ok(*sequence);
        }
        *sequence += 1;
        self.remembered.insert(key, (now_ms + queue::DEDUP_MS, *sequence));
        let message = Stored {
            group: group.to_owned(),
            dedup_id: dedup_id.to_owned(),
            body: entry["MessageBody"].clone(),
            attributes: entry["MessageAttributes"].clone(),
            sent_at_ms: now_ms,
            count: 0,
            visible_at_ms: 0,
        };
        self.messages.insert(*sequence, message);
        Ok(*sequence)
    }

    /// Returns the received messages, and the messages to move to a dead-letter queue.
    fn receive(&mut self, now_ms: i64, input: &Value) -> (Value, Vec<(String, Stored)>) {
        let most = usize::try_from(input["MaxNumberOfMessages"].as_u64().unwrap()).unwrap();
        assert!((1..=10).contains(&most));
        let held: HashSet<_> = self
            .messages
            .values()
            .filter(|of| of.visible_at_ms > now_ms)
            .map(|of| of.group.clone())
            .collect();
        let policy: Value = self
            .attributes
            .get("RedrivePolicy")
            .map_or(Value::Null, |policy| serde_json::from_str(policy.as_str().unwrap()).unwrap());
        let receive_max = text(&policy, "maxReceiveCount").parse().unwrap_or(u32::MAX);
        let target = text(&policy, "deadLetterTargetArn").rsplit(':').next().unwrap();
        let (mut received, mut exhausted) = (Vec::new(), Vec::new());
        for (sequence, message) in &mut self.messages {
            if received.len() == most || held.contains(&message.group) {
                continue;
            }
            if message.count >= receive_max {
                exhausted.push(*sequence);
                continue;
            }
            message.count += 1;
            message.visible_at_ms = now_ms + input["VisibilityTimeout"].as_i64().unwrap() * 1000;
            received.push(json!({
                "Body": message.body,
                "ReceiptHandle": format!("{sequence}/{}", message.count),
                "MessageAttributes": message.attributes,
                "Attributes": {
                    "MessageGroupId": message.group,
                    "MessageDeduplicationId": message.dedup_id,
                    "SequenceNumber": sequence.to_string(),
                    "SentTimestamp": message.sent_at_ms.to_string(),
                    "ApproximateReceiveCount": message.count.to_string(),
                },
            }));
        }
        let moved = exhausted.iter().filter_map(|sequence| self.messages.remove(sequence));
        (received.into(), moved.map(|message| (target.to_owned(), message)).collect())
    }
}
