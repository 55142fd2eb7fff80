//! IAM permissions on AWS.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::Template;

/// A policy statement that allows something.
pub(super) struct Statement {
    pub(super) actions: Vec<String>,
    pub(super) resources: Vec<String>,
}

/// Actions that AWS does not restrict to resources, and why each is needed.
const FOR_ALL: [(&str, &str); 4] = [
    ("ecr:GetAuthorizationToken", "a login belongs to the account, not to a repository"),
    ("ec2:CreateNetworkInterface", "Lambda refuses a function in a VPC whose role has this for less"),
    ("ec2:DeleteNetworkInterface", "the same"),
    ("ec2:DescribeNetworkInterfaces", "EC2 describes for all resources only"),
];

/// One value, or a list of them.
fn list(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    value.as_array().map_or_else(|| vec![text(value)], |all| all.iter().map(text).collect())
}

/// The statements of a role, given its ARN.
pub(super) fn statements(template: &Template, role_arn: &str) -> Vec<Statement> {
    let roles = template.of_type("AWS::IAM::Role");
    let (name, role) = roles.iter().find(|(name, _)| template.arn(name) == role_arn).unwrap();
    assert!(role["ManagedPolicyArns"].is_null(), "{name} allows what others decide");
    let policies = role["Policies"].as_array().unwrap().iter();
    let statements = policies.flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap());
    let read = |statement: &Value| {
        assert_eq!(statement["Effect"], "Allow", "{name}");
        Statement { actions: list(&statement["Action"]), resources: list(&statement["Resource"]) }
    };
    statements.map(read).collect()
}

/// All actions of a role, each with its resources.
fn rights(template: &Template, role: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut rights = BTreeMap::<_, BTreeSet<_>>::new();
    for Statement { actions, resources } in statements(template, role) {
        for action in actions {
            rights.entry(action).or_default().extend(resources.iter().cloned());
        }
    }
    rights
}

fn set<T: Into<String>>(all: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    all.into_iter().map(Into::into).collect()
}

#[test]
fn nothing_is_allowed_for_everything() {
    let template = Template::new();
    for (name, _) in template.of_type("AWS::IAM::Role") {
        for (action, resources) in rights(&template, &template.arn(&name)) {
            assert!(!action.contains('*'), "{name}: {action}");
            let for_all = FOR_ALL.iter().any(|(of, _)| *of == action);
            assert_eq!(resources.contains("*"), for_all, "{name}: {action} on {resources:?}");
            // AWS chooses the names of tasks and log streams.
            let within = |of: &String| {
                let inner = of.trim_end_matches('*');
                !inner.contains('*')
                    && (inner == of || inner.ends_with(":task/Cluster/") || inner.ends_with("Logs:"))
            };
            assert!(for_all || resources.iter().all(within), "{name}: {action} on {resources:?}");
        }
    }
    // Resource policies: only the account administers the key.
    for (name, resource) in template.resources() {
        let properties = template.resolve(&resource["Properties"]);
        for document in ["PolicyDocument", "KeyPolicy"] {
            for statement in properties[document]["Statement"].as_array().into_iter().flatten() {
                let harmless = statement["Effect"] == "Deny" || statement["Sid"] == "Administration";
                assert!(harmless || list(&statement["Action"]).iter().all(|of| !of.contains('*')), "{name}");
            }
        }
    }
}

/// The policies of the VPC endpoints allow what the roles may do, and only for this account, even for a caller with its
/// own permissions.
#[test]
fn the_endpoints_let_through_what_roles_may_do() {
    let template = Template::new();
    let roles = template.of_type("AWS::IAM::Role");
    let rights: Vec<_> = roles.iter().map(|(name, _)| rights(&template, &template.arn(name))).collect();
    let mut doors = 0;
    for (name, endpoint) in template.of_type("AWS::EC2::VPCEndpoint") {
        let statements = endpoint["PolicyDocument"]["Statement"].as_array();
        let statements = statements.unwrap_or_else(|| panic!("{name} lets everything through"));
        for statement in statements {
            let (actions, resources) = (list(&statement["Action"]), list(&statement["Resource"]));
            let for_all = actions.iter().all(|action| FOR_ALL.iter().any(|(of, _)| of == action));
            assert_eq!(resources == ["*"], for_all, "{name}: {actions:?}");
        }
        if endpoint["VpcEndpointType"] != "Interface" {
            continue;
        }
        doors += 1;
        let open = set(statements.iter().flat_map(|statement| list(&statement["Action"])));
        let service = open.first().unwrap().split_once(':').unwrap().0.to_owned() + ":";
        let all = rights.iter().flat_map(BTreeMap::keys);
        let used: BTreeSet<_> = all.filter(|action| action.starts_with(&service)).cloned().collect();
        assert_eq!(open, used, "{name}");
    }
    assert_eq!(doors, 5);
}

