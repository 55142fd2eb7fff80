//! Rules, "Powerups": prices, effects, durations, and the order in which purchases are judged.

use game::{Level, Powerup, PowerupKind, PurchaseOutcome, Reason};

use crate::support::HOUR_MS;
use crate::support::table::check;

const PRICES: [u64; 4] = [60, 150, 330, 700];
/// Kind, its four levels, and the duration of each level in hours.
const KINDS: [(&str, [&str; 4], [i64; 4]); 3] = [
    ("FREEZE", ["6", "12", "24", "48"], [6, 12, 24, 48]),
    ("MULTIPLIER", ["2", "3", "5", "10"], [6, 6, 6, 6]),
    ("EXTENDER", ["1.5", "2", "3", "5"], [6, 6, 6, 6]),
];

#[test]
fn price_and_duration_of_every_level() {
    for (kind, quantities, hours) in KINDS {
        let effect = kind.to_lowercase();
        for ((quantity, hours), price) in quantities.into_iter().zip(hours).zip(PRICES) {
            let short = price - 1;
            check(&format!(
                "0    | add                         | new
                 0    | set score={short} streak=4  |
                 1h   | buy {kind} {quantity} id=a  | not_enough_points score={short} {effect}=none purchase=a:not_enough_points reached=0
                 1h   | set score={price}           |
                 2h+1 | buy {kind} {quantity} id=b  | bought score=0 {effect}={quantity}@2h+1..{hours}h+2h+1 purchase=b:bought reached=2h+1 streak=4
                 2h+1 | buy {kind} {quantity} id=c  | not_enough_points score=0 {effect}={quantity}@2h+1..{hours}h+2h+1"
            ));
        }
    }
}

#[test]
fn the_wire_names_levels_by_their_quantity() {
    for (code, quantities, hours) in KINDS {
        let kind = PowerupKind::from_code(code).unwrap();
        assert_eq!(kind.code(), code);
        for (((level, quantity), price), hours) in
            Level::ALL.into_iter().zip(quantities).zip(PRICES).zip(hours)
        {
            let quantity: f64 = quantity.parse().unwrap();
            let powerup = Powerup { kind, level };
            assert_eq!(Powerup::from_quantity(kind, quantity), Ok(powerup));
            assert_eq!(f64::from(powerup.quantity_halves()), quantity * 2.0);
            assert_eq!(powerup.duration_ms(), hours * HOUR_MS);
            assert_eq!(level.price(), price);
            assert_eq!(Level::from_number(level.number()), Some(level));
        }
        let mut others =
            vec![0.0, -1.5, 1.0, 1.49, 2.5, 4.0, 7.0, 11.0, 60.0, f64::NAN, f64::INFINITY, 1e300];
        others.extend(
            KINDS
                .iter()
                .filter(|other| other.0 == "FREEZE" && code != "FREEZE")
                .flat_map(|other| other.1.iter().map(|quantity| quantity.parse::<f64>().unwrap())),
        );
        for quantity in others {
            let invalid = Powerup::from_quantity(kind, quantity).unwrap_err();
            assert_eq!(invalid.field, "quantity", "{code} {quantity}");
            assert!(matches!(invalid.reason, Reason::NotOneOf(_)), "{code} {quantity}");
        }
    }
    assert_eq!(PowerupKind::from_code("freeze").unwrap_err().field, "powerUpType");
    assert_eq!((Level::from_number(0), Level::from_number(5)), (None, None));
}

#[test]
fn judged_in_the_order_of_the_rules() {
    check(
        "1h | buy FREEZE 6 id=a           | unknown_player same
         2h | add                         | new purchase=none
         2h | buy FREEZE 6 id=a           | not_enough_points purchase=a:not_enough_points
         2h | set score=330               |
         2h | buy FREEZE 6 id=a           | known:not_enough_points same
         3h | buy MULTIPLIER 5 id=b       | bought score=0
         3h | buy MULTIPLIER 2 id=c       | higher_level_active score=0 purchase=c:higher_level_active
         3h | buy MULTIPLIER 10 id=d      | not_enough_points purchase=d:not_enough_points
         3h | buy MULTIPLIER 2 id=d       | known:not_enough_points same
         3h | buy MULTIPLIER 10 id=c      | known:higher_level_active same purchase=d:not_enough_points",
    );
}

#[test]
fn the_first_outcome_of_an_id_stands_and_a_different_body_is_ignored() {
    check(
        "0  | add                    | new
         0  | set score=1000         |
         1h | buy FREEZE 6 id=a      | bought score=940 freeze=6@1h..7h reached=1h
         2h | buy EXTENDER 2 id=b    | bought score=790 purchase=b:bought reached=2h
         3h | buy FREEZE 6 id=a      | known:bought same
         3h | buy FREEZE 48 id=a     | known:bought same
         3h | buy MULTIPLIER 10 id=a | known:bought same score=790 multiplier=none purchase=b:bought reached=2h
         9h | buy FREEZE 6 id=a      | known:bought same freeze=6@1h..7h",
    );
    // A rejection stands too, even if the player could pay now.
    check(
        "0  | add                    | new
         1h | buy FREEZE 6 id=a      | not_enough_points
         1h | set score=1000         |
         2h | buy FREEZE 6 id=a      | known:not_enough_points same
         2h | buy MULTIPLIER 3 id=b  | bought
         2h | buy MULTIPLIER 2 id=c  | higher_level_active
         9h | buy MULTIPLIER 2 id=c  | known:higher_level_active same
         9h | buy MULTIPLIER 2 id=C  | bought",
    );
    // Ids are scoped to the player.
    check(
        "0  | add                    | new
         0  | bob: add               | new
         0  | set score=60           |
         0  | bob: set score=60      |
         1h | buy FREEZE 6 id=a      | bought
         1h | bob: buy FREEZE 6 id=a | bought score=0",
    );
    // A known id still settles rounds, as every command does.
    check(
        "rounds 10h
         0         | add                   | new
         0         | set score=60 streak=5 |
         1h        | buy FREEZE 6 id=a     | bought
         O1+110s+1 | buy FREEZE 6 id=a     | known:bought streak=0 score=0",
    );
}

