//! One peer of the benchmark: says `ready`, is told `search`, says `searching`, has one call,
//! prints a [`PeerOutput`], and leaves when told so.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Args;
use cpu_time::ProcessTime;
use meoww_cli::{
    api::Api,
    core::event::{CallEvent, Command, Stats},
    driver::{ClientHandle, Options},
    sound::{AudioIn, AudioOut, SoundConfig},
};
use meoww_examples::{
    account::throw_away,
    offscreen::{Drawn, Offscreen},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::sleep_until,
};

use crate::{
    control::Control,
    ears::{self, Heard},
    report::{PeerOutput, PeerReport, percentile},
    scene::Scene,
};

#[derive(Args)]
pub(crate) struct PeerArgs {
    #[arg(long)]
    server: String,
    #[arg(long)]
    outbox: PathBuf,
    #[arg(long, value_parser = humantime::parse_duration)]
    duration: Duration,
    #[arg(long, value_enum)]
    scene: Scene,
    #[arg(long, value_enum)]
    estimator: Control,
}

/// When things happened.
#[derive(Default)]
struct Moments {
    search: Option<Instant>,
    matched: Option<Instant>,
    connected: Option<(Instant, ProcessTime)>,
    first_frame: Option<Instant>,
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this is for")]
pub(crate) async fn run(args: PeerArgs) -> anyhow::Result<()> {
    let account = throw_away(args.server.parse()?, &args.outbox).await?;
    let options = options(account.api.clone(), args.scene, args.estimator);
    let mut client = ClientHandle::start(options).await?;
    let screen = Offscreen::attach(&client, args.scene.screen());
    println!("ready");
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    orders.next_line().await?.context("the benchmark is gone")?;
    let mut moments = Moments { search: Some(Instant::now()), ..Moments::default() };
    client.commands.send(Command::Search).await?;
    let mut stats = Vec::new();
    loop {
        let end = moments.connected.map(|(at, _)| at + args.duration);
        tokio::select! {
            () = async { sleep_until(end.expect("guarded").into()).await }, if end.is_some() => break,
            event = client.events.recv() => match event.context("the client ended")? {
                CallEvent::Searching => println!("searching"),
                CallEvent::Matched { .. } => moments.matched = Some(Instant::now()),
                CallEvent::Connected { .. } => {
                    screen.take();
                    ears::take();
                    moments.connected = Some((Instant::now(), ProcessTime::now()));
                }
                CallEvent::FirstFrame => moments.first_frame = Some(Instant::now()),
                CallEvent::Stats(second) => stats.push((Instant::now(), second)),
                CallEvent::Ended(reason) => bail!("the call ended early: {reason:?}"),
                CallEvent::SearchEnded => bail!("the search was taken over"),
                CallEvent::Notice(_)
                | CallEvent::NoPicture(_)
                | CallEvent::Reconnecting(_)
                | CallEvent::Reconnected { .. }
                | CallEvent::Route { .. }
                | CallEvent::GoDirect(_)
                | CallEvent::NoSound
                | CallEvent::PartnerSound { .. }
                | CallEvent::Safety(_)
                | CallEvent::Muted(_)
                | CallEvent::MutedButTalking
                | CallEvent::PartnerCamera { .. }
                | CallEvent::Message { .. }
                | CallEvent::ServerLost { .. }
                | CallEvent::ServerBack
                | CallEvent::Blocked { .. }
                | CallEvent::Reported { .. }
                | CallEvent::Presence(_)
                | CallEvent::Draining { .. }
                | CallEvent::Announcement(_)
                | CallEvent::Refused { .. } => {}
            },
        }
    }
    let report = report(&moments, screen.take(), &stats)?;
    println!("{}", serde_json::to_string(&report)?);
    // Until both have their figures: a goodbye now would cut the other's short.
    orders.next_line().await?;
    client.finish().await?;
    // The reader of stdin may block for ever.
    std::process::exit(0);
}

/// A picture that says when it was made, and clicks that do.
fn options(api: Arc<Api>, scene: Scene, estimator: Control) -> Options {
    let (input, output) = (AudioIn::Made(ears::mouth), AudioOut::Taken(ears::ear));
    Options {
        api,
        camera: scene.camera(),
        sound: SoundConfig { input, output, ..SoundConfig::default() },
        way: None,
        terms: Default::default(),
        congestion_control: estimator.chosen(),
    }
}

/// Between each picture and the sound of its moment: the age of the picture when it was drawn, less that
/// of the click that was heard next to it in time.
fn apart(drawn: &[(Instant, f64)], heard: &[(Instant, f64)]) -> Vec<f64> {
    let between = |one: Instant, other: Instant| {
        one.saturating_duration_since(other).max(other.saturating_duration_since(one))
    };
    let apart = drawn.iter().filter_map(|(at, picture)| {
        let (_, sound) = heard.iter().min_by_key(|(heard, _)| between(*heard, *at))?;
        Some((picture - sound).abs())
    });
    sorted(apart)
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn report(
    moments: &Moments,
    drawn: Drawn,
    stats: &[(Instant, Stats)],
) -> anyhow::Result<PeerOutput> {
    let search = moments.search.context("never searched")?;
    let matched = moments.matched.context("never matched")?;
    let (connected, cpu_before) = moments.connected.context("never connected")?;
    let first_frame = moments.first_frame.context("never saw a picture")?;
    let ms = |from: Instant, to: Instant| (to.saturating_duration_since(from)).as_secs_f64() * 1e3;
    let seconds = connected.elapsed().as_secs_f64();
    let cpu = cpu_before.elapsed().as_secs_f64();
    let last = stats.last().map(|(_, last)| *last).unwrap_or_default();
    // Before there is a picture nothing is drawn: on a long path, for the first two of these seconds.
    let began = first_frame + Duration::from_secs(1);
    let whole: Vec<_> = stats.iter().filter(|(at, _)| *at >= began).map(|(_, of)| of).collect();
    let mean = |of: fn(&Stats) -> f32| {
        f64::from(whole.iter().map(|second| of(second)).sum::<f32>()) / whole.len().max(1) as f64
    };
    let Heard { latencies_ms: heard, resumed_ms: sound_resumed_ms, .. } = ears::take();
    let apart = apart(&drawn.latencies_ms, &heard);
    let [glass, ear] =
        [&drawn.latencies_ms, &heard].map(|ages| sorted(ages.iter().map(|(_, ms)| *ms)));
    let report = PeerReport {
        search_to_matched_ms: ms(search, matched),
        matched_to_connected_ms: ms(matched, connected),
        matched_to_first_frame_ms: ms(matched, first_frame),
        glass_to_glass_p50_ms: percentile(&glass, 0.50),
        glass_to_glass_p95_ms: percentile(&glass, 0.95),
        glass_to_glass_p99_ms: percentile(&glass, 0.99),
        mouth_to_ear_p50_ms: percentile(&ear, 0.50),
        mouth_to_ear_p99_ms: percentile(&ear, 0.99),
        lip_sync_p95_ms: percentile(&apart, 0.95),
        clicks_heard: ear.len() as u64,
        sound_concealed_ms: last.sound.concealed_ms,
        sound_kbps_in: mean(|second| second.sound.kbps_in),
        sound_packets_lost: last.sound.packets_lost,
        frames_sent: last.frames_sent,
        frames_decoded: last.frames_decoded,
        frames_drawn: drawn.frames,
        frames_lost: last.frames_lost,
        key_frames_asked_a_minute: last.keyframes_requested as f64 / seconds * 60.0,
        pattern_frames_missed: drawn.missed,
        longest_freeze_ms: drawn.longest_gap.as_secs_f64() * 1e3,
        fps_drawn: mean(|second| second.fps_drawn),
        kbps_in: mean(|second| second.kbps_in),
        rtt_ms: last.rtt_ms.map(f64::from),
        cpu_seconds_a_minute: cpu / seconds * 60.0,
        terminal_bytes_a_second: drawn.bytes as f64 / seconds,
        sound_back_after_ms: None,
        picture_back_after_ms: None,
    };
    let picture_resumed_ms = drawn.resumed_ms;
    Ok(PeerOutput { report, sound_resumed_ms, picture_resumed_ms })
}
