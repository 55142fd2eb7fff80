//! Ranks in a Redis cluster over TLS, like ElastiCache Serverless.

use servers::redis::{Certificate, Server};

use crate::place::Place;
use crate::place::Stack::Services;
use crate::support::{BY_HAND, Game, beside_others, command, eventually, with_auth};

#[tokio::test]
async fn ranks_are_kept_in_a_cluster_whose_certificate_is_trusted() {
    let _beside = beside_others().await;
    let (place, certificate) = (Place::new(Services).await, Certificate::make());
    let board = Server::start_cluster(&certificate);
    let url = board.url();
    let settings: Vec<_> = with_auth(&BY_HAND).into_iter().chain([("BOARD_URL", url.as_str())]).collect();
    let stranger = Game::start(&place, "all", &settings).await;
    stranger.add("ada").await;
    assert!(stranger.player("ada", |_| true).await["rank"].is_null());
    eventually("the log says why", || async {
        let log = std::fs::read_to_string(&stranger.log).unwrap();
        (log.contains("cannot compare or rebuild ranks") && log.contains("invalid peer certificate"))
            .then_some(())
    })
    .await;
    assert!(stranger.stop().await.success());

    let mut command = command(&place, &["all"], &settings);
    command.envs([certificate.trust()]);
    let game = Game::spawn(command, place.folder(), "all").await;
    game.add("bob").await;
    game.player("bob", |bob| bob["rank"] == 2).await;
    game.open_round().await;
    game.press("bob").await;
    game.player("bob", |bob| bob["rank"] == 1 && bob["score"] == 1).await;
    board.restart();
    game.add("eve").await;
    for (username, rank) in [("bob", 1), ("ada", 2), ("eve", 3)] {
        game.player(username, |player| player["rank"] == rank).await;
    }
    assert!(game.stop().await.success());
}
