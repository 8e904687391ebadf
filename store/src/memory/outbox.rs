//! Notices and their receivers. A receiver with a queue is due at a time; handing its first notice out
//! moves that time to the end of the hold.

use super::state::State;
use crate::clock::milliseconds;
use crate::error::Result;
use crate::outbox::{
    Delivery, NOTICES_MAX, Notice, Posted, RECEIVER_NOTICES_MAX, TENANT_NOTICES_MAX, tenant_of,
};
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
        if self.job(&notice.job)?.posted >= notice.version {
            return Ok(Posted::Known);
        }
        let name = &notice.receiver;
        if self.is_full(name) && !(notice.ends && self.drop_passing(name)) {
            return Ok(Posted::Full);
        }
        self.job_mut(&notice.job)?.posted = notice.version;
        let receiver = self.receivers.entry(name.clone()).or_default();
        receiver.notices.push_back((now_ms, notice.clone()));
        self.notices += 1;
        let tenant = tenant_of(name).to_owned();
        *self.tenant_notices.entry(tenant).or_default() += 1;
        self.deliveries.add(notice.receiver.clone(), now_ms);
        Ok(Posted::New)
    }

    fn is_full(&self, name: &str) -> bool {
        let waiting = self.receivers.get(name);
        let of_tenant = self.tenant_notices.get(tenant_of(name));
        waiting.map_or(0, |receiver| receiver.notices.len()) >= RECEIVER_NOTICES_MAX
            || of_tenant.is_some_and(|notices| *notices >= TENANT_NOTICES_MAX)
            || self.notices >= NOTICES_MAX
    }

    /// Drops the oldest notice of a receiver that tells of no end; the first one may be under way.
    fn drop_passing(&mut self, name: &str) -> bool {
        let Some(receiver) = self.receivers.get_mut(name) else {
            return false;
        };
        let mut waiting = receiver.notices.iter().enumerate().skip(1);
        let Some((at, _)) = waiting.find(|(_, (_, notice))| !notice.ends) else {
            return false;
        };
        receiver.notices.remove(at);
        self.discount(name);
        true
    }

    /// Notes that one notice of a receiver waits no more.
    fn discount(&mut self, name: &str) {
        self.notices -= 1;
        let tenant = tenant_of(name);
        if let Some(notices) = self.tenant_notices.get_mut(tenant) {
            *notices -= 1;
            if *notices == 0 {
                self.tenant_notices.remove(tenant);
            }
        }
    }

    /// Forgets a receiver whose queue is lost, and counts again what waits.
    fn forget_receiver(&mut self, name: &str) {
        self.receivers.remove(name);
        self.deliveries.remove(&name.to_owned());
        self.notices = 0;
        self.tenant_notices.clear();
        for (name, receiver) in &self.receivers {
            let waiting = receiver.notices.len();
            self.notices += waiting;
            let tenant = tenant_of(name).to_owned();
            *self.tenant_notices.entry(tenant).or_default() += waiting;
        }
    }

    /// Loses the queue of a receiver and nothing else.
    #[cfg(test)]
    pub(super) fn lose_queue(&mut self, name: &str) {
        self.receivers.remove(name);
    }

    pub(super) fn deliver(&mut self, hold: Duration, now_ms: u64) -> Option<Delivery> {
        loop {
            let (_, name) = self.deliveries.up_to(now_ms, 1).pop()?;
            match self.first_of(&name) {
                Some(delivery) => {
                    let until = now_ms.saturating_add(milliseconds(hold).max(1));
                    self.deliveries.set(name, until);
                    return Some(delivery);
                }
                None => self.forget_receiver(&name),
            }
        }
    }

    fn first_of(&self, name: &str) -> Option<Delivery> {
        let receiver = self.receivers.get(name)?;
        let (posted_at_ms, notice) = receiver.notices.front()?;
        Some(Delivery {
            notice: notice.clone(),
            posted_at_ms: *posted_at_ms,
            failures: receiver.failures,
        })
    }

    pub(super) fn delivered(&mut self, delivery: &Delivery, now_ms: u64) {
        let Some(receiver) = self.first_in_line(delivery) else {
            return;
        };
        receiver.notices.pop_front();
        receiver.failures = 0;
        let empty = receiver.notices.is_empty();
        let name = &delivery.notice.receiver;
        self.discount(name);
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
