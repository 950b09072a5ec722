//! The memory of plans' intermediate values. A device runs one plan at a time and no intermediate value outlives a
//! run, so all plans use the same memory, as large as the largest arena: the plan of an epoch's last, smaller batch needs
//! no memory of its own. A program claims its memory when it is prepared, and the memory is allocated at the program's
//! first run: preparing a program does not wait for the run of another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyperglow_core::Result;

use super::blocks::within_limits;
use super::storage::Arena;

/// Memory shared by the prepared programs of a backend.
pub(crate) struct Workspace {
    room: Mutex<Room>,
    /// Claims of the living programs, in bytes.
    claims: Mutex<Vec<usize>>,
}

/// The memory itself, for the holder of the lock.
pub(crate) struct Room {
    arena: Arena,
    /// Number of replacements of the memory. Stored addresses are valid for one value of this number.
    moves: u64,
}

impl Room {
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    pub fn moves(&self) -> u64 {
        self.moves
    }

    /// Allocates memory of at least this size.
    fn grow(&mut self, bytes: usize) -> Result<()> {
        if self.arena.bytes() < bytes {
            self.resize(bytes)?;
        }
        Ok(())
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

    /// A claim to `bytes`. The memory exists from the claim's first use on, as long as the claim lives.
    ///
    /// # Errors
    /// If the machine has less memory.
    pub fn claim(self: &Arc<Workspace>, bytes: usize) -> Result<Claim> {
        within_limits(bytes)?;
        self.claims().push(bytes);
        Ok(Claim {
            workspace: self.clone(),
            bytes,
        })
    }

    fn enter(&self) -> MutexGuard<'_, Room> {
        // No run relies on the content after an earlier run that panicked.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claims(&self) -> MutexGuard<'_, Vec<usize>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees memory if no program needs half of it. Dropping a program must not wait for a run of another, so the memory
    /// does not change during a run.
    fn shrink(&self) {
        let Ok(mut room) = self.room.try_lock() else {
            return;
        };
        // Counted outside of a run: a later, larger claim is allocated at its first run.
        let wanted = self.claims().iter().copied().max().unwrap_or(0);
        if wanted < room.arena.bytes() / 2 {
            // If the system refuses the smaller block, the larger one is kept.
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
    /// The memory, for one run: at least the claimed bytes, with arbitrary content.
    ///
    /// # Errors
    /// If the system has less memory left; only before the first success.
    pub fn enter(&self) -> Result<MutexGuard<'_, Room>> {
        let mut room = self.workspace.enter();
        room.grow(self.bytes)?;
        Ok(room)
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
    use hyperglow_core::error::ErrorKind;

    use super::*;

    /// Bytes and number of moves during a use of the claim.
    fn used(claim: &Claim) -> (usize, u64) {
        let room = claim.enter().unwrap();
        (room.arena().bytes(), room.moves())
    }

    #[test]
    fn programs_share_what_the_largest_needs() {
        let workspace = Workspace::new();
        let small = workspace.claim(10_000).unwrap();
        let large = workspace.claim(1_000_000).unwrap();
        assert!((10_000..11_000).contains(&used(&small).0));
        let (_, moves) = used(&large);
        let another = workspace.claim(900_000).unwrap();
        assert_eq!(used(&another).1, moves);
        assert!((1_000_000..1_001_000).contains(&used(&small).0));
        drop(large);
        assert_eq!(used(&another).1, moves);
        drop(another);
        assert!((10_000..11_000).contains(&used(&small).0));
        drop(small);
        assert_eq!(workspace.enter().arena().bytes(), 0);
    }

    #[test]
    fn a_program_is_made_and_dropped_during_the_run_of_another() {
        let workspace = Workspace::new();
        let (running, dropped) = (workspace.claim(100).unwrap(), workspace.claim(100_000).unwrap());
        used(&dropped);
        let room = running.enter().unwrap();
        drop(dropped);
        let made = workspace.claim(50_000).unwrap();
        assert!(room.arena().bytes() >= 100_000);
        drop(room);
        drop(workspace.claim(200).unwrap());
        assert!(used(&made).0 >= 50_000);
        drop(made);
        assert!(used(&running).0 < 1000);
    }

    #[test]
    fn memory_shrinks_to_no_less_than_what_is_claimed_at_the_same_time() {
        let workspace = Workspace::new();
        std::thread::scope(|scope| {
            for k in 0..4 {
                let workspace = &workspace;
                scope.spawn(move || {
                    for i in 0..500 {
                        let bytes = 1000 * (1 + (i * 7 + k * 3) % 40);
                        assert!(used(&workspace.claim(bytes).unwrap()).0 >= bytes);
                    }
                });
            }
        });
        assert_eq!(workspace.enter().arena().bytes(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn more_than_the_machine_has_is_refused_when_it_is_claimed() {
        let error = Workspace::new().claim(1 << 50).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Device);
    }
}
