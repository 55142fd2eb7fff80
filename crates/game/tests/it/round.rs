//! Rules, "Round": when a button is lit, for which player and how long, and which announcements are valid.

use game::bounds::{ROUND_ID_MAX, TIME_MS_MAX, WINDOW_MS_MAX};
use game::{Reason, Round};

use crate::support::table::check;

/// The four extenders, and how long the usual round lasts with each.
const EXTENDERS: [(&str, &str); 4] = [("1.5", "165s"), ("2", "220s"), ("3", "330s"), ("5", "550s")];

#[test]
fn lit_from_its_opening_to_the_cutoff_inclusive() {
    for (at, outcome) in [
        ("O1-1", "not_open"),
        ("O1", "counted:1"),
        ("O1+100s+1", "counted:1"),
        ("O1+110s", "counted:1"),
        ("O1+110s+1", "too_late"),
        ("O1+550s", "too_late"),
        ("O1+550s+1", "not_open"),
    ] {
        check(&format!(
            "rounds 10h
             0    | add   | new cutoff1=O1+110s closes1=O1+100s
             {at} | press | {outcome}"
        ));
    }
}

#[test]
fn each_extender_moves_the_cutoff() {
    for (quantity, lit) in EXTENDERS {
        let late = if quantity == "5" { "not_open" } else { "too_late" };
        for (at, outcome) in [(format!("O1+{lit}"), "counted:1"), (format!("O1+{lit}+1"), late)] {
            check(&format!(
                "rounds 10h
                 0    | add                     | new
                 0    | set score=700           |
                 9h   | buy EXTENDER {quantity} | bought cutoff1=O1+{lit}
                 {at} | press                   | {outcome}"
            ));
        }
    }
}

#[test]
fn products_of_milliseconds_round_down() {
    let table = [
        // Window, grace, cutoffs after the opening with no extender, 1.5, 2, 3, 5.
        (100_000, 10_000, [110_000, 165_000, 220_000, 330_000, 550_000]),
        (99_999, 10_000, [109_999, 164_998, 219_998, 329_997, 549_995]),
        (7, 2, [9, 13, 18, 27, 45]),
        (1, 0, [1, 1, 2, 3, 5]),
        (WINDOW_MS_MAX, WINDOW_MS_MAX, [2, 3, 4, 6, 10].map(|factor| factor * WINDOW_MS_MAX)),
    ];
    for (window_ms, grace_ms, lit_ms) in table {
        let opens_at_ms = 1_700_000_000_001;
        let round = Round::new(1, opens_at_ms, window_ms, grace_ms).unwrap();
        assert_eq!(round.cutoffs_ms(), lit_ms.map(|lit_ms| opens_at_ms + lit_ms), "{round:?}");
        assert_eq!(round.cutoff_max_ms(), opens_at_ms + lit_ms[4], "{round:?}");
    }
    // The end that players see has no grace: 7, 10.5, 14, 21, 35.
    let round = Round::new(1, 1_000, 7, 2).unwrap();
    assert_eq!(
        [2, 3, 4, 6, 10].map(|halves| round.closes_at_ms(halves)),
        [1_007, 1_010, 1_014, 1_021, 1_035]
    );
}

#[test]
fn the_announcement_carries_window_and_grace() {
    check(
        "0     | announce 1 10h 7 2 | announced
         0     | announce 2 11h 1s 0 | announced
         0     | add                | new
         0     | set score=60       |
         9h    | buy EXTENDER 1.5   | bought cutoff1=O1+13 closes1=O1+10 cutoff2=O2+1s+500
         O1+13 | press              | counted:1
         O1+14 | press              | already_pressed
         O2+1s+501 | press          | too_late",
    );
}

