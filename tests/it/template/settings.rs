//! The programs accept the settings of the template.

use std::collections::BTreeSet;

use server::config::{BoardAddress, Config, QueueAddress, Role, StoreAddress, settings};

use super::document::{Container, Template};
use crate::support::encoded;

/// A password with characters that a URL must escape.
const PASSWORD: &str = "p@ss:/w%rd é";
/// Prefix of a setting's variable.
const PREFIX: &str = "BUTTONPARTY_";

/// Templates in which every condition is true, and in which every condition is false.
fn templates() -> [Template; 4] {
    let all = [
        ("Size", "large"),
        ("CertificateArn", "arn:aws:acm:eu-west-1:123456789012:certificate/1"),
        ("CorsOrigins", "https://game.example,https://www.game.example"),
        ("AccessLogsBucket", "logs"),
        ("AlarmEmail", "ops@game.example"),
        ("DatabaseSnapshot", "arn:aws:rds:eu-west-1:123456789012:cluster-snapshot:last"),
        ("AdoptInbox", "true"),
    ];
    let (small, medium) = (Template::new(), Template::with(&[("Size", "medium")]));
    [small, medium, Template::with(&all), Template::with(&[("Partitions", "64")])]
}

fn role(container: &Container) -> Role {
    match container.command() {
        "ingest" => Role::Ingest,
        "handler" => Role::Handler,
        "scheduler" => Role::Scheduler,
        "fetch" => Role::Fetch,
        "push" => Role::Push,
        "migrate" | "verify" => Role::Tool,
        other => panic!("{other} is no command"),
    }
}

fn parsed(container: &Container) -> Config {
    let (environment, secrets) = (container.environment(), container.secrets());
    let told = Config::parse(role(container), |setting| {
        let variable = setting.variable();
        environment
            .get(&variable)
            .cloned()
            .or_else(|| secrets.contains_key(&variable).then(|| PASSWORD.to_owned()))
    });
    told.unwrap_or_else(|errors| panic!("{}: {errors}", container.name))
}

#[test]
fn every_variable_is_a_setting() {
    for container in templates().iter().flat_map(Template::containers) {
        // Each setting is used by the role that gets it.
        let role = role(&container);
        let used = || settings().filter(|setting| setting.roles.is_empty() || setting.roles.contains(&role));
        for name in container.environment().keys() {
            let known = used().any(|setting| setting.variable() == *name && !setting.secret);
            assert!(known || name == "AWS_REGION", "{}: {name}", container.name);
        }
        for name in container.secrets().keys() {
            let known = used().any(|setting| setting.variable() == *name && setting.secret);
            assert!(known, "{}: {name}", container.name);
        }
    }
    for template in templates() {
        let told = &template.properties("FetchFunction")["Environment"]["Variables"];
        let told: BTreeSet<_> = told.as_object().unwrap().keys().cloned().collect();
        // Lambda itself sets the variables of AWS.
        let known = fetch::lambda::Settings::SETTINGS.iter().map(server::config::Setting::variable);
        assert_eq!(told, known.filter(|name| name.starts_with(PREFIX)).collect());
    }
}

#[test]
fn the_lambda_understands_what_it_is_told() {
    for template in templates() {
        let function = template.properties("FetchFunction");
        let told = &function["Environment"]["Variables"];
        // Variables that Lambda sets.
        let own = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        let settings = fetch::lambda::Settings::read(|name| {
            told[name].as_str().map(str::to_owned).or_else(|| own.contains(&name).then(|| "given".to_owned()))
        });
        assert!(settings.is_ok(), "{:?}", settings.err().map(|error| error.to_string()));
        assert_eq!(
            (&function["Runtime"], &function["Handler"]),
            (&"provided.al2023".into(), &"bootstrap".into())
        );
        assert_eq!(function["Architectures"], serde_json::json!(["arm64"]));
    }
}

