//! The gRPC services. They read a message, call a [`Handle`](crate::Handle) or the store, and write a
//! message; what may be and what follows is decided elsewhere.

mod farm;
mod gate;
mod keda;
mod node;
mod status;
mod wire;

pub(crate) use farm::FarmApi;
pub(crate) use gate::Gate;
pub(crate) use keda::KedaApi;
pub(crate) use node::NodeApi;
