//! A child process that ends with the benchmark, however the benchmark ends: dropped, interrupted or killed.

use std::ffi::OsStr;
use std::process::{Child, Command, Output};

use crate::failure::Failure;

pub struct Process {
    child: Child,
    program: &'static str,
    ending: Ending,
}

/// The signal that a process ends on.
#[derive(Clone, Copy)]
pub enum Ending {
    Kill,
    /// Postgres gives its shared memory back on this one, and does not write its tables out first.
    Quit,
}

impl Ending {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Quit => "QUIT",
        }
    }
}

impl Process {
    /// Starts `command`, which [`bound_to_us`] made for the same `ending`.
    pub fn start(mut command: Command, program: &'static str, ending: Ending) -> Result<Self, Failure> {
        let child = command.spawn().map_err(|cause| Failure::NotStarted { program, cause })?;
        Ok(Self { child, program, ending })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn program(&self) -> &'static str {
        self.program
    }

    /// Fails once the process has ended, so that nobody waits for what cannot come.
    pub fn must_run(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(Failure::Failed { program: self.program, said: status.to_string() }),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; there is nobody left to tell.
        let _ = Command::new("kill").args(["-s", self.ending.name(), &self.id().to_string()]).output();
        let _ = self.child.wait();
    }
}

/// A command that `setpriv` replaces itself with, after asking the kernel to end it when its parent is gone.
pub fn bound_to_us(program: impl AsRef<OsStr>, privileges: &[&str], ending: Ending) -> Command {
    let mut command = Command::new("setpriv");
    command.args(privileges).args(["--pdeathsig", ending.name(), "--"]).arg(program);
    command
}

/// Runs to the end and returns what was printed.
pub fn run(command: &mut Command, program: &'static str) -> Result<String, Failure> {
    let Output { status, stdout, stderr } = command.output().map_err(|cause| Failure::NotStarted { program, cause })?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = format!("{status}, {}", String::from_utf8_lossy(&stderr).trim());
    Err(Failure::Failed { program, said })
}
