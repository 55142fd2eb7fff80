//! Live events: listeners on `/live` get everything in time, and nothing too early.

pub(crate) mod listener;

use rstest::rstest;
use serde_json::{Value, json};

use self::listener::{Listener, Told};
use crate::place::Place;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{BY_HAND, Game, alone, beside_others, eventually, now_ms, run, with_auth};

/// Maximum delay of the event of an opening, in milliseconds. Source: docs/api.md, "Live events".
const TOLD_WITHIN_MS: i64 = 250;

fn time(value: &Value, field: &str) -> i64 {
    value[field].as_i64().unwrap_or_else(|| panic!("no {field} in {value}"))
}

fn is_round(state: &'static str, round: u64) -> impl Fn(&Told) -> bool {
    move |told| told.topic == "round" && told.data["state"] == state && told.data["round"] == round
}

#[rstest]
#[tokio::test]
async fn who_comes_gets_the_present_state(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(stack).await;
    let mut early = Listener::connect(&game).await;
    let board = early.next().await;
    assert_eq!((board.topic.as_str(), &board.data), ("board", &json!([])));
    game.add("ada").await;
    let told = early.until(|told| told.topic == "board").await;
    assert_eq!(told.data, json!([{ "rank": 1, "username": "ada", "name": null, "score": 0 }]));

    let round = game.open_round().await;
    early.until(is_round("open", 1)).await;
    // A new listener gets the board and the open round at once.
    let before_ms = now_ms();
    let mut late = Listener::connect(&game).await;
    let (first, second) = (late.next().await, late.next().await);
    assert_eq!((first.topic.as_str(), &first.data[0]["username"]), ("board", &json!("ada")));
    assert_eq!((second.topic.as_str(), &second.data["state"]), ("round", &json!("open")));
    for field in ["round", "opens_at", "closes_at"] {
        assert_eq!(second.data[field], round[field]);
    }
    // The time in the event is that of sending, not of the opening.
    assert!(time(&second.data, "now") >= before_ms, "{second:?}");
    for listener in [&mut early, &mut late] {
        let closed = listener.until(is_round("closed", 1)).await;
        assert!(time(&closed.data, "now") >= time(&round, "closes_at"), "{closed:?}");
    }
    let mut last = Listener::connect(&game).await;
    last.until(is_round("closed", 1)).await;
    game.press("ada").await;
    assert!(game.stop().await.success());
    for mut listener in [early, late, last] {
        listener.until_end().await;
    }
}

/// Everything that is public before a round opens: reads, metrics and the log.
async fn visible(game: &Game) -> String {
    let mut all = String::new();
    for path in ["/fetch/self?username=ada", "/fetch/lb", "/readyz"] {
        let (status, mut body) = game.get(path).await;
        assert_eq!(status, 200);
        if let Some(now) = body.get_mut("now") {
            now.take();
        }
        all.push_str(&format!("{path} {body}\n"));
    }
    // Leaves out metrics that count the reads themselves, and the depth of the inbox, which counts everything.
    let own = ["\"/fetch/", "\"/readyz", "\"/metrics", "buttonparty_inbox_"];
    let metrics = game.metrics().await;
    let shown = metrics.lines().filter(|line| !own.iter().any(|own| line.contains(own)));
    let mut shown: Vec<_> = shown.map(|line| format!("{line}\n")).collect();
    shown.sort_unstable(); // the order is random
    all.extend(shown);
    let log = std::fs::read_to_string(&game.log).unwrap();
    all + &log
}

