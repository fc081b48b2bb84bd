//! Bodies of posts: each is bounded, and all of them together. A client sends a body as slowly as
//! it likes, and what came of it is held until its packets were handled.

use std::sync::Arc;

use axum::body::Body;
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{services::Refusal, sockets::ws::MAX_FRAME_BYTES};

/// Bytes of each body that are always taken: an offer of a browser, or some chat lines. So many
/// that only unusual clients compete for the rest.
const FREE: usize = 8 * 1024;
/// Bytes of all bodies beyond those.
const BUDGET: usize = 64 * 1024 * 1024;
/// Bytes that one permit stands for.
const UNIT: usize = 1024;

/// Bounds the bodies under way.
pub(super) struct Bodies(Arc<Semaphore>);

/// Gives back its share of the budget when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Share(Option<OwnedSemaphorePermit>);

impl Bodies {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET / UNIT)))
    }

    /// Reads a body, which is refused if it is too long, no text, or too much beside the others.
    pub(super) async fn read(&self, body: Body) -> Result<(String, Share), Refusal> {
        let mut chunks = body.into_data_stream();
        let (mut bytes, mut share) = (Vec::new(), Share::default());
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Refusal::Invalid("Unreadable request body".into()))?;
            let length = bytes.len() + chunk.len();
            if length > MAX_FRAME_BYTES {
                return Err(Refusal::TooLarge);
            }
            // Doubled, so that few chunks are copied, and counted as it is held.
            if length > bytes.capacity() {
                let capacity = length.max(2 * bytes.capacity()).min(MAX_FRAME_BYTES);
                share.cover(capacity, &self.0)?;
                bytes.reserve_exact(capacity - bytes.len());
            }
            bytes.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| Refusal::Invalid("Packets are text".into()))?;
        Ok((text, share))
    }
}

impl Share {
    fn cover(&mut self, bytes: usize, budget: &Arc<Semaphore>) -> Result<(), Refusal> {
        let units = bytes.saturating_sub(FREE).div_ceil(UNIT);
        let held = self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(units.saturating_sub(held)).unwrap_or(u32::MAX);
        if more == 0 {
            return Ok(());
        }
        let more = budget.clone().try_acquire_many_owned(more).map_err(|_| Refusal::Busy)?;
        match &mut self.0 {
            Some(held) => held.merge(more),
            None => self.0 = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: usize) -> Body {
        Body::from("x".repeat(bytes))
    }

    #[tokio::test]
    async fn large_bodies_share_a_budget_and_small_ones_always_pass() {
        let bodies = Bodies::new();
        let mut held = Vec::new();
        let refused = loop {
            match bodies.read(body(MAX_FRAME_BYTES)).await {
                Ok(body) => held.push(body),
                Err(refused) => break refused,
            }
        };
        assert!(matches!(refused, Refusal::Busy), "{refused:?}");
        assert_eq!(held.len(), BUDGET / (MAX_FRAME_BYTES - FREE));
        let small = bodies.read(body(FREE)).await.expect("taken");
        assert_eq!(small.0.len(), FREE);
        held.pop();
        assert!(bodies.read(body(MAX_FRAME_BYTES)).await.is_ok(), "what was given back is free");
    }

    #[tokio::test]
    async fn what_is_too_long_or_no_text_is_refused() {
        let bodies = Bodies::new();
        let refused = bodies.read(body(MAX_FRAME_BYTES + 1)).await;
        assert!(matches!(refused, Err(Refusal::TooLarge)), "{refused:?}");
        let refused = bodies.read(Body::from(vec![b'4', 0xff])).await;
        assert!(matches!(refused, Err(Refusal::Invalid(_))), "{refused:?}");
        assert_eq!(bodies.0.available_permits(), BUDGET / UNIT);
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_read_whole_and_counted_once() {
        let bodies = Bodies::new();
        let pieces = (0..MAX_FRAME_BYTES / 1024).map(|_| Ok::<_, axum::Error>("x".repeat(1024)));
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let (text, share) = bodies.read(body).await.expect("taken");
        assert_eq!((text.len(), text.capacity()), (MAX_FRAME_BYTES, MAX_FRAME_BYTES));
        let held = share.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        assert_eq!(held, (MAX_FRAME_BYTES - FREE) / UNIT);
    }
}
