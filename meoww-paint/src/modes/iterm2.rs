//! Pictures in the text, as files in base64 (iTerm2's inline images, OSC 1337).

use base64::{Engine, engine::general_purpose::STANDARD};
use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder};

use super::About;
use crate::{
    area::Rect,
    ground::Cell,
    motion::control,
    pixels::{Picture, Plotter},
    png,
    raster::Raster,
    visible::visible,
};

pub(crate) const ABOUT: About =
    About { name: "iterm2", help: "Pixels, as inline images of iTerm2", needs_unicode: false };

/// A picture is sent exactly when it was the same so often.
const EXACT_AFTER: u32 = 3;

/// The terminal keeps no picture to be changed, so each is sent whole, without what an overlay covers.
#[derive(Default)]
pub(crate) struct Iterm2 {
    pixels: Vec<u8>,
}

impl Plotter for Iterm2 {
    fn is_scaled(&self) -> bool {
        true
    }

    fn draw(&mut self, picture: &mut Picture<'_>, out: &mut Vec<u8>) {
        let Rect { width, height, .. } = picture.place;
        let is_exact = picture.rest == EXACT_AFTER;
        let seen = (0..usize::from(height))
            .flat_map(|y| &picture.cells[y * picture.stride..][..usize::from(width)]);
        if picture.rest > 0 && !is_exact && seen.clone().all(|cell| *cell != Cell::Unknown) {
            return;
        }
        for part in visible(width, height, picture.cells, picture.stride) {
            let [y, x] = [picture.place.y + part.y + 1, picture.place.x + part.x + 1];
            control(&[u32::from(y), u32::from(x)], b'H', out);
            let file = self.file(picture, part, is_exact);
            let text = format!(
                "\x1b]1337;File=inline=1;size={};width={};height={};preserveAspectRatio=0;\
                 doNotMoveCursor=1:{}\x07",
                file.len(),
                part.width,
                part.height,
                STANDARD.encode(&file)
            );
            out.extend_from_slice(text.as_bytes());
        }
        picture.drawn();
    }

    /// Cells that are drawn over it erase it.
    fn erase(&mut self, _: &mut Vec<u8>) {}

    fn invalidate(&mut self) {}
}

impl Iterm2 {
    /// A part of the picture, in cells.
    fn file(&mut self, picture: &Picture<'_>, part: Rect, is_exact: bool) -> Vec<u8> {
        let Picture { raster, across, down, quality, .. } = *picture;
        let [x, width] = [part.x, part.width].map(|cells| usize::from(cells) * across);
        let [y, height] = [part.y, part.height].map(|cells| usize::from(cells) * down);
        self.pixels.clear();
        let Raster { channels: [red, green, blue], .. } = raster;
        for row in y..y + height {
            let start = row * raster.width + x;
            for at in start..start + width {
                self.pixels.extend_from_slice(&[red[at], green[at], blue[at]]);
            }
        }
        let quality = quality.number().filter(|_| !is_exact);
        let Some(quality) = quality else { return png::rgb(&self.pixels, width, height) };
        let mut file = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut file, quality.max(1));
        let (width, height) = (width as u32, height as u32);
        let written = encoder.write_image(&self.pixels, width, height, ExtendedColorType::Rgb8);
        // A vector takes every byte, and there are as many pixels as it is told.
        debug_assert!(written.is_ok(), "{written:?}");
        file
    }
}

#[cfg(test)]
#[path = "iterm2_tests.rs"]
mod tests;
