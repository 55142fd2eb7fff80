//! The SQS calls of each part of the game, from its start through a round to a redriven dead letter, with the
//! template's settings and queues: exactly the calls that its IAM role allows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use aws_sdk_sqs::types::QueueAttributeName;
use queue::Outgoing;
use reqwest::Method;
use serde_json::Value;
use servers::postgres::Mode;
use servers::sqs::{self, Made};
use sqlx::Connection as _;
use tokio::process::Command;

use super::document::Template;
use super::record::{Asked, Recorder};
use crate::place::{Inbox, Place};
use crate::support::{BY_HAND, Game, beside_others, binary, eventually};

/// Password of all logins.
const PASSWORD: &str = "of a role";
/// The database's owner as RDS creates it: not a superuser.
const OWNER: &str = "CREATE ROLE buttonparty LOGIN CREATEROLE PASSWORD 'of a role';
    DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO buttonparty', current_database()); END $$";

/// The attributes of a queue in the template.
fn attributes(properties: &Value) -> BTreeMap<QueueAttributeName, String> {
    let all = properties.as_object().unwrap().iter().filter(|(name, _)| *name != "QueueName");
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    all.map(|(name, value)| (QueueAttributeName::from(name.as_str()), text(value))).collect()
}

/// Creates both queues as in the template.
async fn queues(template: &Template) -> Made {
    let client = sqs::server().client().await;
    let make = async |name: &str, attributes: BTreeMap<QueueAttributeName, String>| {
        let request =
            client.create_queue().queue_name(name).set_attributes(Some(attributes.into_iter().collect()));
        Box::pin(request.send()).await.unwrap().queue_url.unwrap()
    };
    let dead_letter_url = make("template-dead.fifo", attributes(&template.properties("DeadLetters"))).await;
    let asked = client.get_queue_attributes().queue_url(&dead_letter_url);
    let asked = Box::pin(asked.attribute_names(QueueAttributeName::QueueArn).send()).await.unwrap();
    let mut queue = template.properties("Queue");
    let policy = queue["RedrivePolicy"].as_object_mut().unwrap();
    assert_eq!(policy["deadLetterTargetArn"], template.arn("DeadLetters"));
    let arn = asked.attributes.unwrap()[&QueueAttributeName::QueueArn].clone();
    policy.insert("deadLetterTargetArn".to_owned(), arn.into());
    let queue_url = make("template-inbox.fifo", attributes(&queue)).await;
    Made { queue_url, dead_letter_url }
}

/// The template's game on local servers. Each part has a recorder between itself and SQS.
struct Deployment {
    template: Template,
    place: Place,
    made: Made,
    recorders: BTreeMap<String, Recorder>,
}

impl Deployment {
    async fn new() -> Self {
        let template = Template::new();
        let mut place = Place::breakable(None).await;
        let mut database = place.database().await;
        sqlx::raw_sql(OWNER).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
        let made = queues(&template).await;
        place.change_inbox(Some(Inbox::Queue(made.clone()))).await;
        let server: SocketAddr = sqs::server().address().trim_start_matches("http://").parse().unwrap();
        let mut recorders = BTreeMap::new();
        for container in template.containers() {
            recorders.insert(container.name, Recorder::start(server).await);
        }
        Self { template, place, made, recorders }
    }

    /// URL of the local store for the user of another URL, without a password.
    fn store_url(&self, url: &str) -> String {
        let user = url.strip_prefix("postgres://").unwrap().split('@').next().unwrap();
        let own = self.place.store_url();
        format!("postgres://{user}@{}", own.rsplit_once('@').unwrap().1)
    }

    /// The local value of a variable whose template value refers to an AWS resource.
    fn value(&self, name: &str, value: String) -> String {
        match name {
            "BUTTONPARTY_STORE_URL" => self.store_url(&value),
            "BUTTONPARTY_QUEUE_URL" => format!("sqs:{}", self.made.queue_url),
            "BUTTONPARTY_BOARD_URL" => {
                let own: BTreeMap<_, _> = self.place.environment("handler").into_iter().collect();
                own["BUTTONPARTY_BOARD_URL"].clone()
            }
            _ if name.ends_with("_PASSWORD") => PASSWORD.to_owned(),
            "AWS_REGION" => sqs::REGION.to_owned(),
            _ => value,
        }
    }

    /// A command of this part with the template's variables and these settings.
    fn command(&self, name: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
        let container = self.template.container(name);
        let mut command = Command::new(binary());
        command.env_clear().args(arguments).kill_on_drop(true).current_dir(self.place.folder());
        for (name, value) in container.environment().into_iter().chain(container.secrets()) {
            let value = self.value(&name, value);
            command.env(name, value);
        }
        command.env("BUTTONPARTY_LISTEN", "127.0.0.1:0");
        command.envs(settings.iter().map(|(name, value)| (format!("BUTTONPARTY_{name}"), value)));
        // These replace the credentials of the task's role.
        command.env("AWS_ACCESS_KEY_ID", sqs::KEY).env("AWS_SECRET_ACCESS_KEY", sqs::KEY);
        command.env("AWS_ENDPOINT_URL_SQS", &self.recorders[name].url);
        command
    }

    async fn start(&self, name: &str, settings: &[(&str, &str)]) -> Game {
        let container = self.template.container(name);
        Game::spawn(self.command(name, &[container.command()], settings), self.place.folder(), name).await
    }

