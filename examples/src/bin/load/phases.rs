//! What is done to the server, one thing after the other.

use std::time::Duration;

use meoww_proto::signal::{ClientMessage, Relay, RelayPayload, Search};

use crate::{
    clock,
    heard::words,
    pace::Pace,
    swarm::{News, RateLimitStatus, Swarm},
    tally::Tally,
    tokens::Cookie,
};

/// A server that does nothing for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Those who just parted are kept from each other for a while, so the last may wait in vain.
const SETTLING: Duration = Duration::from_secs(5);
/// How long what was sent last may take.
const LATE: Duration = Duration::from_secs(2);

/// Connects all, so many at a time.
pub(crate) fn connect(
    swarm: &mut Swarm,
    cookies: &[Cookie],
    at_a_time: usize,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let mut left = cookies.iter();
    let mut last = clock();
    while !swarm.is_interrupted() {
        let connecting = swarm.count(|of| matches!(of, RateLimitStatus::Connecting { .. }));
        for cookie in left.by_ref().take(at_a_time.saturating_sub(connecting)) {
            if let Err(why) = swarm.open(cookie) {
                tally.problem(&why);
            }
        }
        let is_over = connecting == 0 && left.len() == 0;
        for (_, news) in swarm.turn()? {
            last = clock();
            match news {
                News::Up { took } => tally.took(took),
                other => tally.aside(&other),
            }
        }
        tally.progress(|tally| format!("{} of {} connected", tally.done(), cookies.len()));
        if is_over && swarm.count(|of| matches!(of, RateLimitStatus::Connecting { .. })) == 0 {
            return Ok(());
        }
        if last.elapsed() > PATIENCE {
            let stuck = swarm.count(|of| matches!(of, RateLimitStatus::Connecting { .. }));
            (0..stuck + left.len()).for_each(|_| tally.problem("timed out"));
            return Ok(());
        }
    }
    Ok(())
}

/// Lets everybody look for a partner at once.
pub(crate) fn search(swarm: &mut Swarm, tally: &mut Tally) -> anyhow::Result<()> {
    let search = ClientMessage::Search(Default::default());
    for who in 0..swarm.len() {
        if swarm.status(who) == RateLimitStatus::Idle {
            swarm.search(who, &search, clock());
        }
    }
    settle(swarm, tally, PATIENCE)
}

/// Lets each look for the next one, of a fleet on the next node, by a tag that two have.
pub(crate) fn pair(swarm: &mut Swarm, tally: &mut Tally) -> anyhow::Result<()> {
    for who in 0..swarm.len() {
        if swarm.status(who) == RateLimitStatus::Idle {
            let tags = vec![format!("pair{}", who / 2).parse()?];
            let search = Search { tags, ..Search::default() };
            swarm.search(who, &ClientMessage::Search(search), clock());
        }
    }
    settle(swarm, tally, PATIENCE)
}

/// Lets one after the other skip; who was left looks anew at once, as people do.
pub(crate) fn skip(
    swarm: &mut Swarm,
    rate: f64,
    duration: Duration,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let (mut turns, mut pace) = (Turns::default(), Pace::start(rate, swarm.waker()));
    let end = clock() + duration;
    while clock() < end && !swarm.is_interrupted() {
        for (who, news) in swarm.turn()? {
            heard(swarm, who, &news, tally);
        }
        while let Some(at) = pace.due(clock())
            && let Some((who, _)) = turns.next(swarm, |_| true)
        {
            swarm.search(who, &ClientMessage::Skip, at);
            pace.done();
            tally.add("skips", 1);
        }
        tally.progress(|tally| format!("{} matches", tally.done()));
    }
    tally.stop();
    settle(swarm, tally, SETTLING)
}

/// Lets one after the other say something to its partner.
pub(crate) fn relay(
    swarm: &mut Swarm,
    rate: f64,
    duration: Duration,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let (mut turns, mut pace) = (Turns::default(), Pace::start(rate, swarm.waker()));
    let among = swarm.is_fleet().then(|| swarm.across());
    let is_among = |who| among.as_ref().is_none_or(|among| among.contains(&who));
    let end = clock() + duration;
    let mut sent = 0;
    while !swarm.is_interrupted() {
        let now = clock();
        while let Some(at) = pace.due(now).filter(|at| *at < end)
            && let Some((who, room_id)) = turns.next(swarm, is_among)
        {
            let payload = RelayPayload::Chat(words(swarm.offset(at)));
            swarm.say(who, &ClientMessage::Relay(Relay { room_id, payload }));
            pace.done();
            sent += 1;
        }
        if now >= end {
            tally.stop();
        }
        if now >= end && tally.done() >= sent || now >= end + LATE {
            break;
        }
        for (_, news) in swarm.turn()? {
            match news {
                News::Said { took } => tally.took(took),
                other => tally.aside(&other),
            }
        }
        tally.progress(|tally| format!("{} of {sent} relayed", tally.done()));
    }
    tally.add("sent", sent);
    tally.add("across", among.map_or(0, |among| among.len() as u64 / 2));
    tally.add("lost", sent.saturating_sub(tally.done()));
    Ok(())
}

/// Waits until everybody has a partner who can have one, or nobody finds one any more.
fn settle(swarm: &mut Swarm, tally: &mut Tally, patience: Duration) -> anyhow::Result<()> {
    let mut last = clock();
    while !swarm.is_interrupted() && last.elapsed() < patience {
        let waiting = swarm.count(|of| matches!(of, RateLimitStatus::Searching { .. }));
        // One of an even number waits only until it is told that its partner was left, too.
        if waiting <= swarm.count(|of| of != RateLimitStatus::Gone) % 2 {
            break;
        }
        for (who, news) in swarm.turn()? {
            if heard(swarm, who, &news, tally) {
                last = clock();
            }
        }
        tally.progress(|tally| format!("{} matches, {waiting} still searching", tally.done()));
    }
    tally
        .add("unmatched", swarm.count(|of| matches!(of, RateLimitStatus::Searching { .. })) as u64);
    Ok(())
}

/// Whether it was a match.
fn heard(swarm: &mut Swarm, who: usize, news: &News, tally: &mut Tally) -> bool {
    match news {
        News::Matched { waited } => {
            tally.took(*waited);
            return true;
        }
        News::Parted => swarm.search(who, &ClientMessage::Search(Default::default()), clock()),
        other => tally.aside(other),
    }
    false
}

/// Whose turn it is.
#[derive(Default)]
struct Turns(usize);

impl Turns {
    /// The next of those with a partner; `None` if nobody has one.
    fn next(
        &mut self,
        swarm: &Swarm,
        is_among: impl Fn(usize) -> bool,
    ) -> Option<(usize, meoww_proto::RoomId)> {
        for _ in 0..swarm.len() {
            let who = self.0 % swarm.len();
            self.0 = who + 1;
            if let RateLimitStatus::InRoom(room_id) = swarm.status(who)
                && is_among(who)
            {
                return Some((who, room_id));
            }
        }
        None
    }
}
