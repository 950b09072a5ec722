//! The part of [`Direct`](super::direct::Direct) for a single row of weights with three lines of taps (a depthwise
//! convolution, the adjoint of one from a single channel): an element that was read serves the three lines of places that
//! meet it.

use super::lanes::{Job, wide};
use super::pieces::Pieces;
use super::shape::Meeting;
use crate::cpu::element::Element;
use crate::cpu::gemm::Lanes;

/// Lines of taps.
const TAPS: usize = 3;

/// The geometry of one plane.
pub(super) struct Single {
    lines: usize,
    /// Pieces of a line.
    pieces: usize,
    /// Elements between lines.
    pitch: usize,
    /// Taps of a line, and elements between them.
    columns: usize,
    apart: usize,
    /// Whether taps go backwards.
    reversed: bool,
}

impl Single {
    /// This way, if it is one: of two axes, in steps of 1 from line to line.
    pub fn new(meeting: &Meeting, pieces: &Pieces) -> Option<Single> {
        let [1, TAPS, columns] = meeting.kernel else {
            return None;
        };
        let (lines, pitch) = (meeting.to[1], pieces.planes.extents[2]);
        let offset = |tap: usize| pieces.planes.tap_offset(tap);
        let plain = meeting.axes.iter().all(|axis| axis.step == 1) && meeting.to[0] == 1;
        if !plain || offset(columns).abs_diff(offset(0)) != pitch || !pieces.all.len().is_multiple_of(lines) {
            return None;
        }
        Some(Single {
            lines,
            pieces: pieces.all.len() / lines,
            pitch,
            columns,
            apart: if columns > 1 {
                offset(1).abs_diff(offset(0))
            } else {
                0
            },
            reversed: offset(0) > 0,
        })
    }
}

/// The plane of places that one row of weights makes of the planes.
pub(super) struct Alone<'a, T> {
    pub single: &'a Single,
    pub pieces: &'a Pieces,
    pub planes: &'a [T],
    pub weights: &'a [T],
    pub out: &'a mut [T],
}

impl<T: Element> Job<T> for Alone<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(mut self) {
        let Single { lines, pieces, .. } = *self.single;
        assert!(V::N == self.pieces.lanes && self.weights.len() == self.pieces.offsets.len());
        let last = self.pieces.all[lines * pieces - 1];
        assert!(last.place + last.count <= self.out.len());
        for column in 0..pieces {
            let mut line = 0;
            while line < lines {
                let first = line * pieces + column;
                // SAFETY: these lines exist; registers of elements lie within the planes, as `Pieces::write` checked.
                line += unsafe {
                    match lines - line {
                        8.. if wide::<V>() => self.tile::<V, 8>(first),
                        4.. => self.tile::<V, 4>(first),
                        2.. => self.tile::<V, 2>(first),
                        _ => self.tile::<V, 1>(first),
                    }
                };
            }
        }
    }
}

impl<T: Element> Alone<'_, T> {
    /// `L` lines of one column of pieces, the first of which is number `first`. Gives their number.
    ///
    /// # Safety
    /// The processor must have `V`'s instructions, and the lines exist.
    #[inline(always)]
    unsafe fn tile<V: Lanes<Elem = T>, const L: usize>(&mut self, first: usize) -> usize {
        let Single {
            pitch,
            columns,
            apart,
            reversed,
            ..
        } = *self.single;
        let (taps, size) = (TAPS * columns, self.pieces.planes.size());
        let pieces = &self.pieces.all[first..];
        // SAFETY: as the caller promises.
        unsafe {
            let mut sums = [V::splat(T::ZERO); L];
            for (channel, weights) in self.weights.chunks_exact(taps).enumerate() {
                let plane = self.planes.as_ptr().add(pieces[0].from + channel * size);
                for column in 0..columns {
                    let weight: [V; TAPS] = std::array::from_fn(|line| {
                        let tap = line * columns + column;
                        V::splat(weights[if reversed { taps - 1 - tap } else { tap }])
                    });
                    let from = plane.add(column * apart);
                    for line in 0..L + TAPS - 1 {
                        let x = V::load(from.add(line * pitch));
                        for (tap, &weight) in weight.iter().enumerate() {
                            if (tap..L + tap).contains(&line) {
                                sums[line - tap] = sums[line - tap].fma(weight, x);
                            }
                        }
                    }
                }
            }
            let out = self.out.as_mut_ptr();
            for (line, sum) in sums.into_iter().enumerate() {
                let piece = pieces[line * self.single.pieces];
                let to = out.add(piece.place);
                if piece.count == V::N {
                    sum.store(to);
                } else {
                    sum.store_some(to, V::first(piece.count));
                }
            }
        }
        L
    }
}
