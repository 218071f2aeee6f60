//! A child process that ends with the benchmark, whether that is dropped, interrupted or killed.

use std::ffi::OsStr;
use std::process::{Child, Command, Output};

use crate::failure::Failure;

pub struct Process {
    child: Child,
    program: &'static str,
    ending: Ending,
}

/// The signal that ends the process.
#[derive(Clone, Copy)]
pub enum Ending {
    Kill,
    /// On this signal, Postgres releases its shared memory and does not write its tables first.
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
    pub fn start(
        mut command: Command,
        program: &'static str,
        ending: Ending,
    ) -> Result<Self, Failure> {
        let child = command.spawn().map_err(|cause| Failure::NotStarted { program, cause })?;
        Ok(Self { child, program, ending })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn program(&self) -> &'static str {
        self.program
    }

    /// Fails if the process has ended, so that nothing waits for it.
    pub fn must_run(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                Err(Failure::Failed { program: self.program, said: status.to_string() })
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended already, and the error cannot be reported.
        let _ =
            Command::new("kill").args(["-s", self.ending.name(), &self.id().to_string()]).output();
        let _ = self.child.wait();
    }
}

/// A command that `setpriv` runs after asking the kernel to end it when its parent ends.
pub fn bound_to_us(program: impl AsRef<OsStr>, privileges: &[&str], ending: Ending) -> Command {
    let mut command = Command::new("setpriv");
    command.args(privileges).args(["--pdeathsig", ending.name(), "--"]).arg(program);
    command
}

/// Runs the command to its end and returns its output.
pub fn run(command: &mut Command, program: &'static str) -> Result<String, Failure> {
    let Output { status, stdout, stderr } =
        command.output().map_err(|cause| Failure::NotStarted { program, cause })?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = format!("{status}, {}", String::from_utf8_lossy(&stderr).trim());
    Err(Failure::Failed { program, said })
}
