//! The way from a node to a scheduler and back, on which requests and answers are late, lost or
//! doubled. A node repeats a call until it is answered, and hears whether a try was left without one.

use super::random::Random;
use super::service::{self, Answer, Request};
use super::world::{FARM, World};
use futures::channel::oneshot;
use std::rc::Rc;

/// A call that was not answered after so long is repeated.
const CALL_MAX_MS: u64 = 15_000;

const FIRST_DELAY_MS: u64 = 100;
const DELAY_MAX_MS: u64 = 5_000;

/// A node's connection.
pub(crate) struct Link {
    world: Rc<World>,
    node: u32,
    random: Random,
}

impl Link {
    pub(crate) fn new(world: &Rc<World>, node: u32) -> Self {
        Self {
            world: Rc::clone(world),
            node,
            random: world.random(&format!("link {node}")),
        }
    }

    /// The answer, and whether a try was left without one.
    pub(crate) async fn call(&self, request: Request) -> (Answer, bool) {
        let mut failures = 0;
        loop {
            if let Some(answer) = self.attempt(&request).await {
                return (answer, failures > 0);
            }
            let delay_ms = (FIRST_DELAY_MS << failures.min(16)).min(DELAY_MAX_MS);
            self.world.executor.sleep_ms(delay_ms).await;
            failures += 1;
        }
    }

    async fn attempt(&self, request: &Request) -> Option<Answer> {
        let executor = &self.world.executor;
        let asked_ms = executor.now_ms();
        let (sender, receiver) = oneshot::channel();
        let troubles = self.world.shape.troubles.as_ref();
        let strikes = |probability: fn(&super::shape::Troubles) -> f64| {
            troubles.is_some_and(|troubles| {
                self.world.elapsed_ms() < troubles.until_ms
                    && self.random.strikes(probability(troubles))
            })
        };
        let lost = strikes(|troubles| troubles.answer_lost);
        if lost {
            self.world.disturb("answer lost");
        }
        if strikes(|troubles| troubles.request_lost) {
            self.world.disturb("request lost");
            drop(sender);
        } else {
            self.send(
                request.clone(),
                self.latency_ms(),
                Some(sender).filter(|_| !lost),
            );
        }
        if strikes(|troubles| troubles.doubled) {
            self.world.disturb("request doubled");
            self.send(request.clone(), self.random.between(1, 20_000), None);
        }
        if let Ok(answer) = receiver.await {
            return Some(answer);
        }
        // A connection that breaks is noticed at once, a silent one only after a while.
        if self.random.strikes(0.5) {
            let longest_ms = match request {
                Request::Take(_) => self.world.shape.take_wait_ms + CALL_MAX_MS,
                _ => CALL_MAX_MS,
            };
            let waited_ms = executor.now_ms() - asked_ms;
            executor
                .sleep_ms(longest_ms.saturating_sub(waited_ms))
                .await;
        }
        None
    }

    fn latency_ms(&self) -> u64 {
        match self.world.shape.troubles {
            Some(_) => self.random.between(1, 60),
            None => self.random.between(1, 3),
        }
    }

    /// Lets a request arrive after a while. It is answered whether or not its node still lives.
    fn send(&self, request: Request, after_ms: u64, sender: Option<oneshot::Sender<Answer>>) {
        let (world, node, back_ms) = (Rc::clone(&self.world), self.node, self.latency_ms());
        let random = self.random.clone();
        self.world.executor.spawn(FARM, async move {
            world.executor.sleep_ms(after_ms).await;
            if world.cut.borrow().contains(&node) {
                return;
            }
            let answer = service::answer(&world, &random, request).await;
            world.executor.sleep_ms(back_ms).await;
            if let Some(sender) = sender.filter(|_| !world.cut.borrow().contains(&node)) {
                // Its node may be gone.
                let _ = sender.send(answer);
            }
        });
    }
}
