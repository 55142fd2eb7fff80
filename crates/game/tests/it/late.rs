//! Rules, "Late announcement": a press in time counts, and a round announced too late costs nobody a streak.

use crate::support::table::check;

#[test]
fn a_round_is_late_iff_its_announcement_was_stored_after_the_opening() {
    for (stored, streak) in [("O1-2s", 0), ("O1-1", 0), ("O1", 0), ("O1+1", 5), ("O1+110s", 5), ("O1+1h", 5)]
    {
        // The arrival time, set by the scheduler, makes no difference.
        for arrived in ["O1-2s", "O1+1h"] {
            check(&format!(
                "0         | add                              | new
                 0         | set streak=5                     |
                 {arrived} | announce 1 10h stored={stored}   | announced
                 O1+110s   | add                              | kept streak=5
                 O1+110s+1 | add                              | kept streak={streak}"
            ));
        }
    }
    // The journal has no storage time.
    check(
        "0         | add            | new
         0         | set streak=5   |
         O1+1h     | announce 1 10h | announced
         O1+110s+1 | add            | kept streak=0",
    );
}

#[test]
fn a_late_round_may_be_pressed_from_the_announcement_on_until_the_cutoff() {
    for (at, outcome, streak) in [
        ("O1", "counted:6", 6), // later in the inbox, whatever its arrival time
        ("O1+50s+1", "counted:6", 6),
        ("O1+110s", "counted:6", 6),
        ("O1+110s+1", "too_late", 5),
        ("O1+550s+1", "not_open", 5),
    ] {
        check(&format!(
            "0         | add                           | new
             0         | set streak=5                  |
             10h+50s   | press                         | not_open
             10h+50s   | announce 1 10h stored=10h+50s | announced
             {at}      | press                         | {outcome} streak={streak}
             O1+551s   | tick                          | ticked
             O1+551s   | read                          | shown streak={streak}"
        ));
    }
    // Up to the player's own cutoff.
    for (at, outcome) in [("O1+220s", "counted:1"), ("O1+220s+1", "too_late")] {
        check(&format!(
            "0     | add                         | new
             0     | set score=150               |
             9h    | buy EXTENDER 2              | bought
             10h+1 | announce 1 10h stored=10h+1 | announced cutoff1=O1+220s
             {at}  | press                       | {outcome}"
        ));
    }
}

#[test]
fn a_late_round_that_nobody_pressed_is_forgiven() {
    check(
        "0         | add                            | new
         0         | set streak=5                   |
         10h       | press                          | not_open streak=5
         O1+110s+1 | announce 1 10h stored=O1+1h    | announced
         O1+1h     | tick                           | ticked
         O1+1h     | read                           | shown streak=5
         O1+1h     | press                          | not_open streak=5
         O1+1h     | announce 2 20h stored=O1+1h    | announced
         O2        | press                          | counted:6 streak=6
         O2        | announce 3 30h stored=O2       | announced
         O3+110s+1 | add                            | kept streak=0",
    );
}

#[test]
fn the_first_announcement_decides() {
    // Announced in time, and announced again after the inbox forgot the first id.
    check(
        "0         | add                           | new
         0         | set streak=5                  |
         9h        | announce 1 10h stored=10h     | announced
         O1+1      | announce 1 10h stored=O1+1    | known same
         O1+110s+1 | add                           | kept streak=0",
    );
    check(
        "0         | add                           | new
         0         | set streak=5                  |
         10h+1     | announce 1 10h stored=10h+1   | announced
         O1+2      | announce 1 10h stored=10h     | known same
         O1+2      | announce 1 10h                | known same
         O1+110s+1 | add                           | kept streak=5",
    );
    // An impossible announcement changes nothing.
    check(
        "0         | add                           | new
         0         | set streak=5                  |
         0         | announce 2 20h                | announced
         10h       | announce 1 O2-550s stored=30h | overlaps:1:2 same
         10h       | announce 2 21h stored=30h     | differs:2 same
         O2+110s+1 | add                           | kept streak=0",
    );
}

#[test]
fn who_joins_while_a_late_round_is_lit_may_press_in_it() {
    check(
        "10h+1     | add                         | new
         10h+2     | announce 1 10h stored=10h+2 | announced
         10h+3     | press                       | counted:1
         10h+4     | bob: add                    | new
         O1+110s+1 | bob: press                  | too_late
         O1+110s+1 | eve: add                    | new
         O1+110s+1 | eve: press                  | too_late",
    );
}
