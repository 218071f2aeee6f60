//! Queues that carry tokens and codes from responses to later requests.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tokens beyond the needed number are dropped, so that a long run uses little memory.
const MAX_TOKENS: usize = 100_000;

#[derive(Default)]
pub struct Tokens(Mutex<VecDeque<String>>);

impl Tokens {
    pub fn take(&self) -> Option<String> {
        self.lock().pop_front()
    }

    /// The token is taken next, so that tokens are used before they expire.
    pub fn give(&self, token: String) {
        let mut tokens = self.lock();
        if tokens.len() < MAX_TOKENS {
            tokens.push_front(token);
        }
    }

    /// The token is taken after all others.
    pub fn give_last(&self, token: String) {
        let mut tokens = self.lock();
        if tokens.len() < MAX_TOKENS {
            tokens.push_back(token);
        }
    }

    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
