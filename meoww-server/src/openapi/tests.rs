use std::{collections::BTreeSet, net::SocketAddr, path::Path};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode, header},
};
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::*;
use crate::{config::Config, http, mail::Mailer, services::Services, sockets};

/// The pages that show the document, Socket.IO, whose words another document has, and axum's own
/// for what is no route.
const NO_ROUTES: [&str; 6] = [
    "/api-docs",
    "/api-docs/",
    "/api-docs/{*rest}",
    "/socket.io/",
    "/",
    "/{*__private__axum_fallback}",
];

#[test]
fn the_document_under_docs_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let text = std::fs::read_to_string(path).expect("readable");
    let kept: Value = serde_json::from_str(&text).expect("JSON");
    let hint = "write it anew: meoww-server openapi > docs/openapi.json";
    assert!(kept == document(), "{hint}");
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

/// The paths of a router, as its `Debug` shows them: `RouteId(3): "/path"`.
fn paths(router: &Router) -> BTreeSet<String> {
    let shown = format!("{router:?}");
    let quoted = shown.split("RouteId(").filter_map(|part| part.split_once("): \""));
    quoted.filter_map(|(_, rest)| Some(rest.split_once('"')?.0.to_owned())).collect()
}

/// The methods of a path, as the refusal of another method lists them.
async fn methods(router: &Router, path: &str) -> BTreeSet<String> {
    let path = path.replace(['{', '}'], "");
    let mut request = Request::patch(path).body(Body::empty()).expect("a request");
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
    let response = router.clone().oneshot(request).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    let allowed = response.headers()[header::ALLOW].to_str().expect("text").to_lowercase();
    allowed.split(',').filter(|method| *method != "head").map(str::to_owned).collect()
}

#[tokio::test]
async fn the_document_has_exactly_the_routes_of_the_router() {
    let dir = tempfile::tempdir().expect("a directory");
    let mailer = Mailer::Memory(mpsc::channel(1).0);
    let app =
        Services::with_mailer(Config::new(dir.path().to_owned()), mailer).await.expect("opens");
    let router = http::routes(app.clone(), sockets::routes(&app));
    let served = paths(&router);
    let served: BTreeSet<_> =
        served.iter().filter(|path| !NO_ROUTES.contains(&path.as_str())).collect();
    let document = document();
    let described = document["paths"].as_object().expect("paths");
    assert_eq!(served, described.keys().collect());
    for path in served {
        let operations = described[path].as_object().expect("operations");
        assert_eq!(methods(&router, path).await, operations.keys().cloned().collect(), "{path}");
    }
}
