//! Ingest: takes commands of players over HTTP, and answers 202 when they are durable in the inbox. It validates only
//! their form; the handler applies the rules.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use engine::batcher::{Batcher, Overloaded, Ticket};
use engine::clock::Clock;
use engine::metrics::REQUESTS_ACCEPTED;
use game::{Action, PurchaseId, Username, partition_of};
use metrics::{Counter, counter};
use serve::{Auth, BodyRefusals, Caller, Durable, IDEMPOTENCY_KEY, Refused, body, discard, field};
use utoipa::IntoResponses;
use wire::{Accepted, AddBody, PowerupBody, PressBody, Problem};

/// The state of the ingest routes.
pub struct Ingest {
    batcher: Arc<Batcher>,
    clock: Clock,
    auth: Auth,
    partitions: u16,
    adds: Counter,
    presses: Counter,
    purchases: Counter,
}

impl Ingest {
    pub fn new(batcher: Arc<Batcher>, clock: Clock, auth: Auth, partitions: u16) -> Self {
        let accepted = |kind: &'static str| counter!(REQUESTS_ACCEPTED, "kind" => kind);
        Self {
            batcher,
            clock,
            auth,
            partitions,
            adds: accepted("add"),
            presses: accepted("press"),
            purchases: accepted("powerup"),
        }
    }

    fn partition_of(&self, username: &Username) -> u16 {
        partition_of(username.as_str(), self.partitions)
    }

    /// Puts a command into the inbox, and answers when it is durable there.
    async fn take(
        &self,
        partition: u16,
        accepted: &Counter,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), serde_json::Error>,
    ) -> Answer {
        // The command arrives when its whole request is here. Earlier, a client could claim a time by opening a
        // request long before it sends the rest.
        let arrived_at = self.clock.now_ms();
        let mut payload = Vec::with_capacity(64);
        encode(&mut payload).map_err(Refused::internal)?;
        let Ticket { id, durable } = self
            .batcher
            .submit(partition, arrived_at, &payload)
            .map_err(|Overloaded| Refused::unavailable("too many commands are waiting for the inbox"))?;
        if !durable.await.unwrap_or(false) {
            return Err(Refused::unavailable("the inbox did not take the command"));
        }
        accepted.increment(1);
        Ok(Durable(Accepted { id, arrived_at }))
    }
}

type Answer = Result<Durable<Accepted>, Refused>;

/// Not taken; try again
#[derive(IntoResponses)]
#[response(status = 503, content_type = "application/problem+json")]
pub struct NotTaken(pub Problem);

/// Join the game, or change name, platform or device.
#[utoipa::path(
    post, path = "/add", tag = "ingest",
    params(wire::IdempotencyKey),
    request_body(content = AddBody, examples(
        ("new" = (value = json!({"username": "ada", "name": "Ada L.", "platform": "web"}))),
        ("first_client" = (value = json!({"RequestBody": {"username": "grace", "token": "device-1", "platform": "android"}}))),
    )),
    responses(
        (status = 202, description = "Durably in the inbox", body = Accepted),
        BodyRefusals, NotTaken,
    )
)]
pub(crate) async fn add(State(ingest): State<Arc<Ingest>>, request: Request) -> Answer {
    let Sent { caller, body: mut add, .. } = ingest.read(request, wire::parse_add).await?;
    add.username = caller.acts_as(add.username);
    let partition = ingest.partition_of(&add.username);
    let add = Action::Add(add);
    ingest.take(partition, &ingest.adds, |payload| wire::encode_action(&add, payload)).await
}

/// Press the button.
#[utoipa::path(
    post, path = "/press", tag = "ingest",
    params(wire::IdempotencyKey),
    request_body(content = PressBody, examples(
        ("new" = (value = json!({"username": "ada"}))),
        ("first_client" = (value = json!({"RequestBody": {"username": "grace", "streak": 3}}))),
    )),
    responses(
        (status = 202, description = "Durably in the inbox; the outcome shows in /fetch/self", body = Accepted),
        BodyRefusals, NotTaken,
    )
)]
pub(crate) async fn press(State(ingest): State<Arc<Ingest>>, request: Request) -> Answer {
    let Sent { caller, body: username, .. } = ingest.read(request, wire::parse_press).await?;
    let username = caller.acts_as(username);
    let partition = ingest.partition_of(&username);
    let press = Action::Press { username };
    ingest.take(partition, &ingest.presses, |payload| wire::encode_action(&press, payload)).await
}

/// Buy a powerup with points.
#[utoipa::path(
    post, path = "/powerups", tag = "ingest",
    params(wire::IdempotencyKey),
    request_body(content = PowerupBody, examples(
        ("new" = (value = json!({"username": "ada", "powerUpType": "MULTIPLIER", "quantity": 2}))),
        ("first_client" = (value = json!({"RequestBody": {"username": "grace", "powerUpType": "EXTENDER", "quantity": 1.5}}))),
    )),
    responses(
        (status = 202, description = "Durably in the inbox; the outcome shows in /fetch/self", body = Accepted),
        BodyRefusals, NotTaken,
    )
)]
pub(crate) async fn powerups(State(ingest): State<Arc<Ingest>>, request: Request) -> Answer {
    let Sent { caller, key, body: (username, powerup) } = ingest.read(request, wire::parse_powerup).await?;
    let username = caller.acts_as(username);
    let partition = ingest.partition_of(&username);
    let encode = |payload: &mut _| wire::encode_purchase(&username, key.as_ref(), powerup, payload);
    ingest.take(partition, &ingest.purchases, encode).await
}

type FieldErrors = Vec<wire::FieldError>;

/// A parsed request.
struct Sent<T> {
    caller: Caller,
    key: Option<PurchaseId>,
    body: T,
}

impl Ingest {
    /// Parses a request: its head, and its body within bounds.
    async fn read<T>(
        &self,
        request: Request,
        parse: impl FnOnce(&[u8]) -> Result<T, FieldErrors>,
    ) -> Result<Sent<T>, Refused> {
        let (parts, unread) = request.into_parts();
        let caller = self.auth.caller();
        let key = match idempotency_key(&parts.headers) {
            Ok(key) => key,
            Err(wrong) => {
                discard(unread).await;
                return Err(wrong.into());
            }
        };
        drop(parts); // the head's memory is free while the body is waited for
        let whole = body(unread).await?;
        Ok(Sent { caller, key, body: parse(&whole)? })
    }
}

/// The `Idempotency-Key` of a request, if there is one.
///
/// # Errors
/// The invalid field: not 1 to 128 visible ASCII characters, or given twice.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<PurchaseId>, wire::FieldError> {
    let mut all = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let (Some(key), None) = (all.next(), all.next()) else {
        let none = headers.get(&IDEMPOTENCY_KEY).is_none();
        return if none { Ok(None) } else { Err(field("Idempotency-Key", "must be given at most once")) };
    };
    let text =
        key.to_str().map_err(|_| field("Idempotency-Key", "must consist of visible ASCII characters"))?;
    Ok(Some(PurchaseId::new(text)?))
}
