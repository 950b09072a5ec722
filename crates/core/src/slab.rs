//! Numbered places that are reused.

/// A growable array with holes; names are never reused for something else while they are held.
pub struct Slab<T> {
    items: Vec<Option<T>>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab {
            items: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    /// Stores an item; its number is returned.
    pub fn insert(&mut self, item: T) -> u32 {
        self.len += 1;
        self.items.push(Some(item));
        (self.items.len() - 1) as u32
    }
    /// The item of this number.
    pub fn get(&self, i: u32) -> Option<&T> {
        self.items.get(i as usize).and_then(Option::as_ref)
    }
    /// The item of this number, to be changed.
    pub fn get_mut(&mut self, i: u32) -> Option<&mut T> {
        self.items.get_mut(i as usize).and_then(Option::as_mut)
    }
    /// Takes the item out; its number stays empty, so that a stale one is noticed.
    pub fn remove(&mut self, i: u32) -> Option<T> {
        let item = self.items.get_mut(i as usize).and_then(Option::take);
        self.len -= usize::from(item.is_some());
        item
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
