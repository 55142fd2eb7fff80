//! The board says a rank only where it is sure: then it is that of a full sort.

use std::collections::BTreeMap;

use fetch::Board;
use game::{Standing, Username};
use proptest::prelude::*;
use store::Position;

const NOW_MS: i64 = 1_800_000_000_000;

fn at(sequence: u128) -> Position {
    Position { inbox: 1, sequence }
}

fn standing(name: &str, score: u64, reached_at_ms: i64) -> Standing {
    Standing { score, reached_at_ms, username: Username::new(name).unwrap() }
}

/// Ranks by definition: 1 + the number of players strictly ahead.
fn sorted(mut all: Vec<Standing>) -> Vec<(Standing, u64)> {
    all.sort_by(|a, b| {
        let by_score = b.score.cmp(&a.score);
        by_score
            .then(a.reached_at_ms.cmp(&b.reached_at_ms))
            .then(a.username.as_str().as_bytes().cmp(b.username.as_str().as_bytes()))
    });
    all.into_iter().zip(1..).collect()
}

#[test]
fn it_knows_nothing_until_every_partition_was_rebuilt() {
    let (ada, bob) = (standing("ada", 5, 0), standing("bob", 3, 0));
    let board = Board::new(2);
    assert_eq!(board.stale(), [0, 1]);
    assert!(board.rebuild(0, at(4), vec![ada.clone()]));
    assert_eq!((board.stale(), board.rank(&ada, &[], NOW_MS)), (vec![1], None));
    assert!(board.rebuild(1, at(0), vec![bob.clone()]));
    assert_eq!((board.rank(&ada, &[], NOW_MS), board.rank(&bob, &[], NOW_MS)), (Some(1), Some(2)));
    assert!(board.stale().is_empty());
    assert!(!board.rebuild(2, at(0), vec![]), "there is no such partition");
}

#[test]
fn projections_that_follow_one_another_keep_it_exact() {
    let board = Board::new(1);
    board.rebuild(0, at(0), vec![]);
    board.project(0, at(0), at(3), vec![standing("ada", 1, 10), standing("bob", 1, 10)]);
    board.project(0, at(3), at(4), vec![standing("bob", 3, 20)]);
    board.project(0, at(4), at(9), vec![standing("cem", 3, 20)]);
    for (name, score, reached_at_ms, rank) in [("bob", 3, 20, 1), ("cem", 3, 20, 2), ("ada", 1, 10, 3)] {
        let standing = standing(name, score, reached_at_ms);
        assert_eq!(board.rank(&standing, &[(0, at(9))], NOW_MS), Some(rank), "{name}");
    }
    // What comes again changes nothing.
    board.project(0, at(3), at(4), vec![standing("bob", 1_000, 20)]);
    assert_eq!(board.rank(&standing("cem", 3, 20), &[(0, at(9))], NOW_MS), Some(2));
    assert!(board.stale().is_empty());
}

#[test]
fn after_a_gap_it_is_silent_until_it_was_rebuilt() {
    let board = Board::new(1);
    board.rebuild(0, at(0), vec![standing("ada", 1, 0)]);
    let ada = standing("ada", 1, 0);
    board.project(0, at(5), at(6), vec![standing("bob", 2, 0)]);
    assert_eq!((board.stale(), board.rank(&ada, &[], NOW_MS)), (vec![0], None));
    // Going on in order does not fill the gap.
    board.project(0, at(6), at(7), vec![standing("cem", 3, 0)]);
    assert_eq!(board.rank(&ada, &[], NOW_MS), None);
    // A snapshot from before the gap does not either; what waited is given up.
    assert!(!board.rebuild(0, at(4), vec![ada.clone()]));
    assert_eq!(board.rank(&ada, &[], NOW_MS), None);
    board.project(0, at(7), at(8), vec![standing("dan", 4, 0)]);
    // One from the middle of what was projected meanwhile catches up with the rest.
    let rest = vec![ada.clone(), standing("bob", 2, 0), standing("cem", 3, 0)];
    assert!(board.rebuild(0, at(7), rest));
    assert_eq!(board.rank(&ada, &[(0, at(8))], NOW_MS), Some(4));
    board.project(0, at(8), at(9), vec![standing("ada", 9, 1)]);
    assert_eq!(board.rank(&standing("ada", 9, 1), &[(0, at(9))], NOW_MS), Some(1));
}

