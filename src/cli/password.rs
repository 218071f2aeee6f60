//! A password that a person or a script gives on standard input: never as an argument, which others can see.

use std::io::Read as _;

use crate::cli::Failure;
use crate::secret::Secret;

/// The first line of standard input, where it was asked for.
pub fn from_stdin(asked_for: bool) -> Result<Option<Secret>, Failure> {
    const MOST: u64 = 8 * 1024;
    if !asked_for {
        return Ok(None);
    }
    let mut text = String::new();
    std::io::stdin().lock().take(MOST).read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    if line.is_empty() {
        return Err(Failure::Usage("--password-stdin: the first line of standard input is empty".to_owned()));
    }
    Ok(Some(Secret::new(line)))
}
