//! Requirements for ranks, in process and in Redis.

use super::world::KINDS;
use super::*;

#[tokio::test]
async fn it_knows_nothing_until_it_was_kept() {
    for kind in KINDS {
        let world = World::new(kind, 2);
        world.project_now(0, world.commit(0, &[("ada", 5)])).await;
        world.project_now(0, world.commit(1, &[("bob", 3)])).await;
        world.says_nothing(0).await;
        world.rebuild(0).await;
        world.says_all(0).await;
        // An unknown player has a rank too.
        let cem = standing("cem", 4, NOW_MS);
        assert_eq!(world.says(0, &cem).await, 2, "{kind:?}");
    }
}

#[tokio::test]
async fn projections_that_follow_one_another_keep_it_exact() {
    for kind in KINDS {
        let world = World::new(kind, 1);
        world.rebuild(0).await;
        let first = world.commit(0, &[("ada", 1), ("bob", 1)]);
        let second = world.commit(0, &[("bob", 3)]);
        let third = world.commit(0, &[("cem", 3)]);
        for commit in [&first, &second, &third] {
            world.project_now(0, commit.clone()).await;
        }
        world.pass(10_000); // nothing is behind, whenever that was last checked
        world.says_all(0).await;
        // A repeated projection changes nothing.
        for commit in [third, first, second] {
            world.project_now(0, commit).await;
            world.says_all(0).await;
        }
    }
}

#[tokio::test]
async fn after_a_gap_it_is_silent_until_it_was_rebuilt() {
    for kind in KINDS {
        let world = World::new(kind, 2);
        world.project_now(0, world.commit(0, &[("ada", 1)])).await;
        world.rebuild(0).await;
        let _lost = world.commit(0, &[("bob", 2)]);
        world.project_now(0, world.commit(0, &[("cem", 3)])).await;
        assert_eq!(world.rank(0, &standing("ada", 1, NOW_MS)).await, None, "{kind:?}");
        // Later projections in order do not fill the gap, nor do projections of other partitions.
        world.project_now(0, world.commit(0, &[("dan", 3)])).await;
        world.project_now(0, world.commit(1, &[("eve", 3)])).await;
        world.says_nothing(0).await;
        world.rebuild(0).await;
        world.says_all(0).await;
        world.project_now(0, world.commit(0, &[("ada", 9)])).await;
        world.says_all(0).await;
    }
}

#[tokio::test]
async fn the_order_of_arrival_does_not_matter_after_a_turn() {
    for kind in KINDS {
        let world = World::new(kind, 1);
        world.rebuild(0).await;
        let early = world.commit(0, &[("ada", 1)]);
        let late = world.commit(0, &[("ada", 2), ("bob", 1)]);
        world.project_now(0, late).await;
        world.project_now(0, early).await;
        world.says_nothing(0).await;
        world.rebuild(0).await;
        world.rebuild(0).await;
        world.says_all(0).await;
    }
}

#[tokio::test]
async fn another_inbox_is_further_on_than_any_place_of_the_one_before() {
    for kind in KINDS {
        let mut world = World::new(kind, 1);
        for score in 0..100 {
            world.commit(0, &[("ada", score)]);
        }
        world.rebuild(0).await;
        world.says_all(0).await;
        world.adopt("inbox-2");
        world.project_now(0, world.commit(0, &[("ada", 1_000)])).await;
        world.says_nothing(0).await;
        world.rebuild(0).await;
        world.says_all(0).await;
        // A process that starts now.
        world.processes.push(world.process());
        world.rebuild(1).await;
        world.says_all(1).await;
    }
}

#[tokio::test]
async fn it_may_be_two_seconds_behind_and_not_longer() {
    for kind in KINDS {
        let world = World::new(kind, 2);
        let (ada, bob) = (world.commit(0, &[("ada", 1)]), world.commit(1, &[("bob", 0)]));
        for commit in [ada, bob] {
            world.project_now(0, commit).await;
        }
        world.rebuild(0).await;
        let late = world.commit(1, &[("bob", 2)]);
        let ada =
            standing("ada", 1, world.truth().iter().find(|(one, _)| one.score == 1).unwrap().0.reached_at_ms);
        world.pass(-1); // the commit used none of the two seconds
        world.rebuild(0).await;
        world.pass(2_000);
        assert_eq!(world.says(0, &ada).await, 1, "{kind:?}: exact for what it has applied");
        world.rebuild(0).await;
        assert_eq!(world.says(0, &ada).await, 1, "{kind:?}");
        world.pass(1);
        assert_eq!(world.rank(0, &ada).await, None, "{kind:?}: also where nobody has looked since");
        // Late projections in the right order are enough; no rebuild is needed.
        world.project_now(0, late).await;
        assert_eq!(world.says(0, &ada).await, 2, "{kind:?}");
        // A lost projection is read from the store.
        let _lost = world.commit(1, &[("bob", 0)]);
        world.rebuild(0).await;
        world.pass(2_001);
        assert_eq!(world.rank(0, &ada).await, None, "{kind:?}");
        world.rebuild(0).await;
        world.says_all(0).await;
    }
}

