//! One method of one route, said in a few words.

use meoww_proto::account::PHOTO_FIELD;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Schemas;

/// An operation of OpenAPI, and where it belongs.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) described: Value,
}

/// `request` is a method and a path, `tag` the chapter it is shown in.
pub(super) fn operation(request: &'static str, tag: &str, summary: &str) -> Operation {
    let (method, path) = request.split_once(' ').expect("a method and a path");
    let words: Vec<_> =
        path.split(['/', '{', '}', '-', '.']).filter(|word| !word.is_empty()).collect();
    let id = format!("{method}-{}", words.join("-"));
    let described = json!({
        "tags": [tag], "summary": summary, "operationId": id, "responses": {},
    });
    let operation = Operation { method, path, described };
    // Whatever changes something waits for the disk.
    if method == "get" { operation } else { operation.refuses(&[503]) }
}

impl Operation {
    /// Takes a body, as JSON or as a form.
    pub(super) fn takes<T: ToSchema>(mut self, schemas: &mut Schemas) -> Self {
        let body = json!({ "schema": schemas.of::<T>() });
        self.described["requestBody"] = json!({ "required": true, "content": {
            "application/json": body, "application/x-www-form-urlencoded": body,
        }});
        self.refuses(&[400, 413, 415])
    }

    /// Takes a photo in a multipart form, beside the fields of `fields` if there are any.
    pub(super) fn takes_photo(mut self, fields: Option<Value>) -> Self {
        let photo = json!({ "type": "object", "properties": { PHOTO_FIELD: {
            "type": "string", "format": "binary",
            "description": "PNG, JPEG or WebP by its content, at most 5 MB, 32 megapixels and 10000 \
                            pixels on a side.",
        }}});
        let schema = match fields {
            Some(fields) => json!({ "allOf": [fields, photo] }),
            None => json!({ "allOf": [photo, { "required": [PHOTO_FIELD] }] }),
        };
        self.described["requestBody"]["required"] = true.into();
        self.described["requestBody"]["content"]["multipart/form-data"] =
            json!({ "schema": schema });
        self.refuses(&[400, 415])
    }

    /// Needs an access token.
    pub(super) fn with_session(mut self) -> Self {
        self.described["security"] = json!([{ "cookieAuth": [] }, { "bearerAuth": [] }]);
        self.refuses(&[401, 403])
    }

    /// Is limited by client address or account.
    pub(super) fn limited(self) -> Self {
        self.refuses(&[429])
    }

    /// Has something in its path.
    pub(super) fn with_parameter(mut self, name: &str, schema: &Value) -> Self {
        self.described["parameters"] =
            json!([{ "name": name, "in": "path", "required": true, "schema": schema }]);
        self.refuses(&[404])
    }

    /// Answers with a body of JSON.
    pub(super) fn answers<T: ToSchema>(
        self,
        status: u16,
        description: &str,
        schemas: &mut Schemas,
    ) -> Self {
        let schema = schemas.of::<T>();
        self.answers_with(status, description, "application/json", &schema)
    }

    /// Answers with a body of another kind.
    pub(super) fn answers_with(
        mut self,
        status: u16,
        description: &str,
        kind: &str,
        schema: &Value,
    ) -> Self {
        self.described["responses"][status.to_string()] = json!({
            "description": description, "content": { kind: { "schema": schema } },
        });
        self
    }

    /// Answers with headers alone.
    pub(super) fn answers_empty(mut self, status: u16, description: &str) -> Self {
        self.described["responses"][status.to_string()] = json!({ "description": description });
        self
    }

    /// The answer sets or clears cookies.
    pub(super) fn with_cookies(mut self, status: u16) -> Self {
        self.described["responses"][status.to_string()]["headers"]["Set-Cookie"] = json!({
            "description": "`access_token`, `refresh_token` and, where a password or code was \
                right, `device_token`: HttpOnly, SameSite=Strict.",
            "schema": { "type": "string" }, "required": true,
        });
        self
    }

    /// May be refused with these.
    pub(super) fn refuses(mut self, statuses: &[u16]) -> Self {
        for status in statuses {
            let mut refusal = json!({ "$ref": "#/components/responses/Refusal" });
            if matches!(status, 429 | 503) {
                refusal = json!({
                    "description": "Refused for now.",
                    "headers": { "Retry-After": {
                        "description": "Seconds.", "required": true,
                        "schema": { "type": "string", "pattern": "^[0-9]+$" },
                    }},
                    "content": { "application/json": {
                        "schema": { "$ref": "#/components/schemas/ApiError" },
                    }},
                });
            }
            self.described["responses"][status.to_string()] = refusal;
        }
        self
    }
}
