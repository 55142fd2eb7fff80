//! The template, evaluated as CloudFormation evaluates it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

/// Account and region of an imaginary stack.
const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-west-1";
/// Parameters that have no default.
const GIVEN: [(&str, &str); 4] =
    [("Auth", "open"), ("ImageTag", "v1"), ("CodeBucket", "code"), ("CodeKey", "v1/fetch-arm64.zip")];

/// Path of the template.
pub(crate) fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../cftemplate.json"))
}

/// The template with a value for each parameter.
pub(crate) struct Template {
    document: Value,
    parameters: BTreeMap<String, Value>,
}

/// A container of a task.
pub(crate) struct Container {
    /// Its name, which is the role's name in the template.
    pub(crate) name: String,
    /// Its definition, resolved.
    pub(crate) definition: Value,
    /// The definition of its task, resolved.
    pub(crate) task: Value,
}

impl Container {
    /// The binary's command.
    pub(crate) fn command(&self) -> &str {
        self.definition["Command"][0].as_str().unwrap()
    }

    /// Its environment variables without secrets.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        self.variables("Environment", "Value")
    }

    /// Its environment variables with secrets, each with the source of its value.
    pub(crate) fn secrets(&self) -> BTreeMap<String, String> {
        self.variables("Secrets", "ValueFrom")
    }

    fn variables(&self, list: &str, value: &str) -> BTreeMap<String, String> {
        let text = |of: &Value| of.as_str().unwrap().to_owned();
        let all = self.definition[list].as_array().unwrap().iter();
        all.map(|variable| (text(&variable["Name"]), text(&variable[value]))).collect()
    }
}

impl Template {
    /// With these values, and the defaults of other parameters.
    pub(crate) fn with(values: &[(&str, &str)]) -> Self {
        let document: Value = serde_json::from_slice(&std::fs::read(path()).unwrap()).unwrap();
        let mut parameters = BTreeMap::new();
        for (name, parameter) in document["Parameters"].as_object().unwrap() {
            let given = GIVEN.iter().chain(values).rev().find(|(of, _)| of == name);
            // A parameter's value is text, whatever its type.
            let default = match &parameter["Default"] {
                Value::Number(number) => number.to_string().into(),
                other => other.clone(),
            };
            let value = given.map_or(default, |(_, value)| Value::from(*value));
            assert!(!value.is_null(), "{name} has no value");
            parameters.insert(name.clone(), value);
        }
        assert!(values.iter().all(|(name, _)| parameters.contains_key(*name)), "{values:?}");
        Self { document, parameters }
    }

    /// With the defaults of its parameters.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// The document, unresolved.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// All resources of the stack, unresolved.
    pub(crate) fn resources(&self) -> impl Iterator<Item = (&str, &Value)> {
        let all = self.document["Resources"].as_object().unwrap().iter();
        all.filter(|(_, resource)| resource["Condition"].as_str().is_none_or(|name| self.holds(name)))
            .map(|(name, resource)| (name.as_str(), resource))
    }

    /// The properties of all resources of a type.
    pub(crate) fn of_type(&self, kind: &str) -> Vec<(String, Value)> {
        let found = self.resources().filter(|(_, resource)| resource["Type"] == kind);
        let found: Vec<_> = found.map(|(name, _)| (name.to_owned(), self.properties(name))).collect();
        assert!(!found.is_empty(), "there is no {kind}");
        found
    }

    /// The properties of a resource.
    pub(crate) fn properties(&self, name: &str) -> Value {
        let resource = &self.document["Resources"][name];
        assert!(resource.is_object(), "there is no resource {name}");
        self.resolve(&resource["Properties"])
    }

    /// All containers of all tasks.
    pub(crate) fn containers(&self) -> Vec<Container> {
        let tasks = self.of_type("AWS::ECS::TaskDefinition");
        let containers = tasks.into_iter().map(|(_, task)| {
            let [definition] = &task["ContainerDefinitions"].as_array().unwrap()[..] else {
                panic!("a task has one container: {task}")
            };
            let name = definition["Name"].as_str().unwrap().to_owned();
            Container { name, definition: definition.clone(), task }
        });
        containers.collect()
    }

    /// The container with this name.
    pub(crate) fn container(&self, name: &str) -> Container {
        let found = self.containers().into_iter().find(|container| container.name == name);
        found.unwrap_or_else(|| panic!("there is no container {name}"))
    }

    /// The ARN of a resource, by which policies refer to it.
    pub(crate) fn arn(&self, name: &str) -> String {
        assert!(self.document["Resources"][name].is_object(), "there is no resource {name}");
        format!("arn:aws:{REGION}:{ACCOUNT}:{name}")
    }

