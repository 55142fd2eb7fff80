//! Rules, "Settling": missed and forgiven rounds, what reads show, and new players.

use crate::support::table::check;

#[test]
fn a_missed_round_sets_the_streak_to_0_once_its_cutoff_is_past() {
    check(
        "rounds 10h 11h 12h
         0         | add   | new streak=0
         O1        | press | counted:1 streak=1
         O1+110s   | add   | kept streak=1
         O1+110s+1 | add   | kept streak=1
         O2        | add   | kept streak=1
         O2+110s   | add   | kept streak=1
         O2+110s+1 | add   | kept streak=0
         O3        | press | counted:1 streak=1 score=2",
    );
}

#[test]
fn the_players_own_cutoff_decides_when_a_round_is_missed() {
    for (quantity, lit) in [("1.5", "165s"), ("2", "220s"), ("3", "330s"), ("5", "550s")] {
        check(&format!(
            "rounds 10h
             0          | add                     | new
             0          | set score=700 streak=5  |
             9h         | buy EXTENDER {quantity} | bought
             O1+{lit}   | add                     | kept streak=5
             O1+{lit}+1 | add                     | kept streak=0"
        ));
    }
}

#[test]
fn a_pressed_round_is_not_missed_and_rejected_presses_do_not_help() {
    check(
        "rounds 10h 11h
         0         | add          | new
         0         | set streak=5 |
         O1        | press        | counted:6 streak=6
         O1+551s   | press        | not_open streak=6
         O2+110s   | tick         | ticked
         O2+110s+1 | press        | too_late streak=0",
    );
}

#[test]
fn hundreds_of_missed_rounds_are_settled_at_once() {
    let openings: Vec<String> = (1..=500).map(|hour| format!("{hour}h")).collect();
    let rounds = openings.join(" ");
    check(&format!(
        "rounds {rounds}
         0           | add          | new
         0           | set streak=7 |
         O500+109s   | press        | counted:1 streak=1 score=1
         O499        | press        | too_late streak=1 score=1
         O500+110s+1 | add          | kept streak=1"
    ));
    // A freeze during the first round is remembered, and does not cover the others.
    check(&format!(
        "rounds {rounds}
         0           | add                      | new
         0           | set streak=7 score=700   |
         0           | buy FREEZE 48            | bought freeze=48@0..48h
         O48         | add                      | kept streak=7
         O48+110s    | add                      | kept streak=7
         O48+110s+1  | add                      | kept streak=0"
    ));
}

#[test]
fn a_round_is_forgiven_iff_a_freeze_touched_the_time_in_which_it_was_lit() {
    for (bought_at, streak) in [
        ("O1-6h-1", 0),   // ended before
        ("O1-6h", 0),     // ends exactly at the opening
        ("O1-6h+1", 5),   // ends 1 ms into the round
        ("O1-5h", 5),     // covers it
        ("O1-1", 5),      //
        ("O1", 5),        //
        ("O1+50s", 5),    // starts inside
        ("O1+110s", 5),   // starts exactly at the cutoff
        ("O1+110s+1", 0), // a millisecond later
    ] {
        check(&format!(
            "rounds 10h 40h
             0           | add                   | new
             0           | set score=60 streak=5 |
             {bought_at} | buy FREEZE 6          | bought score=0
             O1+110s+1   | add                   | kept streak={streak}
             39h         | add                   | kept streak={streak}"
        ));
    }
}

#[test]
fn a_freeze_is_held_against_the_players_own_cutoff() {
    for (bought_at, streak) in [("O1+110s+1", 5), ("O1+165s", 5), ("O1+165s+1", 0)] {
        check(&format!(
            "rounds 10h
             0           | add                    | new
             0           | set score=120 streak=5 |
             9h          | buy EXTENDER 1.5       | bought
             {bought_at} | buy FREEZE 6           | bought
             O1+165s+1   | add                    | kept streak={streak}"
        ));
    }
}