/// A part without these settings would use files of its own, or ranks that are not shared.
#[test]
fn every_part_is_told_where_everything_is() {
    for template in templates() {
        let (queue, _) = (template.properties("Queue"), template.properties("Database"));
        for container in template.containers() {
            let (name, role, config) = (&container.name, role(&container), parsed(&container));
            let StoreAddress::Postgres(store) = &config.store.address else {
                panic!("{name}: {}", config.store.address)
            };
            let user = if name == "migrate" { "buttonparty" } else { login(name) };
            let begins =
                format!("postgres://{user}:{}@database.example:5432/buttonparty?", encoded_password());
            assert!(store.starts_with(&begins) && store.ends_with("sslmode=require"), "{store}");
            let uses_queue = [Role::Ingest, Role::Handler, Role::Scheduler, Role::Tool].contains(&role);
            let url = template.resolve(&serde_json::json!({ "Ref": "Queue" }));
            let expected = QueueAddress::Sqs(url.as_str().unwrap().to_owned());
            assert_eq!(config.inbox.address == expected, uses_queue, "{name}: {}", config.inbox.address);
            let board = BoardAddress::Redis("rediss://board.example:6379".to_owned());
            assert_eq!(config.ranks.address == board, [Role::Handler, Role::Fetch].contains(&role), "{name}");
            assert_eq!(Some(config.inbox.partitions), partitions(&template), "{name}");
            assert_eq!(
                config.inbox.visibility_ms,
                1_000 * queue["VisibilityTimeout"].as_i64().unwrap(),
                "{name}"
            );
            let region = container.environment().contains_key("AWS_REGION");
            assert_eq!(region, uses_queue, "{name}: whoever uses SQS must know the region");
            let passwords = &config.store.role_passwords();
            let all = [&passwords.writer, &passwords.reader, &passwords.push, &passwords.scheduler];
            assert!(all.iter().all(|password| password.is_some() == (name == "migrate")), "{name}");
        }
    }
}

fn partitions(template: &Template) -> Option<u16> {
    template.resolve(&serde_json::json!({ "Ref": "Partitions" })).as_str()?.parse().ok()
}

fn encoded_password() -> String {
    // Letters and digits need no escape.
    PASSWORD
        .chars()
        .map(|of| if of.is_ascii_alphanumeric() { of.to_string() } else { encoded(&of.to_string()) })
        .collect()
}

/// The database role of a container.
fn login(container: &str) -> &'static str {
    match container {
        "handler" => "buttonparty_writer",
        "ingest" | "live" | "operator" => "buttonparty_reader",
        "scheduler" => "buttonparty_scheduler",
        "push" => "buttonparty_push",
        other => panic!("{other} has no role of its own"),
    }
}

/// Each secret belongs to one user, and goes to the container that logs in as that user.
#[test]
fn each_password_comes_from_the_secret_of_its_user() {
    let template = Template::new();
    let of = |secret: &str| format!("{}:password::", template.arn(secret));
    let secret_of = |user: &str| {
        let made = template.of_type("AWS::SecretsManager::Secret").into_iter().find(|(_, secret)| {
            let text = secret["GenerateSecretString"]["SecretStringTemplate"].as_str().unwrap();
            serde_json::from_str::<serde_json::Value>(text).unwrap()
                == serde_json::json!({ "username": user })
        });
        made.unwrap_or_else(|| panic!("{user} has no secret")).0
    };
    for container in template.containers() {
        let secrets = container.secrets();
        if container.name == "migrate" {
            let owner = format!("{}:password::", template.master_secret().as_str().unwrap());
            assert_eq!(secrets["BUTTONPARTY_STORE_PASSWORD"], owner);
            for role in ["writer", "reader", "push", "scheduler"] {
                let variable = format!("{PREFIX}{}_PASSWORD", role.to_ascii_uppercase());
                assert_eq!(secrets[&variable], of(&secret_of(&format!("buttonparty_{role}"))));
            }
        } else {
            let secret = of(&secret_of(login(&container.name)));
            assert_eq!(
                secrets.into_iter().collect::<Vec<_>>(),
                [(format!("{PREFIX}STORE_PASSWORD"), secret)]
            );
        }
    }
    let told = template.properties("FetchFunction")["Environment"]["Variables"].clone();
    assert_eq!(told["BUTTONPARTY_STORE_SECRET"], template.arn(&secret_of("buttonparty_reader")));
    for secret in template.of_type("AWS::SecretsManager::Secret") {
        assert_eq!(secret.1["GenerateSecretString"]["GenerateStringKey"], "password", "{}", secret.0);
    }
}