#[tokio::test]
async fn who_is_always_a_little_behind_is_not_too_far_behind() {
    for kind in KINDS {
        let world = World::new(kind, 1);
        world.rebuild(0).await;
        let mut late = world.commit(0, &[("ada", 0)]);
        // Each read comes between a commit and its projection.
        for score in 1..40 {
            let next = world.commit(0, &[("ada", score)]);
            world.project_now(0, late).await;
            late = next;
            world.rebuild(0).await;
            let ada = world.truth()[0].0.clone();
            assert_eq!(world.says(0, &ada).await, 1, "{kind:?} after {score}");
            world.pass(250);
        }
    }
}

#[tokio::test]
async fn nobody_is_ahead_of_himself() {
    for kind in KINDS {
        let world = World::new(kind, 1);
        let all = [("ada", 100), ("bob", 50), ("cem", 10)];
        world.project_now(0, world.commit(0, &all)).await;
        world.rebuild(0).await;
        // The store has purchases that the ranks do not have yet.
        for (name, score, rank) in [("ada", 40, 2), ("cem", 200, 1), ("dan", 40, 3)] {
            let said = world.says(0, &standing(name, score, NOW_MS + 9)).await;
            assert_eq!(said, rank, "{kind:?}: {name}");
        }
    }
}

/// Names and scores in random order: thousands with equal score, times close together, names with common prefixes.
fn crowd(count: u64) -> Vec<Standing> {
    let player = |number: u64| {
        let number = number * 7_919 % 10_007;
        let name = match number % 4 {
            0 => format!("p{number}"),
            1 => format!("P{number}"),
            2 => format!("pé{number}"),
            _ => format!("p {number}"),
        };
        standing(&name, 45, NOW_MS - i64::try_from(number % 3).unwrap())
    };
    (0..count).map(player).collect()
}

#[tokio::test]
async fn thousands_with_the_same_score_have_ranks_of_their_own() {
    for kind in KINDS {
        let world = World::new(kind, 2);
        let mut all = crowd(6_000);
        let projected = all.split_off(5_000);
        world.commit_standings(0, all);
        world.rebuild(0).await;
        for chunk in projected.chunks(7) {
            let projection = world.commit_standings(1, chunk.to_vec());
            world.project(0, projection);
        }
        world.deliver(0).await;
        world.pass(10_000);
        world.says_all(0).await;
    }
}

#[tokio::test]
async fn scores_and_times_of_every_size_stand_in_order() {
    for kind in KINDS {
        let world = World::new(kind, 1);
        let scores = [0, 1, 255, 256, 1 << 53, (1 << 53) + 1, (1 << 53) + 2, u64::MAX - 1, u64::MAX];
        let times = [i64::MIN, -1, 0, 1, 256, NOW_MS, i64::MAX];
        let each = scores.iter().flat_map(|score| times.map(|time| (*score, time)));
        let all = each
            .enumerate()
            .map(|(index, (score, time))| standing(&format!("p{}", index % 5 + index), score, time));
        let all: Vec<_> = all.collect();
        let (read, projected) = all.split_at(all.len() / 2);
        world.commit_standings(0, read.to_vec());
        world.rebuild(0).await;
        world.project_now(0, world.commit_standings(0, projected.to_vec())).await;
        world.says_all(0).await;
    }
}

#[tokio::test]
async fn the_last_word_about_a_player_counts() {
    for kind in KINDS {
        let world = World::new(kind, 1);
        world.rebuild(0).await;
        let twice = vec![standing("ada", 1, 5), standing("bob", 2, 5), standing("ada", 3, 6)];
        world.project_now(0, world.commit_standings(0, twice)).await;
        world.says_all(0).await;
        world.project_now(0, world.commit_standings(0, vec![standing("ada", 0, 7)])).await;
        world.says_all(0).await;
    }
}
