//! The values of a leaf: each stays at its place while others come and go.
//!
//! ```text
//! in order      A    B    C            order  [ 2 0 1 ]
//! at places   [ B    C    A    .  ]    insertion writes a value to a free place and moves numbers only
//! ```

use super::leaf::LEAF;

/// Up to [`LEAF`] values in an order of their own.
///
/// What is not values lies in one cache line: a search that asks for the length has the order, too.
#[derive(Clone)]
#[repr(C, align(64))]
pub(super) struct Places<V> {
    len: usize,
    /// The free places, one bit each.
    free: u32,
    /// The place of each value.
    order: [u8; LEAF],
    values: [Option<V>; LEAF],
}

const _: () = assert!(LEAF == u32::BITS as usize, "one bit of `free` for each place");

impl<V> Places<V> {
    /// Makes places without values.
    pub(super) fn new() -> Self {
        Self { len: 0, free: u32::MAX, order: [0; LEAF], values: [const { None }; LEAF] }
    }

    /// Returns the number of values.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the value at `index`.
    pub(super) fn get(&self, index: usize) -> &V {
        self.values[self.place(index)].as_ref().expect("there is a value below the length")
    }

    /// Returns the value at `index`.
    pub(super) fn get_mut(&mut self, index: usize) -> &mut V {
        self.values[self.place(index)].as_mut().expect("there is a value below the length")
    }

    /// Returns the values in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &V> {
        (0..self.len).map(|index| self.get(index))
    }

    /// Inserts a value at `index`.
    ///
    /// # Preconditions
    /// A place is free.
    pub(super) fn insert(&mut self, index: usize, value: V) {
        self.open(index, 1);
        self.values[self.place(index)] = Some(value);
    }

    /// Makes room for `count` values from `index` on, which are to be put there next.
    ///
    /// # Preconditions
    /// As many places are free.
    pub(super) fn open(&mut self, index: usize, count: usize) {
        debug_assert!(index <= self.len && self.len + count <= LEAF, "there is room for {count} at {index}");
        self.order.copy_within(index..LEAF - count, index + count);
        for place in &mut self.order[index..index + count] {
            *place = self.free.trailing_zeros() as u8;
            self.free &= self.free - 1;
        }
        self.len += count;
    }

    /// Makes a value from the one at `index` in the place opened at `to`, and returns it.
    #[inline]
    pub(super) fn derive(&mut self, index: usize, to: usize, make: impl FnOnce(&V) -> V) -> &V {
        // From place to place, not by way of the stack: what was just written in pieces is slow to read.
        let [old, new] = [self.place(index), self.place(to)];
        match self.values.get_disjoint_mut([old, new]) {
            Ok([Some(old), new]) => new.insert(make(old)),
            _ => unreachable!("two places, the first with a value"),
        }
    }

    /// Removes the value at `index` after it has been looked at.
    pub(super) fn remove<R>(&mut self, index: usize, look: impl FnOnce(&V) -> R) -> R {
        let result = look(self.get(index));
        self.values[self.vacate(index)] = None;
        result
    }

    /// Removes `count` values from `index` on after each has been looked at.
    pub(super) fn remove_run(&mut self, index: usize, count: usize, mut look: impl FnMut(&V)) {
        for index in index..index + count {
            look(self.get(index));
            let place = self.place(index);
            self.free |= 1 << place;
            self.values[place] = None;
        }
        self.order.copy_within(index + count.., index);
        self.len -= count;
    }

    /// Moves the values from `at` on to places of their own.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let mut right = Self::new();
        while self.len > at {
            let value = self.take(at);
            right.insert(right.len, value);
        }
        right
    }

    /// Appends the values of the leaf to the right.
    pub(super) fn append(&mut self, mut right: Self) {
        while right.len > 0 {
            let value = right.take(0);
            self.insert(self.len, value);
        }
    }

    fn take(&mut self, index: usize) -> V {
        let place = self.vacate(index);
        self.values[place].take().expect("there is a value below the length")
    }

    /// Takes the place of the value at `index` from it and returns it.
    fn vacate(&mut self, index: usize) -> usize {
        let place = self.place(index);
        self.free |= 1 << place;
        self.order.copy_within(index + 1.., index);
        self.len -= 1;
        place
    }

    fn place(&self, index: usize) -> usize {
        debug_assert!(index < self.len, "there is a value at {index}");
        usize::from(self.order[index])
    }
}
