//! The read routes as a Lambda function: the real binary in a stand-in for Lambda's runtime, with the read-only
//! database role.

mod same;
mod starts;
mod trouble;

use std::path::PathBuf;

use serde_json::{Value, json};
use servers::lambda::{Ended, Function, Secrets, answer, http_event};
use sqlx::{AssertSqlSafe, Connection as _};

use crate::place::Place;
use crate::support::{BY_HAND, Game, binary, with_auth};

/// The secret with the login of the database role.
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:buttonparty/reader-a1b2c3";
/// The database role.
const READER: &str = "buttonparty_reader";
/// The password that a place gives each role.
const PASSWORD: &str = "of a role";
/// A password full of characters that a URL must escape.
const ROTATED: &str = "p@ss:/w%41rd?#é'";
/// The players.
const PLAYERS: [&str; 6] = ["ada", "bob", "💣", "ä b+c&d=e", "%zz", "100%"];

/// A game that is over: its database and ranks, and the secret with the reader's login.
struct Played {
    place: Place,
    secrets: Secrets,
}

impl Played {
    /// A game with a few players, some of whom have pressed.
    async fn new() -> Self {
        let place = Place::breakable(None).await;
        let game = Game::start(&place, "all", &settings()).await;
        for player in PLAYERS {
            game.add(player).await;
        }
        let round = game.open_round().await["round"].clone();
        for player in &PLAYERS[..3] {
            game.press(player).await;
        }
        for player in PLAYERS {
            let pressed = PLAYERS[..3].contains(&player);
            let done = |body: &Value| !pressed || body["last_press"]["round"] == round;
            game.player(&crate::support::encoded(player), done).await;
        }
        game.player("ada", |body| body["round"].is_null()).await;
        assert!(game.stop().await.success());
        let secrets = Secrets::start(SECRET, &login(PASSWORD)).await;
        // Creates the roles.
        place.prepare("fetch", &settings()).await;
        Self { place, secrets }
    }

    /// The server role that must give the same responses.
    async fn server(&self) -> Game {
        let server = Game::start(&self.place, "fetch", &settings()).await;
        server.player("ada", |body| body["rank"].is_u64()).await;
        server
    }

    /// The settings of the function; none of them is a password.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let with_password = self.place.store_url_as(READER, "x");
        let places = self.place.environment("fetch");
        let board_url = places.iter().find(|(name, _)| *name == "BUTTONPARTY_BOARD_URL").unwrap().1.clone();
        vec![
            ("BUTTONPARTY_STORE_URL", with_password.replacen(":x@", "@", 1)),
            ("BUTTONPARTY_STORE_SECRET", SECRET.to_owned()),
            ("BUTTONPARTY_BOARD_URL", board_url),
            ("AWS_ENDPOINT_URL", self.secrets.url().to_owned()),
        ]
    }

    async fn function(&self) -> Function {
        start(&self.environment()).await.unwrap()
    }

    /// Closes the role's connections, as a failover does.
    async fn disconnect(&self) {
        let mut database = self.place.database().await;
        let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1";
        sqlx::query(ended).bind(READER).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
    }

    /// Changes the role's password in the database only.
    async fn change_password(&self, password: &str) {
        let quoted = password.replace('\'', "''");
        let mut database = self.place.database().await;
        let change = format!("ALTER ROLE {READER} PASSWORD '{quoted}'");
        sqlx::raw_sql(AssertSqlSafe(change)).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
    }
}

/// Settings of the game: files for the inbox, which accepts any name, and short rounds.
fn settings() -> Vec<(&'static str, &'static str)> {
    with_auth(&BY_HAND).into_iter().chain([("QUEUE_URL", "embedded"), ("PARTITIONS", "4")]).collect()
}

/// Value of the secret with this password.
fn login(password: &str) -> String {
    json!({ "username": READER, "password": password }).to_string()
}

/// The function's binary, built by the same cargo command.
fn program() -> PathBuf {
    let program = binary().with_file_name("fetch-lambda");
    assert!(program.exists(), "{} is missing: run `cargo build --workspace` first", program.display());
    program
}

async fn start(environment: &[(&'static str, String)]) -> Result<Function, Ended> {
    let settings: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Function::start(&program(), &settings).await
}

/// The function's response to a GET of this target: status and text.
async fn get(function: &Function, target: &str) -> (u64, String) {
    answer(&function.invoke(&http_event("GET", target)).await.unwrap())
}

/// The function's response to a GET of this target, as JSON.
async fn get_json(function: &Function, target: &str) -> (u64, Value) {
    let (status, text) = get(function, target).await;
    (status, serde_json::from_str(&text).unwrap())
}

/// The text without the response time, the only part that always differs.
fn timeless(text: &str) -> String {
    let Some((before, after)) = text.split_once("\"now\":") else { return text.to_owned() };
    format!("{before}\"now\":0{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// Asserts that this is a 503 with a `Retry-After`.
fn assert_unavailable(answered: &Value) {
    assert_eq!(answered["statusCode"], 503, "{answered}");
    assert_eq!(answered["headers"]["retry-after"], "1", "{answered}");
    assert_eq!(answered["headers"]["content-type"], "application/problem+json", "{answered}");
    let problem: Value = serde_json::from_str(answered["body"].as_str().unwrap()).unwrap();
    assert_eq!(problem["type"], "urn:buttonparty:problem:unavailable", "{problem}");
}