#[test]
fn a_snapshot_that_knows_more_than_what_waited_is_enough() {
    let board = Board::new(1);
    for sequence in 3..6 {
        board.project(0, at(sequence), at(sequence + 1), vec![standing("ada", 1, 0)]);
    }
    assert!(board.rebuild(0, at(9), vec![standing("ada", 7, 0)]));
    assert_eq!(board.rank(&standing("bob", 5, 0), &[], NOW_MS), Some(2), "what waited is older");
}

#[test]
fn another_inbox_is_further_on_than_any_place_of_the_one_before() {
    let board = Board::new(1);
    board.rebuild(0, at(1_000), vec![]);
    let adopted = Position { inbox: 2, sequence: 0 };
    let ada = standing("ada", 1, 0);
    board.project(0, adopted, Position { inbox: 2, sequence: 1 }, vec![ada.clone()]);
    assert_eq!(board.rank(&ada, &[], NOW_MS), None);
    board.rebuild(0, adopted, vec![]);
    assert_eq!(board.rank(&ada, &[], NOW_MS), Some(1));
}

#[test]
fn it_may_be_two_seconds_behind_and_not_longer() {
    let board = Board::new(2);
    let ada = standing("ada", 1, 0);
    board.rebuild(0, at(1), vec![ada.clone()]);
    board.rebuild(1, at(1), vec![]);
    let ahead = [(0, at(1)), (1, at(2))];
    board.observe(&ahead, NOW_MS);
    board.observe(&ahead, NOW_MS + 2_000);
    assert_eq!(board.rank(&ada, &ahead, NOW_MS + 2_000), Some(1));
    assert_eq!(board.rank(&ada, &ahead, NOW_MS + 2_001), None, "also where nobody has looked since");
    assert!(board.stale().is_empty());
    // What arrives late, but in order, is all that it needs.
    board.project(1, at(1), at(2), vec![standing("bob", 2, 0)]);
    assert_eq!(board.rank(&ada, &ahead, NOW_MS + 2_001), Some(2));
    board.observe(&ahead, NOW_MS + 2_001);
    // Behind anew: the time counts from then.
    let ahead = [(0, at(1)), (1, at(3))];
    board.observe(&ahead, NOW_MS + 10_000);
    board.observe(&ahead, NOW_MS + 12_000);
    assert!(board.stale().is_empty());
    board.observe(&ahead, NOW_MS + 12_001);
    assert_eq!((board.stale(), board.rank(&ada, &ahead, NOW_MS + 12_001)), (vec![1], None));
    board.rebuild(1, at(3), vec![standing("bob", 2, 0)]);
    board.observe(&ahead, NOW_MS + 20_000);
    assert_eq!(board.rank(&ada, &ahead, NOW_MS + 20_000), Some(2));
}

#[test]
fn nobody_is_ahead_of_himself() {
    let board = Board::new(1);
    board.rebuild(0, at(1), vec![standing("ada", 100, 0), standing("bob", 50, 0), standing("cem", 10, 0)]);
    // The store has seen purchases that the board has not.
    assert_eq!(board.rank(&standing("ada", 40, 9), &[], NOW_MS), Some(2));
    assert_eq!(board.rank(&standing("cem", 200, 9), &[], NOW_MS), Some(1));
    assert_eq!(board.rank(&standing("dan", 40, 9), &[], NOW_MS), Some(3), "unknown so far");
}

#[test]
fn thousands_with_the_same_score_have_ranks_of_their_own() {
    let board = Board::new(2);
    let player = |number: i64| standing(&format!("p{}", number * 7_919 % 10_007), 45, NOW_MS - number % 3);
    let all: Vec<_> = (0..6_000).map(player).collect();
    let (even, odd): (Vec<_>, Vec<_>) =
        all.iter().cloned().enumerate().partition(|(index, _)| index % 2 == 0);
    let plain =
        |players: Vec<(usize, Standing)>| players.into_iter().map(|(_, player)| player).collect::<Vec<_>>();
    board.rebuild(0, at(1), plain(even));
    board.rebuild(1, at(1), vec![]);
    for (sequence, player) in (1..).zip(plain(odd)) {
        board.project(1, at(sequence), at(sequence + 1), vec![player]);
    }
    for (player, rank) in sorted(all) {
        assert_eq!(board.rank(&player, &[], NOW_MS), Some(rank));
    }
}

