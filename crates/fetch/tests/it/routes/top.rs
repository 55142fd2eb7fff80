//! The top, and ranks: a rank is exact or left out.

use ranks::Ranks;
use serde_json::json;

use super::*;

#[tokio::test]
async fn an_empty_game_has_an_empty_board() {
    let answer = Bench::new().await.get("/fetch/lb").await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "[]"));
    assert_eq!(answer.headers["content-type"], "application/json");
}

#[tokio::test]
async fn the_board_shows_the_best_of_all_partitions() {
    let bench = Bench::new().await;
    for number in 0..150 {
        bench.join(&format!("p{number:03}"), number / 2).await;
    }
    bench.apply(NOW_MS, add("p149", Some("The best"))).await;
    let rows = |answer: Answer| answer.json().as_array().unwrap().clone();
    assert_eq!(rows(bench.get("/fetch/lb").await).len(), 10, "ten when nothing is said");
    for limit in [1, 2, 99, 100] {
        let rows = rows(bench.get(&format!("/fetch/lb?limit={limit}")).await);
        // Best first; with equal score and time, by username.
        let expected = (0..limit).map(|place| {
            let number = 149 - place + if place % 2 == 0 { -1 } else { 1 };
            let name = if number == 149 { json!("The best") } else { json!(null) };
            json!({"rank": place + 1, "username": format!("p{number:03}"), "name": name, "score": number / 2})
        });
        assert_eq!(rows, expected.collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_rank_is_null_wherever_it_is_not_sure() {
    let bench = Bench::new().await;
    bench.join("ada", 7).await;
    bench.join("bob", 9).await;
    assert_eq!(bench.me("ada").await["rank"], json!(null), "nothing was rebuilt yet");
    bench.rebuild().await;
    assert_eq!((&bench.me("ada").await["rank"], &bench.me("bob").await["rank"]), (&json!(2), &json!(1)));
    let without = bench.get_with(None, "/fetch/self?username=ada").await.json();
    assert_eq!((&without["rank"], &without["score"]), (&json!(null), &json!(7)), "a process without ranks");
    // A lost projection, then one that reveals the gap.
    let (at, _) = bench.reader.standings(0).await.unwrap();
    let lost = Position { sequence: at.sequence + 5, ..at };
    bench.ranks.project(0, lost, Position { sequence: at.sequence + 6, ..at }, vec![]);
    assert_eq!(bench.me("ada").await["rank"], json!(null));
    bench.go_to(NOW_MS + 1_000);
    // Projections behind the gap are dropped; then the next rebuild succeeds.
    bench.rebuild().await;
    assert_eq!(bench.me("ada").await["rank"], json!(null));
    bench.rebuild().await;
    assert_eq!(bench.me("ada").await["rank"], json!(2));
}

#[tokio::test]
async fn ranks_that_are_behind_for_too_long_are_not_said() {
    let bench = Bench::new().await;
    bench.join("ada", 7).await;
    bench.rebuild().await;
    // Another handler commits, and this process gets no projection.
    let unheard = Bench { ranks: Arc::new(Ranks::local(PARTITIONS)), ..bench };
    let told = Arc::new(Ranks::local(PARTITIONS));
    told.rebuild_stale(&unheard.reader, NOW_MS).await.unwrap();
    unheard.join("bob", 9).await;
    let rank = async |at_ms| {
        unheard.go_to(at_ms);
        unheard.get_with(Some(Arc::clone(&told)), "/fetch/self?username=ada").await.json()["rank"].clone()
    };
    told.rebuild_stale(&unheard.reader, NOW_MS).await.unwrap();
    assert_eq!(rank(NOW_MS + 2_000).await, json!(1), "exact for what it has applied");
    assert_eq!(rank(NOW_MS + 2_001).await, json!(null));
}
