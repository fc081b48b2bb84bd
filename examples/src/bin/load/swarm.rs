//! All connections, on one thread and one poll.

use std::{
    collections::{HashMap, HashSet},
    io::ErrorKind,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use meoww_proto::{RoomId, error::SignalErrorCode, signal::ClientMessage};
use mio::{Events, Poll, Token, Waker, event::Event};

use crate::{
    clock,
    heard::Heard,
    socket::{Gone, Incoming, Socket},
    target::Target,
    tokens::Cookie,
};

const EVENTS: usize = 4096;
const SCRATCH_BYTES: usize = 64 * 1024;
/// The token of the waker; connections have their numbers.
const WAKER: Token = Token(usize::MAX);
/// Longest a turn waits, so that progress is told and an interruption heard.
const TURN: Duration = Duration::from_millis(100);

/// What happened to a connection.
#[derive(Debug)]
pub(crate) enum News {
    /// It is up, so long after it began to connect.
    Up { took: Duration },
    /// It has a partner, so long after it was to look for one.
    Matched { waited: Duration },
    /// Its partner left.
    Parted,
    /// Its partner's words came, so long after they were due.
    Said { took: Duration },
    /// Something was refused.
    Refused(SignalErrorCode),
    /// It is no more.
    Gone(Gone),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateLimitStatus {
    Connecting { since: Instant },
    Idle,
    Searching { since: Instant },
    InRoom(RoomId),
    Gone,
}

struct Member {
    socket: Socket,
    status: RateLimitStatus,
}

pub(crate) struct Swarm {
    /// The nodes; connection N is at the Nth, counted around.
    targets: Vec<Target>,
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    interrupted: Arc<AtomicBool>,
    scratch: Box<[u8]>,
    members: Vec<Member>,
    news: Vec<(usize, News)>,
    /// What times in messages count from.
    start: Instant,
}

impl Swarm {
    pub(crate) fn new(targets: Vec<Target>, interrupted: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let poll = Poll::new().context("cannot poll")?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).context("cannot poll")?);
        Ok(Self {
            targets,
            poll,
            waker,
            interrupted,
            events: Events::with_capacity(EVENTS),
            scratch: vec![0; SCRATCH_BYTES].into(),
            members: Vec::new(),
            news: Vec::new(),
            start: clock(),
        })
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn status(&self, who: usize) -> RateLimitStatus {
        self.members[who].status
    }

    pub(crate) fn count(&self, is: impl Fn(RateLimitStatus) -> bool) -> usize {
        self.members.iter().filter(|member| is(member.status)).count()
    }

    /// The node a connection is at.
    fn node_of(&self, who: usize) -> usize {
        who % self.targets.len()
    }

    /// The connections whose partner is at another node.
    pub(crate) fn across(&self) -> HashSet<usize> {
        let mut first: HashMap<RoomId, usize> = HashMap::new();
        let mut across = HashSet::new();
        for (who, member) in self.members.iter().enumerate() {
            let RateLimitStatus::InRoom(room) = member.status else { continue };
            let partner = *first.entry(room).or_insert(who);
            if self.node_of(partner) != self.node_of(who) {
                across.extend([partner, who]);
            }
        }
        across
    }

    /// Whether there are several nodes.
    pub(crate) fn is_fleet(&self) -> bool {
        self.targets.len() > 1
    }

    /// How long after the start that is.
    pub(crate) fn offset(&self, at: Instant) -> Duration {
        at.duration_since(self.start)
    }

    /// Begins one more connection.
    pub(crate) fn open(&mut self, cookie: &Cookie) -> Result<(), Gone> {
        let token = Token(self.members.len());
        let target = &self.targets[self.node_of(token.0)];
        let (upgrade, address): (_, SocketAddr) = (target.upgrade(cookie), target.address);
        let socket = Socket::connect(address, upgrade, self.poll.registry(), token)?;
        self.members
            .push(Member { socket, status: RateLimitStatus::Connecting { since: clock() } });
        Ok(())
    }

    /// Looks for a partner; its wait counts from `since`.
    pub(crate) fn search(&mut self, who: usize, words: &ClientMessage, since: Instant) {
        let status = &mut self.members[who].status;
        if *status != RateLimitStatus::Gone {
            *status = RateLimitStatus::Searching { since };
            self.say(who, words);
        }
    }

    pub(crate) fn say(&mut self, who: usize, words: &ClientMessage) {
        let member = &mut self.members[who];
        if member.status == RateLimitStatus::Gone {
            return;
        }
        if let Err(why) = member.socket.say(&words.encode()) {
            self.lose(who, why);
        }
    }

    /// Waits a moment for news, and returns them.
    pub(crate) fn turn(&mut self) -> anyhow::Result<Vec<(usize, News)>> {
        match self.poll.poll(&mut self.events, Some(TURN)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            polled => polled.context("cannot poll")?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in events.iter().filter(|event| event.token() != WAKER) {
            self.serve(event);
        }
        self.events = events;
        Ok(std::mem::take(&mut self.news))
    }

    /// Says goodbye to all.
    pub(crate) fn close(self) {
        for member in self.members {
            if member.status != RateLimitStatus::Gone {
                member.socket.close();
            }
        }
    }

    fn serve(&mut self, event: &Event) {
        let who = event.token().0;
        let Self { members, scratch, news, start, .. } = self;
        let Member { socket, status } = &mut members[who];
        if *status == RateLimitStatus::Gone {
            return;
        }
        let mut result = if event.is_writable() { socket.writable() } else { Ok(()) };
        if event.is_readable() && result.is_ok() {
            result = socket.readable(scratch, event.is_read_closed(), |incoming| {
                let Incoming::Text(text) = incoming else { return };
                if let Some(heard) = Heard::parse(text)
                    && let Some(what) = understood(heard, status, *start)
                {
                    news.push((who, what));
                }
            });
        }
        if let Err(why) = result {
            self.lose(who, why);
        }
    }

    fn lose(&mut self, who: usize, why: Gone) {
        self.members[who].status = RateLimitStatus::Gone;
        self.news.push((who, News::Gone(why)));
    }
}

fn understood(heard: Heard, status: &mut RateLimitStatus, start: Instant) -> Option<News> {
    let now = clock();
    match (heard, *status) {
        (Heard::Welcome, RateLimitStatus::Connecting { since }) => {
            *status = RateLimitStatus::Idle;
            Some(News::Up { took: now - since })
        }
        (Heard::Matched(room), RateLimitStatus::Searching { since }) => {
            *status = RateLimitStatus::InRoom(room);
            Some(News::Matched { waited: now - since })
        }
        (Heard::PeerDisconnected, RateLimitStatus::InRoom(_)) => {
            *status = RateLimitStatus::Idle;
            Some(News::Parted)
        }
        (Heard::Said(due), _) => Some(News::Said { took: (now - start).saturating_sub(due) }),
        (Heard::Refused(code), _) => Some(News::Refused(code)),
        _ => None,
    }
}