#[test]
fn the_extender_that_counts_began_before_the_opening_and_ends_after_it() {
    for (bought_at, lit) in [
        ("O1-6h-1", "110s"), // ended 1 ms before
        ("O1-6h", "110s"),   // ends exactly at the opening
        ("O1-6h+1", "330s"), // ends 1 ms after
        ("O1-1", "330s"),    // began 1 ms before
        ("O1", "110s"),      // began exactly at the opening
        ("O1+1", "110s"),
    ] {
        check(&format!(
            "rounds 10h
             0           | add            | new
             0           | set score=330  |
             {bought_at} | buy EXTENDER 3 | bought cutoff1=O1+{lit}
             O1+{lit}    | press          | counted:1
             O1+{lit}    | press          | already_pressed"
        ));
        check(&format!(
            "rounds 10h
             0            | add            | new
             0            | set score=330  |
             {bought_at}  | buy EXTENDER 3 | bought cutoff1=O1+{lit}
             O1+{lit}+1   | press          | too_late"
        ));
    }
}

#[test]
fn an_extender_bought_while_lit_counts_from_the_next_round_on() {
    check(
        "rounds 10h 11h
         0         | add            | new
         0         | set score=700  |
         O1+50s    | buy EXTENDER 5 | bought cutoff1=O1+110s cutoff2=O2+550s
         O1+110s+1 | press          | too_late
         O2+550s   | press          | counted:1",
    );
}

#[test]
fn the_first_command_fixes_the_cutoff_whatever_is_bought_afterwards() {
    check(
        "rounds 10h 11h
         0       | add              | new
         0       | set score=9999   |
         9h      | buy EXTENDER 1.5 | bought cutoff1=O1+165s cutoff2=O2+165s
         O1      | buy EXTENDER 2   | bought cutoff1=O1+165s cutoff2=O2+220s extender=2@O1..O1+6h
         O1+1    | buy EXTENDER 5   | bought cutoff1=O1+165s cutoff2=O2+550s extender=5@O1+1..O1+6h+1
         O1+2    | buy EXTENDER 5   | bought cutoff1=O1+165s cutoff2=O2+550s extender=5@O1+1..O1+12h+1
         O1+165s | press            | counted:1",
    );
    // The extender expired during the round and was bought again.
    for rest in ["O1+220s   | press | counted:1", "O1+220s+1 | press | too_late"] {
        check(&format!(
            "rounds 10h
             0       | add              | new
             0       | set score=9999   |
             O1-6h+1 | buy EXTENDER 2   | bought extender=2@O1-6h+1..O1+1
             O1+1    | buy EXTENDER 1.5 | bought cutoff1=O1+220s extender=1.5@O1+1..O1+6h+1
             {rest}"
        ));
    }
}

#[test]
fn every_kind_of_command_fixes_the_cutoff_and_only_from_the_opening_on() {
    // The extender is lost 1 ms into the round; each of these first commands, at the opening, must fix the cutoff. (The
    // second arrives out of order, from before the opening, when no extender was active: it sets a new one.)
    for first in ["add", "press", "buy EXTENDER 1.5", "buy FREEZE 6 id=known"] {
        let outcome = match first {
            "add" => "kept",
            "press" => "counted:1",
            "buy EXTENDER 1.5" => "higher_level_active",
            _ => "known:bought",
        };
        check(&format!(
            "rounds 20h
             0       | add                   | new
             0       | set score=9999        |
             1h      | buy FREEZE 6 id=known | bought
             19h     | buy EXTENDER 5        | bought
             O1      | {first}               | {outcome} cutoff1=O1+550s
             18h     | buy EXTENDER 2        | bought extender=2@18h..24h cutoff1=O1+550s"
        ));
    }
    // A command out of order, from the time of an earlier round, does not change the fixed cutoff.
    check(
        "rounds 10h 20h
         0       | add            | new
         0       | set score=9999 |
         19h     | buy EXTENDER 5 | bought
         O2      | add            | kept cutoff2=O2+550s
         O1+1    | press          | too_late
         18h     | buy EXTENDER 2 | bought extender=2@18h..24h cutoff2=O2+550s",
    );
    check(
        "rounds 20h
         0       | add            | new
         0       | set score=9999 |
         19h     | buy EXTENDER 2 | bought cutoff1=O1+220s
         O1-1    | buy EXTENDER 5 | bought cutoff1=O1+550s
         O1+550s | press          | counted:1",
    );
}