    /// Resolves all functions and references in a value; panics if that is not possible.
    pub(crate) fn resolve(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => {
                items.iter().map(|item| self.resolve(item)).filter(|item| !item.is_null()).collect()
            }
            Value::Object(fields) => match fields.iter().next() {
                Some((name, argument))
                    if fields.len() == 1 && (name == "Ref" || name.starts_with("Fn::")) =>
                {
                    self.call(name, argument)
                }
                _ => {
                    let fields = fields.iter().map(|(name, field)| (name.clone(), self.resolve(field)));
                    Value::Object(fields.filter(|(_, field)| !field.is_null()).collect::<Map<_, _>>())
                }
            },
            plain => plain.clone(),
        }
    }

    fn call(&self, function: &str, argument: &Value) -> Value {
        if function == "Fn::If" {
            let chosen = if self.holds(argument[0].as_str().unwrap()) { 1 } else { 2 };
            return self.resolve(&argument[chosen]);
        }
        let argument = self.resolve(argument);
        let text =
            |index: usize| argument[index].as_str().unwrap_or_else(|| panic!("{function}: {argument}"));
        match function {
            "Ref" => self.reference(argument.as_str().unwrap()),
            "Fn::GetAtt" => self.attribute(text(0), text(1)),
            "Fn::Sub" => self.substitute(argument.as_str().unwrap()).into(),
            "Fn::FindInMap" => {
                let found = &self.document["Mappings"][text(0)][text(1)][text(2)];
                assert!(!found.is_null(), "{argument} is in no mapping");
                found.clone()
            }
            "Fn::Join" => {
                let parts = argument[1].as_array().unwrap().iter().map(|part| part.as_str().unwrap());
                parts.collect::<Vec<_>>().join(text(0)).into()
            }
            "Fn::Split" => text(1).split(text(0)).collect(),
            "Fn::Select" => argument[1][usize::try_from(argument[0].as_u64().unwrap()).unwrap()].clone(),
            "Fn::Cidr" => (0..argument[1].as_u64().unwrap()).map(|number| format!("cidr-{number}")).collect(),
            "Fn::GetAZs" => ["a", "b", "c"].map(|zone| format!("{REGION}{zone}")).into_iter().collect(),
            other => panic!("{other} is not known here"),
        }
    }

    /// Whether a condition holds.
    pub(crate) fn holds(&self, name: &str) -> bool {
        let condition = &self.document["Conditions"][name];
        assert!(condition.is_object(), "there is no condition {name}");
        self.is_true(condition)
    }

    fn is_true(&self, condition: &Value) -> bool {
        match condition.as_object().unwrap().iter().next().unwrap() {
            (name, of) if name == "Fn::Not" => !self.is_true(&of[0]),
            (name, of) if name == "Fn::Equals" => self.resolve(&of[0]) == self.resolve(&of[1]),
            (name, _) => panic!("{name} is not known here"),
        }
    }

    fn reference(&self, name: &str) -> Value {
        let kind = self.document["Resources"][name]["Type"].as_str();
        match (name, kind) {
            ("AWS::NoValue", _) => Value::Null,
            ("AWS::Region", _) => REGION.into(),
            ("AWS::AccountId", _) => ACCOUNT.into(),
            ("AWS::Partition", _) => "aws".into(),
            ("AWS::URLSuffix", _) => "amazonaws.com".into(),
            ("AWS::StackName", _) => "game".into(),
            ("AWS::StackId", _) => format!("arn:aws:{REGION}:{ACCOUNT}:stack").into(),
            (_, Some("AWS::SQS::Queue")) => {
                format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}.fifo").into()
            }
            (_, Some("AWS::SecretsManager::Secret" | "AWS::ECS::TaskDefinition" | "AWS::SNS::Topic")) => {
                self.arn(name).into()
            }
            (_, Some(_)) => name.into(),
            (_, None) => {
                let value = self.parameters.get(name);
                value.unwrap_or_else(|| panic!("nothing is called {name}")).clone()
            }
        }
    }

    fn attribute(&self, name: &str, attribute: &str) -> Value {
        let kind = self.document["Resources"][name]["Type"].as_str();
        let kind = kind.unwrap_or_else(|| panic!("there is no resource {name}"));
        match (kind, attribute) {
            // The contents of the log group, which are what is written.
            ("AWS::Logs::LogGroup", "Arn") => format!("{}:*", self.arn(name)).into(),
            (_, "Arn") => self.arn(name).into(),
            ("AWS::RDS::DBCluster", "MasterUserSecret.SecretArn") => self.master_secret(),
            (_, "Endpoint.Address") => format!("{}.example", name.to_ascii_lowercase()).into(),
            _ => format!("{name}.{attribute}").into(),
        }
    }

    /// The secret that RDS creates for the database's owner.
    pub(crate) fn master_secret(&self) -> Value {
        format!("{}-owner", self.arn("Database")).into()
    }

    fn substitute(&self, text: &str) -> String {
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap();
            let value = match name.split_once('.') {
                Some((name, attribute)) => self.attribute(name, attribute),
                None => self.reference(name),
            };
            match &value {
                Value::String(text) => whole += text,
                other => whole += &other.to_string(),
            }
            whole += rest;
        }
        whole
    }
}
