//! The resources: encrypted, logged, created in order, and as the code assumes.

use std::path::Path;

use cost::inputs::Inputs;
use serde_json::{Value, json};
use serve::bounds::{CONNECTIONS_MAX, FILES_RESERVED};
use server::bounds::SHUTDOWN_MS_MAX;

use super::document::Template;

/// The port of the parts that serve phones.
const PORT: i64 = 8080;

#[test]
fn everything_that_it_names_is_there() {
    let all = [
        ("Size", "large"),
        ("CertificateArn", "arn"),
        ("AlarmEmail", "ops@game.example"),
        ("AdoptInbox", "true"),
    ];
    for template in [Template::new(), Template::with(&all), Template::with(&[("DatabaseSnapshot", "arn")])] {
        let names: Vec<_> = template.resources().map(|(name, _)| name.to_owned()).collect();
        for (name, resource) in template.resources() {
            template.resolve(&resource["Properties"]);
            let depends = &resource["DependsOn"];
            let depends = depends.as_array().cloned().unwrap_or_else(|| vec![depends.clone()]);
            for on in depends.iter().filter_map(Value::as_str) {
                assert!(names.iter().any(|name| name == on), "{name} depends on {on}");
            }
        }
        template.resolve(&template.document()["Outputs"]);
        let board = template.properties("Dashboard")["DashboardBody"].clone();
        let board: Value = serde_json::from_str(board.as_str().unwrap()).unwrap();
        assert_eq!(board["widgets"].as_array().map(Vec::len), Some(9));
    }
}

/// Each type of resource must be listed as encrypted or known to keep no data.
#[test]
fn whatever_is_kept_is_encrypted() {
    let template = Template::new();
    let key = template.arn("Key");
    let by_key = |value: &Value| *value == key.as_str();
    for (name, resource) in template.resources() {
        let of = template.resolve(&resource["Properties"]);
        let encrypted = match resource["Type"].as_str().unwrap() {
            "AWS::RDS::DBCluster" => {
                of["StorageEncrypted"] == true
                    && by_key(&of["KmsKeyId"])
                    && by_key(&of["MasterUserSecret"]["KmsKeyId"])
            }
            "AWS::RDS::DBInstance" => by_key(&of["PerformanceInsightsKMSKeyId"]),
            "AWS::SecretsManager::Secret" | "AWS::Logs::LogGroup" | "AWS::ElastiCache::ServerlessCache" => {
                by_key(&of["KmsKeyId"])
            }
            "AWS::Lambda::Function" => by_key(&of["KmsKeyArn"]),
            "AWS::SNS::Topic" => of["KmsMasterKeyId"] == "Key",
            "AWS::SQS::Queue" => of["SqsManagedSseEnabled"] == true,
            "AWS::KMS::Key" => of["EnableKeyRotation"] == true,
            other => {
                let keeps = ["S3", "EFS", "DynamoDB", "Kinesis", "Backup", "ECR", "MSK", "OpenSearch"];
                !keeps.iter().any(|service| other.contains(&format!("::{service}::")))
            }
        };
        assert!(encrypted, "{name}");
    }
    // Encryption in transit.
    for container in template.containers() {
        let environment = container.environment();
        assert!(environment["BUTTONPARTY_STORE_URL"].ends_with("?sslmode=require"), "{}", container.name);
        let board = environment.get("BUTTONPARTY_BOARD_URL");
        assert!(board.is_none_or(|url| url.starts_with("rediss://")), "{}", container.name);
    }
    assert_eq!(template.properties("DatabaseParameters")["Parameters"]["rds.force_ssl"], "1");
    for (name, queue) in [("QueuePolicy", "Queue"), ("DeadLettersPolicy", "DeadLetters")] {
        // SQS accepts one resource in a statement.
        let statement = &template.properties(name)["PolicyDocument"]["Statement"][0];
        let refused = json!({ "Bool": { "aws:SecureTransport": "false" } });
        assert_eq!((&statement["Effect"], &statement["Condition"]), (&json!("Deny"), &refused));
        assert_eq!(statement["Resource"], template.arn(queue));
    }
    let listeners =
        Template::with(&[("CertificateArn", "arn")]).of_type("AWS::ElasticLoadBalancingV2::Listener");
    assert!(listeners.iter().all(|(_, of)| of["Protocol"] == "TLS" && of["Certificates"].is_array()));
}

