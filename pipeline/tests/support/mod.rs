//! What the tests of this room share: clips made by ffmpeg, and plans by hand.

mod clips;

#[allow(unused_imports, reason = "each test and example uses a part")]
pub(crate) use clips::{
    Clip, chunk, chunk_one_by_one, clip, plan, products, remap, rendition, source,
};
