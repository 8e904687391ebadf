//! Conversions between messages and the model: `From` to the wire, which cannot fail, and `TryFrom`
//! from the wire, which names the field that is wrong. What the wire leaves out on purpose (tokens
//! of other holders in [`v1::Task`](crate::v1::Task), build digests) has no way back.

mod failure;
mod job;
mod node;
mod task;
mod title;
mod work;

#[cfg(test)]
mod tests;
