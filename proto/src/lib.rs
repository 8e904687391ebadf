//! The wire: magpie/v1 and the one place where it meets the model.
