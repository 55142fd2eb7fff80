//! Every component fails while a crowd presses: each accepted command counts exactly once, and both boards match the
//! journal.

mod fleet;

use std::collections::{HashMap, HashSet};

use futures_util::stream::{self, StreamExt};
use game::{Standing, Username};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};

use self::fleet::{Fleet, SETTINGS, Trouble};
use crate::crowd::{Phone, Sent, Told, assert_kept, counts, named};
use crate::live::listener::Listener;
use crate::load::{assert_board, replayed};
use crate::place::{Place, add};
use crate::support::{Game, alone, full, now_ms};

const PARTITIONS: u16 = 4;
/// A short visibility for quick take-overs, in milliseconds.
const SHORT_VISIBILITY_MS: u32 = 3_000;
/// The default visibility, in milliseconds.
const VISIBILITY_MS: u32 = 30_000;
/// Number of concurrent phones, each with a keep-alive connection; every other phone uses the other ingest node.
const PHONES: usize = 256;
/// Phones press in bursts at this interval in milliseconds. An envelope then holds many presses, as with a real crowd:
/// the stand-in for SQS is slow with many messages.
const BURST_MS: u64 = 500;
/// This many players have pressed in this many earlier rounds, so that final scores differ.
const OLD_HANDS: usize = 1_000;
const PAST_ROUNDS: u64 = 3;
/// Number of players whose rank is checked at the end, besides all who share score and time with another player.
const RANKS: usize = 500;
/// Number of concurrent rank requests.
const ASKED_AT_ONCE: usize = 16;