#[test]
fn logs_are_kept_for_as_long_as_is_said_and_everybody_has_one() {
    let template = Template::with(&[("LogRetentionDays", "7")]);
    let groups = template.of_type("AWS::Logs::LogGroup");
    assert!(groups.iter().all(|(_, group)| group["RetentionInDays"] == "7"));
    let mut used: Vec<_> = template
        .containers()
        .iter()
        .map(|of| {
            let log = &of.definition["LogConfiguration"];
            assert_eq!(log["LogDriver"], "awslogs", "{}", of.name);
            log["Options"]["awslogs-group"].clone()
        })
        .collect();
    used.extend(
        template
            .of_type("AWS::Lambda::Function")
            .into_iter()
            .map(|(_, of)| of["LoggingConfig"]["LogGroup"].clone()),
    );
    used.push("ReadsLogs".into());
    let mut used: Vec<_> = used.iter().map(|of| of.as_str().unwrap()).collect();
    used.sort_unstable();
    let mut groups: Vec<_> = groups.iter().map(|(name, _)| name.as_str()).collect();
    groups.sort_unstable();
    assert_eq!(used, groups);
}

/// The texts that alarms match are log texts of the program.
#[test]
fn alarms_look_for_what_the_program_says() {
    let of =
        |name: &str| text_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(name).join("src"));
    let source = ["engine", "serve", "server"].map(of).concat();
    let template = Template::new();
    let mut said = 0;
    for (name, filter) in template.of_type("AWS::Logs::MetricFilter") {
        for part in filter["FilterPattern"].as_str().unwrap().split("$.message = \"").skip(1) {
            let words = part.split('"').next().unwrap();
            assert!(source.contains(&format!("\"{words}\"")), "{name}: nobody says {words}");
            said += 1;
        }
    }
    assert_eq!(said, 9);
    let filters = template.of_type("AWS::Logs::MetricFilter");
    let metrics: Vec<_> =
        filters.iter().map(|(_, of)| of["MetricTransformations"][0]["MetricName"].clone()).collect();
    let alarms = template.of_type("AWS::CloudWatch::Alarm");
    for metric in &metrics {
        assert!(
            alarms.iter().any(|(_, alarm)| alarm["MetricName"] == *metric && alarm["Namespace"] == "game")
        );
    }
    assert!(alarms.iter().all(|(_, alarm)| alarm["AlarmActions"] == json!([template.arn("Alarms")])));
    for metric in
        ["ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible", "5xx", "CPUUtilization"]
    {
        assert!(alarms.iter().any(|(_, alarm)| alarm["MetricName"] == metric), "{metric}");
    }
}

/// An alarm fires if a service has no task, whatever the reason, even if nobody reads its log.
#[test]
fn each_service_is_missed_when_it_is_gone() {
    let template = Template::new();
    let alarms = template.of_type("AWS::CloudWatch::Alarm");
    for (name, service) in template.of_type("AWS::ECS::Service") {
        let about = |alarm: &Value| match &service["LoadBalancers"][0]["TargetGroupArn"] {
            // A running task may still not answer.
            Value::String(targets) => {
                alarm["MetricName"] == "HealthyHostCount"
                    && alarm["Dimensions"][1]["Value"] == format!("{targets}.TargetGroupFullName")
            }
            _ => {
                alarm["Namespace"] == "AWS/ECS"
                    && alarm["Statistic"] == "SampleCount"
                    && alarm["Dimensions"][1]["Value"] == format!("{name}.Name")
            }
        };
        let [alarm] = &alarms.iter().filter(|(_, alarm)| about(alarm)).collect::<Vec<_>>()[..] else {
            panic!("{name} is not missed")
        };
        let (compared, missing) = (&alarm.1["ComparisonOperator"], &alarm.1["TreatMissingData"]);
        assert_eq!((compared, missing), (&json!("LessThanThreshold"), &json!("breaching")), "{name}");
        assert_eq!(alarm.1["Threshold"], 1, "{name}");
        // While the stack is created, no alarm fires.
        let waits = &template.document()["Resources"][&alarm.0]["DependsOn"];
        assert!(waits.is_null() || waits[0] == name.as_str(), "{name}");
    }
    let waits = template.of_type("AWS::Logs::MetricFilter").into_iter();
    let waits = waits.filter(|(_, of)| of["MetricTransformations"][0]["MetricName"] == "Waits");
    assert_eq!(waits.count(), template.of_type("AWS::ECS::Service").len());
}

