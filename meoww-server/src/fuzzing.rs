//! The decoders of bytes from outside, for the fuzz targets and nobody else: each gives what it
//! made of its input in types that can be compared there.

use std::{net::IpAddr, path::Path, sync::LazyLock, time::Duration};

use axum::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE},
};
use bytes::Bytes;
use ipnet::IpNet;
use meoww_proto::{
    UserId,
    signal::{ClientMessage, DecodeError},
};
use serde_json::Value;

use crate::{
    admin::{db::mongo, protocol::Request},
    bearer, clock,
    config::{Config, ConfigError},
    core::{
        account::Email, device::DeviceToken, fleet::Packet, ice::Fragments, session::SessionId,
    },
    fleet::envelope::BusKey,
    http,
    mail::{self, Letter},
    photos,
    sockets::socketio::{Query, engine, handshake, packet},
    store::{Batch, Fault, StoreError},
    tokens::{AccessTokens, Bearer},
};

static TOKENS: LazyLock<AccessTokens> =
    LazyLock::new(|| AccessTokens::new(&[7; 32], Duration::from_secs(24 * 60 * 60)));

/// Values that HTTP itself would refuse are left out.
fn headers<'a>(values: impl IntoIterator<Item = (HeaderName, &'a [u8])>) -> HeaderMap {
    let valid = |(name, value)| Some((name, HeaderValue::from_bytes(value).ok()?));
    let mut headers = HeaderMap::new();
    for (name, value) in values.into_iter().filter_map(valid) {
        headers.append(name, value);
    }
    headers
}

/// The address that a request counts for.
pub fn client_of(peer: IpAddr, forwarded: &[&[u8]], trusted: &[IpNet]) -> IpAddr {
    let name = || HeaderName::from_static("x-forwarded-for");
    http::client_of(peer, &headers(forwarded.iter().map(|value| (name(), *value))), trusted)
}

/// The access token that HTTP and Socket.IO find in a request.
pub fn presented_tokens(authorization: &[u8], cookie: &[u8]) -> [Option<String>; 2] {
    let headers = headers([(AUTHORIZATION, authorization), (COOKIE, cookie)]);
    [bearer::presented(&headers), handshake::presented(&headers).ok()]
}

/// An access token of this user, good for a day.
pub fn issue_token(user: UserId) -> String {
    TOKENS.issue(Bearer { user, session: SessionId::generate(&mut rand::rng()) }, clock::now())
}

/// A token of a device of this user.
pub fn issue_device_token(user: UserId) -> String {
    DeviceToken::issue(&[7; 32], user, "hash", &mut rand::rng()).encode()
}

/// The user of whom a device token is, if it is genuine.
pub fn check_device_token(token: &str) -> Option<UserId> {
    let token = DeviceToken::parse(token)?;
    let user = token.user();
    token.verify(&[7; 32], user, "hash").map(|_| user)
}

/// Whom an access token speaks for.
pub fn check_token(token: &str) -> Option<UserId> {
    TOKENS.check(token).map(|bearer| bearer.user)
}

/// Whether a Socket.IO request is for a transport there is.
pub fn is_socketio_query(query: &str) -> bool {
    Query::parse(query).is_ok()
}

/// The packets of one Socket.IO post, if all of them are of the protocol.
pub fn socketio_packets(post: String) -> Option<Vec<String>> {
    let packets = engine::Payload::parse(post)?;
    Some(packets.map(|packet| packet.as_str().to_owned()).collect())
}

/// The event in a Socket.IO packet, if it holds one.
pub fn socketio_event(packet: &str) -> Option<Result<ClientMessage, DecodeError>> {
    match packet::Packet::parse(packet)? {
        packet::Packet::Event { arguments, .. } => Some(packet::decode(arguments, None)),
        packet::Packet::Connect(_)
        | packet::Packet::Leave
        | packet::Packet::Binary { .. }
        | packet::Packet::Ignored => None,
    }
}

/// Whether a candidate passes after a description, both in JSON.
pub fn candidate_passes(description: &str, candidate: &str) -> bool {
    let mut fragments = Fragments::default();
    fragments.describe(description);
    fragments.admits(candidate)
}

/// The profile picture that an upload becomes.
pub fn picture(upload: &[u8]) -> Option<Vec<u8>> {
    photos::standardise(upload).ok()
}

/// An export as it is written again once it was read.
pub fn import(lines: &[u8]) -> Result<Result<Vec<u8>, StoreError>, Vec<Fault>> {
    Batch::parse(lines).map(|mut batch| batch.export())
}

/// The export of what `mongoexport` wrote.
pub fn import_mongo(documents: &[u8], rename: bool) -> (Result<Vec<u8>, StoreError>, Vec<Fault>) {
    let (mut batch, faults) = mongo::parse(Batch::default(), documents, rename);
    (batch.export(), faults)
}

/// The objects in what `mongoexport` wrote.
pub fn mongo_documents(documents: &[u8]) -> Vec<Result<Value, String>> {
    mongo::Documents::new(documents).map(|(_, found)| found).collect()
}

/// Returns the recipient of a mail to this address, `None` if such a mail cannot be written.
pub fn recipient(email: &Email) -> Option<String> {
    let from = "meoww@localhost".parse().ok()?;
    let message = mail::message(&from, email, Letter::Test).ok()?;
    let [recipient] = message.envelope().to() else { return None };
    Some(recipient.to_string())
}

/// What a configuration file says.
pub fn configuration(text: &str) -> Result<Config, ConfigError> {
    Config::of_file(Path::new("meoww.toml"), text)
}

/// What an operator's program asks over the socket, as it would ask it again.
pub fn admin_request(line: &str) -> Option<String> {
    serde_json::to_string(&Request::parse(line).ok()?).ok()
}

static BUS: LazyLock<BusKey> =
    LazyLock::new(|| BusKey::derive(&[7; 32], &[8; 32], uuid::Uuid::nil()));

/// The message between nodes with this body.
pub fn seal(body: &[u8]) -> Vec<u8> {
    BUS.seal(body).to_vec()
}

/// The body of a message between nodes, if a node of the fleet has sent it.
pub fn open(message: &[u8]) -> Option<Vec<u8>> {
    let body = BUS.open(&Bytes::copy_from_slice(message)).ok()?;
    Some(body.to_vec())
}

/// The packet from another node in these bytes, and the bytes it is sent as.
pub fn packet(bytes: &[u8]) -> Option<(Packet, Vec<u8>)> {
    let packet = Packet::decode(bytes).ok()?;
    let encoded = packet.encode();
    Some((packet, encoded))
}
