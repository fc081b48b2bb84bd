//! Request bodies on their way in: how long a request may take, and what becomes of the rest of a
//! body whose request was answered already.

use std::{
    mem,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::header::EXPECT,
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use hyper::body::{Frame, SizeHint};
use tokio::time::timeout;

use super::{error::Refusal, upload};
use crate::services::Services;

/// Longest a request may take, body and answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Likewise with a photo in it: 5 MB at 700 kbit/s.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest the rest of a body is read after the answer, and most bytes of it. Many clients read an
/// answer only once they have sent all of their request, and a connection that is closed with bytes
/// unread is reset, which takes the answer with it (RFC 9112, 9.6). More than any photo has.
const MAX_DISCARD_TIME: Duration = UPLOAD_TIMEOUT;
const MAX_DISCARDED_BYTES: usize = 64 * 1024 * 1024;

/// The layer: answers in bounded time, and reads on after an answer that came before the body.
pub(crate) async fn bounded(
    State(services): State<Arc<Services>>,
    request: Request,
    next: Next,
) -> Response {
    let uploads = upload::is_multipart(request.headers());
    let longest = if uploads { UPLOAD_TIMEOUT } else { REQUEST_TIMEOUT };
    let (request, progress) = Watched::body_of(request);
    let outcome = {
        let mut answer = pin!(next.run(request));
        timeout(longest, &mut answer).await.map_err(|_| progress.is_awaited())
    };
    let response = match outcome {
        Ok(response) => response,
        // A client that slow would take up the bounds below, too.
        Err(true) => return Refusal::TooSlow.into_response(),
        Err(false) => Refusal::Busy.into_response(),
    };
    if let Some(rest) = progress.rest() {
        let reading = timeout(MAX_DISCARD_TIME, discard(rest));
        let closing = services.closing.clone();
        services.background.follow_up(async move {
            let _ = closing.run_until_cancelled(reading).await;
        });
    }
    response
}

/// Reads a body to its end, or to the bound.
async fn discard(body: Body) {
    let mut chunks = body.into_data_stream();
    let mut discarded = 0;
    while let Some(Ok(chunk)) = chunks.next().await {
        discarded += chunk.len();
        if discarded > MAX_DISCARDED_BYTES {
            break;
        }
    }
}

/// What is known of a body from outside of its handler.
#[derive(Default)]
struct Progress {
    /// Whether the handler waits for the client to send more.
    awaited: AtomicBool,
    /// The part that the handler did not want.
    rest: Mutex<Option<Body>>,
}

impl Progress {
    fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed)
    }

    fn rest(&self) -> Option<Body> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A body that tells how far it was read.
struct Watched {
    body: Body,
    /// Whether the client sends nothing before it is told to go on (RFC 9110, 10.1.1).
    holds_back: bool,
    progress: Arc<Progress>,
}

impl Watched {
    fn body_of(request: Request) -> (Request, Arc<Progress>) {
        let progress = Arc::<Progress>::default();
        let holds_back = request.headers().contains_key(EXPECT);
        let watched = progress.clone();
        let request = request.map(|body| Body::new(Self { body, holds_back, progress: watched }));
        (request, progress)
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.holds_back = false;
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.progress.awaited.store(polled.is_pending(), Ordering::Relaxed);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.progress.awaited.store(false, Ordering::Relaxed);
        if !self.holds_back && !self.body.is_end_stream() {
            let mut rest = self.progress.rest.lock().unwrap_or_else(PoisonError::into_inner);
            *rest = Some(mem::take(&mut self.body));
        }
    }
}

#[cfg(test)]
mod tests;
