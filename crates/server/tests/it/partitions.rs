//! The engine's handler and the senders of commands use the same number of partitions.

#[test]
fn a_route_has_the_partition_that_the_game_says() {
    let names = ["", "ada", "bea", "ünï", "player-00000001", "🦀"].map(str::to_owned);
    for name in names.into_iter().chain((0..1_000).map(|number| format!("player-{number:08}"))) {
        for (partitions, suffix) in [0, 1, 2, 3, 16, 1_000, u16::MAX].into_iter().zip(0..) {
            let name = format!("{name}{suffix}");
            let expected = game::partition_of(&name, partitions);
            assert_eq!(engine::partition_of(&name, partitions), expected, "{name} of {partitions}");
        }
    }
}