#[test]
fn a_round_never_changes_after_its_announcement() {
    check(
        "0    | announce 1 10h         | announced
         0    | announce 1 10h         | known same
         0    | announce 1 10h+1       | differs:1 same
         0    | announce 1 10h 100s+1 10s | differs:1 same
         0    | announce 1 10h 100s 10s-1 | differs:1 same
         11h  | announce 1 10h 100s 10s | known same",
    );
}

#[test]
fn rounds_that_overlap_for_the_largest_extender_are_faults() {
    check(
        "0 | announce 2 10h            | announced
         0 | announce 3 O2+550s        | overlaps:3:2 same
         0 | announce 4 9h             | overlaps:4:2 same
         0 | announce 1 O2-550s        | overlaps:1:2 same
         0 | announce 5 O2+550s+1      | announced
         0 | announce 6 O2-550s-1      | overlaps:6:5 same
         0 | announce 7 O5+550s+1      | announced",
    );
    check(
        "0    | announce 2 10h         | announced
         0    | announce 1 O2-550s-1   | announced
         0    | add                    | new
         O2-1 | press                  | too_late
         O2   | press                  | counted:1",
    );
}

#[test]
fn a_late_announcement_counts_from_its_position_on() {
    check(
        "0       | add            | new
         10h     | press          | not_open last=not_open/none@10h
         10h+1   | announce 1 10h | announced
         10h     | press          | counted:1",
    );
    // An extender bought at the opening, when the round was not known yet, does not count for it.
    check(
        "0       | add            | new
         0       | set score=330  |
         10h     | buy EXTENDER 3 | bought
         10h+1   | announce 1 10h | announced
         O1      | add            | kept cutoff1=O1+110s",
    );
    // Announced after its cutoff, in a journal without storage time: the next command misses it, not an earlier one.
    check(
        "0       | add            | new
         0       | set streak=5   |
         11h     | press          | not_open streak=5
         11h     | announce 1 10h | announced
         11h     | press          | not_open streak=0",
    );
}

#[test]
fn fields_out_of_range_are_refused() {
    let refused = |id, opens_at_ms, window_ms, grace_ms, field, min, max| {
        let invalid = Round::new(id, opens_at_ms, window_ms, grace_ms).unwrap_err();
        assert_eq!(invalid, Reason::OutOfRange { min, max }.of(field));
    };
    let id_max = i64::try_from(ROUND_ID_MAX).unwrap();
    refused(0, 0, 1, 0, "round", 1, id_max);
    refused(ROUND_ID_MAX + 1, 0, 1, 0, "round", 1, id_max);
    refused(u64::MAX, 0, 1, 0, "round", 1, id_max);
    refused(1, -1, 1, 0, "opens_at", 0, TIME_MS_MAX);
    refused(1, TIME_MS_MAX + 1, 1, 0, "opens_at", 0, TIME_MS_MAX);
    refused(1, 0, 0, 0, "window", 1, WINDOW_MS_MAX);
    refused(1, 0, WINDOW_MS_MAX + 1, 0, "window", 1, WINDOW_MS_MAX);
    refused(1, 0, 1, -1, "grace", 0, WINDOW_MS_MAX);
    refused(1, 0, 1, WINDOW_MS_MAX + 1, "grace", 0, WINDOW_MS_MAX);
    // The largest allowed values do not overflow.
    let largest = Round::new(ROUND_ID_MAX, TIME_MS_MAX, WINDOW_MS_MAX, WINDOW_MS_MAX).unwrap();
    assert_eq!(largest.cutoff_max_ms(), TIME_MS_MAX + 10 * WINDOW_MS_MAX);
}
