//! Where in the body of a loop each value is used.

use super::graph::{Graph, Id};

/// The remaining uses of all values.
#[derive(Default)]
pub(super) struct Uses {
    /// Positions, grouped by value, ascending.
    positions: Vec<u32>,
    /// The first use of each value that is still to come, and the end of its uses.
    coming: Vec<(u32, u32)>,
}

impl Uses {
    pub fn new(graph: &Graph, order: &[Id]) -> Uses {
        let mut coming = vec![(0, 0); graph.values.len()];
        let operands = |id: Id| graph.value(id).operands();
        for operand in order.iter().flat_map(|&id| operands(id)) {
            coming[operand as usize].1 += 1;
        }
        let mut end = 0;
        for (first, count) in &mut coming {
            let start = end;
            end += *count;
            (*first, *count) = (start, start);
        }
        let mut positions = vec![0; end as usize];
        for (position, &id) in order.iter().enumerate() {
            for operand in operands(id) {
                let end = &mut coming[operand as usize].1;
                positions[*end as usize] = position as u32;
                *end += 1;
            }
        }
        Uses { positions, coming }
    }

    /// The only position at which a value is used.
    pub fn only(&self, id: Id) -> Option<usize> {
        let (first, end) = self.coming[id as usize];
        let uses = &self.positions[first as usize..end as usize];
        let &at = uses.first()?;
        uses.iter().all(|&other| other == at).then_some(at as usize)
    }

    /// The next position at which a value is used.
    pub fn next(&self, id: Id) -> Option<u32> {
        let (first, end) = self.coming[id as usize];
        (first < end).then(|| self.positions[first as usize])
    }

    /// Advances to the instruction at a position, and removes the uses by its operands.
    pub fn advance(&mut self, position: usize, operands: impl Iterator<Item = Id>) {
        for operand in operands {
            let (first, end) = &mut self.coming[operand as usize];
            while first < end && self.positions[*first as usize] <= position as u32 {
                *first += 1;
            }
        }
    }
}
