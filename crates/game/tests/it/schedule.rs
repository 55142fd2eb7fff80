//! When rounds open automatically. Rules, "Round": opens_at, and no overlap.

use game::schedule::{Cadence, Overlap};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const USUAL: Cadence = Cadence { window_ms: 100_000, grace_ms: 10_000, gap_ms: 3_600_000, odds: 10_000 };

#[test]
fn over_a_billion_seconds_the_mean_gap_is_13_600_s() {
    let mut random = StdRng::seed_from_u64(20_240_229);
    let (mut at_ms, mut openings) = (0_i64, 0_i32);
    let mut longest_ms = 0;
    while at_ms < 1_000_000_000_000 {
        let next_ms = USUAL.next_opening_ms(at_ms, 1.0 - random.random::<f64>()).unwrap();
        let gap_ms = next_ms - at_ms;
        assert!(gap_ms > 3_600_000, "opened {gap_ms} ms after the one before");
        assert_eq!(gap_ms % 1_000, 0);
        longest_ms = longest_ms.max(gap_ms);
        (at_ms, openings) = (next_ms, openings + 1);
    }
    let mean_s = 1e9 / f64::from(openings);
    assert!((13_464.0..=13_736.0).contains(&mean_s), "mean gap {mean_s} s");
    // The longest of 73 500 draws with a chance of 1 in 10 000 is about 10 000 × ln 73 500 = 112 000 s.
    assert!((80_000_000..250_000_000).contains(&longest_ms), "longest gap {longest_ms} ms");
}

#[test]
fn each_second_after_the_buffer_has_the_same_chance() {
    // With a chance of 1 in 2, half of the draws open after 1 s, a quarter after 2 s, an eighth after 3 s.
    let cadence = Cadence { odds: 2, ..USUAL };
    let seconds = |uniform: f64| (cadence.next_opening_ms(0, uniform).unwrap() - 3_600_000) / 1_000;
    for (uniform, expected) in
        [(1.0, 1), (0.75, 1), (0.500_001, 1), (0.499_999, 2), (0.250_001, 2), (0.249_999, 3), (0.125_001, 3)]
    {
        assert_eq!(seconds(uniform), expected, "uniform {uniform}");
    }
}

#[test]
fn odds_0_open_nothing_and_odds_1_open_in_the_first_second() {
    for uniform in [f64::MIN_POSITIVE, 0.5, 1.0] {
        assert_eq!(Cadence { odds: 0, ..USUAL }.next_opening_ms(7, uniform), None);
        assert_eq!(Cadence { odds: 1, ..USUAL }.next_opening_ms(7, uniform), Some(3_601_007));
    }
}

#[test]
fn the_extremes_of_the_draw_give_an_opening() {
    assert_eq!(USUAL.next_opening_ms(1_000, 1.0), Some(3_602_000));
    // ln(2^-53) × −10 000 = 367 368 s: the smallest draw of a generator with 53 bits.
    let longest_ms = USUAL.next_opening_ms(0, f64::EPSILON / 2.0).unwrap();
    assert!((367_000_000..368_000_000).contains(&(longest_ms - 3_600_000)), "{longest_ms}");
    // Values that are never drawn must work too: zero, the largest odds, a time at the end of the range.
    let rare = Cadence { odds: u32::MAX, ..USUAL };
    assert!(rare.next_opening_ms(0, f64::MIN_POSITIVE).unwrap() > longest_ms);
    assert!(rare.next_opening_ms(0, 0.0).unwrap() > longest_ms);
    assert_eq!(rare.next_opening_ms(i64::MAX, 0.5), Some(i64::MAX));
}

#[test]
fn a_cadence_in_which_rounds_could_overlap_is_refused() {
    let dev = Cadence { window_ms: 8_000, grace_ms: 2_000, gap_ms: 50_001, odds: 10 };
    for (cadence, lit_ms_max) in [(USUAL, 550_000), (dev, 50_000)] {
        assert_eq!(cadence.check(), Ok(()));
        assert_eq!(cadence.lit_ms_max(), lit_ms_max);
        assert_eq!(Cadence { gap_ms: lit_ms_max + 1, ..cadence }.check(), Ok(()));
        let gap_ms = lit_ms_max;
        assert_eq!(Cadence { gap_ms, ..cadence }.check(), Err(Overlap { gap_ms, lit_ms_max }));
    }
    let reason = Cadence { gap_ms: 550_000, ..USUAL }.check().unwrap_err().to_string();
    assert!(reason.contains("550000 ms"), "{reason}");
}
