//! The rules that clients show.

use game::{Level, Powerup, PowerupKind, curve};
use serde_json::json;

use super::*;

#[tokio::test]
async fn rules_are_the_constants_of_the_game() {
    let answer = Bench::new().await.get("/rules").await;
    assert_eq!(
        (answer.status, &answer.headers["content-type"]),
        (StatusCode::OK, &"application/json".parse().unwrap())
    );
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    let rules = answer.json();

    // The values of docs/rules.md.
    let hours = |quantities: [f64; 4], hours: [i64; 4]| {
        let levels = quantities.into_iter().zip([60, 150, 330, 700]).zip(hours);
        let level = |((quantity, price), hours)| json!({"quantity": quantity, "price": price, "duration_ms": hours * 3_600_000_i64});
        levels.map(level).collect::<Vec<_>>()
    };
    let expected = json!({
        "streak_squared_from": 10,
        "powerups": {
            "FREEZE": hours([6.0, 12.0, 24.0, 48.0], [6, 12, 24, 48]),
            "MULTIPLIER": hours([2.0, 3.0, 5.0, 10.0], [6; 4]),
            "EXTENDER": hours([1.5, 2.0, 3.0, 5.0], [6; 4]),
        },
    });
    assert_eq!(rules, expected);

    // The values that the handler applies.
    for kind in PowerupKind::ALL {
        for (level, shown) in Level::ALL.into_iter().zip(rules["powerups"][kind.code()].as_array().unwrap()) {
            let powerup = Powerup::from_quantity(kind, shown["quantity"].as_f64().unwrap()).unwrap();
            assert_eq!(powerup, Powerup { kind, level });
            assert_eq!(shown["price"], level.price());
            assert_eq!(shown["duration_ms"], powerup.duration_ms());
        }
    }
    let squared_from = rules["streak_squared_from"].as_u64().unwrap();
    for streak in 0..1_000 {
        let points = if streak < squared_from { streak } else { streak * streak };
        assert_eq!(points, curve(streak), "{streak}");
    }
}
