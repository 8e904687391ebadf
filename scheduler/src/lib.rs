//! Policy, lifecycle, driver, reaper and the gRPC services.
