//! CUDA: the operations on pictures that a GPU is to do, by name. There is no device code yet; it
//! comes with the GPU path (#5), one folder per operation with its `.cu` beside its safe wrapper.
//!
//! The list is here first because the names are the contract: `frame::ops`, this room and `shaders`
//! carry the same ones, and each operation must give the bits of its twin.

/// An operation on pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Name of the operation: of its folder here and of its row in the bench.
    pub name: &'static str,
    /// Path of the plain arithmetic that it must match bit for bit.
    pub twin: &'static str,
}

/// Every operation, in the order of `frame::ops::OPS`.
pub const OPERATIONS: [Operation; 7] = [
    Operation {
        name: "scale",
        twin: "frame::ops::scale",
    },
    Operation {
        name: "convert",
        twin: "frame::ops::convert",
    },
    Operation {
        name: "orient",
        twin: "frame::ops::orient",
    },
    Operation {
        name: "deinterlace",
        twin: "frame::ops::deinterlace",
    },
    Operation {
        name: "luma_stats",
        twin: "frame::ops::luma_stats",
    },
    Operation {
        name: "tile",
        twin: "frame::ops::tile",
    },
    Operation {
        name: "tonemap",
        twin: "frame::ops::tonemap",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_on_pictures_is_listed() {
        let names = OPERATIONS.map(|operation| operation.name);
        assert_eq!(names, frame::ops::OPS);
    }

    #[test]
    fn every_twin_is_named_like_its_operation() {
        for operation in OPERATIONS {
            assert_eq!(operation.twin, format!("frame::ops::{}", operation.name));
        }
    }
}
