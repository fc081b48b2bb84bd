//! Profile photos: uploaded with a sign-up or later, kept, shown, removed.

use std::{fs, io::Cursor};

use image::{ImageFormat, Rgb, RgbImage};
use meoww_server::{config::Limits, core::limits::Quota, mail::Mailer};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;

use crate::harness::{PASSWORD, Reply, TestServer};

const BOUNDARY: &str = "meoww7MA4YWxkTrZu0gW";
pub(crate) const FORM: (&str, &str) =
    ("content-type", "multipart/form-data; boundary=meoww7MA4YWxkTrZu0gW");

pub(crate) fn png() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image = RgbImage::from_pixel(60, 30, Rgb([20, 200, 20]));
    image.write_to(&mut bytes, ImageFormat::Png).expect("encoded");
    bytes.into_inner()
}

fn text(name: &str, value: &str) -> Vec<u8> {
    format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        .into_bytes()
}

fn file(name: &str, file: &str, kind: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\
         content-type: {kind}\r\n\r\n"
    );
    [head.as_bytes(), content, b"\r\n"].concat()
}

pub(crate) fn photo(content: &[u8]) -> Vec<u8> {
    file("profilePhoto", "me.png", "image/png", content)
}

pub(crate) fn form(parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut body: Vec<u8> = parts.into_iter().flatten().collect();
    body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    body
}

pub(crate) fn fields(name: &str) -> Vec<Vec<u8>> {
    let email = format!("{name}@example.com");
    let fields = [("name", name), ("username", name), ("email", &email), ("password", PASSWORD)];
    fields.map(|(name, value)| text(name, value)).to_vec()
}

impl TestServer {
    async fn sign_up_with(&self, parts: impl IntoIterator<Item = Vec<u8>>) -> Reply {
        self.send(Method::POST, "/api/auth/signup", &[FORM], form(parts)).await
    }

    async fn put_photo(&self, access: &str, parts: impl IntoIterator<Item = Vec<u8>>) -> Reply {
        let bearer = format!("Bearer {access}");
        let headers = [FORM, ("authorization", bearer.as_str())];
        self.send(Method::PUT, "/api/auth/me/photo", &headers, form(parts)).await
    }

    fn photos_kept(&self) -> usize {
        fs::read_dir(self.folder("photos")).expect("a folder").count()
    }
}

#[tokio::test]
async fn a_photo_may_come_with_a_sign_up_wherever_it_stands_in_the_form() {
    let server = TestServer::start().await;
    for (place, name) in [(0, "ada"), (2, "bea"), (4, "eve")] {
        let mut parts = fields(name);
        parts.insert(place, photo(&png()));
        let reply = server.sign_up_with(parts).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
        let user = reply.body["userId"].as_str().expect("an id").to_owned();
        let reply = server.verify(&user, &server.next_code().await.code).await;
        let path = reply.body["user"]["profileImage"].as_str().expect("a path").to_owned();
        let shown = server.send(Method::GET, &path, &[], "").await;
        assert_eq!(shown.status, StatusCode::OK);
        let picture = image::load_from_memory_with_format(&shown.bytes, ImageFormat::Jpeg);
        let picture = picture.expect("a JPEG").into_rgb8();
        assert_eq!(picture.dimensions(), (400, 400));
        assert!(picture.get_pixel(200, 200).0[1] > 180);
    }
    assert_eq!(server.photos_kept(), 3);
}

#[tokio::test]
async fn a_form_without_a_photo_is_a_sign_up_too() {
    let server = TestServer::start().await;
    assert_eq!(server.sign_up_with(fields("ada")).await.status, StatusCode::CREATED);
    let nothing_chosen = file("profilePhoto", "", "application/octet-stream", b"");
    let parts = fields("bea").into_iter().chain([nothing_chosen]);
    assert_eq!(server.sign_up_with(parts).await.status, StatusCode::CREATED);
    assert_eq!(server.photos_kept(), 0);
}

