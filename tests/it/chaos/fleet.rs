//! The processes of a game, and failures of these processes and of their servers.

use futures_util::future::join_all;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use servers::postgres::Mode;
use servers::proxy::Proxy;
use tokio::sync::Mutex;
use tokio::time::{Duration, sleep};

use super::elapsed_ms;
use crate::crowd::{Address, Phone};
use crate::place::Place;
use crate::support::{DEADLINE, Game, eventually_within};

/// One round that stays open for the whole test.
pub(super) const SETTINGS: [(&str, &str); 7] = [
    ("AUTH", "open"),
    ("ROUND_ODDS", "0"),
    ("WINDOW_MS", "600000"),
    ("GRACE_MS", "1000"),
    ("ROUND_GAP_MS", "3005001"),
    ("OPERATOR_TOKEN", "secret-of-operators"),
    ("PARTITIONS", "4"),
];
/// The processes of a fleet.
const PROCESSES: [&str; 7] = ["ingest", "ingest", "handler", "handler", "scheduler", "scheduler", "fetch"];
const INGEST: [usize; 2] = [0, 1];
const HANDLERS: [usize; 2] = [2, 3];
const SCHEDULER: usize = 4;
const FETCH: usize = 6;
/// How long a proxy is cut or stalled, or a server is down, in milliseconds.
const AWAY_MS: std::ops::RangeInclusive<u64> = 1_000..=3_000;
/// How long a handler is suspended beyond its visibility, in milliseconds.
const BEYOND_MS: u64 = 1_000;

/// A proxy to a server.
#[derive(Debug, Clone, Copy)]
enum Line {
    Inbox,
    Board,
}

/// A failure.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// kill -9 for a process, which is restarted at once.
    Kill { process: usize },
    /// PostgreSQL stops, and starts again after a while.
    Restart { mode: Mode, away_ms: u64 },
    /// All connections of a proxy end, and new ones fail for a while.
    Cut { line: Line, away_ms: u64 },
    /// A proxy carries no bytes for a while.
    Stall { line: Line, away_ms: u64 },
    /// A handler is suspended for longer than its visibility, without knowing it.
    Pause { process: usize, away_ms: u64 },
    /// Redis loses all data.
    Flush,
}

/// A failure and its time.
#[derive(Debug)]
pub(super) struct Trouble {
    /// Milliseconds after the start.
    at_ms: u64,
    kind: Kind,
}

impl Trouble {
    /// Draws this many failures within this time: of ten, three kill different processes, and the others are all of
    /// different kinds.
    pub(super) fn draw(dice: &mut StdRng, number: usize, within_ms: u64, visibility_ms: u32) -> Vec<Self> {
        let mut victims: Vec<_> = (0..PROCESSES.len()).collect();
        victims.shuffle(dice);
        let mut victims = victims.into_iter().cycle();
        let mut all = Vec::new();
        while all.len() < number {
            let stalled = [Line::Inbox, Line::Board][dice.random_range(0..2)];
            let paused = HANDLERS[dice.random_range(0..HANDLERS.len())];
            let mut away_ms = || dice.random_range(AWAY_MS);
            let mut deck = vec![
                Kind::Restart { mode: Mode::Fast, away_ms: away_ms() },
                Kind::Restart { mode: Mode::Immediate, away_ms: away_ms() },
                Kind::Cut { line: Line::Inbox, away_ms: away_ms() },
                Kind::Cut { line: Line::Board, away_ms: away_ms() },
                Kind::Stall { line: stalled, away_ms: away_ms() },
                Kind::Pause { process: paused, away_ms: u64::from(visibility_ms) + BEYOND_MS },
                Kind::Flush,
            ];
            deck.extend(victims.by_ref().take(3).map(|process| Kind::Kill { process }));
            deck.shuffle(dice);
            all.extend(deck);
        }
        all.truncate(number);
        all.into_iter().map(|kind| Self { at_ms: dice.random_range(0..within_ms), kind }).collect()
    }
}

/// A process that may be killed and restarted.
struct Process {
    role: &'static str,
    /// Address for phones.
    address: Address,
    /// `None` only during a start. Failures of one process happen one after another.
    game: Mutex<Option<Game>>,
}

impl Process {
    async fn start(place: &Place, role: &'static str) -> Self {
        let process = Self { role, address: Address::new(""), game: Mutex::new(None) };
        let game = process.run(place).await;
        process.game.lock().await.replace(game);
        process
    }

    /// Starts the process, and gives phones its address.
    async fn run(&self, place: &Place) -> Game {
        let game = Game::start(place, self.role, &SETTINGS).await;
        self.address.moved(&game.url);
        game
    }

