//! A screen nobody looks at: draws what a terminal would show, and measures it.

use std::{
    num::NonZero,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

use meoww_cli::{
    driver::ClientHandle,
    picture::{
        source::pattern,
        wanted::{MOST_FPS, Wanted},
    },
};
use meoww_paint::{Color, Frame, Mode, Rect, Render, Size, Traits};
use tokio::task::AbortHandle;

/// A time without a new picture that is noticed.
pub const FREEZE: Duration = Duration::from_millis(500);

/// What was drawn since the last [`Offscreen::take`].
#[derive(Debug, Default, Clone)]
pub struct Drawn {
    /// Pictures.
    pub frames: u64,
    /// Bytes a terminal would have been sent.
    pub bytes: u64,
    /// When each picture was drawn, and the milliseconds since the pattern's time stamp.
    pub latencies_ms: Vec<(Instant, f64)>,
    /// Pictures made by the partner and never drawn, by the pattern's counter.
    pub missed: u64,
    /// Longest time without a new picture.
    pub longest_gap: Duration,
    /// When each time without one was over that was longer than [`FREEZE`], in milliseconds since the
    /// epoch.
    pub resumed_ms: Vec<f64>,
    last: Option<(Instant, u32)>,
}

/// The screen of a client.
pub struct Offscreen {
    drawn: Arc<Mutex<Drawn>>,
    task: AbortHandle,
}

impl Offscreen {
    /// Draws whatever comes, half blocks in true colour, `size` cells large.
    pub fn attach(client: &ClientHandle, size: Size) -> Self {
        let mode = Mode::new(Render::HalfBlock, Color::True);
        let mut painter = mode.painter(Traits::USUAL);
        client.wanted.send_replace(Wanted::new(painter.grid(size), MOST_FPS));
        let (mut remote, counter) = (client.remote.clone(), client.drawn.clone());
        let drawn = Arc::<Mutex<Drawn>>::default();
        let shared = drawn.clone();
        #[expect(clippy::disallowed_methods, reason = "aborted with the screen")]
        let task = tokio::spawn(async move {
            let mut out = Vec::new();
            while remote.changed().await.is_ok() {
                let frame = remote.borrow_and_update().clone();
                let Some(frame) = frame else {
                    painter.invalidate();
                    continue;
                };
                out.clear();
                painter.draw(&frame, Rect::from(size), &[], &mut out);
                counter.fetch_add(1, Relaxed);
                shared.lock().unwrap_or_else(PoisonError::into_inner).count(&frame, out.len());
            }
        });
        Self { drawn, task: task.abort_handle() }
    }

    /// What was drawn since the last call.
    pub fn take(&self) -> Drawn {
        std::mem::take(&mut *self.drawn.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Offscreen {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drawn {
    #[expect(clippy::disallowed_methods, reason = "measuring is what this is for")]
    fn count(&mut self, frame: &Frame, bytes: usize) {
        let now = Instant::now();
        self.frames += 1;
        self.bytes += bytes as u64;
        let Some(stamp) = pattern::read(frame) else { return };
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let wall_ticks = (wall.as_micros() / 100) as u32;
        self.latencies_ms.push((now, f64::from(wall_ticks.wrapping_sub(stamp.sent)) / 10.0));
        if let Some((at, counter)) = self.last {
            self.longest_gap = self.longest_gap.max(now - at);
            if now - at > FREEZE {
                self.resumed_ms.push(wall.as_secs_f64() * 1e3);
            }
            let step = stamp.counter.wrapping_sub(counter) & pattern::COUNTER_MASK;
            self.missed += u64::from(step.saturating_sub(1));
        }
        self.last = Some((now, stamp.counter));
    }
}

/// The picture as lines of text.
pub fn snapshot(frame: &Frame, size: Size) -> String {
    let mode = Mode::new(Render::Ascii, Color::Mono);
    let mut bytes = Vec::new();
    mode.painter(Traits::USUAL).draw(frame, Rect::from(size), &[], &mut bytes);
    let [rows, columns] =
        [size.height, size.width].map(|n| NonZero::new(n).unwrap_or(NonZero::<u16>::MIN));
    let mut terminal = vt100::Parser::new(rows, columns, 0);
    terminal.process(&bytes);
    terminal.screen().contents()
}
