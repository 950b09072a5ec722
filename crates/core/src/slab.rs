//! A slab: an array with reused entries and generational keys.

/// Names an item of a [`Slab`]: index of its entry in the low 32 bits, generation of the entry above. It fits the 53 integer
/// bits of a JavaScript number.
pub type Key = u64;

/// Generations of one entry: as many as a key has room for beside 32 bits for the index. An exhausted entry stays empty.
const GENERATIONS: u32 = 1 << 21;

/// A growable array whose empty entries are filled again. No two items ever have the same key, so a stale key is noticed.
pub struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    len: usize,
}

struct Entry<T> {
    item: Option<T>,
    /// Number of items removed from the entry.
    generation: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab {
            entries: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    /// Stores an item; its key is returned.
    pub fn insert(&mut self, item: T) -> Key {
        self.len += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry {
                item: None,
                generation: 0,
            });
            (self.entries.len() - 1) as u32
        });
        let entry = &mut self.entries[index as usize];
        entry.item = Some(item);
        Key::from(entry.generation) << 32 | Key::from(index)
    }
    fn entry(&mut self, key: Key) -> Option<&mut Entry<T>> {
        self.entries
            .get_mut(key as u32 as usize)
            .filter(|entry| Key::from(entry.generation) == key >> 32)
    }
    /// The item of this key.
    pub fn get(&self, key: Key) -> Option<&T> {
        let entry = self.entries.get(key as u32 as usize)?;
        entry
            .item
            .as_ref()
            .filter(|_| Key::from(entry.generation) == key >> 32)
    }
    /// The item of this key, to be changed.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.entry(key)?.item.as_mut()
    }
    /// Removes the item; its key names nothing from then on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entry(key)?;
        let item = entry.item.take()?;
        entry.generation += 1;
        if entry.generation < GENERATIONS {
            self.free.push(key as u32);
        }
        self.len -= 1;
        Some(item)
    }
    /// Items held.
    pub fn len(&self) -> usize {
        self.len
    }
    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_again_and_stale_keys_name_nothing() {
        let mut slab = Slab::default();
        let kept = slab.insert(0);
        let mut stale = Vec::new();
        for i in 1..1000 {
            let key = slab.insert(i);
            assert_eq!(slab.remove(key), Some(i));
            stale.push(key);
        }
        assert_eq!((slab.entries.len(), slab.len()), (2, 1));
        let last = slab.insert(7);
        for key in stale {
            assert_eq!(slab.get(key), None);
            assert_eq!(slab.get_mut(key), None);
            assert_eq!(slab.remove(key), None);
        }
        assert_eq!((slab.get(kept), slab.get(last)), (Some(&0), Some(&7)));
    }

    #[test]
    fn a_place_that_is_used_up_stays_empty() {
        let mut slab = Slab::default();
        for _ in 0..GENERATIONS {
            let key = slab.insert(());
            assert!(key < 1 << 53);
            slab.remove(key);
        }
        assert_eq!(slab.insert(()), 1);
    }
}
