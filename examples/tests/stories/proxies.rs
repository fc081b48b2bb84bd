//! Behind a proxy: requests and the socket take the same way.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use crate::{headless::Script, server::Server, user::User};

/// A name that no resolver knows (RFC 6761): only the proxy leads there.
const NAME: &str = "meoww.invalid";
/// `user:p@ss` in base64.
const CREDENTIALS: &str = "Proxy-Authorization: Basic dXNlcjpwQHNz";

/// Starts a proxy that leads [`NAME`] to this machine, and returns its address. It speaks HTTP to those
/// with [`CREDENTIALS`], and SOCKS 5 (RFC 1928) to all.
fn proxy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || serve(client));
        }
    });
    address
}

fn serve(mut client: TcpStream) -> Option<()> {
    let mut first = [0; 1];
    client.peek(&mut first).ok()?;
    if first == [5] {
        return serve_socks(client);
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0; 1];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let text = String::from_utf8(head.clone()).ok()?;
    if !text.to_lowercase().contains(&CREDENTIALS.to_lowercase()) {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        return client.write_all(refusal).ok();
    }
    let (method, rest) = text.split_once(' ')?;
    let target = rest.split(' ').next()?;
    let target = target.strip_prefix("http://").unwrap_or(target);
    let authority = target.split('/').next()?;
    let mut server = dial(authority)?;
    match method {
        "CONNECT" => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?,
        // Servers take the absolute form, too (RFC 9112, 3.2.2).
        _ => server.write_all(&head).ok()?,
    }
    join(client, server)
}

fn serve_socks(mut client: TcpStream) -> Option<()> {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).ok()?;
    client.read_exact(&mut vec![0; greeting[1].into()]).ok()?;
    client.write_all(&[5, 0]).ok()?;
    let mut request = [0; 5];
    client.read_exact(&mut request).ok()?;
    assert_eq!(request[..4], [5, 1, 0, 3], "CONNECT to a name");
    let mut name = vec![0; request[4].into()];
    client.read_exact(&mut name).ok()?;
    let mut port = [0; 2];
    client.read_exact(&mut port).ok()?;
    let name = String::from_utf8(name).ok()?;
    let server = dial(&format!("{name}:{}", u16::from_be_bytes(port)))?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
    join(client, server)
}

fn dial(authority: &str) -> Option<TcpStream> {
    let port = authority.strip_prefix(NAME)?.strip_prefix(':')?;
    TcpStream::connect(format!("127.0.0.1:{port}")).ok()
}

fn join(mut client: TcpStream, mut server: TcpStream) -> Option<()> {
    let (mut from, mut to) = (client.try_clone().ok()?, server.try_clone().ok()?);
    thread::spawn(move || std::io::copy(&mut from, &mut to));
    std::io::copy(&mut server, &mut client).ok().map(|_| ())
}

/// Somebody whose only way to the server is the proxy.
fn behind(server: &Server, variable: &str, proxy: String) -> User {
    let address = server.address.replace("127.0.0.1", NAME);
    let mut user = User::at("anna", &address);
    user.env.push((variable.to_owned(), proxy));
    user
}

fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

#[test]
fn a_call_takes_the_proxy_that_requests_take() {
    let server = Server::start();
    let proxy = proxy();
    let anna = User::with_account("anna", &server);
    for (variable, proxy) in [
        ("http_proxy", format!("http://user:p%40ss@{proxy}")),
        ("ALL_PROXY", format!("socks5h://{proxy}")),
    ] {
        let user = behind(&server, variable, proxy);
        user.meoww(&["login", "--email", &anna.email()]).succeeded();
        let mut call = Script::start(&user, &["--camera", "none"]);
        call.wait_for("searching");
        call.say(r#"{"command":"leave"}"#);
        assert_eq!(call.ended(), 0);
    }
}

#[test]
fn what_is_wrong_with_a_proxy_is_said_of_the_proxy() {
    let server = Server::start();
    let anna = User::with_account("anna", &server);
    let (proxy, dead) = (proxy(), closed_port());
    let search = ["search", "--headless", "--camera", "none"];
    for (url, why) in [
        (format!("http://{dead}"), "refused"),
        (format!("http://user:wrong@{proxy}"), "user name and password"),
    ] {
        let env = [("http_proxy", url.as_str())];
        for command in [&["me"][..], &search] {
            let said = anna.meoww_with(command, &env).failed(12, "through the proxy http://127");
            assert!(said.stderr.contains(why), "{}", said.stderr);
            assert!(!said.stderr.contains("wrong"), "{}", said.stderr);
        }
        let mut around = env.to_vec();
        around.push(("NO_PROXY", "127.0.0.1"));
        anna.meoww_with(&["me"], &around).succeeded();
    }
}

/// Requests pass a proxy that is spoken to over TLS, and calls do not: that is said before one waits.
#[test]
fn a_proxy_that_calls_cannot_pass_is_refused_with_those_they_can() {
    let server = Server::start();
    let anna = User::with_account("anna", &server);
    let env = [("http_proxy", "https://127.0.0.1:1")];
    let search = ["search", "--headless", "--camera", "none"];
    anna.meoww_with(&search, &env)
        .failed(12, "calls need a proxy of http://, socks5:// or socks4://");
}
