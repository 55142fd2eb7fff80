//! Starts PostgreSQL, Redis and an SQS server on loopback for trying the game out on several processes, and says how
//! to use them, until it is ended with Ctrl-C. They keep nothing.

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
    // Cargo marks its target folder with that file.
    let program = std::env::current_exe()?;
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    let target = target.ok_or("the program stands in no target folder")?;
    let file = target.join("servers.env");
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
