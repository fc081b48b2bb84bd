//! Pictures when they are due: of a film by its clock, of a camera as they come.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::picture::{
    slot::FrameSlot,
    source::{Reel, Shot, Source, SourceError},
};

/// A film of no more pictures is a still, and stays.
const STILL: u64 = 2;
/// How much sooner than its time a picture may come: rates are seldom whole milliseconds.
const SLACK: Duration = Duration::from_millis(1);

/// Where pictures come from.
pub struct Feed {
    kind: Kind,
    /// The least time between two pictures.
    spacing: Duration,
    /// Pictures of moments before this are left out.
    not_before: Duration,
    /// Whether one more picture is due although it is paused.
    is_wanted: bool,
    is_paused: bool,
}

enum Kind {
    Film(Film),
    Camera(Camera),
}

struct Film {
    reel: Reel,
    /// Read, and not due yet.
    next: Option<Shot>,
    /// The moment of the last picture, or that it was wound to.
    at: Duration,
    /// When it began to run, and the moment of the film at that time; `None` until a picture is
    /// there, so that what it takes to open a file is not left out.
    began: Option<(Instant, Duration)>,
    count: u64,
}

struct Camera {
    source: Source,
    slot: FrameSlot,
    began: Instant,
}

impl Feed {
    /// A film, with so many pictures a second at most.
    pub fn film(reel: Reel, fps: Option<u16>) -> Self {
        let film = Film { reel, next: None, at: Duration::ZERO, began: None, count: 0 };
        Self::new(Kind::Film(film), fps)
    }

    /// A camera or what stands for one, with so many pictures a second at most.
    #[expect(clippy::disallowed_methods, reason = "a camera's clock starts with it")]
    pub fn camera(source: Source, fps: Option<u16>) -> Self {
        let (slot, began) = (source.pictures(), Instant::now());
        Self::new(Kind::Camera(Camera { source, slot, began }), fps)
    }

    fn new(kind: Kind, fps: Option<u16>) -> Self {
        let spacing = fps.map_or(Duration::ZERO, |fps| Duration::from_secs(1) / u32::from(fps));
        let (not_before, is_wanted, is_paused) = (Duration::ZERO, false, false);
        Self { kind, spacing, not_before, is_wanted, is_paused }
    }

    /// How long it is, where it has an end.
    pub(super) fn length(&self) -> Option<Duration> {
        match &self.kind {
            Kind::Film(film) => film.reel.length(),
            Kind::Camera(_) => None,
        }
    }

    /// Stops, or goes on from where it was stopped.
    pub(super) fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
        if let Kind::Film(film) = &mut self.kind {
            film.began = None;
        }
    }

    /// Goes on at another moment; paused, with one picture of it.
    ///
    /// # Errors
    ///
    /// There is no thread left to read it.
    pub(super) fn wind(&mut self, to: Duration) -> Result<(), SourceError> {
        if let Kind::Film(film) = &mut self.kind {
            film.reel.wind(to)?;
            (film.next, film.at, film.began) = (None, to, None);
            (self.not_before, self.is_wanted) = (Duration::ZERO, true);
        }
        Ok(())
    }

    /// Waits for the next picture that is due; `None` at the end of a film.
    ///
    /// Cancel safe.
    pub(super) async fn shot(&mut self) -> Option<Result<Shot, SourceError>> {
        if self.is_paused && !self.is_wanted {
            return std::future::pending().await;
        }
        let not_before = self.not_before.saturating_sub(SLACK);
        let shot = match &mut self.kind {
            Kind::Film(film) => film.shot(not_before).await?,
            Kind::Camera(camera) => camera.shot(not_before).await,
        };
        if let Ok(shot) = &shot {
            self.not_before = (self.not_before + self.spacing).max(shot.at);
            self.is_wanted = false;
        }
        Some(shot)
    }
}

impl Film {
    async fn shot(&mut self, not_before: Duration) -> Option<Result<Shot, SourceError>> {
        while self.next.is_none() {
            match self.reel.shot().await {
                Some(Ok(shot)) if shot.at < not_before => {}
                Some(Ok(shot)) => self.next = Some(shot),
                Some(Err(error)) => return Some(Err(error)),
                None if self.count <= STILL => return std::future::pending().await,
                // The last picture is shown as long as any.
                None => {
                    sleep_until(self.due(self.at + self.reel.interval())).await;
                    return None;
                }
            }
        }
        let at = self.next.as_ref()?.at;
        sleep_until(self.due(at)).await;
        (self.at, self.count) = (at, self.count + 1);
        self.next.take().map(Ok)
    }

