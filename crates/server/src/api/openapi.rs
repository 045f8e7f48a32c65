//! `GET /openapi.json`: the API as an OpenAPI 3.1 document, made from two tables. The routes are compared with the router, and
//! the schemas with the wire types, by tests; nothing else keeps them together. OpenAPI 3.1.1.

mod routes;
mod schemas;

use self::routes::{ROUTES, Route};
use axum::Json;
use serde_json::{Map, Value, json};

/// `GET /openapi.json`, for anybody: it holds nothing of this server.
pub(crate) async fn document() -> Json<Value> {
    Json(write())
}

fn write() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Countersign",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Lists are pages: give `next` as `after` to go on. Times are milliseconds since the epoch.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"basic": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas::write(),
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic", "description": "A name, with a password or token."},
                "bearer": {"type": "http", "scheme": "bearer", "description": "A personal or robot token."},
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "summary": route.summary,
        "tags": [route.tag()],
        "operationId": operation_id(route),
        "parameters": parameters(route),
        "responses": responses(route),
    });
    let body = route.takes.map(|schema| match schema {
        "" => json!({"application/x-ndjson": {"schema": {"type": "string", "description": "One `ImportLine` a line."}}}),
        schema => json!({"application/json": {"schema": reference(schema)}}),
    });
    if let (Some(object), Some(content)) = (operation.as_object_mut(), body) {
        object.insert(
            "requestBody".to_owned(),
            json!({"required": true, "content": content}),
        );
    }
    operation
}

/// `get-users-name`: the method and the words of the path.
fn operation_id(route: &Route) -> String {
    let words = route
        .path
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let method = route.method.to_ascii_lowercase();
    std::iter::once(method.as_str())
        .chain(words)
        .collect::<Vec<_>>()
        .join("-")
}

fn parameters(route: &Route) -> Vec<Value> {
    let of_path = route.path_parameters().map(|name| {
        let kind = if name == "id" && route.numbered {
            "integer"
        } else {
            "string"
        };
        json!({"name": name, "in": "path", "required": true, "schema": {"type": kind}})
    });
    let of_query = route.parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name,
            "in": "query",
            "required": parameter.required,
            "description": parameter.description,
            "schema": {"type": parameter.kind},
        })
    });
    of_path.chain(of_query).collect()
}

fn responses(route: &Route) -> Value {
    let refused = json!({"description": "Why not.", "content": {"application/json": {"schema": reference("ErrorBody")}}});
    let good = match route.gives {
        None => json!({"description": "Done."}),
        Some(gives) => {
            let schema = match gives.strip_prefix("Page ") {
                Some(item) => json!({
                    "type": "object",
                    "required": ["items"],
                    "properties": {"items": {"type": "array", "items": reference(item)}, "next": {"type": "string"}},
                }),
                None if gives.is_empty() => json!({"type": "object"}),
                None => reference(gives),
            };
            json!({"description": "The answer.", "content": {"application/json": {"schema": schema}}})
        }
    };
    let status = match route.gives {
        None => "204",
        Some(_) if route.creates => "201",
        Some(_) => "200",
    };
    json!({status: good, "default": refused})
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

impl Route {
    fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    fn tag(&self) -> &'static str {
        self.path
            .split('/')
            .find(|part| !part.is_empty())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The methods and paths that the router's text names between its `api_routes` and the next function.
    fn routed() -> BTreeSet<(String, String)> {
        let text = include_str!("../router.rs");
        let text = text.split_once("fn api_routes").unwrap().1;
        let text = text.split_once("\nfn ").map_or(text, |(routes, _)| routes);
        let mut routed = BTreeSet::new();
        for route in text.split(".route(").skip(1) {
            let path = route.split('"').nth(1).unwrap();
            for method in ["get", "post", "put", "patch", "delete"] {
                let names = |mark: char| route.contains(&format!("{mark}{method}(api::"));
                if names(' ') || names('.') || names('\n') {
                    routed.insert((method.to_uppercase(), path.to_owned()));
                }
            }
        }
        routed
    }

    #[test]
    fn every_route_is_in_the_document_and_no_other() {
        let listed: BTreeSet<(String, String)> = ROUTES
            .iter()
            .map(|route| (route.method.to_string(), route.path.to_owned()))
            .collect();
        assert_eq!(listed.len(), ROUTES.len(), "a route is listed twice");
        let routed = routed();
        assert!(
            routed.len() > 40,
            "the router's text was not understood: {routed:?}"
        );
        assert_eq!(listed, routed);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = write();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let text = document.to_string();
        let named: BTreeSet<&str> = text
            .split("#/components/schemas/")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        for name in &named {
            assert!(schemas.contains_key(*name), "there is no schema {name}");
        }
        for name in schemas.keys() {
            assert!(
                named.contains(name.as_str()) || name == "ImportLine",
                "nothing uses schema {name}"
            );
        }
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let names: BTreeSet<String> = ROUTES.iter().map(operation_id).collect();
        assert_eq!(names.len(), ROUTES.len());
        assert!(
            names.contains("post-teams-name-members-principal"),
            "{names:?}"
        );
    }

    #[test]
    fn an_operation_says_what_it_takes_and_gives() {
        let document = write();
        let users = &document["paths"]["/users"];
        assert_eq!(
            users["post"]["requestBody"]["content"]["application/json"]["schema"],
            reference("NewUser")
        );
        assert_eq!(
            users["post"]["responses"]["201"]["content"]["application/json"]["schema"],
            reference("User")
        );
        let items = &users["get"]["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
            ["items"];
        assert_eq!(items["items"], reference("User"));
        let grant = &document["paths"]["/grants/{id}"]["delete"];
        assert_eq!(grant["parameters"][0]["schema"]["type"], "integer");
        assert!(grant["responses"]["204"].is_object());
        assert_eq!(
            document["paths"]["/image"]["get"]["parameters"][0]["required"],
            true
        );
    }
}
