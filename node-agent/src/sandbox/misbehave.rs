//! What a hostile source could make a worker do, done on request, so that containment is tested for
//! real. Debug builds only: a shipped worker does not know these words.
#![allow(unsafe_code)]

use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::net::{TcpStream, UdpSocket};
use std::process::Command;

/// One kind of misbehaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misbehaviour {
    /// Writes through a null pointer.
    Segfault,
    /// Computes for ever.
    Spin,
    /// Asks for memory until there is none.
    EatMemory,
    /// Panics.
    Panic,
    /// Tries to reach out, and reports what worked.
    ReachOut,
    /// Writes an endless error output, then ends without a result.
    Rant,
    /// Sends bytes that are no frame.
    Babble,
    /// Reads the source for ever.
    Reread,
    /// Reports progress for ever.
    Pretend,
}

/// Does it; returns only from those that can be survived, with what worked.
pub(crate) fn misbehave(how: Misbehaviour) -> Vec<&'static str> {
    match how {
        Misbehaviour::Segfault => {
            // SAFETY: none; the point is that the kernel stops this.
            unsafe { black_box(std::ptr::null_mut::<u8>()).write_volatile(1) };
            Vec::new()
        }
        Misbehaviour::Spin => loop {
            black_box(());
        },
        Misbehaviour::EatMemory => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            loop {
                eaten.push(vec![1; 64 << 20]);
                black_box(&eaten);
            }
        }
        Misbehaviour::Panic => panic!("asked to panic"),
        Misbehaviour::Rant => {
            for line in 0..20_000 {
                complain(line);
            }
            std::process::exit(3)
        }
        Misbehaviour::ReachOut => reach_out(),
        Misbehaviour::Babble | Misbehaviour::Reread | Misbehaviour::Pretend => Vec::new(),
    }
}

fn complain(line: u32) {
    use std::io::Write;
    drop(writeln!(std::io::stderr(), "rant {line}"));
}

fn reach_out() -> Vec<&'static str> {
    // SAFETY: fork with no other thread running; a child would only exit.
    let forked = unsafe { libc::fork() };
    if forked == 0 {
        std::process::exit(0);
    }
    let attempts = [
        ("open /etc/passwd", std::fs::read("/etc/passwd").is_ok()),
        (
            "open /proc/self/mem",
            std::fs::File::open("/proc/self/mem").is_ok(),
        ),
        (
            "create a file",
            std::fs::write("/tmp/magpie-escape", b"x").is_ok(),
        ),
        ("list a folder", std::fs::read_dir("/").is_ok()),
        (
            "remove a file",
            std::fs::remove_file("/tmp/magpie-escape-target").is_ok(),
        ),
        (
            "tcp socket",
            TcpStream::connect("127.0.0.1:1").is_ok_or_refused(),
        ),
        ("udp socket", UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("exec", Command::new("/bin/true").spawn().is_ok()),
        ("fork", forked > 0),
        ("signal another process", signal_another()),
        ("executable memory", executable_memory()),
        ("raise a limit", raise_limit()),
        (
            "lose its own threads",
            std::thread::spawn(|| ()).join().is_err(),
        ),
    ];
    attempts
        .into_iter()
        .filter(|(_, worked)| *worked)
        .map(|(name, _)| name)
        .collect()
}

trait Reached {
    fn is_ok_or_refused(&self) -> bool;
}

impl<T> Reached for std::io::Result<T> {
    /// A refused connection means that the socket was made.
    fn is_ok_or_refused(&self) -> bool {
        match self {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        }
    }
}

fn signal_another() -> bool {
    // SAFETY: signal 0 only asks whether a signal could be sent.
    unsafe { libc::kill(1, 0) == 0 || *libc::__errno_location() == libc::ESRCH }
}

fn executable_memory() -> bool {
    let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: an anonymous mapping at an address of the kernel's choice touches no other memory.
    let mapped = unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) };
    mapped != libc::MAP_FAILED
}

fn raise_limit() -> bool {
    let limit = libc::rlimit {
        rlim_cur: 64,
        rlim_max: 64,
    };
    // SAFETY: the pointer is to a live, initialised value.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0 }
}