#[test]
fn a_purchase_touches_neither_the_streak_nor_what_was_pressed() {
    check(
        "rounds 10h
         0    | add                      | new
         0    | set score=9999 streak=10 |
         O1   | press                    | counted:121 streak=11
         O1+1 | buy FREEZE 6             | bought streak=11 last=counted:121/1@O1
         O1+1 | buy MULTIPLIER 2         | bought streak=11
         O1+1 | buy EXTENDER 5           | bought streak=11
         O1+2 | press                    | already_pressed streak=11",
    );
}

#[test]
fn a_freeze_while_one_is_active_lasts_longer() {
    check(
        "0        | add                | new
         0        | set score=9999     |
         1h       | buy FREEZE 12      | bought freeze=12@1h..13h
         2h       | buy FREEZE 48      | bought freeze=48@1h..61h
         3h       | buy FREEZE 6       | bought freeze=6@1h..67h score=9089
         67h-1    | buy FREEZE 24      | bought freeze=24@1h..91h
         91h      | buy FREEZE 6       | bought freeze=6@91h..97h
         97h+1    | buy FREEZE 12      | bought freeze=12@97h+1..109h+1",
    );
}

#[test]
fn a_freeze_that_was_lengthened_forgives_from_its_first_start_to_its_last_end() {
    check(
        "rounds 10h 17h 21h 22h
         0         | add                     | new
         0         | set score=9999 streak=5 |
         9h        | buy FREEZE 6            | bought
         9h+1      | buy FREEZE 6            | bought freeze=6@9h..21h
         O2        | buy MULTIPLIER 2        | bought streak=5
         O3-1      | add                     | kept streak=5
         O3+110s   | add                     | kept streak=5
         O3+110s+1 | add                     | kept streak=0",
    );
}

#[test]
fn multiplier_and_extender_by_level() {
    for (kind, levels) in [("MULTIPLIER", ["2", "3", "5", "10"]), ("EXTENDER", ["1.5", "2", "3", "5"])] {
        let effect = kind.to_lowercase();
        let [one, two, three, four] = levels;
        check(&format!(
            "0        | add               | new
             0        | set score=9999    |
             1h       | buy {kind} {two}   | bought score=9849 {effect}={two}@1h..7h
             2h       | buy {kind} {two}   | bought score=9699 {effect}={two}@1h..13h
             3h       | buy {kind} {one}   | higher_level_active score=9699 {effect}={two}@1h..13h reached=2h
             4h       | buy {kind} {three} | bought score=9369 {effect}={three}@4h..10h
             5h       | buy {kind} {two}   | higher_level_active {effect}={three}@4h..10h
             6h       | buy {kind} {four}  | bought score=8669 {effect}={four}@6h..12h
             12h-1    | buy {kind} {three} | higher_level_active {effect}={four}@6h..12h
             12h-1    | buy {kind} {four}  | bought {effect}={four}@6h..18h
             18h      | buy {kind} {one}   | bought {effect}={one}@18h..24h
             24h      | buy {kind} {one}   | bought {effect}={one}@24h..30h
             30h-1    | buy {kind} {one}   | bought {effect}={one}@24h..36h"
        ));
    }
}

#[test]
fn kinds_do_not_touch_each_other() {
    check(
        "0  | add              | new
         0  | set score=9999   |
         1h | buy MULTIPLIER 10 | bought
         2h | buy EXTENDER 1.5 | bought multiplier=10@1h..7h extender=1.5@2h..8h freeze=none
         3h | buy FREEZE 6     | bought multiplier=10@1h..7h extender=1.5@2h..8h freeze=6@3h..9h",
    );
}

#[test]
fn active_is_judged_by_the_time_of_the_purchase() {
    // It arrived before the current powerup began: nothing was active then.
    check(
        "0  | add              | new
         0  | set score=9999   |
         2h | buy MULTIPLIER 5 | bought
         1h | buy MULTIPLIER 2 | bought multiplier=2@1h..7h reached=1h
         2h | buy FREEZE 6     | bought
         1h | buy FREEZE 12    | bought freeze=12@1h..13h",
    );
}

#[test]
fn outcomes_have_names() {
    for (outcome, code) in [
        (PurchaseOutcome::Bought, "bought"),
        (PurchaseOutcome::HigherLevelActive, "higher_level_active"),
        (PurchaseOutcome::NotEnoughPoints, "not_enough_points"),
    ] {
        assert_eq!((outcome.code(), PurchaseOutcome::from_code(code)), (code, Some(outcome)));
    }
    assert_eq!(PurchaseOutcome::from_code("counted"), None);
}