#[test]
fn a_freeze_that_ended_within_the_round_is_not_lost_by_a_new_one() {
    check(
        "rounds 10h 11h 18h
         0         | add                    | new
         0         | set score=300 streak=5 |
         O1-6h+1   | buy FREEZE 6           | bought freeze=6@O1-6h+1..O1+1
         O1+110s   | buy FREEZE 6           | bought freeze=6@O1+110s..O1+6h+110s
         O1+110s+1 | add                    | kept streak=5
         O2+110s+1 | add                    | kept streak=5
         O3+110s+1 | add                    | kept streak=0",
    );
    // The new freeze is bought after the cutoff: the round was settled first, with the old one.
    check(
        "rounds 10h
         0         | add                    | new
         0         | set score=300 streak=5 |
         O1-6h+1   | buy FREEZE 6           | bought
         O1+2h     | buy FREEZE 6           | bought freeze=6@O1+2h..O1+8h streak=5
         O1+9h     | add                    | kept streak=5",
    );
    // Nor does a new freeze apply to earlier rounds.
    check(
        "rounds 10h
         0         | add                    | new
         0         | set score=300 streak=5 |
         O1-6h     | buy FREEZE 6           | bought
         O1+2h     | buy FREEZE 6           | bought freeze=6@O1+2h..O1+8h streak=0",
    );
}

#[test]
fn a_forgiven_round_leaves_the_streak_and_presses_still_count() {
    check(
        "rounds 10h 11h 12h
         0  | add                   | new
         0  | set score=60 streak=8 |
         9h | buy FREEZE 6          | bought score=0
         O1 | press                 | counted:9 streak=9 score=9
         O3 | press                 | counted:100 streak=10 score=109",
    );
}

#[test]
fn settling_never_goes_back() {
    check(
        "rounds 10h 11h
         0         | add                   | new
         0         | set score=60 streak=5 |
         O1+110s+1 | add                   | kept streak=0
         O1+50s    | press                 | too_late streak=0
         O1+50s    | buy FREEZE 6          | bought streak=0
         O2        | press                 | counted:1 streak=1",
    );
}

#[test]
fn reads_settle_once_everything_up_to_the_cutoff_is_applied() {
    for (quantity, lit) in
        [(None, "110s"), (Some("1.5"), "165s"), (Some("2"), "220s"), (Some("3"), "330s"), (Some("5"), "550s")]
    {
        let bought = quantity.map_or(String::new(), |q| format!("9h | buy EXTENDER {q} | bought"));
        check(&format!(
            "rounds 10h
             0          | add                    | new
             0          | set score=700 streak=5 |
             {bought}
             O1+{lit}-1 | tick                   | ticked
             O1+{lit}-1 | read                   | shown streak=5 same
             O1+{lit}   | tick                   | ticked
             O1+{lit}   | read                   | shown streak=0 same
             O1+{lit}   | press                  | counted:6 streak=6
             O1+{lit}   | read                   | shown streak=6"
        ));
    }
    check("0 | read | unknown_player same");
}

#[test]
fn a_tick_never_goes_back_and_forgiveness_is_shown_too() {
    check(
        "rounds 10h 20h
         0       | add                   | new
         0       | set score=60 streak=5 |
         9h      | buy FREEZE 6          | bought
         O2-1    | tick                  | ticked
         O1      | tick                  | ticked same
         O2-1    | read                  | shown streak=5
         O2+110s | tick                  | ticked
         O2+110s | read                  | shown streak=0",
    );
}

#[test]
fn a_backlog_never_shows_a_streak_lost_that_then_returns() {
    // The press arrived in time and is applied an hour later, before the tick that follows it in the partition.
    check(
        "rounds 10h 11h
         0       | add          | new
         0       | set streak=5 |
         O1-1    | tick         | ticked
         O1-1    | read         | shown streak=5
         O1+1s   | press        | counted:6
         O1+110s | tick         | ticked
         O1+110s | read         | shown streak=6",
    );
}

#[test]
fn rounds_that_opened_before_the_first_add_are_never_missed() {
    for (added_at, streak) in [("O1-1", 0), ("O1", 5), ("O1+50s", 5), ("O1+110s", 5), ("O1+110s+1", 5)] {
        check(&format!(
            "rounds 10h 11h
             {added_at} | add          | new
             {added_at} | set streak=5 |
             O1+110s+1  | add          | kept streak={streak}
             O2         | add          | kept streak={streak}
             O2+110s+1  | add          | kept streak=0"
        ));
    }
}

#[test]
fn a_newcomer_may_press_a_round_that_is_still_lit_by_its_base_cutoff() {
    for (added_at, outcome) in [
        ("O1", "counted:1"),
        ("O1+50s", "counted:1"),
        ("O1+110s", "counted:1"),
        ("O1+110s+1", "too_late"),
        ("O1+550s", "too_late"),
        ("O1+550s+1", "not_open"),
    ] {
        check(&format!(
            "rounds 10h
             {added_at} | add   | new
             {added_at} | press | {outcome}"
        ));
    }
    // The round was over when the player joined: a press that arrived out of order does not reopen it.
    check(
        "rounds 10h
         O1+110s+1 | add   | new
         O1+50s    | press | too_late",
    );
}
