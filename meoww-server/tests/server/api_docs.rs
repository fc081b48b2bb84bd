//! The pages under `/api-docs`.

use reqwest::{Method, StatusCode};

use crate::harness::TestServer;

#[tokio::test]
async fn the_pages_come_from_this_server_alone() {
    let server = TestServer::start().await;
    let index = server.send(Method::GET, "/api-docs", &[], "").await;
    assert_eq!(index.status, StatusCode::OK);
    assert!(index.headers["content-type"].to_str().is_ok_and(|kind| kind.starts_with("text/html")));
    let policy = index.headers["content-security-policy"].to_str().expect("text");
    assert!(policy.starts_with("default-src 'none';script-src 'self';"), "{policy}");
    let page = String::from_utf8(index.bytes).expect("text");
    // What the page loads, it loads from beside itself; and no script stands in it.
    let mut loaded = 0;
    for attribute in ["src=\"", "href=\""] {
        for link in page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()) {
            let file = link.strip_prefix("./").unwrap_or(link);
            assert!(!file.starts_with('/') && !file.contains(':'), "{file} is elsewhere");
            let reply = server.send(Method::GET, &format!("/api-docs/{file}"), &[], "").await;
            assert_eq!(reply.status, StatusCode::OK, "{file}");
            loaded += 1;
        }
    }
    assert!(loaded >= 4, "{page}");
    let scripts = page.split("<script").skip(1);
    assert!(
        scripts
            .filter_map(|rest| rest.split_once('>'))
            .all(|(_, rest)| { rest.trim_start().starts_with("</script>") })
    );
    let start = server.send(Method::GET, "/api-docs/swagger-initializer.js", &[], "").await;
    let start = String::from_utf8(start.bytes).expect("text");
    assert!(start.contains("/api-docs/openapi.json"), "{start}");
}

#[tokio::test]
async fn the_document_is_served_as_it_is_exported() {
    let server = TestServer::start().await;
    let reply = server.send(Method::GET, "/api-docs/openapi.json", &[], "").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers["content-type"], "application/json");
    assert_eq!(reply.body, meoww_server::openapi::document());
}
