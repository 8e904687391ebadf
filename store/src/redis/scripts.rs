//! The scripts: one file per operation, behind the keys and the shared fragments that it needs.

use super::keys;
use redis::Script;

const CLOCK: &str = include_str!("scripts/fragments/clock.lua");
const RECORDS: &str = include_str!("scripts/fragments/records.lua");
const QUEUE: &str = include_str!("scripts/fragments/queue.lua");
const ORDER: &str = include_str!("scripts/fragments/order.lua");
const CHUNKS: &str = include_str!("scripts/fragments/chunks.lua");
const TASKS: &str = include_str!("scripts/fragments/tasks.lua");
const NOTICES: &str = include_str!("scripts/fragments/notices.lua");
const NODES: &str = include_str!("scripts/fragments/nodes.lua");

/// Lets the contract suite move the time of a cell forward instead of sleeping.
const SHIFTED_CLOCK: &str = r"
local running_ms = now_ms
now_ms = function() return tonumber(redis.call('GET', tag .. 'clock') or running_ms()) end
";

macro_rules! scripts {
    ($($name:ident: [$($fragment:ident),*],)*) => {
        /// Every operation, ready to be invoked by its digest.
        pub(super) struct Scripts {
            $(pub(super) $name: Script,)*
        }

        impl Scripts {
            pub(super) fn new() -> Self {
                Self {
                    $($name: script(
                        &[$($fragment),*],
                        include_str!(concat!("scripts/", stringify!($name), ".lua")),
                    ),)*
                }
            }
        }
    };
}

scripts! {
    open: [],
    lapse: [],
    now: [],
    submit: [QUEUE, CHUNKS, TASKS],
    restore: [],
    job: [],
    jobs: [],
    tasks: [QUEUE, CHUNKS],
    advance: [QUEUE, CHUNKS, TASKS],
    revive: [QUEUE, CHUNKS, TASKS],
    forget: [QUEUE, CHUNKS],
    attend: [],
    settle: [],
    nudge: [],
    set_share: [QUEUE],
    set_urgency: [QUEUE],
    set_paused: [QUEUE, CHUNKS],
    take: [QUEUE, CHUNKS, NODES, ORDER],
    claim: [QUEUE, CHUNKS, ORDER],
    commit: [QUEUE, CHUNKS, TASKS],
    renew: [QUEUE, CHUNKS, NODES],
    losses: [],
    release: [QUEUE, CHUNKS],
    fail: [QUEUE, CHUNKS],
    expired: [],
    register: [NODES],
    nodes: [],
    drain: [NODES],
    dead: [QUEUE, CHUNKS],
    drop_dead: [QUEUE, CHUNKS],
    post: [NOTICES],
    deliver: [NOTICES],
    delivered: [NOTICES],
    put_off: [],
    depth: [],
    work_left: [],
}

fn script(fragments: &[&str], operation: &str) -> Script {
    let clock = if cfg!(test) { SHIFTED_CLOCK } else { "" };
    let head = [keys::FRAGMENT, CLOCK, clock, RECORDS];
    let parts = [&head, fragments, &[operation]].concat();
    Script::new(&parts.concat())
}
