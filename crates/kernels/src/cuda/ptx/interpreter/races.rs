//! Accesses without an order: two of one element, one of them a store, by threads with no barrier between.
//!
//! Elements are told apart by their address, which finds every race, as each slot has elements of one size.

use hyperglow_core::hash::FastMap;

/// When a thread made an access.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub block: u32,
    pub thread: u32,
    /// Barriers of the block before it.
    pub barriers: u32,
    /// Barriers and shuffles of the thread's warp before it.
    pub warp_barriers: u32,
}

impl Moment {
    /// Whether this moment is before a later one, for sure.
    fn is_before(self, later: Moment) -> bool {
        let same_warp = self.thread / 32 == later.thread / 32;
        self.block == later.block
            && (self.thread == later.thread
                || self.barriers != later.barriers
                || same_warp && self.warp_barriers != later.warp_barriers)
    }
}

/// The last accesses of an element.
#[derive(Clone, Copy, Default)]
struct Element {
    writer: Option<Moment>,
    /// Two readers: if each is before a store, or the same thread, so most likely are the others.
    readers: [Option<Moment>; 2],
    /// Read through the read-only cache.
    is_cached: bool,
}

/// Accesses to a memory.
#[derive(Default)]
pub(super) struct Races {
    elements: FastMap<u64, Element>,
}

impl Races {
    /// Records a load.
    pub fn load(&mut self, address: u64, now: Moment, cached: bool) -> Result<(), String> {
        let element = self.elements.entry(address).or_default();
        if cached && element.writer.is_some() {
            return Err("a load through the read-only cache of what the launch writes".into());
        }
        element.is_cached |= cached;
        if let Some(writer) = element.writer
            && !writer.is_before(now)
        {
            return Err(race("a load", now, "the store", writer));
        }
        let other = |reader: &Option<Moment>| reader.is_none_or(|r| r.is_before(now));
        let place = element.readers.iter().position(other).unwrap_or(0);
        element.readers[place] = Some(now);
        Ok(())
    }

    /// Records a store.
    pub fn store(&mut self, address: u64, now: Moment) -> Result<(), String> {
        let element = self.elements.entry(address).or_default();
        if element.is_cached {
            return Err("a store to what the launch reads through the read-only cache".into());
        }
        if let Some(writer) = element.writer
            && !writer.is_before(now)
        {
            return Err(race("a store", now, "the store", writer));
        }
        if let Some(reader) = element.readers.iter().flatten().find(|r| !r.is_before(now)) {
            return Err(race("a store", now, "the load", *reader));
        }
        element.writer = Some(now);
        element.readers = [None; 2];
        Ok(())
    }
}

fn race(this: &str, now: Moment, that: &str, before: Moment) -> String {
    format!(
        "{this} by thread {} of block {} races with {that} by thread {} of block {}",
        now.thread, now.block, before.thread, before.block
    )
}
