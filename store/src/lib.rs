//! Every atomic operation of the farm with its guarantee: memory and Redis.