/// Something that happens to a game of two partitions with a few players each.
#[derive(Debug, Clone)]
enum Event {
    /// A commit changes these players; whether the board is told.
    Commit { partition: u16, changes: Vec<(u8, u64)>, told: bool },
    /// Stale partitions are rebuilt; these commits come between reading the store and rebuilding.
    Rebuild { meanwhile: Vec<(u16, u8, u64, bool)> },
    /// Time passes, and somebody looks.
    Observe { after_ms: i64 },
    /// Whatever is said two seconds later must be right.
    Check,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let change = (0_u8..6, 0_u64..4);
    let event = prop_oneof![
        6 => (0_u16..2, prop::collection::vec(change, 0..4), prop::bool::weighted(0.85))
            .prop_map(|(partition, changes, told)| Event::Commit { partition, changes, told }),
        2 => prop::collection::vec((0_u16..2, 0_u8..6, 0_u64..4, prop::bool::weighted(0.85)), 0..4)
            .prop_map(|meanwhile| Event::Rebuild { meanwhile }),
        2 => (0_i64..3_000).prop_map(|after_ms| Event::Observe { after_ms }),
        2 => Just(Event::Check),
    ];
    prop::collection::vec(event, 1..60)
}

/// What is true, beside what the board says.
struct Truth {
    board: Board,
    players: [BTreeMap<String, Standing>; 2],
    sequences: [u128; 2],
    now_ms: i64,
}

impl Truth {
    fn commit(&mut self, partition: u16, changes: &[(u8, u64)], told: bool) {
        let index = usize::from(partition);
        self.now_ms += 1;
        let from = at(self.sequences[index]);
        self.sequences[index] += 1 + u128::from(partition);
        let changed = changes.iter().map(|(player, score)| {
            let name = format!("p{partition}-{player}");
            let standing = standing(&name, *score, self.now_ms);
            self.players[index].insert(name, standing.clone());
            standing
        });
        let changed: Vec<_> = changed.collect();
        if told {
            self.board.project(partition, from, at(self.sequences[index]), changed);
        }
    }

    fn positions(&self) -> [(u16, Position); 2] {
        [(0, at(self.sequences[0])), (1, at(self.sequences[1]))]
    }

    fn rebuild(&mut self, meanwhile: &[(u16, u8, u64, bool)]) {
        for partition in self.board.stale() {
            let index = usize::from(partition);
            let (read_at, read) =
                (at(self.sequences[index]), self.players[index].values().cloned().collect());
            for (partition, player, score, told) in meanwhile {
                self.commit(*partition, &[(*player, *score)], *told);
            }
            self.board.rebuild(partition, read_at, read);
        }
    }

    /// Looks for longer than the board may be behind, then compares. Returns whether it said anything.
    fn check(&mut self) -> bool {
        for after_ms in [0, 2_001] {
            self.now_ms += after_ms;
            self.board.observe(&self.positions(), self.now_ms);
        }
        let all = self.players.iter().flat_map(|players| players.values().cloned()).collect();
        let silent = !self.board.stale().is_empty();
        for (standing, rank) in sorted(all) {
            let said = self.board.rank(&standing, &self.positions(), self.now_ms);
            assert_eq!(said, (!silent).then_some(rank), "{standing:?}");
        }
        !silent
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_rank_is_that_of_a_full_sort_or_is_not_said(events in events()) {
        let (players, sequences) = ([BTreeMap::new(), BTreeMap::new()], [0, 0]);
        let mut truth = Truth { board: Board::new(2), players, sequences, now_ms: NOW_MS };
        truth.rebuild(&[]);
        for event in events {
            match event {
                Event::Commit { partition, changes, told } => truth.commit(partition, &changes, told),
                Event::Rebuild { meanwhile } => truth.rebuild(&meanwhile),
                Event::Observe { after_ms } => {
                    truth.now_ms += after_ms;
                    truth.board.observe(&truth.positions(), truth.now_ms);
                }
                Event::Check => {
                    truth.check();
                }
            }
        }
        // It heals by itself, whatever it missed.
        truth.check();
        truth.rebuild(&[]);
        prop_assert!(truth.check());
    }
}
