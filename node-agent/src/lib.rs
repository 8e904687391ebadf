//! Inventory, slots, the lease loop, tasks, sandboxed workers and transfer.