/// The assumptions of the model in `crates/cost` match the template.
#[test]
#[expect(clippy::cast_precision_loss, reason = "there are few")]
fn the_cost_counts_what_there_is() {
    let template = Template::new();
    let of = |kind: &str| template.of_type(kind);
    let mut metrics: Vec<_> = of("AWS::Logs::MetricFilter")
        .iter()
        .map(|(_, filter)| filter["MetricTransformations"][0]["MetricName"].to_string())
        .collect();
    metrics.sort_unstable();
    metrics.dedup();
    let endpoints = of("AWS::EC2::VPCEndpoint");
    let interfaces = endpoints.iter().filter(|(_, of)| of["VpcEndpointType"] == "Interface").count();
    // RDS creates the owner's secret.
    let secrets = of("AWS::SecretsManager::Secret").len() + 1;
    let there = [of("AWS::CloudWatch::Alarm").len(), metrics.len(), interfaces, secrets];
    let Inputs { alarms, metrics, endpoints, secrets, ingest_gb, .. } = Inputs::default();
    assert_eq!(there.map(|count| count as f64), [alarms, metrics, endpoints, secrets]);
    for (name, size) in template.document()["Mappings"]["Sizes"].as_object().unwrap() {
        let memory_mb: f64 = size["IngestMemory"].as_str().unwrap().parse().unwrap();
        assert_eq!(memory_mb, ingest_gb * 1024.0, "{name}");
    }
}

/// All source files below a folder.
fn text_of(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { text_of(&path) } else { std::fs::read_to_string(path).unwrap() })
        .collect()
}

#[test]
fn phones_reach_the_port_on_which_the_parts_listen() {
    for settings in [&[][..], &[("CertificateArn", "arn")]] {
        let template = Template::with(settings);
        let mut serving = 0;
        for container in template.containers() {
            let (name, environment) = (&container.name, container.environment());
            let ports = container.definition["PortMappings"].as_array().cloned().unwrap_or_default();
            let listen = environment.get("BUTTONPARTY_LISTEN").map(String::as_str);
            if ports.is_empty() {
                assert_eq!(listen, None, "{name} is said to listen where nobody gets to");
                continue;
            }
            serving += 1;
            assert_eq!(
                (ports.len(), &ports[0]["ContainerPort"], listen),
                (1, &json!(PORT), Some("0.0.0.0:8080"))
            );
            let services = template.of_type("AWS::ECS::Service");
            let balanced = services.iter().filter_map(|(_, of)| of["LoadBalancers"].get(0));
            let balancer = balanced.into_iter().find(|of| of["ContainerName"] == name.as_str()).unwrap();
            assert_eq!(balancer["ContainerPort"], PORT, "{name}");
            let targets = template.properties(balancer["TargetGroupArn"].as_str().unwrap());
            assert_eq!((&targets["Port"], &targets["HealthCheckPath"]), (&json!(PORT), &json!("/healthz")));
            assert_eq!(
                (&targets["HealthCheckProtocol"], &targets["TargetType"]),
                (&json!("HTTP"), &json!("ip"))
            );
            let files = container.definition["Ulimits"][0]["SoftLimit"].as_u64().unwrap();
            assert!(files >= (CONNECTIONS_MAX + FILES_RESERVED) as u64, "{name}: {files} open files");
        }
        assert_eq!(serving, 2);
        // The security group allows exactly the listeners' ports.
        let open = template.properties("LoadBalancerSecurityGroup")["SecurityGroupIngress"].clone();
        let open: Vec<_> = open.as_array().unwrap().iter().map(|of| of["FromPort"].clone()).collect();
        let listeners = template.of_type("AWS::ElasticLoadBalancingV2::Listener");
        assert_eq!(open, listeners.iter().map(|(_, of)| of["Port"].clone()).collect::<Vec<_>>());
    }
}

#[test]
fn containers_are_shut_in_and_have_time_to_stop() {
    let template = Template::new();
    for container in template.containers() {
        let (name, of) = (&container.name, &container.definition);
        let user = of["User"].as_str().unwrap().split(':').map(|id| id.parse::<u32>().unwrap());
        assert!(user.min() > Some(0), "{name} runs as root");
        assert_eq!(
            (&of["ReadonlyRootFilesystem"], &of["Privileged"]),
            (&json!(true), &Value::Null),
            "{name}"
        );
        assert_eq!(of["LinuxParameters"]["Capabilities"], json!({ "Drop": ["ALL"] }), "{name}");
        assert!(of["StopTimeout"].as_u64().unwrap() * 1_000 > SHUTDOWN_MS_MAX + 1_000, "{name}");
        assert_eq!(container.task["RuntimePlatform"]["CpuArchitecture"], "ARM64", "{name}");
    }
}

