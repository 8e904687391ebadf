//! The ranges of segments that work starts with. Only a start: stealing splits them, so their number
//! need not be right, only large enough that nobody waits for the first split.

use model::frame_map::FrameMap;
use model::grid::OutputGrid;
use model::source::FrameTable;
use std::ops::Range;

/// Fewest segments in a chunk: a start costs a part of a second, and seconds where the source is not at
/// hand, while a theft cuts a chunk within milliseconds where nodes are idle.
const SEGMENTS_MIN: u32 = 16;

/// Cuts a title into a chunk for each slot, or fewer where they would be small; whoever is done first
/// splits the richest. More chunks would only be more starts. Each group of renditions begins with all of
/// them: those of the group that takes longest come first, and the others fill the slots that come free.
/// They start at segments whose first source frame lies near behind a source access point, because
/// everything from that point on is decoded and thrown away; how even they are matters less.
pub(super) fn plan(
    grid: &OutputGrid,
    map: &FrameMap,
    table: &FrameTable,
    slots: u32,
) -> Vec<Range<u32>> {
    let segments = grid.segments();
    let count = slots.clamp(1, (segments / SEGMENTS_MIN).max(1));
    let reach = segments / count / 2;
    let mut borders = vec![0];
    for number in 1..count {
        let ideal = (u64::from(number) * u64::from(segments) / u64::from(count)) as u32;
        let previous = borders.last().copied().unwrap_or(0);
        let lowest = ideal.saturating_sub(reach).max(previous + SEGMENTS_MIN);
        let highest = (ideal + reach).min(segments.saturating_sub(SEGMENTS_MIN));
        let best = (lowest..=highest)
            .min_by_key(|&segment| (wasted(grid, map, table, segment), segment.abs_diff(ideal)));
        borders.extend(best);
    }
    borders.push(segments);
    borders.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

/// Source frames that are decoded for nothing when a chunk starts at a segment.
fn wasted(grid: &OutputGrid, map: &FrameMap, table: &FrameTable, segment: u32) -> u32 {
    let first = grid.segment(segment).start;
    let source = map.sources(first..first + 1).first().copied().unwrap_or(0);
    source
        - table
            .access_point_before(source)
            .map_or(0, |point| point.frame.min(source))
}
