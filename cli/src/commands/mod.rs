//! One file for each command: its arguments as they are typed, and `run`.

pub mod bench;
pub mod cancel;
pub mod dlq;
pub mod doctor;
pub mod jobs;
pub mod node;
pub mod nodes;
pub mod pause;
pub mod plan_capacity;
pub mod publish;
pub mod review;
pub mod run;
pub mod scheduler;
pub mod serve;
pub mod submit;
pub mod tenants;
pub mod urgency;
pub mod watch;
