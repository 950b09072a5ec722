//! Numbered places that are reused.

/// Names an item of a [`Slab`]: a place and how often it was used before. It fits the 53 integer bits of a JavaScript number.
pub type Key = u64;

/// Uses of one place: with 32 bits for the place, as many as a key has room for. A place that is used up stays empty.
const USES: u32 = 1 << 21;

/// A growable array whose empty places are filled again. Each item has a key that no other ever has, so that a stale one is
/// noticed.
pub struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    len: usize,
}

struct Place<T> {
    item: Option<T>,
    /// Items that were taken out of it.
    uses: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab {
            places: Vec::new(),
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
            self.places.push(Place { item: None, uses: 0 });
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        place.item = Some(item);
        Key::from(place.uses) << 32 | Key::from(index)
    }
    fn place(&mut self, key: Key) -> Option<&mut Place<T>> {
        self.places
            .get_mut(key as u32 as usize)
            .filter(|place| Key::from(place.uses) == key >> 32)
    }
    /// The item of this key.
    pub fn get(&self, key: Key) -> Option<&T> {
        let place = self.places.get(key as u32 as usize)?;
        place.item.as_ref().filter(|_| Key::from(place.uses) == key >> 32)
    }
    /// The item of this key, to be changed.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.place(key)?.item.as_mut()
    }
    /// Takes the item out; nothing has its key from then on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let place = self.place(key)?;
        let item = place.item.take()?;
        place.uses += 1;
        if place.uses < USES {
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
        assert_eq!((slab.places.len(), slab.len()), (2, 1));
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
        for _ in 0..USES {
            let key = slab.insert(());
            assert!(key < 1 << 53);
            slab.remove(key);
        }
        assert_eq!(slab.insert(()), 1);
    }
}
