//! The WebVTT file that tells a player which part of which sheet stands for which time
//! (`#xywh=`, Media Fragments URI 4.2.2).

use super::cue::milliseconds;
use super::write::timestamp;
use crate::manifest::{ImageTrack, sheet_file};
use model::Rational;
use std::fmt::Write;

/// Places the tiles of a title of this length. Names are relative to the track's folder.
pub fn thumbnails(images: &ImageTrack, duration: Rational) -> String {
    let mut file = "WEBVTT\n".to_owned();
    let tiles = i64::from(images.columns) * i64::from(images.rows);
    let all = tiles.max(0) * i64::try_from(images.sheet_bytes.len()).unwrap_or(i64::MAX);
    for index in 0..all {
        let border = |count: i64| {
            let at = images
                .tile_seconds
                .checked_mul(Rational::whole(count))
                .unwrap_or(duration);
            at.min(duration)
        };
        let (start, end) = (border(index), border(index + 1));
        if start >= end {
            break;
        }
        let place = index % tiles;
        let columns = i64::from(images.columns);
        let x = place % columns * i64::from(images.tile_width);
        let y = place / columns * i64::from(images.tile_height);
        let sheet = sheet_file((index / tiles) as usize + 1);
        let (width, height) = (images.tile_width, images.tile_height);
        let (from, to) = [start, end]
            .map(|at| timestamp(milliseconds(at).unsigned_abs()))
            .into();
        writeln!(
            file,
            "\n{from} --> {to}\n{sheet}#xywh={x},{y},{width},{height}"
        )
        .expect("writing to a string cannot fail");
    }
    file
}
