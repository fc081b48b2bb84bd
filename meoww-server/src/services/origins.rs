//! Which web pages may call us with cookies.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::HeaderValue;

/// The origins of web pages that may call us, at present.
pub(crate) struct Origins(ArcSwap<Vec<String>>);

impl Origins {
    pub(crate) fn new(origins: &[String]) -> Self {
        Self(ArcSwap::from_pointee(origins.to_vec()))
    }

    pub(crate) fn change(&self, origins: Vec<String>) {
        self.0.store(Arc::new(origins));
    }

    pub(crate) fn contain(&self, origin: &HeaderValue) -> bool {
        self.0.load().iter().any(|known| origin.as_bytes() == known.as_bytes())
    }
}
