//! One chunk on one machine, as stages with bounded queues between them.