#[tokio::test]
async fn bad_uploads_are_refused_in_the_words_of_the_node_backend() {
    const NO_IMAGE: &str = "Only image files are allowed (jpg, jpeg, png, webp).";
    const TOO_LARGE: &str = "File too large. Maximum size is 5MB.";
    let server = TestServer::start().await;
    let large = vec![0; 5 * 1024 * 1024 + 1];
    let vast = vec![0; 9 * 1024 * 1024];
    let long = "x".repeat(5000);
    let many = (0..20).map(|n| text(&format!("field{n}"), "")).collect::<Vec<_>>().concat();
    let nameless =
        format!("--{BOUNDARY}\r\ncontent-disposition: form-data\r\n\r\nx\r\n").into_bytes();
    let cases = [
        (photo(&large), TOO_LARGE),
        (photo(&vast), TOO_LARGE),
        (photo(&large[1..]), NO_IMAGE),
        (photo(b""), NO_IMAGE),
        (photo(b"<svg onload='alert(1)'/>"), NO_IMAGE),
        (photo(&png()[..40]), NO_IMAGE),
        (file("profilePhoto", "a.txt", "text/plain", b"hello"), NO_IMAGE),
        (file("avatar", "a.png", "image/png", &png()), "Upload error: Unexpected field"),
        ([photo(&png()), photo(&png())].concat(), "Upload error: Unexpected field"),
        (text("x", &long), "Upload error: Field value too long"),
        (text(&long[..101], "x"), "Upload error: Field name too long"),
        (nameless, "Upload error: Field name missing"),
        (many, "Upload error: Too many parts"),
        (text("name", "twice"), "Malformed request body"),
    ];
    for (part, message) in cases {
        let reply = server.sign_up_with(fields("ada").into_iter().chain([part])).await;
        assert_eq!((reply.status, reply.error()), (StatusCode::BAD_REQUEST, message));
    }
    let whole = form(fields("ada").into_iter().chain([photo(&png())]));
    let cut = server.send(Method::POST, "/api/auth/signup", &[FORM], whole[..300].to_vec()).await;
    assert_eq!((cut.status, cut.error()), (StatusCode::BAD_REQUEST, "Malformed request body"));
    let endless = [("content-type", "multipart/form-data")];
    let reply = server.send(Method::POST, "/api/auth/signup", &endless, whole.clone()).await;
    assert_eq!((reply.status, reply.error()), (StatusCode::BAD_REQUEST, "Malformed request body"));
    // The declared type does not count, the content does.
    let honest = file("profilePhoto", "a.txt", "text/plain", &png());
    let reply = server.sign_up_with(fields("ada").into_iter().chain([honest])).await;
    assert_eq!(reply.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_sign_up_that_fails_leaves_no_photo_behind() {
    let (outbox, mail) = mpsc::channel(1);
    let server = TestServer::with_mailer(|_| {}, Mailer::Memory(outbox), mail).await;
    let with_photo = |name| fields(name).into_iter().chain([photo(&png())]);
    assert_eq!(server.sign_up_with(with_photo("ada")).await.status, StatusCode::CREATED);
    let taken = server.sign_up_with(with_photo("ada")).await;
    assert_eq!(taken.error(), "Email or Username already exists");
    // The one place for mail is taken.
    let unsent = server.sign_up_with(with_photo("bea")).await;
    assert_eq!(unsent.error(), "Failed to send verification email. Please try again.");
    assert_eq!(server.photos_kept(), 1);
}

#[tokio::test]
async fn a_photo_is_changed_and_removed_by_its_owner() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let mut paths = Vec::new();
    for _ in 0..2 {
        let reply = server.put_photo(&ada.access, [photo(&png())]).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        paths.push(reply.body["profileImage"].as_str().expect("a path").to_owned());
        let me = server.get_as("/api/auth/me", &ada.access).await;
        assert_eq!(me.body, reply.body);
    }
    let status = async |path: &str| server.send(Method::GET, path, &[], "").await.status;
    assert_eq!(status(&paths[0]).await, StatusCode::NOT_FOUND);
    assert_eq!(status(&paths[1]).await, StatusCode::OK);

    let bad = server.put_photo(&ada.access, [photo(b"hello")]).await;
    assert_eq!(bad.error(), "Only image files are allowed (jpg, jpeg, png, webp).");
    let none = server.put_photo(&ada.access, [text("name", "ada")]).await;
    assert_eq!((none.status, none.error()), (StatusCode::BAD_REQUEST, "profilePhoto is required"));
    let stranger = server.put_photo("nobody", [photo(&png())]).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.photos_kept(), 1);

    let bearer = format!("Bearer {}", ada.access);
    let own = [("authorization", bearer.as_str())];
    let json = server.send(Method::PUT, "/api/auth/me/photo", &own, "{}").await;
    assert_eq!(json.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for _ in 0..2 {
        let reply = server.send(Method::DELETE, "/api/auth/me/photo", &own, "").await;
        assert_eq!((reply.status, &reply.body["profileImage"]), (StatusCode::OK, &"".into()));
    }
    assert_eq!(server.photos_kept(), 0);
}

#[tokio::test]
async fn a_photo_goes_with_its_account() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    server.put_photo(&ada.access, [photo(&png())]).await;
    let bearer = format!("Bearer {}", ada.access);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = json!({ "password": PASSWORD }).to_string();
    let reply = server.send(Method::DELETE, "/api/auth/me", &headers, body).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    assert_eq!(server.photos_kept(), 0);
}