    #[expect(clippy::disallowed_methods, reason = "a film is played by the clock")]
    fn due(&mut self, at: Duration) -> Instant {
        let (since, from) = *self.began.get_or_insert_with(|| (Instant::now(), self.at));
        since + at.saturating_sub(from)
    }
}

impl Camera {
    async fn shot(&mut self, not_before: Duration) -> Result<Shot, SourceError> {
        loop {
            let is_open = self.slot.changed().await.is_ok();
            let picture = self.slot.borrow_and_update().clone();
            let at = self.began.elapsed();
            match picture {
                Some(picture) if at >= not_before => return Ok(Shot { at, picture }),
                None if !is_open => {
                    let gone = || SourceError::CameraGone("it sends no more pictures".to_owned());
                    return Err(self.source.ended().cloned().unwrap_or_else(gone));
                }
                Some(_) | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::source::{Camera as Choice, pattern};

    /// A film of so many pictures with a counter, 20 a second.
    fn film(pictures: u32) -> (tempfile::TempDir, Reel) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pattern.y4m");
        let encoder = ::y4m::encode(160, 120, ::y4m::Ratio::new(20, 1));
        let mut encoder = encoder.write_header(std::fs::File::create(&path).unwrap()).unwrap();
        for counter in 0..pictures {
            let picture = pattern::draw(160, 120, 0, pattern::Stamp { counter, sent: 7 });
            encoder.write_frame(&::y4m::Frame::new(picture.planes(), None)).unwrap();
        }
        let reel = Reel::open(&path).unwrap();
        (folder, reel)
    }

    /// Counters of the pictures up to the end, each with its time in milliseconds since now.
    #[expect(clippy::disallowed_methods, reason = "the clock of the test stands still")]
    async fn shown(feed: &mut Feed) -> Vec<(u128, u32)> {
        let (began, mut seen) = (Instant::now(), Vec::new());
        while let Some(shot) = feed.shot().await {
            let counter = pattern::read(&shot.unwrap().picture).unwrap().counter;
            seen.push((began.elapsed().as_millis(), counter));
        }
        assert!(began.elapsed().as_millis() >= seen.last().map_or(0, |last| last.0 + 50));
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn a_film_runs_by_the_clock_to_its_end() {
        let (_folder, reel) = film(4);
        let expected = [(0, 0), (50, 1), (100, 2), (150, 3)];
        assert_eq!(shown(&mut Feed::film(reel, None)).await, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_by_leaving_pictures_out() {
        let (_folder, reel) = film(10);
        let counters = shown(&mut Feed::film(reel, Some(8))).await;
        // Due at 0, 125, 250, 375 ms.
        assert_eq!(counters, [(0, 0), (150, 3), (250, 5), (400, 8)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_film_goes_on_where_it_was_wound_to() {
        let (_folder, reel) = film(20);
        let mut feed = Feed::film(reel, None);
        assert_eq!(feed.length(), Some(Duration::from_secs(1)));
        feed.shot().await.unwrap().unwrap();
        feed.pause(true);
        feed.wind(Duration::from_millis(900)).unwrap();
        let shot = feed.shot().await.unwrap().unwrap();
        assert_eq!(shot.at.as_millis(), 900, "one picture, although it is paused");
        let more = tokio::time::timeout(Duration::from_secs(9), feed.shot()).await;
        assert!(more.is_err(), "it is paused");
        feed.pause(false);
        assert_eq!(shown(&mut feed).await, [(50, 19)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_still_stays() {
        let (_folder, reel) = film(1);
        let mut feed = Feed::film(reel, None);
        feed.shot().await.unwrap().unwrap();
        let more = tokio::time::timeout(Duration::from_secs(9), feed.shot()).await;
        assert!(more.is_err(), "it ended");
    }

    #[tokio::test]
    async fn a_camera_is_shown_as_it_comes() {
        let source = Source::open(&Choice::Pattern(0)).unwrap();
        let mut feed = Feed::camera(source, None);
        let mut next = async || feed.shot().await.unwrap().unwrap();
        let [first, second] = [next().await, next().await];
        assert!(second.at >= first.at && feed.length().is_none());
    }

    #[tokio::test]
    async fn a_camera_that_sends_nothing_says_so() {
        let source = Source::open(&Choice::None).unwrap();
        assert!(Feed::camera(source, None).shot().await.unwrap().is_err());
    }
}
