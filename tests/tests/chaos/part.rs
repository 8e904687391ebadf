//! A process of the farm that is killed, stopped and started again, and looked after as a service manager
//! does it: what ends by itself before it could begin is started again after a pause, and what ends by
//! itself later is a defect.

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use tests::{Magpie, Place, Process};

/// Pause before what ended by itself is started again.
const AGAIN_PAUSE: Duration = Duration::from_secs(1);

/// A process of a farm.
pub(crate) struct Part {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    /// What it says when it can no longer end by itself; `None` for at once.
    begun: Option<&'static str>,
    log: PathBuf,
    process: Option<Process>,
    is_wanted: bool,
    is_told_to_end: bool,
    again_at: Instant,
    frozen: Vec<Pid>,
}

impl Part {
    /// A process that [`Part::look`] starts.
    pub(crate) fn new(place: &Place, name: &str, program: &Path, arguments: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            program: program.to_owned(),
            arguments,
            begun: None,
            log: place.join(&format!("{name}.log")),
            process: None,
            is_wanted: true,
            is_told_to_end: false,
            again_at: Instant::now(),
            frozen: Vec::new(),
        }
    }

    /// Lets it end by itself until it has said this: what it needs may not be there when it starts.
    pub(crate) fn may_end_before(mut self, said: &'static str) -> Self {
        self.begun = Some(said);
        self
    }

    /// Starts it where it is wanted and not there. Fails where it ended and should not have.
    pub(crate) fn look(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process
            && let Some(status) = process.ended()?
        {
            let said = self.bury()?;
            let has_begun = self.begun.is_none_or(|words| said.contains(words));
            if self.is_told_to_end {
                self.is_told_to_end = false;
                ensure_obeyed(&self.name, status, &said)?;
            } else if has_begun {
                bail!("{} ended by itself with {status}: {said}", self.name);
            } else {
                self.again_at = Instant::now() + AGAIN_PAUSE;
            }
        }
        if self.process.is_none() && self.is_wanted && Instant::now() >= self.again_at {
            let call = Magpie::of(&self.program, &self.arguments);
            self.process = Some(call.start()?);
        }
        Ok(())
    }

    /// What the running process has said.
    pub(crate) fn said(&self) -> String {
        let said = |process: &Process| process.stdout() + &process.stderr();
        self.process.as_ref().map(said).unwrap_or_default()
    }

    /// Kills it, and nothing that it started, and keeps it away.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.is_wanted = false;
        if let Some(process) = &mut self.process {
            process.kill_alone()?;
            self.bury()?;
        }
        Ok(())
    }

    /// Lets it come back.
    pub(crate) fn come_back(&mut self) {
        self.is_wanted = true;
    }

    /// Tells it to end; then it comes back.
    pub(crate) fn restart(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process
            && process.ended()?.is_none()
        {
            process.terminate()?;
            self.is_told_to_end = true;
        }
        Ok(())
    }

    /// Kills it if it was told to end and has not.
    pub(crate) fn insist(&mut self) -> Result<()> {
        if self.is_told_to_end && self.process.is_some() {
            self.kill()?;
            self.is_told_to_end = false;
            self.is_wanted = true;
        }
        Ok(())
    }

    /// Stops it and then what it has started.
    pub(crate) fn freeze(&mut self) -> Result<()> {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        if process.ended()?.is_some() {
            return Ok(());
        }
        let Some(first) = Pid::from_raw(i32::try_from(process.id())?) else {
            bail!("a process has an id");
        };
        kill_process(first, Signal::STOP).context("send SIGSTOP")?;
        self.frozen = vec![first];
        for (child, parent) in processes(&self.program)? {
            if self.frozen.contains(&parent) && kill_process(child, Signal::STOP).is_ok() {
                self.frozen.push(child);
            }
        }
        Ok(())
    }

    /// Lets all of it go on.
    pub(crate) fn thaw(&mut self) {
        for pid in self.frozen.drain(..).rev() {
            // One that was killed while it was stopped is gone.
            let _ = kill_process(pid, Signal::CONT);
        }
    }

    /// Tells it to end for good.
    pub(crate) fn end(&mut self, bound: Duration) -> Result<()> {
        if let Some(process) = &mut self.process {
            process.terminate()?;
            let status = process.wait(bound)?;
            let said = self.bury()?;
            ensure_obeyed(&self.name, status, &said)?;
        }
        Ok(())
    }

    /// Forgets a process that has ended; what it said is kept beside the farm.
    pub(crate) fn bury(&mut self) -> Result<String> {
        let said = self.said();
        self.process = None;
        let mut log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)?;
        writeln!(log, "{said}---")?;
        Ok(said)
    }
}

/// A process that is told to end before it listens to signals ends by the signal.
fn ensure_obeyed(name: &str, status: ExitStatus, said: &str) -> Result<()> {
    let is_early = status.signal() == Some(Signal::TERM.as_raw());
    ensure!(
        status.success() || is_early,
        "{name} was told to end, and ended with {status}: {said}"
    );
    Ok(())
}

/// The processes of a program with their parents, parents first.
pub(crate) fn processes(program: &Path) -> Result<Vec<(Pid, Pid)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").context("list processes")? {
        let folder = entry?.path();
        // It may end meanwhile, or be somebody else's.
        let Ok(file) = std::fs::read_link(folder.join("exe")) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(folder.join("stat")) else {
            continue;
        };
        // The name of the program is in brackets and may hold anything; state and parent follow it.
        let numbers = stat.split_once(' ').zip(stat.rsplit_once(')'));
        let ids = numbers.and_then(|((id, _), (_, rest))| {
            let parent = rest.split_whitespace().nth(1)?;
            let pid = |text: &str| text.parse().ok().and_then(Pid::from_raw);
            Some((pid(id)?, pid(parent)?))
        });
        if let Some(ids) = ids.filter(|_| file == program) {
            found.push(ids);
        }
    }
    found.sort_by_key(|(id, _)| id.as_raw_nonzero());
    Ok(found)
}
