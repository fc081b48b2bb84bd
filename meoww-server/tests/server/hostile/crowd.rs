//! A crowd of clients that begin and do not go on, while two go about their business.

pub(super) mod members;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use meoww_proto::signal::{ClientMessage, ServerMessage};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use self::members::Members;
use super::raw::{TEXT, authority, frame, upgraded};
use crate::{
    cases,
    harness::{Peer, patiently},
    process::{Process, command},
    sockets::{chat, meet, welcomed},
};

/// Sockets of one account that are let in at once.
const SOCKETS_EACH: usize = 8;
/// Generous for a debug build: what counts is that it does not grow with what is sent.
const MAX_BYTES_EACH: u64 = 100 * 1024;
/// The server's own bound is thirty seconds; the rest is for slow machines.
const ENDS_WITHIN: Duration = Duration::from_secs(90);

/// A thousand as a rule, ten thousand in a soak, and no more than the system lets us have.
fn crowd_size() -> u64 {
    let wanted = u64::from(4 * cases()).min(10_000);
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(wanted + 1000);
    let raised = Rlimit { current: Some(most), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("raised");
    wanted.min(most.saturating_sub(1000))
}

/// How a connection goes quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Silent,
    HalfHead,
    HalfBody,
    HalfFrame,
    /// Asks for a thousand answers and reads none.
    NeverReads,
}

const MANNERS: [Manner; 5] =
    [Manner::Silent, Manner::HalfHead, Manner::HalfBody, Manner::HalfFrame, Manner::NeverReads];

/// A connection whose system takes in little that is not read.
async fn little_room(url: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a smaller buffer");
    let address = authority(url).parse().expect("an address");
    socket.connect(address).await.expect("connected")
}

async fn join_crowd(url: &str, manner: Manner, access: &str) -> TcpStream {
    let mut stream = little_room(url).await;
    let bytes: Vec<u8> = match manner {
        Manner::Silent => Vec::new(),
        Manner::HalfHead => b"GET /health HTTP/1.1\r\nHost: x\r\nX-Half".to_vec(),
        Manner::HalfBody => {
            b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\
              Content-Type: application/json\r\n\r\n{\"email\":"
                .to_vec()
        }
        Manner::HalfFrame => {
            stream = upgraded(stream, access).await;
            let frame = frame(TEXT, &[b' '; 60_000]);
            frame[..frame.len() / 2].to_vec()
        }
        Manner::NeverReads => {
            stream = upgraded(stream, access).await;
            frame(TEXT, b"?").repeat(1000)
        }
    };
    stream.write_all(&bytes).await.expect("sent");
    stream
}

/// Reads until the server hangs up; gives the end of what it said.
async fn until_end(mut stream: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        said.extend_from_slice(&buffer[..n]);
    }
    said
}

/// Resident memory, in bytes.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"));
    let status = status.expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
    let kilobytes: u64 =
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kilobytes * 1024
}

/// One of a room never reads; the other is told in the end.
async fn partner_of_a_wall(url: &str, [partner, wall]: [String; 2]) {
    let stream = TcpStream::connect(authority(url)).await.expect("connected");
    let mut ada = Peer::over(url, stream, &partner).await;
    assert_eq!(welcomed(&mut ada).await, None);
    let stream = little_room(url).await;
    let mut wall = Peer::over(url, stream, &wall).await;
    assert_eq!(welcomed(&mut wall).await, None);
    let room = meet(&mut ada, &mut wall).await;
    loop {
        ada.say(room, &"x".repeat(2000)).await;
        match ada.next_within(Duration::from_millis(50)).await {
            Some(ServerMessage::PeerDisconnected { room_id }) => break assert_eq!(room_id, room),
            Some(ServerMessage::Chat(_) | ServerMessage::Error(_)) | None => {}
            Some(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_goes_quiet_is_in_nobodys_way() {
    let size = crowd_size();
    let data = tempfile::tempdir().expect("a directory");
    let of_each = size as usize / MANNERS.len();
    let members = Members::create(data.path(), 4 + 2 * of_each.div_ceil(SOCKETS_EACH)).await;
    let mut command = command(data.path());
    command.envs(members.environment()).stderr(std::process::Stdio::null());
    let server = Process::spawn(&mut command).await;
    let (pid, url) = (server.id(), Arc::<str>::from(server.url.as_str()));
    let (mut ada, mut bob) = (members.peer(&url, 2).await, members.peer(&url, 3).await);
    let room = meet(&mut ada, &mut bob).await;
    let before = memory(pid);

    let (their_url, wall) = (url.clone(), [members.access(0), members.access(1)]);
    let wall = tokio::spawn(async move { partner_of_a_wall(&their_url, wall).await });

    let start = Instant::now();
    let mut crowd = Vec::new();
    for (index, manner) in MANNERS.into_iter().enumerate() {
        let mut coming = FuturesUnordered::new();
        for n in 0..of_each {
            let member = 4 + (index % 2) * of_each.div_ceil(SOCKETS_EACH) + n / SOCKETS_EACH;
            let (url, access) = (url.clone(), members.access(member));
            coming.push(async move { (manner, join_crowd(&url, manner, &access).await) });
            if coming.len() >= 64 {
                crowd.extend(coming.next().await);
            }
        }
        crowd.extend(coming.collect::<Vec<_>>().await);
        chat(&mut ada, &mut bob, room, &format!("{manner:?}")).await;
    }
    println!("{} came within {:?}", crowd.len(), start.elapsed());

    let said = Instant::now();
    chat(&mut bob, &mut ada, room, "still here").await;
    let health = reqwest::get(format!("{url}/health")).await.expect("an answer");
    assert!(health.status().is_success());
    println!("an honest round trip took {:?}", said.elapsed());

    let during = memory(pid);
    println!("memory: {} MB, before: {} MB", during >> 20, before >> 20);
    assert!(during < before + size * MAX_BYTES_EACH, "{during}");

    // A socket may be silent for more than a minute, which its own tests see in virtual time.
    let (_sockets, impatient): (Vec<_>, Vec<_>) = crowd
        .into_iter()
        .partition(|(manner, _)| matches!(manner, Manner::HalfFrame | Manner::NeverReads));
    // No async closure: incremental builds with rustc 1.95 crash on one here.
    let ends = impatient.into_iter().map(|(manner, stream)| async move {
        let said = until_end(stream).await;
        let answered = said.starts_with(b"HTTP/1.1 408 ");
        assert_eq!(answered, manner == Manner::HalfBody, "{manner:?}");
    });
    let ends = tokio::time::timeout(ENDS_WITHIN, join_all(ends));
    let talk = async {
        loop {
            chat(&mut ada, &mut bob, room, "and still").await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        ends = ends => drop(ends.expect("each is hung up on")),
        () = talk => {}
    }
    patiently(wall).await.expect("no panic");
    println!("memory in the end: {} MB", memory(pid) >> 20);
    ada.send(ClientMessage::Leave).await;
    server.stop().await;
}
