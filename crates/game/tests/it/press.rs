//! Rules, "Press", and the part of "Outcomes" about presses.

use game::{PressOutcome, curve};

use crate::support::table::check;

#[test]
fn judged_in_the_order_of_the_rules() {
    // An unknown player, at any time.
    check(
        "rounds 10h
         9h        | press | unknown_player same
         O1        | press | unknown_player same
         O1+110s+1 | press | unknown_player same",
    );
    // No round is known; no round has opened; the latest round is past its largest cutoff, pressed or not.
    check(
        "0         | add            | new
         1h        | press          | not_open
         2h        | announce 1 10h | announced
         O1-1      | press          | not_open last=not_open/none@O1-1
         O1        | press          | counted:1
         O1+550s+1 | press          | not_open last=not_open/none@O1+550s+1
         O1+9h     | press          | not_open",
    );
    // "Already counted" is checked before the time within the round.
    check(
        "rounds 10h
         0         | add   | new
         O1+1      | press | counted:1
         O1+1      | press | already_pressed same
         O1        | press | already_pressed same
         O1+110s   | press | already_pressed same
         O1+110s+1 | press | already_pressed
         O1+550s   | press | already_pressed same
         O1+550s+1 | press | not_open",
    );
    // The next round can be pressed again.
    check(
        "rounds 10h 11h
         0       | add   | new
         O1      | press | counted:1
         O2-1    | press | not_open
         O2      | press | counted:2 streak=2",
    );
}

#[test]
fn points_follow_the_curve() {
    let curved = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 121, 144];
    for (streak, points) in (0..).zip(curved) {
        assert_eq!(curve(streak), points, "streak {streak}");
    }
    assert_eq!(curve(1_000), 1_000_000);
    check(
        "rounds 10h 11h 12h 13h 14h 15h 16h 17h 18h 19h 20h 21h
         0   | add   | new           streak=0  score=0
         O1  | press | counted:1     streak=1  score=1
         O2  | press | counted:2     streak=2  score=3
         O3  | press | counted:3     streak=3  score=6
         O4  | press | counted:4     streak=4  score=10
         O5  | press | counted:5     streak=5  score=15
         O6  | press | counted:6     streak=6  score=21
         O7  | press | counted:7     streak=7  score=28
         O8  | press | counted:8     streak=8  score=36
         O9  | press | counted:9     streak=9  score=45
         O10 | press | counted:100   streak=10 score=145
         O11 | press | counted:121   streak=11 score=266
         O12 | press | counted:144   streak=12 score=410",
    );
}

#[test]
fn the_multiplier_counts_from_its_start_until_before_its_end() {
    // Bought during the round, or expiring during it. The press before its start arrived out of order.
    for (bought_at, pressed_at, points) in [
        ("O1+1s", "O1+1s-1", 144),
        ("O1+1s", "O1+1s", 432),
        ("O1+1s", "O1+1s+1", 432),
        ("O1+50s-6h", "O1+50s-1", 432),
        ("O1+50s-6h", "O1+50s", 144),
        ("O1+50s-6h", "O1+50s+1", 144),
    ] {
        check(&format!(
            "rounds 10h
             0            | add                     | new
             0            | set score=330 streak=11 |
             {bought_at}  | buy MULTIPLIER 3        | bought multiplier=3@{bought_at}..{bought_at}+6h score=180
             {pressed_at} | press                   | counted:{points}"
        ));
    }
}

#[test]
fn each_multiplier_multiplies() {
    for (quantity, points) in [(2, 288), (3, 432), (5, 720), (10, 1440)] {
        check(&format!(
            "rounds 10h
             0  | add                       | new
             0  | set score=700 streak=11   |
             9h | buy MULTIPLIER {quantity} | bought
             O1 | press                     | counted:{points} streak=12 last=counted:{points}/1@O1"
        ));
    }
}

#[test]
fn the_score_stops_at_2_to_the_53_less_1() {
    check(
        "rounds 10h 11h 12h
         0  | add                                    | new
         0  | set score=9007199254740890 streak=9    |
         O1 | press                                  | counted:100 score=9007199254740990 reached=O1
         O2 | press                                  | counted:121 score=9007199254740991 reached=O2 streak=11
         O3 | press                                  | counted:144 score=9007199254740991 reached=O2 streak=12",
    );
    // The largest streaks do not overflow.
    check(
        "rounds 10h
         0  | add                              | new
         0  | set streak=18446744073709551614  |
         O1 | press                            | counted:18446744073709551615 score=9007199254740991",
    );
}

#[test]
fn a_rejected_press_does_not_replace_a_counted_one_of_the_same_round() {
    check(
        "rounds 10h 11h
         0         | add   | new last=none
         O1-1      | press | not_open        last=not_open/none@O1-1
         O1+2      | press | counted:1       last=counted:1/1@O1+2
         O1+3      | press | already_pressed last=counted:1/1@O1+2
         O1+110s+1 | press | already_pressed last=counted:1/1@O1+2
         O1+550s+1 | press | not_open        last=not_open/none@O1+550s+1
         O2+110s+1 | press | too_late        last=too_late/2@O2+110s+1
         O2+110s+2 | press | too_late        last=too_late/2@O2+110s+2",
    );
    // A counted press replaces any earlier result; a rejected press of another round replaces a counted one.
    check(
        "rounds 10h 11h
         0         | add   | new
         O1        | press | counted:1 last=counted:1/1@O1
         O2+110s+1 | press | too_late  last=too_late/2@O2+110s+1
         O2        | press | too_late  last=too_late/2@O2",
    );
}

#[test]
fn a_press_is_judged_by_its_own_time_also_when_that_is_earlier() {
    // During the round, and before it.
    check(
        "rounds 10h 11h
         0       | add   | new
         O1+90s  | add   | kept
         O1-1    | press | not_open
         O1+20s  | press | counted:1 reached=O1+20s last=counted:1/1@O1+20s
         O2+90s  | press | counted:2 streak=2
         O1+30s  | press | too_late streak=2 score=3 reached=O2+90s",
    );
    // Applied after its cutoff, but no earlier command has settled the round for this player: it counts. Other players'
    // commands do not matter.
    check(
        "rounds 10h
         0         | add        | new
         0         | bob: add   | new
         O1+110s+1 | bob: press | too_late
         O1+551s   | tick       | ticked
         O1+110s   | press      | counted:1",
    );
    // An earlier command has settled it.
    check(
        "rounds 10h
         0         | add   | new
         O1+110s   | add   | kept
         O1+110s   | press | counted:1",
    );
    check(
        "rounds 10h
         0         | add   | new
         O1+110s+1 | add   | kept
         O1+110s   | press | too_late",
    );
}

#[test]
fn outcomes_have_names() {
    for (outcome, code, points) in [
        (PressOutcome::Counted { points: 5 }, "counted", 5),
        (PressOutcome::NotOpen, "not_open", 0),
        (PressOutcome::AlreadyPressed, "already_pressed", 0),
        (PressOutcome::TooLate, "too_late", 0),
    ] {
        assert_eq!((outcome.code(), outcome.points()), (code, points));
        assert_eq!(PressOutcome::from_code(code, points), Some(outcome));
    }
    assert_eq!(PressOutcome::from_code("bought", 5), None);
}
