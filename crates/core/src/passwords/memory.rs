//! The memory that hashes are made in, kept from one hash to the next.
//!
//! A hash fills 19 MiB. To ask the system for them each time costs a tenth of the hash, and leaves an instance with a
//! piece for every thread that ever made one.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Argon2, Block};

use crate::{Error, Result};

/// Length of what a hash comes to, in bytes.
pub(super) const OUTPUT: usize = 32;

/// Pieces of memory that nobody uses at the moment. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    free: Arc<Mutex<Vec<Vec<Block>>>>,
    /// A larger piece is not kept: it was for a stored hash of another cost.
    largest: usize,
}

impl Memory {
    /// Keeps pieces for hashes of this many blocks of 1 KiB.
    pub(super) fn new(blocks: usize) -> Self {
        Self {
            free: Arc::default(),
            largest: blocks,
        }
    }

    /// Computes a hash.
    pub(super) fn compute(
        &self,
        hasher: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<()> {
        let blocks = hasher.params().block_count();
        let mut piece = self.lock().pop().unwrap_or_default();
        if piece.len() < blocks {
            piece.resize(blocks, Block::default());
        }
        let memory = piece.get_mut(..blocks).unwrap_or_default();
        let computed = hasher.hash_password_into_with_memory(password, salt, output, memory);
        if piece.len() <= self.largest {
            self.lock().push(piece);
        }
        computed.map_err(|_| Error::Crypto("argon2"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