/// Size and failures of a run.
struct Plan {
    players: usize,
    troubles: usize,
    /// Duration of the presses, in which the failures begin, in milliseconds.
    lasts_ms: u64,
    /// `None` means the default.
    visibility_ms: Option<u32>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_counts_once_through_troubles() {
    let visibility_ms = Some(SHORT_VISIBILITY_MS);
    let whole = Plan { players: 20_000, troubles: 20, lasts_ms: 60_000, visibility_ms };
    // Every failure, once.
    let short = Plan { players: 4_000, troubles: 10, lasts_ms: 12_000, visibility_ms };
    break_everything(&full(whole, short)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_counts_once_with_the_default_visibility() {
    if full(false, true) {
        return servers::skipped("it waits for 30 s: FULL=1. The same in short is the test above");
    }
    let plan = Plan { players: 2_000, troubles: 5, lasts_ms: 15_000, visibility_ms: None };
    break_everything(&plan).await;
}

async fn break_everything(plan: &Plan) {
    let _alone = alone().await;
    let seed = now_ms().unsigned_abs();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let place = Fleet::prepare(plan.visibility_ms).await;
    let (old_hands, newcomers) = crowd(plan.players);
    place.put_past(PARTITIONS, &old_hands, PAST_ROUNDS).await;
    place.put(PARTITIONS, newcomers.iter().map(|name| (now_ms(), add(&Username::new(name).unwrap())))).await;
    let fleet = Fleet::start(place).await;
    fleet.open_round().await;

    let visibility_ms = plan.visibility_ms.unwrap_or(VISIBILITY_MS);
    let troubles = Trouble::draw(&mut dice, plan.troubles, plan.lasts_ms, visibility_ms);
    let mut players: Vec<_> =
        old_hands.into_iter().chain(newcomers).map(|player| (moment(&mut dice, plan), player)).collect();
    players.sort();
    let begun_ms = now_ms();
    let phones: JoinSet<Phone> = (0..PHONES)
        .map(|number| {
            let own = players.iter().skip(number).step_by(PHONES).cloned().collect();
            press_all(fleet.phone(number), begun_ms, own)
        })
        .collect();
    let (phones, ()) = tokio::join!(phones.join_all(), fleet.suffer(&troubles, begun_ms));
    let sent: Vec<_> = phones.into_iter().flat_map(|phone| phone.sent).collect();
    println!("{:?} in {} ms", counts(&sent), now_ms() - begun_ms);

    fleet.drained(visibility_ms).await;
    println!("drained after {} ms", now_ms() - begun_ms);
    let standings = assert_counted(&fleet.place, &sent, plan.players).await;
    fleet.with_reader(async |reader| assert_boards(reader, &standings, &mut dice).await).await;
    println!("checked after {} ms", now_ms() - begun_ms);
    let place = fleet.stop().await;
    place.assert_verified(&SETTINGS).await;
    println!("verified after {} ms", now_ms() - begun_ms);
}

/// Players from earlier rounds, and new players.
fn crowd(players: usize) -> (Vec<String>, Vec<String>) {
    let mut all: Vec<_> = (0..players).map(|number| format!("player-{number:05}")).collect();
    let newcomers = all.split_off(OLD_HANDS);
    (all, newcomers)
}

/// Time of a player's press, in milliseconds after the opening; most presses are early.
fn moment(dice: &mut StdRng, plan: &Plan) -> u64 {
    let latest = dice.random_range(0..=plan.lasts_ms);
    dice.random_range(0..=latest) / BURST_MS * BURST_MS
}

/// Sends each player's press at its time, or as soon after it as the previous request is answered.
async fn press_all(mut phone: Phone, begun_ms: i64, players: Vec<(u64, String)>) -> Phone {
    for (at_ms, player) in players {
        sleep(Duration::from_millis(at_ms.saturating_sub(elapsed_ms(begun_ms)))).await; // pace of the crowd
        phone.until_taken("press", &named(&player), None).await;
    }
    phone
}

fn elapsed_ms(since_ms: i64) -> u64 {
    u64::try_from(now_ms() - since_ms).unwrap_or_default()
}

/// Final standings, with the names on the board.
type Standings = Vec<(Standing, Option<String>)>;

/// Compares the phones' answers with the journal, and the replayed journal with the expected state.
async fn assert_counted(place: &Place, sent: &[Sent], players: usize) -> Standings {
    assert_kept(sent, &place.journal().await);
    let standings = replayed(place).await;
    assert_eq!(standings.len(), players);
    let taken: HashSet<_> = sent
        .iter()
        .filter(|sent| matches!(sent.told, Told::Taken { .. }))
        .map(|sent| sent.username.as_str())
        .collect();
    assert_eq!(taken.len(), players, "everybody was told 202");
    let once: HashMap<_, _> =
        standings.iter().map(|(standing, _)| (standing.username.as_str(), standing.score)).collect();
    let (old_hands, newcomers) = crowd(players);
    let score = |streak: u64| (1..=streak).map(game::curve).sum::<u64>();
    for (players, score) in [(old_hands, score(PAST_ROUNDS + 1)), (newcomers, score(1))] {
        for player in players {
            assert_eq!(once.get(player.as_str()), Some(&score), "{player} counts once");
        }
    }
    standings
}

/// Compares the board of the store, the ranks in Redis and the events of a page with these standings.
async fn assert_boards(reader: &Game, standings: &Standings, dice: &mut StdRng) {
    assert_board(reader, standings).await;
    let mut ranks: HashSet<_> = (0..RANKS).map(|_| dice.random_range(0..standings.len())).collect();
    let of = |index: usize| (standings[index].0.score, standings[index].0.reached_at_ms);
    for second in (1..standings.len()).filter(|second| of(*second) == of(second - 1)) {
        ranks.extend([second - 1, second]);
    }
    println!("{} ranks", ranks.len());
    let asked = stream::iter(ranks).map(|index| async move {
        let standing = &standings[index].0;
        let player = reader.player(standing.username.as_str(), |player| player["rank"].is_u64()).await;
        assert_eq!(
            (&player["rank"], &player["score"]),
            (&json!(index + 1), &json!(standing.score)),
            "{player}"
        );
    });
    asked.buffer_unordered(ASKED_AT_ONCE).collect::<Vec<_>>().await;

    let mut listener = Listener::connect(reader).await;
    let round = listener.until(|told| told.topic == "round").await;
    assert_eq!((&round.data["state"], &round.data["round"]), (&json!("open"), &json!(PAST_ROUNDS + 1)));
    let (_, board) = reader.get("/fetch/lb?limit=10").await;
    Listener::connect(reader).await.until(|told| told.topic == "board" && told.data == board).await;
}
