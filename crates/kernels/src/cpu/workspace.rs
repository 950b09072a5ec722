//! The memory in which plans keep what lives while they run. A device runs one plan at a time and nothing in there
//! outlives a run, so all plans use the same memory, as large as the largest needs: that of an epoch's last, smaller
//! batch costs nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyperglow_core::Result;

use super::storage::Arena;

/// Memory shared by the prepared programs of a backend.
pub(crate) struct Workspace {
    room: Mutex<Room>,
    /// What the programs that live asked for.
    claims: Mutex<Vec<usize>>,
}

/// The memory itself, for whoever holds the lock.
pub(crate) struct Room {
    arena: Arena,
    /// How often the memory was replaced: whoever remembers addresses remembers this too.
    moves: u64,
}

impl Room {
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    pub fn moves(&self) -> u64 {
        self.moves
    }

    fn resize(&mut self, bytes: usize) -> Result<()> {
        self.arena = Arena::new(bytes)?;
        self.moves += 1;
        Ok(())
    }
}

impl Workspace {
    pub fn new() -> Arc<Workspace> {
        Arc::new(Workspace {
            room: Mutex::new(Room {
                arena: Arena::empty(),
                moves: 0,
            }),
            claims: Mutex::default(),
        })
    }

    /// Makes sure of `bytes` for as long as the claim lives.
    pub fn claim(self: &Arc<Workspace>, bytes: usize) -> Result<Claim> {
        let mut room = self.enter();
        if room.arena.bytes() < bytes {
            room.resize(bytes)?;
        }
        drop(room);
        self.claims().push(bytes);
        Ok(Claim {
            workspace: self.clone(),
            bytes,
        })
    }

    /// The memory, for one run. Its content is arbitrary.
    pub fn enter(&self) -> MutexGuard<'_, Room> {
        // A run that panicked left nothing in there that the next one relies on.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claims(&self) -> MutexGuard<'_, Vec<usize>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives memory back when no program needs half of it. Whoever drops a program must not wait for a run of another,
    /// so during one the memory stays as it is.
    fn shrink(&self) {
        let wanted = self.claims().iter().copied().max().unwrap_or(0);
        if let Ok(mut room) = self.room.try_lock()
            && wanted < room.arena.bytes() / 2
        {
            // Where the system refuses the smaller piece, the larger one still serves.
            room.resize(wanted).unwrap_or(());
        }
    }
}

/// A program's right to some bytes of a [`Workspace`].
pub(crate) struct Claim {
    workspace: Arc<Workspace>,
    bytes: usize,
}

impl Claim {
    /// The memory, for one run; it has at least the bytes that were claimed.
    pub fn enter(&self) -> MutexGuard<'_, Room> {
        self.workspace.enter()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claims = self.workspace.claims();
        if let Some(at) = claims.iter().position(|&bytes| bytes == self.bytes) {
            claims.swap_remove(at);
        }
        drop(claims);
        self.workspace.shrink();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_share_what_the_largest_needs() {
        let workspace = Workspace::new();
        let small = workspace.claim(10_000).unwrap();
        let large = workspace.claim(1_000_000).unwrap();
        let moves = large.enter().moves();
        let another = workspace.claim(900_000).unwrap();
        assert_eq!(another.enter().moves(), moves);
        assert!((1_000_000..1_001_000).contains(&small.enter().arena().bytes()));
        drop(large);
        assert_eq!(another.enter().moves(), moves);
        drop(another);
        assert!((10_000..11_000).contains(&small.enter().arena().bytes()));
        drop(small);
        assert_eq!(workspace.enter().arena().bytes(), 0);
    }

    #[test]
    fn a_program_is_dropped_during_the_run_of_another() {
        let workspace = Workspace::new();
        let (running, dropped) = (workspace.claim(100).unwrap(), workspace.claim(100_000).unwrap());
        let room = running.enter();
        drop(dropped);
        assert!(room.arena().bytes() >= 100_000);
        drop(room);
        drop(workspace.claim(200).unwrap());
        assert!(running.enter().arena().bytes() < 1000);
    }
}
