//! Copying of short runs, for which a call of the library's copy would cost more than the copying.

/// `to = from`, of equal length.
#[inline(always)]
pub(in crate::cpu::conv) fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    let count = to.len();
    assert!(from.len() == count);
    if count >= 16 {
        let last = count - 16;
        for at in (0..last).step_by(16) {
            block::<T, 16>(from, to, at);
        }
        // The last block may overlap the one before.
        block::<T, 16>(from, to, last);
    } else if count >= 4 {
        block::<T, 4>(from, to, 0);
        if count > 8 {
            block::<T, 4>(from, to, 4);
            block::<T, 4>(from, to, count - 8);
        }
        block::<T, 4>(from, to, count - 4);
    } else {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = from;
        }
    }
}

#[inline(always)]
fn block<T: Copy, const N: usize>(from: &[T], to: &mut [T], at: usize) {
    to[at..at + N].copy_from_slice(&from[at..at + N]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length_is_copied() {
        let from: Vec<usize> = (1..=100).collect();
        for count in 0..100 {
            let mut to = [0; 100];
            copy(&from[..count], &mut to[..count]);
            assert_eq!(to[..count], from[..count]);
            assert!(to[count..].iter().all(|&x| x == 0));
        }
    }
}
