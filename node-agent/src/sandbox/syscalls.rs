//! The system calls of a worker: threads, memory, clocks and the descriptors it already has.
//! Whatever is not named here fails with EPERM, which libraries handle better than a kill.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// Allowed with any argument.
const FREE: &[i64] = &[
    // Descriptors that are open already. No call that could open or receive another one: `recvmsg`
    // is left out because it takes descriptors from the other side.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_ppoll,
    // Memory.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_get_mempolicy,
    // Threads.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_getcpu,
    libc::SYS_membarrier,
    // Allowed here so that the other filter's answer, ENOSYS, is the one that holds.
    libc::SYS_clone3,
    // Signals to itself, exit.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Who and when.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getrandom,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

type Built<T> = Result<T, seccompiler::BackendError>;

fn argument(index: u8, op: SeccompCmpOp, value: u64) -> Built<SeccompCondition> {
    SeccompCondition::new(index, SeccompCmpArgLen::Qword, op, value)
}

fn only(conditions: Vec<SeccompCondition>) -> Built<SeccompRule> {
    SeccompRule::new(conditions)
}

/// Allowed with some arguments only.
fn bounded(process: u64) -> Built<Vec<(i64, Vec<SeccompRule>)>> {
    use SeccompCmpOp::{Eq, MaskedEq};
    let flag = |bit: libc::c_int| u64::from(bit.unsigned_abs());
    let not_executable = || argument(2, MaskedEq(flag(libc::PROT_EXEC)), 0);
    let threads = flag(libc::CLONE_THREAD);
    Ok(vec![
        (libc::SYS_mmap, vec![only(vec![not_executable()?])?]),
        (libc::SYS_mprotect, vec![only(vec![not_executable()?])?]),
        // Threads, never processes.
        (
            libc::SYS_clone,
            vec![only(vec![argument(0, MaskedEq(threads), threads)?])?],
        ),
        (
            libc::SYS_prctl,
            vec![only(vec![argument(0, Eq, flag(libc::PR_SET_NAME))?])?],
        ),
        // abort() signals its own thread.
        (
            libc::SYS_tgkill,
            vec![only(vec![argument(0, Eq, process)?])?],
        ),
        // glibc asks for the stack's limit when a thread starts; setting one stays refused.
        (
            libc::SYS_prlimit64,
            vec![only(vec![argument(0, Eq, 0)?, argument(2, Eq, 0)?])?],
        ),
        (
            libc::SYS_fcntl,
            vec![
                only(vec![argument(1, Eq, flag(libc::F_GETFD))?])?,
                only(vec![argument(1, Eq, flag(libc::F_GETFL))?])?,
            ],
        ),
    ])
}

/// The two filters, to be installed in this order. A seccomp filter knows one answer to what it does
/// not allow, and `clone3` needs another one: glibc falls back to `clone`, whose flags a filter can
/// see, only after ENOSYS.
pub(super) fn filters() -> Built<[BpfProgram; 2]> {
    let architecture: TargetArch = std::env::consts::ARCH.try_into()?;
    let errno = |code: libc::c_int| SeccompAction::Errno(code.unsigned_abs());
    let hide = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        errno(libc::ENOSYS),
        architecture,
    )?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        FREE.iter().map(|call| (*call, Vec::new())).collect();
    rules.extend(bounded(u64::from(std::process::id()))?);
    let allow = SeccompFilter::new(
        rules,
        errno(libc::EPERM),
        SeccompAction::Allow,
        architecture,
    )?;
    Ok([hide.try_into()?, allow.try_into()?])
}
