//! Starts PostgreSQL, Redis and an SQS server on loopback to try the game with several processes. Prints how to use
//! them, and runs until Ctrl-C. They keep no data.

use std::error::Error;

use servers::{postgres, redis, sqs};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let database = postgres::server().await.database().await;
    let queue = sqs::server().make("buttonparty", sqs::QueueOptions::default()).await;
    let settings = [
        ("BUTTONPARTY_STORE_URL", database.url()),
        ("BUTTONPARTY_BOARD_URL", redis::server().url()),
        ("BUTTONPARTY_QUEUE_URL", format!("sqs:{}", queue.queue_url)),
        ("AWS_ENDPOINT_URL", sqs::server().address().to_owned()),
        ("AWS_REGION", sqs::REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", sqs::KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", sqs::KEY.to_owned()),
    ];
    let lines: String = settings.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
    let file = servers::target().join("servers.env");
    std::fs::create_dir_all(servers::target())?;
    std::fs::write(&file, &lines)?;
    println!(
        "{lines}\nThese settings stand in {} too. Ctrl-C ends the servers; they keep nothing.",
        file.display()
    );
    tokio::signal::ctrl_c().await?;
    drop(database);
    std::fs::remove_file(&file)?;
    Ok(())
}
