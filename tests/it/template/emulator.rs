//! The template as a stack of fakecloud: created, updated, used for a game, and deleted. Without the binary of
//! fakecloud, the test prints that it is skipped.
//!
//! fakecloud needs Docker for the Lambda that migrates. The test removes that resource and runs `migrate` itself, as
//! the task would. fakecloud only records VPC endpoints and the cache, without servers behind them.

use serde_json::Value;
use servers::sqs::{self, KEY, Made, REGION};

use super::document::Template;
use crate::place::{Inbox, Place, Stack};
use crate::support::{BY_HAND, Game, beside_others, encoded, eventually, with_auth};

const STACK: &str = "buttonparty";
/// Parameters of the new stack, and those of the update.
const BEGINNING: [(&str, &str); 7] = [
    ("Auth", "open"),
    ("ImageTag", "v1"),
    ("CodeBucket", "code"),
    ("CodeKey", "fetch.zip"),
    ("Size", "small"),
    ("Release", "1"),
    ("DeletionProtection", "false"),
];
const LATER: [(&str, &str); 3] = [("Size", "large"), ("ImageTag", "v2"), ("Release", "2")];

/// fakecloud's CloudFormation.
struct Cloud {
    address: &'static str,
    client: reqwest::Client,
}

impl Cloud {
    fn sign(request: reqwest::RequestBuilder, service: &str) -> reqwest::RequestBuilder {
        let scope = format!("{KEY}/20260101/{REGION}/{service}/aws4_request");
        let signed = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        request.header("authorization", signed)
    }

    /// Calls an action on the stack; returns the status and the response as XML.
    async fn ask(&self, action: &str, values: &[(String, &str)]) -> (u16, String) {
        let mut body = format!("Action={action}&Version=2010-05-15&StackName={STACK}");
        for (name, value) in values {
            body += &format!("&{name}={}", encoded(value));
        }
        let request = self.client.post(self.address).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = Self::sign(request, "cloudformation").send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Creates or updates the stack.
    async fn apply(&self, action: &str, template: &str, parameters: &[(&'static str, &'static str)]) {
        let mut values = vec![("TemplateBody".to_owned(), template)];
        values.push(("Capabilities.member.1".to_owned(), "CAPABILITY_IAM"));
        for (number, (name, value)) in (1..).zip(parameters) {
            values.push((format!("Parameters.member.{number}.ParameterKey"), name));
            values.push((format!("Parameters.member.{number}.ParameterValue"), value));
        }
        let (status, answer) = self.ask(action, &values).await;
        assert_eq!(status, 200, "{action}: {answer}");
    }

    /// Waits until the stack has this status; returns its description.
    async fn done(&self, status: &str) -> String {
        eventually(status, || async {
            let (_, told) = self.ask("DescribeStacks", &[]).await;
            let now = between(&told, "<StackStatus>", "</StackStatus>").unwrap_or_default();
            let failed = now.contains("FAILED") || now.contains("ROLLBACK");
            assert!(!failed, "{told}\n{}", self.ask("DescribeStackEvents", &[]).await.1);
            (now == status).then_some(told)
        })
        .await
    }

    /// Puts an object into a new bucket.
    async fn store(&self, bucket: &str, key: &str, body: &'static [u8]) {
        for (path, body) in [(bucket.to_owned(), &b""[..]), (format!("{bucket}/{key}"), body)] {
            let request = self.client.put(format!("{}/{path}", self.address)).body(body);
            let response = Self::sign(request, "s3").send().await.unwrap();
            assert!(response.status().is_success(), "{path}: {}", response.text().await.unwrap());
        }
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

/// An output of the stack.
fn output(told: &str, name: &str) -> String {
    let mut members = told.split("<OutputKey>").skip(1);
    let found = members.find(|member| member.starts_with(&format!("{name}<")));
    let value = found.and_then(|member| between(member, "<OutputValue>", "</OutputValue>"));
    value.unwrap_or_else(|| panic!("there is no output {name}: {told}")).to_owned()
}

/// The template without the resources that fakecloud does not support.
fn template() -> String {
    let mut document = Template::new().document().clone();
    let resources = document["Resources"].as_object_mut().unwrap();
    resources.remove("Migrate").unwrap();
    let all = resources.clone();
    for resource in resources.values_mut() {
        // fakecloud needs a scalable target in the other form, with three properties.
        if let Some(target) =
            resource["Properties"].as_object_mut().and_then(|of| of.remove("ScalingTargetId"))
        {
            let target = &all[target["Ref"].as_str().unwrap()]["Properties"];
            for name in ["ServiceNamespace", "ResourceId", "ScalableDimension"] {
                resource["Properties"][name] = target[name].clone();
            }
        }
        if let Some(Value::Array(on)) = resource.get_mut("DependsOn") {
            on.retain(|name| name != "Migrate");
        }
    }
    document.to_string()
}

#[tokio::test]
async fn the_stack_is_made_changed_played_on_and_deleted() {
    let _beside = beside_others().await;
    let server = match sqs::strict() {
        Ok(server) => server,
        Err(why) => return servers::skipped(&why.to_string()),
    };
    let cloud = Cloud { address: server.address(), client: reqwest::Client::new() };
    cloud.store("code", "fetch.zip", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").await;
    let template = template();
    cloud.apply("CreateStack", &template, &BEGINNING).await;
    let made = cloud.done("CREATE_COMPLETE").await;
    let queue_url = output(&made, "QueueUrl");
    let mut changed = BEGINNING;
    for (name, value) in LATER {
        changed.iter_mut().find(|(of, _)| *of == name).unwrap().1 = value;
    }
    cloud.apply("UpdateStack", &template, &changed).await;
    let made = cloud.done("UPDATE_COMPLETE").await;
    assert_eq!(output(&made, "QueueUrl"), queue_url, "a change leaves the inbox where it is");

    let mut place = Place::for_any_text(Stack::Services).await.unwrap();
    let dead_letter_url = output(&made, "DeadLettersUrl");
    place.change_inbox(Some(Inbox::Queue(Made { queue_url, dead_letter_url }))).await;
    let game = Game::start(&place, "all", &with_auth(&BY_HAND)).await;
    game.add("ada 🎈").await;
    game.open_round().await;
    assert_eq!(game.press_and_see("ada 🎈").await["last_press"]["outcome"], "counted");
    place.drained().await;
    assert!(game.stop().await.success());
    place.assert_verified(&BY_HAND).await;

    assert_eq!(cloud.ask("DeleteStack", &[]).await.0, 200);
    eventually("the stack is gone", || async {
        let (status, told) = cloud.ask("DescribeStacks", &[]).await;
        (status == 400 || told.contains("DELETE_COMPLETE")).then_some(())
    })
    .await;
    let queues = Box::pin(server.client().await.list_queues().queue_name_prefix(STACK).send()).await.unwrap();
    assert_eq!(queues.queue_urls(), &[] as &[String]);
}