#[test]
fn every_role_is_used_by_one_and_only_by_whom_it_is_for() {
    let template = Template::new();
    let mut used = Vec::new();
    for container in template.containers() {
        let role = |name: &str| Some((container.task[name].as_str()?.to_owned(), "ecs-tasks.amazonaws.com"));
        used.extend([role("ExecutionRoleArn"), role("TaskRoleArn")].into_iter().flatten());
    }
    for (_, function) in template.of_type("AWS::Lambda::Function") {
        used.push((function["Role"].as_str().unwrap().to_owned(), "lambda.amazonaws.com"));
    }
    used.sort_unstable();
    let roles = template.of_type("AWS::IAM::Role");
    let mut expected: Vec<_> = roles
        .iter()
        .map(|(name, role)| {
            let [statement] = &role["AssumeRolePolicyDocument"]["Statement"].as_array().unwrap()[..] else {
                panic!("{name}")
            };
            assert_eq!(statement["Action"], "sts:AssumeRole", "{name}");
            (template.arn(name), statement["Principal"]["Service"].as_str().unwrap())
        })
        .collect();
    expected.sort_unstable();
    assert_eq!(used, expected);
}

/// An execution role starts tasks: it may read the image and the container's secrets, and write the log.
#[test]
fn a_task_is_started_with_its_own_secrets_and_its_own_log() {
    let template = Template::new();
    for container in template.containers() {
        let role = container.task["ExecutionRoleArn"].as_str().unwrap();
        let image = container.definition["Image"].as_str().unwrap();
        let repository = image.rsplit('/').next().unwrap().split(':').next().unwrap();
        let repository = set([format!("arn:aws:ecr:eu-west-1:123456789012:repository/{repository}")]);
        let secrets = container.secrets();
        let secrets = set(secrets.values().map(|from| from.strip_suffix(":password::").unwrap()));
        let group = container.definition["LogConfiguration"]["Options"]["awslogs-group"].as_str().unwrap();
        let log = set([format!("{}:*", template.arn(group))]);
        let expected = BTreeMap::from([
            ("ecr:GetAuthorizationToken", set(["*"])),
            ("ecr:BatchCheckLayerAvailability", repository.clone()),
            ("ecr:BatchGetImage", repository.clone()),
            ("ecr:GetDownloadUrlForLayer", repository),
            ("secretsmanager:GetSecretValue", secrets),
            ("kms:Decrypt", set([template.arn("Key")])),
            ("logs:CreateLogStream", log.clone()),
            ("logs:PutLogEvents", log),
        ]);
        assert_eq!(rights(&template, role), owned(expected), "{}", container.name);
    }
}

fn owned(rights: BTreeMap<&str, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    rights.into_iter().map(|(action, resources)| (action.to_owned(), resources)).collect()
}

#[test]
fn the_lambda_that_answers_reads_reads_its_secret_and_no_more() {
    let template = Template::new();
    let log = set([format!("{}:*", template.arn("FetchLogs"))]);
    let function = template.properties("FetchFunction");
    let secret = function["Environment"]["Variables"]["BUTTONPARTY_STORE_SECRET"].as_str().unwrap();
    let expected = BTreeMap::from([
        ("secretsmanager:GetSecretValue", set([secret])),
        ("kms:Decrypt", set([template.arn("Key")])),
        ("logs:CreateLogStream", log.clone()),
        ("logs:PutLogEvents", log),
        ("ec2:CreateNetworkInterface", set(["*"])),
        ("ec2:DeleteNetworkInterface", set(["*"])),
        ("ec2:DescribeNetworkInterfaces", set(["*"])),
    ]);
    assert_eq!(rights(&template, function["Role"].as_str().unwrap()), owned(expected));
}

/// The function that runs `migrate` may make the calls in its code, pass roles to the task, and log.
#[test]
fn the_lambda_that_migrates_may_call_what_it_calls() {
    let template = Template::new();
    let function = template.properties("MigrateFunction");
    let code = function["Code"]["ZipFile"].as_str().unwrap();
    let mut expected = set(["iam:PassRole", "logs:CreateLogStream", "logs:PutLogEvents"]);
    for service in ["ecs", "cloudformation"] {
        for call in code.split(&format!("{service}.")).skip(1) {
            let name = call.split('(').next().unwrap();
            let words = name.split('_').map(|word| word[..1].to_ascii_uppercase() + &word[1..]);
            expected.insert(format!("{service}:{}", words.collect::<String>()));
        }
    }
    assert_eq!(code.matches("boto3.client(").count(), 2);
    let rights = rights(&template, function["Role"].as_str().unwrap());
    assert_eq!(rights.keys().cloned().collect::<BTreeSet<_>>(), expected);
    let task = template.container("migrate").task;
    let roles = set(["ExecutionRoleArn", "TaskRoleArn"].map(|name| task[name].as_str().unwrap()));
    assert_eq!(rights["iam:PassRole"], roles);
    assert_eq!(rights["ecs:RunTask"], set([template.arn("MigrateTask")]));
}
