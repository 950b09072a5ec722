//! The memory in which plans keep what lives while they run. A device runs one plan at a time and nothing in there
//! outlives a run, so all plans use the same memory, as large as the largest needs: that of an epoch's last, smaller
//! batch costs nothing. A program asks for its memory when it is prepared and gets it when it runs first: whoever prepares
//! one need not wait for the run of another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyperglow_core::Result;

use super::blocks::within_limits;
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

    /// Sees to it that there are as many bytes.
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

    /// A claim to `bytes`, which from its first use on are there for as long as it lives.
    ///
    /// # Errors
    /// Where the machine has not so much.
    pub fn claim(self: &Arc<Workspace>, bytes: usize) -> Result<Claim> {
        within_limits(bytes)?;
        self.claims().push(bytes);
        Ok(Claim {
            workspace: self.clone(),
            bytes,
        })
    }

    fn enter(&self) -> MutexGuard<'_, Room> {
        // A run that panicked left nothing in there that the next one relies on.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claims(&self) -> MutexGuard<'_, Vec<usize>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives memory back when no program needs half of it. Whoever drops a program must not wait for a run of another,
    /// so during one the memory stays as it is.
    fn shrink(&self) {
        let Ok(mut room) = self.room.try_lock() else {
            return;
        };
        // Counted while nobody runs: whoever claims more from now on gets it when it runs.
        let wanted = self.claims().iter().copied().max().unwrap_or(0);
        if wanted < room.arena.bytes() / 2 {
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
    /// The memory, for one run; it has at least the bytes that were claimed, its content is arbitrary.
    ///
    /// # Errors
    /// Where the system has not so much left; only before the first success.
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

    /// Bytes and moves while the claim is used.
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
