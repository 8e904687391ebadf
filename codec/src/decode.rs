//! The seam for decoders. Their pixels are equal by specification, so unlike encoders they may
//! stand in for each other: the first candidate that opens is taken.

mod libav_decoder;

use crate::error::{Error, Result};
use libav::{DecodedPicture, DecoderOptions, Packet, StreamInfo};

/// Turns packets of one video stream into pictures in presentation order.
pub trait Decoder: Send {
    /// The decoder's name, such as `libav/h264`: part of what a plan pins.
    fn name(&self) -> String;

    /// Gives the next packet, or `None` once at the end. False: it was not taken, receive pictures
    /// and send the same again. After an error of kind `bad_input` the packet is lost, and the
    /// next one may be sent.
    fn send(&mut self, packet: Option<&Packet>) -> Result<bool>;

    /// Receives the next picture into memory that is used again. False: more packets are needed
    /// or, after the end was sent, all pictures are out.
    fn receive(&mut self, picture: &mut DecodedPicture) -> Result<bool>;

    /// Says that no picture before this time, in ticks of the stream, is wanted: their samples mean nothing, and
    /// after a flush those that no other picture refers to may be missing. `None`: all are wanted.
    fn skip_to(&mut self, time: Option<i64>);

    /// Forgets all packets and pictures inside, as needed after a seek.
    fn flush(&mut self) -> Result<()>;
}

/// One way to decode.
struct Candidate {
    name: &'static str,
    open: fn(&StreamInfo, &DecoderOptions) -> Result<Box<dyn Decoder>>,
}

/// In order of preference.
const CANDIDATES: &[Candidate] = &[Candidate {
    name: "libav",
    open: libav_decoder::open,
}];

/// Opens a decoder for a video stream.
pub fn open_decoder(stream: &StreamInfo, options: &DecoderOptions) -> Result<Box<dyn Decoder>> {
    let mut tried = Vec::new();
    for candidate in CANDIDATES {
        match (candidate.open)(stream, options) {
            Err(error) if error.kind() == model::FailureKind::Unsupported => {
                tried.push(format!("{}: {error}", candidate.name));
            }
            outcome => return outcome,
        }
    }
    Err(Error::NoDecoder {
        codec: stream.codec.clone(),
        tried: tried.join("; "),
    })
}
