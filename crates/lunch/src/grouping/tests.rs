use std::collections::BTreeMap;

use super::*;

const WEEK_MS: i64 = 7 * 24 * 3_600_000;

#[test]
fn sizes_are_those_of_the_table() {
    let rows: [(usize, usize, &[usize]); 22] = [
        (6, 1, &[1]),
        (6, 6, &[6]),
        (6, 7, &[7]),
        (6, 8, &[4, 4]),
        (6, 9, &[5, 4]),
        (6, 10, &[5, 5]),
        (6, 11, &[6, 5]),
        (6, 12, &[6, 6]),
        (6, 13, &[7, 6]),
        (6, 14, &[7, 7]),
        (6, 15, &[5, 5, 5]),
        (6, 19, &[7, 6, 6]),
        (6, 20, &[7, 7, 6]),
        (6, 25, &[7, 6, 6, 6]),
        (5, 8, &[4, 4]),
        (5, 14, &[5, 5, 4]),
        (4, 7, &[4, 3]),
        (4, 11, &[4, 4, 3]),
        (3, 5, &[3, 2]),
        (3, 8, &[3, 3, 2]),
        (2, 3, &[3]),
        (2, 5, &[3, 2]),
    ];
    for (size, people, sizes) in rows {
        assert_eq!(group_sizes(people, size), sizes, "{people} people, size {size}");
    }
    assert_eq!(group_sizes(0, 6), [0; 0]);
}

#[test]
fn everybody_is_in_one_group_of_a_fair_size() {
    let nobody_met = |people| Penalties::new(people, std::iter::empty());
    for size in GROUP_SIZES {
        for people in 1..=400 {
            let groups = divide(people, size, &nobody_met(people), 17, 20_000);
            let sizes: Vec<_> = groups.iter().map(Vec::len).collect();
            assert_eq!(sizes, group_sizes(people, size));
            let mut all: Vec<_> = groups.into_iter().flatten().collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..people), "{people} people, size {size}");
            let (most, least) = (sizes.iter().max().unwrap(), sizes.iter().min().unwrap());
            assert!(*most <= GROUP_MAX && most - least <= 1, "{people} people, size {size}: {sizes:?}");
            assert!(people == 1 || *least >= 2, "{people} people, size {size}: {sizes:?}");
        }
    }
}

#[test]
fn the_seed_decides() {
    let met = || Penalties::new(30, (0..29).map(|a| (a, a + 1, JUST_MET)));
    let run = |seed| divide(30, 4, &met(), seed, 20_000);
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn a_weight_halves_each_week() {
    assert_eq!(weight(0, WEEK_MS), JUST_MET);
    assert_eq!(weight(-5, WEEK_MS), JUST_MET);
    assert_eq!([1, 2, 32, 33].map(|weeks| weight(weeks * WEEK_MS, WEEK_MS)), [1 << 31, 1 << 30, 1, 0]);
    assert_eq!(weight(i64::MAX, 1), 0);
    // 2^(-1.5) and 2^(-1/7).
    assert!(weight(WEEK_MS * 3 / 2, WEEK_MS).abs_diff(1_518_500_249) <= 2);
    assert!(weight(WEEK_MS / 7, WEEK_MS).abs_diff(3_890_018_000) < JUST_MET / 1_000);
    let falling: Vec<_> = (0..400).map(|n| weight(n * WEEK_MS / 50, WEEK_MS)).collect();
    assert!(falling.is_sorted_by(|before, after| before > after));
}

#[test]
fn a_sum_of_penalties_counts_each_pair_of_a_group_once() {
    let penalties = Penalties::new(4, [(0, 1, 5), (1, 0, 3), (2, 3, 7), (0, 2, 11)].into_iter());
    assert_eq!(penalties.of_groups(&[vec![0, 1], vec![2, 3]]), 12);
    assert_eq!(penalties.of_groups(&[vec![0, 2, 1], vec![3]]), 16);
}

/// What polls of one crowd led to.
#[derive(Debug, Default)]
struct Repeats {
    /// Pairs that had met in an earlier poll, each time.
    pairs: u64,
    /// The sum of their weights.
    weight: u64,
}

/// So many weekly polls in which everybody says yes.
fn polls(people: usize, size: usize, polls: i64, seed: u64, swaps_max: u32) -> Repeats {
    let mut met = BTreeMap::new();
    let mut repeats = Repeats::default();
    for week in 0..polls {
        let now_ms = week * WEEK_MS;
        let pairs = met.iter().map(|((a, b), met_ms)| (*a, *b, weight(now_ms - met_ms, WEEK_MS)));
        let penalties = Penalties::new(people, pairs);
        let seed = seed.wrapping_mul(1_000).wrapping_add(week.unsigned_abs());
        let groups = divide(people, size, &penalties, seed, swaps_max);
        repeats.weight += penalties.of_groups(&groups);
        for group in groups {
            for a in &group {
                for b in group.iter().filter(|b| a < *b) {
                    repeats.pairs += u64::from(met.insert((*a, *b), now_ms).is_some());
                }
            }
        }
    }
    repeats
}

/// Whether properties are looked at with many seeds, which takes an hour in a debug build: with `FULL=1`.
#[expect(clippy::disallowed_methods, reason = "a switch of this test, not a setting")]
fn is_full() -> bool {
    std::env::var_os("FULL").is_some()
}

fn seeds(few: u64, many: u64) -> std::ops::Range<u64> {
    0..if is_full() { many } else { few }
}

#[test]
fn in_pairs_of_fifty_people_nobody_meets_twice_in_25_polls() {
    for seed in seeds(40, 1_000) {
        assert_eq!(polls(50, 2, 25, seed, 20_000).pairs, 0, "seed {seed}");
    }
}

/// The repeats of so many seeds with swaps, and by the plain shuffle.
fn with_and_without_swaps(people: usize, size: usize, seeds: std::ops::Range<u64>) -> [Repeats; 2] {
    let sum = |swaps_max| {
        seeds.clone().fold(Repeats::default(), |sum, seed| {
            let repeats = polls(people, size, 20, seed, swaps_max);
            Repeats { pairs: sum.pairs + repeats.pairs, weight: sum.weight + repeats.weight }
        })
    };
    [sum(20_000), sum(0)]
}

#[test]
fn repeats_weigh_at_most_a_quarter_of_those_of_a_plain_shuffle() {
    for size in 3..=6 {
        let [swapped, shuffled] = with_and_without_swaps(50, size, seeds(1, 1_000));
        assert!(swapped.weight * 4 <= shuffled.weight, "size {size}: {swapped:?} {shuffled:?}");
    }
}

/// By number this can only hold where 20 polls have fewer pairs than the crowd: 50 people in groups of 4 make 1 600 of
/// their 1 225 pairs, so at least 375 repeats, of which the plain shuffle has about 692.
#[test]
fn where_there_are_enough_pairs_repeats_are_at_most_a_quarter_of_those_of_a_plain_shuffle() {
    let crowds = [(50, 3), (100, 4), (150, 5), (200, 6)];
    for (people, size) in crowds.into_iter().take(if is_full() { 4 } else { 2 }) {
        let [swapped, shuffled] = with_and_without_swaps(people, size, seeds(1, 100));
        assert!(swapped.pairs * 4 <= shuffled.pairs, "{people}, size {size}: {swapped:?} {shuffled:?}");
    }
}