    async fn kill(&self, place: &Place) {
        let mut game = self.game.lock().await;
        if let Some(game) = game.take() {
            game.kill().await;
        }
        *game = Some(self.run(place).await);
    }

    async fn pause(&self, away_ms: u64) {
        let game = self.game.lock().await;
        let game = game.as_ref().unwrap();
        game.signal("STOP");
        sleep(Duration::from_millis(away_ms)).await; // the suspension itself
        game.signal("CONT");
    }
}

/// A game of several processes.
pub(super) struct Fleet {
    pub(super) place: Place,
    processes: Vec<Process>,
    store: Mutex<()>,
    inbox: Mutex<()>,
    board: Mutex<()>,
}

impl Fleet {
    /// A place for a game with failures.
    pub(super) async fn prepare(visibility_ms: Option<u32>) -> Place {
        let place = Place::breakable(visibility_ms).await;
        place.prepare("handler", &SETTINGS).await;
        place
    }

    /// Starts every process.
    pub(super) async fn start(place: Place) -> Self {
        let processes = join_all(PROCESSES.map(|role| Process::start(&place, role))).await;
        Self { place, processes, store: Mutex::default(), inbox: Mutex::default(), board: Mutex::default() }
    }

    /// A phone that uses one of the ingest nodes.
    pub(super) fn phone(&self, number: usize) -> Phone {
        self.processes[INGEST[number % INGEST.len()]].address.phone()
    }

    /// Opens the round.
    pub(super) async fn open_round(&self) {
        self.processes[SCHEDULER].game.lock().await.as_ref().unwrap().open_round().await;
    }

    /// Makes all failures happen; returns when all of them are over.
    pub(super) async fn suffer(&self, troubles: &[Trouble], begun_ms: i64) {
        join_all(troubles.iter().map(async |trouble| {
            sleep(Duration::from_millis(trouble.at_ms)).await; // the time that was drawn
            let began_ms = elapsed_ms(begun_ms);
            self.strike(trouble.kind).await;
            println!("{began_ms} to {} ms: {:?}", elapsed_ms(begun_ms), trouble.kind);
        }))
        .await;
    }

    /// Failures of different kinds may overlap; those of one component happen one after another.
    async fn strike(&self, kind: Kind) {
        match kind {
            Kind::Kill { process } => self.processes[process].kill(&self.place).await,
            Kind::Pause { process, away_ms } => self.processes[process].pause(away_ms).await,
            Kind::Restart { mode, away_ms } => {
                let _one = self.store.lock().await;
                self.place.store_server().stop(mode).await;
                sleep(Duration::from_millis(away_ms)).await; // the outage itself
                self.place.store_server().resume().await;
            }
            Kind::Cut { line, away_ms } => self.line(line, Proxy::cut, away_ms).await,
            Kind::Stall { line, away_ms } => self.line(line, Proxy::stall, away_ms).await,
            Kind::Flush => self.place.flush_board().await,
        }
    }

    async fn line(&self, line: Line, trouble: impl Fn(&Proxy), away_ms: u64) {
        let lines = self.place.lines();
        let (proxy, one) = match line {
            Line::Inbox => (&lines.inbox, &self.inbox),
            Line::Board => (&lines.board, &self.board),
        };
        let _one = one.lock().await;
        trouble(proxy);
        sleep(Duration::from_millis(away_ms)).await; // the outage itself
        proxy.mend();
    }

    /// Waits until everything is applied; messages of a killed handler return after its visibility.
    pub(super) async fn drained(&self, visibility_ms: u32) {
        let inbox = self.place.inbox().await;
        let deadline = DEADLINE + Duration::from_millis(visibility_ms.into());
        println!("{:?}", inbox.backlog().await.unwrap());
        let empty = async || (inbox.backlog().await.unwrap().messages == 0).then_some(());
        eventually_within(deadline, "the inbox is empty", empty).await;
        inbox.close().await;
        self.place.drained().await;
    }

    /// Runs `work` with the process that serves reads.
    pub(super) async fn with_reader<T>(&self, work: impl AsyncFnOnce(&Game) -> T) -> T {
        work(self.processes[FETCH].game.lock().await.as_ref().unwrap()).await
    }

    /// Stops every process.
    pub(super) async fn stop(self) -> Place {
        for process in self.processes {
            let (role, game) = (process.role, process.game.into_inner().unwrap());
            let log = game.log.clone();
            assert!(game.stop().await.success(), "{role}");
            assert!(!std::fs::read_to_string(log).unwrap().contains("stop timed out"), "{role}");
        }
        self.place
    }
}