#[rstest]
#[tokio::test]
async fn a_round_is_secret_until_it_opens_and_told_at_once_when_it_does(
    #[values(Embedded, Services)] stack: Stack,
) {
    let _beside = beside_others().await;
    let (place, game) = Game::by_hand(stack).await;
    game.add("ada").await;
    game.player("ada", |ada| ada["rank"] == 1).await;
    let mut listeners = Vec::new();
    for _ in 0..40 {
        let mut listener = Listener::connect(&game).await;
        listener.until(|told| told.topic == "board" && told.data[0]["username"] == "ada").await;
        listeners.push(listener);
    }
    let before = eventually("nothing changes any more", || async {
        let before = visible(&game).await;
        (before == visible(&game).await).then_some(before)
    })
    .await;
    // Announced by another process, whose own log and metrics are not looked at.
    let announced = run(&place, &["round", "open", "--lead-ms", "1500"], &BY_HAND).await;
    assert!(announced.status.success(), "{announced:?}");
    let text = String::from_utf8(announced.stdout).unwrap();
    let opens_at: i64 = text.split([' ', ',']).nth(4).unwrap().parse().unwrap();
    let mut looks = 0;
    while now_ms() < opens_at {
        let now = visible(&game).await;
        // A read after the opening proves nothing.
        if now_ms() < opens_at {
            let differences: Vec<_> =
                now.lines().zip(before.lines()).filter(|(now, before)| now != before).collect();
            assert!(differences.is_empty() && now.len() == before.len(), "{differences:?}\n{now}");
            looks += 1;
        }
    }
    assert!(looks >= 2, "too late to look: {looks}");

    for listener in &mut listeners {
        // The very next event: none came before.
        let told = listener.until(|told| told.topic == "round").await;
        assert_eq!((&told.data["state"], &told.data["round"]), (&json!("open"), &json!(1)));
        assert_eq!(time(&told.data, "opens_at"), opens_at);
        for at_ms in [time(&told.data, "now"), told.at_ms] {
            assert!(at_ms >= opens_at, "told {} ms too early", opens_at - at_ms);
        }
        let late_ms = time(&told.data, "now") - opens_at;
        assert!(late_ms <= TOLD_WITHIN_MS, "told {late_ms} ms late");
        // The delivery is checked too, with a looser limit, because this test reads the listeners one after another.
        assert!(told.at_ms - opens_at <= 4 * TOLD_WITHIN_MS, "arrived {} ms late", told.at_ms - opens_at);
    }
    let told = listeners[0].until(is_round("closed", 1)).await;
    assert!(time(&told.data, "now") >= opens_at + 1_000, "{told:?}");
    assert!(game.metric("buttonparty_live_connections").await >= 40.0);
}

#[rstest]
#[tokio::test]
async fn the_board_is_told_at_most_four_times_a_second(#[values(Embedded, Services)] stack: Stack) {
    let _alone = alone().await;
    let (place, game) = Game::by_hand(stack).await;
    let mut listener = Listener::connect(&game).await;
    let storm_ms = 4_000;
    let begun_ms = now_ms();
    // Ten players who keep changing their names: each change shows on the board.
    let storm = async {
        let mut changes = 0_u32;
        while now_ms() < begun_ms + storm_ms {
            let (username, name) = (format!("player-{}", changes % 10), format!("name {changes}"));
            let body = json!({ "username": username, "name": name }).to_string();
            assert_eq!(game.post("/add", body).await.0, 202);
            changes += 1;
        }
        changes
    };
    let counted = async {
        let mut boards = vec![listener.next().await];
        while boards.last().unwrap().at_ms < begun_ms + storm_ms {
            boards.push(listener.until(|told| told.topic == "board").await);
        }
        boards
    };
    let (changes, boards) =
        tokio::join!(storm, async { tokio::time::timeout(crate::support::DEADLINE, counted).await });
    let boards = boards.expect("the board is told as long as it changes");
    assert!(changes > 40, "no storm: {changes} changes");
    // In any interval at most 4 a second, plus the one at its start.
    for (first, from) in boards.iter().enumerate() {
        for (number, to) in (2_i64..).zip(&boards[first + 1..]) {
            let span_ms = to.at_ms - from.at_ms;
            // The listener may read a line slightly late.
            assert!((number - 1) * 250 <= span_ms + 250, "{number} boards within {span_ms} ms");
        }
    }
    assert!(boards.len() >= 8, "only {} boards in {storm_ms} ms", boards.len());
    assert!(boards.windows(2).all(|pair| pair[0].data != pair[1].data), "the same board was told twice");
    // The last change is not lost.
    let last = format!("name {}", changes - 1);
    let shown = |told: &Told| told.data.to_string().contains(&last);
    if !boards.iter().any(shown) {
        place.emptied().await;
        listener.until(shown).await;
    }
}

#[rstest]
#[tokio::test]
async fn a_process_that_only_reads_tells_the_same(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let game = Game::start(&place, "all", &with_auth(&BY_HAND)).await;
    let fetch = Game::start(&place, "fetch", &BY_HAND).await;
    game.add("ada").await;
    let mut listener = Listener::connect(&fetch).await;
    listener.until(|told| told.topic == "board" && told.data[0]["username"] == "ada").await;
    let round = game.announce_round(1_000).await;
    let told = listener.until(|told| told.topic == "round").await;
    assert_eq!((&told.data["state"], &told.data["opens_at"]), (&json!("open"), &round["opens_at"]));
    let late_ms = time(&told.data, "now") - time(&round, "opens_at");
    assert!((0..=TOLD_WITHIN_MS).contains(&late_ms), "told {late_ms} ms late");
    // A listener of another process still gets events after the game process dies.
    game.press_and_see("ada").await;
    game.kill().await;
    listener.until(is_round("closed", 1)).await;
}
