//! Notices and their receivers. A receiver with a queue is due at a time; handing its first notice out
//! moves that time to the end of the hold.

use super::state::State;
use crate::clock::milliseconds;
use crate::error::Result;
use crate::outbox::{Delivery, NOTICES_MAX, Notice, Posted, RECEIVER_NOTICES_MAX};
use std::collections::VecDeque;
use std::time::Duration;

/// The queue of one receiver; never empty.
#[derive(Default)]
pub(super) struct Receiver {
    failures: u32,
    /// With the times at which they were posted.
    notices: VecDeque<(u64, Notice)>,
}

impl State {
    pub(super) fn post(&mut self, notice: &Notice, now_ms: u64) -> Result<Posted> {
        let waiting = self.receivers.get(&notice.receiver);
        let waiting = waiting.map_or(0, |receiver| receiver.notices.len());
        let full = waiting >= RECEIVER_NOTICES_MAX || self.notices >= NOTICES_MAX;
        let job = self.job_mut(&notice.job)?;
        if job.posted >= notice.version {
            return Ok(Posted::Known);
        }
        if full {
            return Ok(Posted::Full);
        }
        job.posted = notice.version;
        let receiver = self.receivers.entry(notice.receiver.clone()).or_default();
        receiver.notices.push_back((now_ms, notice.clone()));
        self.notices += 1;
        self.deliveries.add(notice.receiver.clone(), now_ms);
        Ok(Posted::New)
    }

    pub(super) fn deliver(&mut self, hold: Duration, now_ms: u64) -> Option<Delivery> {
        let (_, name) = self.deliveries.up_to(now_ms, 1).pop()?;
        let receiver = self.receivers.get(&name)?;
        let (posted_at_ms, notice) = receiver.notices.front()?;
        let delivery = Delivery {
            notice: notice.clone(),
            posted_at_ms: *posted_at_ms,
            failures: receiver.failures,
        };
        let until = now_ms.saturating_add(milliseconds(hold).max(1));
        self.deliveries.set(name, until);
        Some(delivery)
    }

    pub(super) fn delivered(&mut self, delivery: &Delivery, now_ms: u64) {
        let Some(receiver) = self.first_in_line(delivery) else {
            return;
        };
        receiver.notices.pop_front();
        receiver.failures = 0;
        let empty = receiver.notices.is_empty();
        self.notices -= 1;
        let name = &delivery.notice.receiver;
        if empty {
            self.receivers.remove(name);
            self.deliveries.remove(name);
        } else {
            self.deliveries.set(name.clone(), now_ms);
        }
    }

    pub(super) fn put_off(&mut self, delivery: &Delivery, delay: Duration, now_ms: u64) {
        if let Some(receiver) = self.first_in_line(delivery) {
            receiver.failures = receiver.failures.saturating_add(1);
            let at = now_ms.saturating_add(milliseconds(delay));
            self.deliveries.set(delivery.notice.receiver.clone(), at);
        }
    }

    /// The receiver of a delivery, if that notice is still its first.
    fn first_in_line(&mut self, delivery: &Delivery) -> Option<&mut Receiver> {
        let receiver = self.receivers.get_mut(&delivery.notice.receiver)?;
        let (posted_at_ms, first) = receiver.notices.front()?;
        let same = (*posted_at_ms, &first.job, first.version)
            == (
                delivery.posted_at_ms,
                &delivery.notice.job,
                delivery.notice.version,
            );
        same.then_some(receiver)
    }
}
