//! A small validator of JSON against OpenAPI schemas: types, required and unknown properties.

use serde_json::{Value, json};

/// A description of an API.
pub(super) struct Spec(pub(super) Value);

impl Spec {
    /// The errors of a value. `closed`: properties that the schema does not name are errors too.
    pub(super) fn mistakes(&self, schema: &Value, value: &Value, closed: bool) -> Vec<String> {
        let mut mistakes = Vec::new();
        self.check(schema, value, closed, "$", &mut mistakes);
        mistakes
    }

    fn check(&self, schema: &Value, value: &Value, closed: bool, at: &str, mistakes: &mut Vec<String>) {
        if let Some(name) = schema["$ref"].as_str() {
            let pointer = name.strip_prefix('#').unwrap();
            let schema = self.0.pointer(pointer).unwrap_or_else(|| panic!("{name} is nowhere"));
            return self.check(schema, value, closed, at, mistakes);
        }
        if let Some(any) = schema["oneOf"].as_array() {
            let fitting = any.iter().filter(|schema| {
                let mut mistakes = Vec::new();
                self.check(schema, value, closed, at, &mut mistakes);
                mistakes.is_empty()
            });
            if fitting.count() != 1 {
                mistakes.push(format!("{at}: {value} fits not exactly one of {any:?}"));
            }
            return;
        }
        let types: Vec<_> = match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        if !types.is_empty() && !types.iter().any(|name| is_a(value, name)) {
            mistakes.push(format!("{at}: {value} is no {types:?}"));
        }
        if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
            mistakes.push(format!("{at}: {value} is none of {}", schema["enum"]));
        }
        if let (Some(value), Some(minimum)) = (value.as_f64(), schema["minimum"].as_f64())
            && value < minimum
        {
            mistakes.push(format!("{at}: {value} is less than {minimum}"));
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            self.check(&schema["items"], item, closed, &format!("{at}[{index}]"), mistakes);
        }
        if value.is_object() {
            self.check_properties(schema, value, closed, at, mistakes);
        }
    }

    fn check_properties(
        &self,
        schema: &Value,
        value: &Value,
        closed: bool,
        at: &str,
        mistakes: &mut Vec<String>,
    ) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_none() {
                mistakes.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, value) in value.as_object().into_iter().flatten() {
            match schema["properties"].get(name) {
                Some(schema) => self.check(schema, value, closed, &format!("{at}.{name}"), mistakes),
                None if schema["additionalProperties"].is_object() => {
                    self.check(
                        &schema["additionalProperties"],
                        value,
                        closed,
                        &format!("{at}.{name}"),
                        mistakes,
                    );
                }
                None if closed => mistakes.push(format!("{at}: {name} is not described")),
                None => {}
            }
        }
    }
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no such type: {other}"),
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let spec = Spec(json!({ "components": { "schemas": {
        "Row": { "type": "object", "required": ["id"], "properties": {
            "id": { "type": "integer", "minimum": 1 },
            "of": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Row" }] },
            "state": { "type": ["string", "null"], "enum": ["open", null] },
        } },
    } } }));
    let rows = json!({ "type": "array", "items": { "$ref": "#/components/schemas/Row" } });
    let wrong = |value: Value| spec.mistakes(&rows, &value, true).len();
    assert_eq!(wrong(json!([{ "id": 1 }, { "id": 2, "of": { "id": 1, "of": null }, "state": "open" }])), 0);
    for value in
        [json!({}), json!([{}]), json!([{ "id": 0 }]), json!([{ "id": 1.5 }]), json!([{ "id": "1" }])]
    {
        assert_eq!(wrong(value.clone()), 1, "{value}");
    }
    for row in
        [json!({ "id": 1, "of": {} }), json!({ "id": 1, "state": "shut" }), json!({ "id": 1, "new": 1 })]
    {
        assert_eq!(wrong(json!([row])), 1, "{row}");
    }
    assert_eq!(spec.mistakes(&rows, &json!([{ "id": 1, "new": 1 }]), false).len(), 0);
}
