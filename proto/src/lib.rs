//! The wire: magpie/v1 and the one place where it meets the model. Messages never travel further
//! into the farm than the service that reads them.

mod convert;
mod error;

pub use error::{Error, Result};

/// The generated messages, clients and servers of `magpie/v1`.
#[allow(
    missing_docs,
    clippy::all,
    clippy::too_many_lines,
    clippy::unwrap_used,
    unreachable_pub
)]
pub mod v1 {
    tonic::include_proto!("magpie.v1");
}

/// The generated messages, client and server of what KEDA asks of an external scaler.
#[allow(
    missing_docs,
    clippy::all,
    clippy::too_many_lines,
    clippy::unwrap_used,
    unreachable_pub
)]
pub mod keda {
    tonic::include_proto!("externalscaler");
}

/// The protocol as a serialised `FileDescriptorSet`, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/magpie.v1.descriptors"));

/// Version of the node protocol; a scheduler refuses nodes that speak another one.
pub const PROTOCOL_VERSION: u32 = 3;
