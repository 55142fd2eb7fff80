//! The operator tools: commands that do one thing and end.

use std::pin::pin;

use engine::clock::Clock;
use engine::dlq;
use futures_util::TryStreamExt as _;
use queue::Queue;

use super::{CliError, Dlq, Round, Tool, logs, print, show};
use crate::button::Button;
use crate::config::Config;
use crate::node::{
    NodeError, check_age, migrated_store, open_existing_ledger, open_existing_queue, open_existing_reader,
    open_queue,
};
use crate::repartition::repartition;
use crate::roles::Announcer;
use crate::{telemetry, verify};

pub(super) async fn run(tool: Tool, config: &Config) -> Result<(), CliError> {
    logs(config)?;
    let clock = Clock::System;
    match tool {
        Tool::Migrate { adopt_inbox } => migrate(config, &clock, adopt_inbox).await,
        Tool::Dlq(Dlq::List) => {
            let queue = open_existing_queue(config, &clock).await?;
            list_dead_letters(&queue).await?;
            queue.close().await;
            Ok(())
        }
        Tool::Dlq(Dlq::Redrive { ids }) => redrive(config, &clock, &ids).await,
        Tool::Round(Round::Open { lead_ms, .. }) => open_round(config, clock, lead_ms).await,
        Tool::Repartition => change_partitions(config, &clock).await,
        Tool::Verify => {
            let reader = open_existing_reader(config).await?;
            let report = verify::verify(&reader).await?;
            print(&show::report(&report))?;
            if report.is_equal() { Ok(()) } else { Err(CliError::Different) }
        }
    }
}

async fn redrive(config: &Config, clock: &Clock, ids: &[String]) -> Result<(), CliError> {
    let queue = open_existing_queue(config, clock).await?;
    let partitions = partitions_of_game(config).await?;
    let total = dlq::redrive(&queue, &Button::offline(), partitions, ids).await?;
    queue.close().await;
    print(&format!("{total} dead letter(s) sent again\n"))
}

async fn list_dead_letters(queue: &Queue) -> Result<(), CliError> {
    let mut letters = pin!(dlq::list(queue));
    let mut total = 0;
    while let Some(letter) = letters.try_next().await.map_err(dlq::DlqError::from)? {
        print(&show::dead_letter(&letter))?;
        total += 1;
    }
    telemetry::say(&format!("{total} dead letter(s)"));
    Ok(())
}

/// The game's number of partitions: the handler stops at a message with another number.
async fn partitions_of_game(config: &Config) -> Result<u16, CliError> {
    let reader = open_existing_reader(config).await?;
    let identity = reader.identity().await.map_err(NodeError::from)?;
    reader.close().await;
    Ok(identity.map_or(config.inbox.partitions, |identity| identity.partitions))
}

/// Brings the store up to date. For a game of several processes it also ties store and inbox together and sets up the
/// database's roles.
async fn migrate(config: &Config, clock: &Clock, adopt: bool) -> Result<(), CliError> {
    let store = migrated_store(config).await?;
    if !config.store.address.is_embedded() {
        store.grant_roles(&config.store.role_passwords()).await.map_err(NodeError::from)?;
    }
    if adopt || !config.inbox.address.is_embedded() {
        let queue = open_queue(config, clock).await?;
        let ledger = store.ledger().await.map_err(NodeError::from)?;
        let (inbox_id, now_ms) = (queue.inbox_id(), clock.now_ms());
        let identity = if adopt {
            ledger.adopt_inbox(inbox_id, now_ms).await
        } else {
            ledger.settle_identity(inbox_id, config.inbox.partitions, now_ms).await
        };
        let store::Identity { generation, inbox_id, partitions } = identity.map_err(NodeError::from)?;
        // An inbox that the store knows already is not adopted again: an older copy of it stays refused.
        check_age(&store.reader().await.map_err(NodeError::from)?, &queue).await?;
        ledger.close().await;
        queue.close().await;
        print(&format!("the game has inbox {inbox_id}, generation {generation}, {partitions} partitions\n"))?;
    }
    print("the store is up to date\n")
}

async fn change_partitions(config: &Config, clock: &Clock) -> Result<(), CliError> {
    let reader = open_existing_reader(config).await?;
    let known = reader.identity().await.map_err(NodeError::from)?.ok_or(NodeError::Unsettled)?;
    let queue = open_existing_queue(config, clock).await?;
    check_age(&reader, &queue).await?;
    reader.close().await;
    let ledger = open_existing_ledger(config).await?;
    let changed = repartition(&queue, &ledger, config.inbox.partitions, clock.now_ms()).await?;
    ledger.close().await;
    queue.close().await;
    print(&format!("the game has {} partitions now, it had {}\n", changed.partitions, known.partitions))
}

async fn open_round(config: &Config, clock: Clock, lead_ms: Option<i64>) -> Result<(), CliError> {
    let announcer = Announcer::open(config, clock).await?;
    let round = announcer.scheduler.open_now(lead_ms.unwrap_or(config.rounds.lead_ms)).await?;
    announcer.close().await;
    let game::Round { id, opens_at_ms, window_ms, grace_ms } = round;
    print(&format!("round {id} opens at {opens_at_ms}, for {window_ms} ms and {grace_ms} ms of grace\n"))
}