#[tokio::test]
async fn photos_are_limited() {
    let server = TestServer::with(|config| {
        let window = std::time::Duration::from_secs(60);
        config.limits = Limits { photo: Some(Quota { requests: 1, window }), ..Limits::OFF };
    })
    .await;
    let ada = server.member("ada").await;
    assert_eq!(server.put_photo(&ada.access, [photo(&png())]).await.status, StatusCode::OK);
    let reply = server.put_photo(&ada.access, [photo(&png())]).await;
    assert_eq!(reply.error(), "Too many photos, please try again later.");
}

#[tokio::test]
async fn a_photo_is_shown_so_that_it_can_be_kept_and_is_nothing_but_a_photo() {
    let url = "https://meoww.example";
    let server = TestServer::with(|config| config.public_url = Some(url.into())).await;
    let ada = server.member("ada").await;
    let reply = server.put_photo(&ada.access, [photo(&png())]).await;
    let image = reply.body["profileImage"].as_str().expect("a URL");
    let path = image.strip_prefix(url).expect("our URL");

    let shown = server.send(Method::GET, path, &[], "").await;
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", "inline"),
        ("content-security-policy", "default-src 'none'"),
        ("cross-origin-resource-policy", "cross-origin"),
    ] {
        assert_eq!(shown.headers[name], value);
    }
    let tag = shown.headers["etag"].to_str().expect("a tag").to_owned();
    for known in [&tag, &format!("\"other\", W/{tag}"), "*"] {
        let same = server.send(Method::GET, path, &[("if-none-match", known)], "").await;
        assert_eq!((same.status, same.bytes.len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
        assert_eq!(same.headers["etag"], tag);
    }
    let other = server.send(Method::GET, path, &[("if-none-match", "\"other\"")], "").await;
    assert_eq!(other.bytes, shown.bytes);
    for path in
        ["/photos/", "/photos/x.jpg", "/photos/..%2fsecrets.toml", "/photos/%00", "/photos/%ff"]
    {
        let reply = server.send(Method::GET, path, &[], "").await;
        assert_eq!((reply.status, reply.error()), (StatusCode::NOT_FOUND, "Not found"), "{path}");
    }
}