/// `migrate` runs before every service that uses the store, at the first deployment and at each update of the image.
#[test]
fn services_start_behind_the_migration_and_are_replaced_without_a_gap() {
    let template = Template::new();
    let services = template.of_type("AWS::ECS::Service");
    assert_eq!(services.len(), 5);
    for (name, service) in &services {
        let deployment = &service["DeploymentConfiguration"];
        let breaker = json!({ "Enable": true, "Rollback": true });
        assert_eq!(
            (&deployment["MinimumHealthyPercent"], &deployment["DeploymentCircuitBreaker"]),
            (&json!(100), &breaker)
        );
        let network = &service["NetworkConfiguration"]["AwsvpcConfiguration"];
        let subnets = json!(["PrivateSubnetA", "PrivateSubnetB"]);
        assert_eq!(
            (&network["AssignPublicIp"], &network["Subnets"]),
            (&json!("DISABLED"), &subnets),
            "{name}"
        );
    }
    for name in services.iter().map(|(name, _)| name.as_str()).chain(["FetchFunction"]) {
        let resource = &template.document()["Resources"][name];
        assert!(resource["DependsOn"].as_array().unwrap().contains(&json!("Migrate")), "{name}");
    }
    let migrate = template.properties("Migrate");
    assert_eq!(migrate["TaskDefinition"], template.arn("MigrateTask"));
    assert_eq!(Template::with(&[("Release", "2")]).properties("Migrate")["Release"], "2");
    let command = |template: Template| template.container("migrate").definition["Command"].clone();
    assert_eq!(command(template), json!(["migrate"]));
    assert_eq!(command(Template::with(&[("AdoptInbox", "true")])), json!(["migrate", "--adopt-inbox"]));
}

/// A message that SQS drops or moves itself would be lost to the game or become a dead letter.
#[test]
fn the_queues_keep_what_they_are_given() {
    let template = Template::new();
    let (queue, dead) = (template.properties("Queue"), template.properties("DeadLetters"));
    assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], 1_000);
    for queue in [&queue, &dead] {
        assert_eq!(queue["MessageRetentionPeriod"], 14 * 24 * 3_600);
    }
}

#[test]
fn the_database_outlives_its_stack_and_so_does_its_key() {
    let template = Template::new();
    let policy = |name: &str| template.document()["Resources"][name]["DeletionPolicy"].clone();
    assert_eq!((policy("Database"), policy("Key")), (json!("Snapshot"), json!("RetainExceptOnCreate")));
    // A snapshot brings its own names.
    let restored = Template::with(&[("DatabaseSnapshot", "arn")]).properties("Database");
    assert_eq!((&restored["SnapshotIdentifier"], &restored["DatabaseName"]), (&json!("arn"), &Value::Null));
    let new = template.properties("Database");
    assert_eq!((&new["SnapshotIdentifier"], &new["DatabaseName"]), (&Value::Null, &json!("buttonparty")));
}

/// The commands of the runbook use existing parameters, outputs and resources, and set all parameters without a
/// default.
#[test]
fn the_runbook_names_what_there_is() {
    let section =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/deploy-aws.md")).unwrap();
    let template = Template::new();
    let parameters = template.document()["Parameters"].as_object().unwrap();
    let words = || section.split(|of: char| !(of.is_ascii_alphanumeric() || "=_$".contains(of)));
    // Two of them compare values.
    let given = words().filter(|word| !word.contains("==")).filter_map(|word| Some(word.split_once('=')?.0));
    let given: Vec<_> = given.filter(|name| name.starts_with(|of: char| of.is_ascii_uppercase())).collect();
    // Shell variables are in capitals.
    for name in given.iter().filter(|name| name.contains(|of: char| of.is_ascii_lowercase())) {
        assert!(parameters.contains_key(*name), "there is no parameter {name}");
    }
    for (name, _) in parameters.iter().filter(|(_, parameter)| parameter["Default"].is_null()) {
        assert!(given.contains(&name.as_str()), "nothing is said of {name}");
    }
    for output in section.split("$(output ").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert!(template.document()["Outputs"][output].is_object(), "there is no output {output}");
    }
    let resources = section.split("$(resource ").skip(1).map(|rest| rest.split(')').next().unwrap());
    for name in resources.filter(|name| !name.starts_with('$')) {
        template.properties(name);
    }
    for service in section.split("count ").skip(1).filter_map(|rest| rest.split_once([' ', ')'])) {
        if service.0.starts_with(|of: char| of.is_ascii_uppercase()) {
            template.properties(&format!("{}Service", service.0));
        }
    }
}
