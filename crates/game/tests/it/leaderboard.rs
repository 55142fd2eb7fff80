//! Rules, "Leaderboard": the order, `reached_at`, the top of a partition, and the merge of the partitions' tops.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use game::bounds::{TOP_KEPT_MAX, TOP_STORED_MAX};
use game::{Standing, Top, merge_tops, partition_of};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::table::check;
use crate::support::user;

fn standing(score: u64, reached_at_ms: i64, name: &str) -> Standing {
    Standing { score, reached_at_ms, username: user(name) }
}

/// The rule, written independently: score descending, reached_at ascending, username by bytes.
type Key = (Reverse<u64>, i64, Vec<u8>);

fn key(of: &Standing) -> Key {
    (Reverse(of.score), of.reached_at_ms, of.username.as_str().as_bytes().to_vec())
}

#[test]
fn ordered_by_score_then_earlier_then_username_by_bytes() {
    let board = [
        standing(9, 8, "zoe"),
        standing(8, 1, "zoe2"),
        standing(8, 2, "B"),
        standing(8, 2, "Ba"),
        standing(8, 2, "a"),
        standing(8, 2, "ab"),
        standing(8, 2, "z"),
        standing(8, 2, "é"),
        standing(8, 2, "\u{ffff}"),
        standing(8, 2, "👍"), // after U+FFFF by bytes, before it in UTF-16
        standing(8, 3, "a2"),
        standing(0, 0, "none"),
    ];
    for pair in board.windows(2) {
        assert!(pair[0] < pair[1], "{pair:?}");
    }
    let mut shuffled = board.to_vec();
    shuffled.reverse();
    shuffled.sort();
    assert_eq!(shuffled, board);
}

#[test]
fn reached_at_moves_with_the_score_only() {
    check(
        "rounds 10h 11h
         1h        | add              | new                 reached=1h
         2h        | add name=x       | kept                reached=1h
         3h        | press            | not_open            reached=1h
         4h        | buy FREEZE 6     | not_enough_points   reached=1h
         O1+110s+1 | press            | too_late            reached=1h
         O2+1      | press            | counted:1           reached=O2+1
         O2+2      | press            | already_pressed     reached=O2+1
         O2+2      | set score=300    |
         O2+3      | buy EXTENDER 2 id=a | bought           reached=O2+3
         O2+4      | buy EXTENDER 2 id=a | known:bought     reached=O2+3
         O2+5      | buy EXTENDER 1.5 | higher_level_active reached=O2+3
         O2+6h     | add              | kept                reached=O2+3
         O2-1h     | buy FREEZE 6     | bought              reached=O2-1h",
    );
}

#[test]
fn tops_of_partitions_merge_into_the_board() {
    let mut random = StdRng::seed_from_u64(1);
    let all: Vec<Standing> = (0..500)
        .map(|n| standing(random.random_range(0..20), random.random_range(0..4), &format!("player-{n}")))
        .collect();
    let mut tops: BTreeMap<u16, Top> = BTreeMap::new();
    for one in &all {
        let top = tops.entry(partition_of(one.username.as_str(), 7)).or_insert_with(Top::empty);
        top.change(None, one.clone());
    }
    let mut board = all.clone();
    board.sort_by_key(key);
    for limit in [0, 1, 10, 100] {
        let stored = tops.values().flat_map(Top::stored).map(|one| (one.clone(), one.score)).collect();
        let merged = merge_tops(stored, limit);
        let expected: Vec<_> =
            (1..).zip(&board).take(limit).map(|(rank, one)| (rank, one.clone(), one.score)).collect();
        assert_eq!(merged, expected);
    }
    assert_eq!(merge_tops(Vec::<(Standing, ())>::new(), 10), []);
    assert_eq!(merge_tops(vec![(standing(0, 0, "a"), ())], 10), [(1, standing(0, 0, "a"), ())]);
}

/// A partition with all players fully sorted, and the top that the writer keeps.
struct Partition {
    players: Vec<Standing>,
    sorted: BTreeMap<Key, Standing>,
    top: Top,
    fills: u32,
}

