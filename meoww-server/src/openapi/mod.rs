//! The HTTP API as an OpenAPI 3.1 document. Bodies are described by the types of `meoww-proto`
//! themselves; what each route takes and answers is said in `routes`.

mod operation;
mod routes;

use std::collections::BTreeMap;

use meoww_proto::account::{ACCESS_COOKIE, ApiError};
use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

const DESCRIPTION: &str = "\
Bodies are JSON or URL-encoded forms of at most 64 KiB. A refusal is `{\"error\": SENTENCE}`, with a \
`code` where a program may want to tell refusals apart. Beside what each route lists: 404 for what \
is no route, 405 for a route by another method, 408 for a body that takes longer than half a minute \
to arrive (a minute with a photo), 503 where the server takes that long, and 500 where it is at fault.

Limited routes tell in `RateLimit-Policy`, `RateLimit-Limit`, `RateLimit-Remaining` and \
`RateLimit-Reset` where the client stands.";

/// Schemas by name, as operations refer to them.
#[derive(Default)]
struct Schemas(BTreeMap<String, RefOr<Schema>>);

impl Schemas {
    /// A reference to the schema of `T`, which is kept with all it refers to.
    fn of<T: ToSchema>(&mut self) -> Value {
        let mut found = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut found);
        self.0.extend(found);
        json!({ "$ref": format!("#/components/schemas/{}", T::name()) })
    }
}

/// The document.
pub fn document() -> Value {
    let mut schemas = Schemas::default();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in routes::all(&mut schemas) {
        let path = paths.entry(operation.path).or_default();
        path.insert(operation.method.to_owned(), operation.described);
    }
    let error = schemas.of::<ApiError>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Meoww API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": plain(serde_json::to_value(schemas.0).expect("schemas are plain data")),
            "responses": { "Refusal": {
                "description": "Refused; the text says why.",
                "content": { "application/json": { "schema": error } },
            }},
            "securitySchemes": {
                "cookieAuth": { "type": "apiKey", "in": "cookie", "name": ACCESS_COOKIE },
                "bearerAuth": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
        },
    })
}

/// Links of Rust's documentation lead nowhere here.
fn plain(value: Value) -> Value {
    match value {
        Value::String(text) => text.replace("[`", "`").replace("`]", "`").into(),
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, plain(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

#[cfg(test)]
mod tests;
