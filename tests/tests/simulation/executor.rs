//! Virtual time: a single-threaded executor whose clock jumps to the next timer when nothing is ready.
//! It knows nothing about farms. Tasks belong to a group, which stands for a process: a group can be
//! killed, and it can be frozen, in which case it is not polled while time goes on.
//!
//! What is ready first is polled first and equal timers fire in the order in which they were set, so a
//! run is a function of what it is given.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use store::ManualClock;

/// The tasks that live and die together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group(pub(crate) u64);

type Future = Pin<Box<dyn std::future::Future<Output = ()>>>;
type Ready = Arc<Mutex<VecDeque<u64>>>;

struct Task {
    group: Group,
    /// None while it is polled.
    future: Option<Future>,
    waker: Waker,
}

struct Awake {
    task: u64,
    ready: Ready,
}

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.push_back(self.task);
    }
}

struct Inner {
    clock: Arc<ManualClock>,
    now_ms: Cell<u64>,
    numbers: Cell<u64>,
    timers: RefCell<BTreeMap<(u64, u64), Waker>>,
    ready: Ready,
    tasks: RefCell<BTreeMap<u64, Task>>,
    frozen: RefCell<BTreeSet<Group>>,
    /// Ready tasks of frozen groups.
    parked: RefCell<Vec<u64>>,
}

/// The executor; cheap to clone.
#[derive(Clone)]
pub(crate) struct Executor(Rc<Inner>);

impl Executor {
    /// Starts at the time of the clock, which it moves from then on.
    pub(crate) fn new(clock: Arc<ManualClock>) -> Self {
        let now_ms = store::Clock::now_ms(&*clock);
        Self(Rc::new(Inner {
            clock,
            now_ms: Cell::new(now_ms),
            numbers: Cell::new(0),
            timers: RefCell::default(),
            ready: Ready::default(),
            tasks: RefCell::default(),
            frozen: RefCell::default(),
            parked: RefCell::default(),
        }))
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.0.now_ms.get()
    }

    fn number(&self) -> u64 {
        let number = self.0.numbers.get() + 1;
        self.0.numbers.set(number);
        number
    }

    pub(crate) fn spawn(
        &self,
        group: Group,
        future: impl std::future::Future<Output = ()> + 'static,
    ) {
        let number = self.number();
        let awake = Awake {
            task: number,
            ready: Arc::clone(&self.0.ready),
        };
        let waker = Waker::from(Arc::new(awake));
        waker.wake_by_ref();
        let task = Task {
            group,
            future: Some(Box::pin(future)),
            waker,
        };
        self.0.tasks.borrow_mut().insert(number, task);
    }

    pub(crate) fn sleep_ms(&self, time_ms: u64) -> Sleep {
        Sleep {
            executor: self.clone(),
            key: (self.now_ms().saturating_add(time_ms), self.number()),
            set: false,
        }
    }

    /// Ends the tasks of a group where they are.
    pub(crate) fn kill(&self, group: Group) {
        self.thaw(group);
        let mut tasks = self.0.tasks.borrow_mut();
        let numbers: Vec<u64> = tasks
            .iter()
            .filter(|(_, task)| task.group == group)
            .map(|(number, _)| *number)
            .collect();
        let ended: Vec<Task> = numbers
            .iter()
            .filter_map(|number| tasks.remove(number))
            .collect();
        drop(tasks);
        drop(ended);
    }

    /// Stops polling a group until it is thawed.
    pub(crate) fn freeze(&self, group: Group) {
        self.0.frozen.borrow_mut().insert(group);
    }

    pub(crate) fn thaw(&self, group: Group) {
        self.0.frozen.borrow_mut().remove(&group);
        let parked = std::mem::take(&mut *self.0.parked.borrow_mut());
        let mut ready = self.0.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.extend(parked);
    }

    /// Runs until `is_done`, or until there is nothing left to happen before `end_ms`.
    pub(crate) fn run(&self, end_ms: u64, is_done: impl Fn() -> bool) {
        loop {
            while let Some(number) = self.next_ready() {
                self.poll(number);
                if is_done() {
                    return;
                }
            }
            let next = self
                .0
                .timers
                .borrow()
                .first_key_value()
                .map(|(key, _)| *key);
            let Some((due, number)) = next.filter(|(due, _)| *due <= end_ms) else {
                return;
            };
            let waker = self.0.timers.borrow_mut().remove(&(due, number));
            if due > self.now_ms() {
                self.0
                    .clock
                    .advance(Duration::from_millis(due - self.now_ms()));
                self.0.now_ms.set(due);
            }
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn next_ready(&self) -> Option<u64> {
        let mut ready = self.0.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.pop_front()
    }

    fn poll(&self, number: u64) {
        let mut tasks = self.0.tasks.borrow_mut();
        let Some(task) = tasks.get_mut(&number) else {
            return;
        };
        if self.0.frozen.borrow().contains(&task.group) {
            self.0.parked.borrow_mut().push(number);
            return;
        }
        let Some(mut future) = task.future.take() else {
            return;
        };
        let waker = task.waker.clone();
        drop(tasks);
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut tasks = self.0.tasks.borrow_mut();
        match polled {
            Poll::Ready(()) => drop(tasks.remove(&number)),
            // It is gone if it was killed by what it did.
            Poll::Pending => {
                if let Some(task) = tasks.get_mut(&number) {
                    task.future = Some(future);
                }
            }
        }
    }
}

/// Ready when its time has come.
pub(crate) struct Sleep {
    executor: Executor,
    key: (u64, u64),
    set: bool,
}

impl std::future::Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.executor.now_ms() >= self.key.0 && self.set {
            return Poll::Ready(());
        }
        self.set = true;
        let mut timers = self.executor.0.timers.borrow_mut();
        timers.insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.executor.0.timers.borrow_mut().remove(&self.key);
    }
}

/// The answer of something that never waits, such as a store in memory.
pub(crate) fn at_once<T>(future: impl std::future::Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a store in memory answers at once"),
    }
}