impl Partition {
    fn change(&mut self, at: usize, after: Standing) {
        let before = std::mem::replace(&mut self.players[at], after.clone());
        self.sorted.remove(&key(&before));
        self.sorted.insert(key(&after), after.clone());
        self.top.change(Some(&before), after);
        self.check();
    }

    /// Compares the top with the full sort. Refills the top first if it reports that it is too thin.
    fn check(&mut self) {
        if self.top.is_thin() {
            self.top = Top::filled(self.sorted.values().take(TOP_KEPT_MAX).cloned());
            self.fills += 1;
            assert!(!self.top.is_thin());
        }
        assert!(
            self.top.stored().eq(self.sorted.values().take(TOP_STORED_MAX)),
            "top differs from the full sort"
        );
    }
}

#[test]
fn a_top_stays_equal_to_a_full_sort_while_purchases_thin_it() {
    let mut random = StdRng::seed_from_u64(2);
    let mut partition =
        Partition { players: Vec::new(), sorted: BTreeMap::new(), top: Top::empty(), fills: 0 };
    for n in 0..2 * TOP_KEPT_MAX {
        let one = standing(random.random_range(0..5_000), random.random_range(0..50), &format!("{n}"));
        partition.top.change(None, one.clone());
        partition.sorted.insert(key(&one), one.clone());
        partition.players.push(one);
        partition.check();
    }
    assert_eq!(partition.fills, 0, "players who only join never thin the top");
    for step in 0..12_000 {
        // Mostly the best players buy and random players press, so that players drop below the last kept one.
        let best = partition.sorted.values().nth(random.random_range(0..120)).unwrap().username.clone();
        let at: usize = if step % 3 == 0 {
            random.random_range(0..partition.players.len())
        } else {
            best.as_str().parse().unwrap()
        };
        let before = &partition.players[at];
        let score = if step % 3 == 0 { before.score + 3 } else { before.score.saturating_sub(3_000) };
        let after =
            Standing { score, reached_at_ms: 50 + i64::from(step), username: before.username.clone() };
        partition.change(at, after);
    }
    assert!(partition.fills > 3, "thinned and filled {} times", partition.fills);
}

#[test]
fn a_top_knows_when_it_is_too_thin() {
    let score_of = |n: usize| u64::try_from(n).unwrap();
    let partition = |size: usize| (0..size).map(move |n| standing(score_of(size - n), 0, &format!("{n}")));
    // The whole partition is in the top: it is never thin, however few players there are.
    for size in [0, 1, 99, 100, 101, TOP_KEPT_MAX - 1] {
        let top = Top::filled(partition(size));
        assert!(!top.is_thin(), "{size}");
        assert!(top.stored().eq(partition(size).take(TOP_STORED_MAX).collect::<Vec<_>>().iter()), "{size}");
    }
    // A stored top is thin as soon as one of its hundred drops below the others, unless it held all players.
    for size in [0, 1, 99, 100, 101, TOP_KEPT_MAX] {
        let mut top = Top::recalled(Top::filled(partition(size)).stored().cloned());
        assert!(!top.is_thin(), "{size}");
        let better = standing(1_000_000, 0, "better");
        top.change(None, better.clone());
        assert_eq!(top.stored().next(), Some(&better), "{size}");
        top.change(Some(&better), Standing { score: 0, ..better.clone() });
        assert!(!top.is_thin(), "{size}: who came and went");
        if let Some(first) = partition(size).next() {
            top.change(Some(&first), Standing { score: 0, reached_at_ms: 9, ..first.clone() });
            assert_eq!(top.is_thin(), size >= TOP_STORED_MAX, "{size}");
        }
    }
    // The top may not hold all players: it is thin as soon as fewer than 100 are left.
    for size in [TOP_KEPT_MAX, TOP_KEPT_MAX + 1] {
        let mut top = Top::filled(partition(size));
        let known: BTreeSet<Standing> = partition(size).take(TOP_KEPT_MAX).collect();
        for (gone, before) in (1..).zip(known) {
            top.change(Some(&before), Standing { score: 0, ..before.clone() });
            assert_eq!(top.is_thin(), TOP_KEPT_MAX - gone < TOP_STORED_MAX, "{gone} of {size} gone");
        }
    }
}
