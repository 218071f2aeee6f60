//! Runs the asynchronous work of commands.

use crate::cli::failure::Failure;

/// Runs the future of a command on a new runtime.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)
}