    /// Runs a command that must succeed; returns its output.
    async fn run(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.command(name, arguments, &[]).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The actions that this part has called.
    fn asked(&self, name: &str) -> Asked {
        self.recorders[name].asked()
    }

    /// The actions that the template allows this part.
    fn allowed(&self, name: &str) -> Asked {
        let Some(role) = self.template.container(name).task["TaskRoleArn"].as_str().map(str::to_owned) else {
            return Asked::new();
        };
        let mut allowed = Asked::new();
        for statement in super::roles::statements(&self.template, &role) {
            let queue = match &statement.resources[..] {
                [arn] if *arn == self.template.arn("Queue") => &self.made.queue_url,
                [arn] if *arn == self.template.arn("DeadLetters") => &self.made.dead_letter_url,
                other => panic!("{name} may do something to {other:?}"),
            };
            allowed.extend(statement.actions.into_iter().map(|action| (action, queue.clone())));
        }
        allowed
    }
}

/// Replaces the URLs of queues by their names.
fn named(asked: Asked) -> BTreeSet<(String, String)> {
    let last = |queue: String| queue.rsplit('/').next().unwrap_or_default().to_owned();
    asked.into_iter().map(|(action, queue)| (action, last(queue))).collect()
}

#[tokio::test]
async fn each_part_asks_sqs_for_all_that_its_role_allows_and_for_nothing_else() {
    let _beside = beside_others().await;
    let deployment = Deployment::new().await;
    // The one-shot runs twice: the template runs it at each update.
    for _ in 0..2 {
        let said = deployment.run("migrate", &["migrate"]).await;
        assert!(said.contains(", generation 1, 16 partitions"), "{said}");
    }
    // Short rounds, and leases that are soon renewed.
    let hurry: Vec<_> = BY_HAND.into_iter().chain([("ROUND_LEAD_MS", "100")]).collect();
    let handler = deployment.start("handler", &[("VISIBILITY_MS", "3000")]).await;
    let ingest = deployment.start("ingest", &[]).await;
    let scheduler = deployment.start("scheduler", &hurry).await;
    let live = deployment.start("live", &[]).await;
    let push = deployment.start("push", &[]).await;
    for (node, targets) in [(&ingest, "IngestTargets"), (&live, "LiveTargets")] {
        let path = deployment.template.properties(targets)["HealthCheckPath"].clone();
        let answer = node.request(Method::GET, path.as_str().unwrap()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{targets}");
    }

    ingest.add("ada").await;
    scheduler.open_round().await;
    ingest.press("ada").await;
    live.player("ada", |ada| ada["score"] == 1 && ada["rank"] == 1).await;
    // While the store is down, the handler keeps its leases.
    deployment.place.store_server().stop(Mode::Fast).await;
    ingest.add("bob").await;
    let extended = || async {
        let asked = deployment.asked("handler");
        asked.iter().any(|(action, _)| action == "sqs:ChangeMessageVisibility").then_some(())
    };
    eventually("a lease is extended", extended).await;
    deployment.place.store_server().resume().await;
    live.player("bob", |_| true).await;

    dead_letters(&deployment).await;
    for node in [ingest, scheduler] {
        assert!(node.stop().await.success());
    }
    assert_eq!(deployment.place.emptied().await.dead, 2);
    // Nothing may be pending when the partitions are changed.
    let outbox = deployment.place.store().outbox().await.unwrap();
    eventually("the outbox is empty", || async { (outbox.pending().await.unwrap() == 0).then_some(()) })
        .await;
    outbox.close().await;
    for node in [handler, live, push] {
        assert!(node.stop().await.success());
    }
    deployment.run("operator", &["verify"]).await;
    repartition(&deployment).await;
    deployment.run("operator", &["verify"]).await;
    for container in deployment.template.containers() {
        let (asked, allowed) =
            (named(deployment.asked(&container.name)), named(deployment.allowed(&container.name)));
        assert_eq!(asked, allowed, "{}: what it asks for, and what it may", container.name);
    }
}

/// One dead letter from the handler and one from SQS itself: both are listed and redriven.
async fn dead_letters(deployment: &Deployment) {
    let inbox = deployment.place.inbox().await;
    let body = "not an envelope".to_owned();
    let sent = inbox.send(&[Outgoing { partition: 0, id: "poison".to_owned(), body, quiet: false }]).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    let dead = || async { (inbox.backlog().await.unwrap().dead == 1).then_some(()) };
    eventually("it is buried", dead).await;
    let client = sqs::server().client().await;
    let moved = client.send_message().queue_url(&deployment.made.dead_letter_url).message_body("moved");
    let moved = moved.message_group_id("1").message_deduplication_id("moved");
    Box::pin(moved.send()).await.unwrap();
    let listed = deployment.run("operator", &["dlq", "list"]).await;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let redriven = deployment.run("operator", &["dlq", "redrive"]).await;
    assert_eq!(redriven, "2 dead letter(s) sent again\n");
    // They fail again.
    let again = || async { (inbox.backlog().await.unwrap().dead == 2).then_some(()) };
    eventually("they are buried again", again).await;
    inbox.close().await;
}

/// The owner's task with another command, when only dead letters are left. The stack deployed afterwards has the new
/// number, also for its one-shot.
async fn repartition(deployment: &Deployment) {
    let refused =
        deployment.command("migrate", &["migrate"], &[("PARTITIONS", "64")]).output().await.unwrap();
    assert!(!refused.status.success(), "{refused:?}");
    let said = deployment.run("migrate", &["repartition", "--partitions", "64"]).await;
    assert_eq!(said, "the game has 64 partitions now, it had 16\n");
    let output = deployment.command("migrate", &["migrate"], &[("PARTITIONS", "64")]).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
}
