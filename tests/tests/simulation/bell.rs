//! A word to those who wait: one of them or all. Like a `Notify`, but who waits longest is woken first,
//! and a word to somebody who went away meanwhile goes to the next.

use super::executor::{Executor, Sleep};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

#[derive(Default)]
struct Waiting {
    numbers: u64,
    wakers: BTreeMap<u64, Waker>,
    rung: BTreeSet<u64>,
}

/// The bell; clones are the same bell.
#[derive(Clone, Default)]
pub(crate) struct Bell(Rc<RefCell<Waiting>>);

impl Bell {
    pub(crate) fn ring_one(&self) {
        let mut waiting = self.0.borrow_mut();
        if let Some((number, waker)) = waiting.wakers.pop_first() {
            waiting.rung.insert(number);
            waker.wake();
        }
    }

    pub(crate) fn ring_all(&self) {
        let mut waiting = self.0.borrow_mut();
        while let Some((number, waker)) = waiting.wakers.pop_first() {
            waiting.rung.insert(number);
            waker.wake();
        }
    }

    /// Waits for a ring, at most so long.
    pub(crate) fn wait(&self, executor: &Executor, longest_ms: u64) -> Wait {
        let mut waiting = self.0.borrow_mut();
        waiting.numbers += 1;
        Wait {
            bell: self.clone(),
            number: waiting.numbers,
            sleep: executor.sleep_ms(longest_ms),
        }
    }
}

/// Ready when the bell rang for it or its time is over.
pub(crate) struct Wait {
    bell: Bell,
    number: u64,
    sleep: Sleep,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let number = self.number;
        let mut waiting = self.bell.0.borrow_mut();
        if waiting.rung.remove(&number) {
            return Poll::Ready(());
        }
        waiting.wakers.insert(number, context.waker().clone());
        drop(waiting);
        Pin::new(&mut self.sleep).poll(context)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waiting = self.bell.0.borrow_mut();
        waiting.wakers.remove(&self.number);
        let unheard = waiting.rung.remove(&self.number);
        drop(waiting);
        if unheard {
            self.bell.ring_one();
        }
    }
}
