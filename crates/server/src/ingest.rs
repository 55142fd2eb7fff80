//! Ingest: takes players' commands over HTTP, and says 202 when they are durably in the inbox. It judges only their
//! shape; the rules are the handler's business.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use engine::batcher::{Batcher, Overloaded, Ticket};
use engine::clock::Clock;
use game::{Action, PurchaseId, partition_of};
use metrics::{Counter, counter};
use serve::{Auth, BodyRefusals, Caller, Durable, IDEMPOTENCY_KEY, Refused, body, discard, field};
use utoipa::IntoResponses;
use wire::{Accepted, AddBody, PowerupBody, PressBody, Problem};

/// What the ingest routes need.
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
    /// Ingest over this batcher.
    pub fn new(batcher: Arc<Batcher>, clock: Clock, auth: Auth, partitions: u16) -> Self {
        let accepted = |kind: &'static str| counter!("buttonparty_requests_accepted_total", "kind" => kind);
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

    /// Has the command put into the inbox, and answers when it is there. `id_given`: the phone named the purchase.
    async fn take(&self, action: &Action, id_given: bool, accepted: &Counter) -> Answer {
        // The whole request is here: from now on it has arrived. Earlier would let a phone claim a time by opening a
        // request long before it sends the rest of it.
        let arrived_at = self.clock.now_ms();
        let partition =
            partition_of(action.username().map_or("", |username| username.as_str()), self.partitions);
        let mut payload = Vec::with_capacity(64);
        wire::encode_action(action, id_given, &mut payload).map_err(Refused::internal)?;
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
    ingest.take(&Action::Add(add), false, &ingest.adds).await
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
    ingest.take(&Action::Press { username }, false, &ingest.presses).await
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
    let id_given = key.is_some();
    // Without a key the entry's id will name the purchase; what stands here is not written.
    let id = key.map_or_else(|| PurchaseId::new("-"), Ok)?;
    ingest.take(&Action::Buy { username, id, powerup }, id_given, &ingest.purchases).await
}

type FieldErrors = Vec<wire::FieldError>;

/// A command as it was sent.
struct Sent<T> {
    caller: Caller,
    key: Option<PurchaseId>,
    body: T,
}

impl Ingest {
    /// Reads a command: its head, and its body within bounds.
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

/// The one `Idempotency-Key` of a request, if there is one.
///
/// # Errors
/// The field that is wrong: not 1 to 128 visible ASCII characters, or there twice.
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
