//! Who eats with whom. The sizes are those of docs/lunch.md.

use crate::random::Draws;

/// No group has more people than this.
pub const GROUP_MAX: usize = 7;

/// The smallest and the largest group size that can be asked for.
pub const GROUP_SIZES: std::ops::RangeInclusive<usize> = 2..=6;

/// The sizes of the groups of so many people, for a group size of [`GROUP_SIZES`]; largest first.
///
/// One group if all fit. Else full groups and a rest. A rest of `size - 1` (at least 2) is a group of its own. A smaller
/// rest is spread over the others as far as [`GROUP_MAX`] allows. If that is not enough, the size is reduced by one.
#[must_use]
pub fn group_sizes(people: usize, size: usize) -> Vec<usize> {
    if people == 0 {
        return Vec::new();
    }
    let mut size = size.clamp(*GROUP_SIZES.start(), *GROUP_SIZES.end());
    if people <= size {
        return vec![people];
    }
    let mut rest_min = (size - 1).max(2);
    loop {
        let (full, rest) = (people / size, people % size);
        let mut sizes = vec![size; full];
        if rest == 0 {
            return sizes;
        }
        if rest >= rest_min {
            sizes.push(rest);
            return sizes;
        }
        if rest <= (GROUP_MAX - size) * full {
            (0..rest).for_each(|n| sizes[n % full] += 1);
            return sizes;
        }
        size -= 1;
        rest_min = rest_min.min(size - 1);
    }
}

/// The weight of a pair that has just met: 1, as a fixed-point number.
pub(crate) const JUST_MET: u64 = 1 << 32;

/// `2^(-1/2)`, `2^(-1/4)`, … as fixed-point numbers. Integers, because `exp2` differs between machines in its last bits and
/// a replay must form the same groups.
const ROOTS: [u64; 10] = [
    3_037_000_500,
    3_611_622_603,
    3_938_502_376,
    4_112_874_773,
    4_202_935_003,
    4_248_701_965,
    4_271_771_996,
    4_283_353_945,
    4_289_156_690,
    4_292_061_010,
];

/// `2^(-since / half_life)` as a fixed-point number with 32 bits: how much a pair should not meet again. Times are
/// milliseconds. The exponent is rounded down to 1/1024.
pub(crate) fn weight(since_ms: i64, half_life_ms: i64) -> u64 {
    let since = u128::from(since_ms.max(0).unsigned_abs());
    let steps = since * 1024 / u128::from(half_life_ms.max(1).unsigned_abs());
    let halvings = u32::try_from(steps / 1024).unwrap_or(u32::MAX);
    let whole = JUST_MET.checked_shr(halvings).unwrap_or(0);
    let roots = ROOTS.iter().zip((0..10).rev()).filter(|(_, bit)| steps >> bit & 1 == 1);
    roots.fold(whole, |weight, (root, _)| (weight * root) >> 32)
}

/// How much each pair should not meet again, by places of people in a list.
#[derive(Debug)]
pub(crate) struct Penalties {
    /// For each person the others that have a weight, by place.
    of: Vec<Vec<(usize, u64)>>,
}

impl Penalties {
    /// From pairs of places below `people`, each in any order. The largest weight of a pair counts.
    pub(crate) fn new(people: usize, pairs: impl Iterator<Item = (usize, usize, u64)>) -> Self {
        let mut of = vec![Vec::new(); people];
        for (a, b, weight) in pairs.filter(|(a, b, weight)| a != b && *weight > 0) {
            of[a].push((b, weight));
            of[b].push((a, weight));
        }
        for others in &mut of {
            others.sort_unstable_by_key(|(other, weight)| (*other, std::cmp::Reverse(*weight)));
            others.dedup_by_key(|(other, _)| *other);
        }
        Self { of }
    }

    fn between(&self, a: usize, b: usize) -> u64 {
        let others = &self.of[a];
        others.binary_search_by_key(&b, |(other, _)| *other).map_or(0, |at| others[at].1)
    }

    /// The weights of one person and the members of a group, but one of them.
    fn with(&self, person: usize, group: &[usize], without: usize) -> u64 {
        group.iter().filter(|it| **it != without).map(|it| self.between(person, *it)).sum()
    }

    /// The sum over the pairs that stand in one group.
    pub(crate) fn of_groups(&self, groups: &[Vec<usize>]) -> u64 {
        let twice = |group: &Vec<usize>| group.iter().map(|it| self.with(*it, group, *it)).sum::<u64>();
        groups.iter().map(|group| twice(group) / 2).sum()
    }
}

/// Divides the people `0..people` into groups of [`group_sizes`]: shuffled by the seed, then swapped in pairs while that
/// does not make the sum of the penalties larger. At most `swaps_max` swaps are tried.
pub(crate) fn divide(
    people: usize,
    size: usize,
    penalties: &Penalties,
    seed: u64,
    swaps_max: u32,
) -> Vec<Vec<usize>> {
    let mut draws = Draws::new(seed);
    let mut order: Vec<_> = (0..people).collect();
    draws.shuffle(&mut order);
    let mut rest = order.as_slice();
    let mut groups = Vec::new();
    let mut group_of = vec![0; people];
    for size in group_sizes(people, size) {
        let (group, others) = rest.split_at(size);
        group.iter().for_each(|it| group_of[*it] = groups.len());
        groups.push(group.to_vec());
        rest = others;
    }
    if groups.len() < 2 {
        return groups;
    }
    let mut sum = penalties.of_groups(&groups);
    for _ in 0..swaps_max {
        if sum == 0 {
            break;
        }
        let (a, b) = (draws.below(people), draws.below(people));
        let (of_a, of_b) = (group_of[a], group_of[b]);
        if of_a == of_b {
            continue;
        }
        let before = penalties.with(a, &groups[of_a], a) + penalties.with(b, &groups[of_b], b);
        let after = penalties.with(b, &groups[of_a], a) + penalties.with(a, &groups[of_b], b);
        if after <= before {
            replace(&mut groups[of_a], a, b);
            replace(&mut groups[of_b], b, a);
            (group_of[a], group_of[b]) = (of_b, of_a);
            sum = sum - before + after;
        }
    }
    groups
}

fn replace(group: &mut [usize], old: usize, new: usize) {
    group.iter_mut().filter(|it| **it == old).for_each(|it| *it = new);
}

#[cfg(test)]
mod tests;
