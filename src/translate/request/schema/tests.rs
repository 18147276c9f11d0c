use super::*;
use serde_json::{Value, json};

#[track_caller]
fn check(rules: SchemaRules, schema: &Value, expected: Result<Value, Reason>) {
    let text = schema.to_string();
    let raw: Raw<'_> = serde_json::from_str(&text).unwrap();
    let made = input(Some(raw), rules, &mut Losses::default());
    let made = made.map(|json| serde_json::to_value(&json).unwrap());
    assert_eq!(made, expected, "{schema}");
}

#[test]
fn the_top_must_be_an_object() {
    let with = |extra: Value| {
        let mut schema = json!({"properties": {"a": {}}});
        schema
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        schema
    };
    let object = with(json!({"type": "object"}));
    for rules in [SchemaRules::Claude, SchemaRules::Nova, SchemaRules::Plain] {
        check(rules, &object, Ok(object.clone()));
        check(rules, &with(json!({})), Ok(object.clone()));
        check(
            rules,
            &with(json!({"type": ["object", "null"]})),
            Err(Reason::ToolSchema),
        );
        check(
            rules,
            &with(json!({"type": "string"})),
            Err(Reason::ToolSchema),
        );
        check(rules, &with(json!({"oneOf": []})), Err(Reason::ToolSchema));
        check(rules, &json!([]), Err(Reason::Malformed));
        check(rules, &json!(true), Err(Reason::Malformed));
    }
    let combined = with(json!({"type": "object", "anyOf": []}));
    check(SchemaRules::Claude, &combined, Err(Reason::ToolSchema));
    check(SchemaRules::Nova, &combined, Err(Reason::ToolSchema));
    check(SchemaRules::Plain, &combined, Ok(combined.clone()));
}

#[test]
fn nova_loses_what_describes_but_not_what_demands() {
    let described = json!({"type": "object", "properties": {}, "title": "T", "$schema": "x"});
    check(
        SchemaRules::Nova,
        &described,
        Ok(json!({"type": "object", "properties": {}})),
    );
    let demanding = json!({"type": "object", "properties": {}, "minProperties": 1});
    check(SchemaRules::Nova, &demanding, Err(Reason::ToolSchema));
}

#[test]
fn references_are_replaced_in_every_place() {
    let schema = json!({
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"$ref": "#/definitions/A"}},
            "b": {"anyOf": [{"$ref": "#/$defs/B", "title": "mine"}, {"type": "null"}]},
            "$ref": {"type": "string"},
        },
        "definitions": {"A": {"$ref": "#/$defs/B"}},
        "$defs": {"B": {"title": "its own", "enum": [1.50, "$ref"]}},
    });
    let expected = json!({
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"title": "its own", "enum": [1.50, "$ref"]}},
            "b": {"anyOf": [{"enum": [1.50, "$ref"], "title": "mine"}, {"type": "null"}]},
            "$ref": {"type": "string"},
        },
    });
    check(SchemaRules::Plain, &schema, Ok(expected.clone()));
    check(SchemaRules::Nova, &schema, Ok(expected));
    check(SchemaRules::Claude, &schema, Ok(schema.clone()));
}

#[test]
fn references_that_cannot_be_replaced() {
    let with = |reference: Value, definitions: Value| json!({"type": "object", "properties": {"a": reference}, "$defs": definitions});
    let to = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
    for schema in [
        with(to("A"), json!({})),
        with(json!({"$ref": "https://example.com/schema"}), json!({})),
        with(json!({"$ref": "#"}), json!({})),
        with(to("A"), json!({"A": to("A")})),
        with(
            to("A"),
            json!({"A": {"items": to("B")}, "B": {"items": to("A")}}),
        ),
        with(
            json!({"$ref": "#/$defs/A", "minLength": 1}),
            json!({"A": {"type": "string"}}),
        ),
        with(to("A"), json!({"A": true})),
    ] {
        check(SchemaRules::Plain, &schema, Err(Reason::ToolSchema));
    }
}

#[test]
fn hostile_references_are_bounded() {
    let chain: serde_json::Map<String, Value> = (0..5000)
        .map(|n| {
            (
                format!("d{n}"),
                json!({"$ref": format!("#/$defs/d{}", n + 1)}),
            )
        })
        .collect();
    let nested: serde_json::Map<String, Value> = (0..5000)
        .map(|n| {
            (
                format!("d{n}"),
                json!({"items": {"$ref": format!("#/$defs/d{}", n + 1)}}),
            )
        })
        .collect();
    let laughs: serde_json::Map<String, Value> = (0..60)
        .map(|n| {
            let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
            (format!("d{n}"), json!({"anyOf": [next, next]}))
        })
        .collect();
    for definitions in [chain, nested, laughs] {
        let first = json!({"$ref": "#/$defs/d0"});
        let schema = json!({"type": "object", "properties": {"a": first}, "$defs": definitions});
        check(SchemaRules::Plain, &schema, Err(Reason::ToolSchema));
    }
}
