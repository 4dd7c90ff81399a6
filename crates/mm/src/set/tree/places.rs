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
        let place = self.occupy(index);
        self.values[place] = Some(value);
    }

    /// Puts a copy of the value at `index` behind it and returns both.
    ///
    /// # Preconditions
    /// A place is free.
    pub(super) fn duplicate(&mut self, index: usize) -> (&mut V, &mut V)
    where
        V: Clone,
    {
        let old = self.place(index);
        let new = self.occupy(index + 1);
        let copy = self.values[old].clone();
        self.values[new] = copy;
        match self.values.get_disjoint_mut([old, new]) {
            Ok([Some(old), Some(new)]) => (old, new),
            _ => unreachable!("two places, each with a value"),
        }
    }

    /// Gives the value that comes to `index` a place.
    fn occupy(&mut self, index: usize) -> usize {
        debug_assert!(index <= self.len && self.len < LEAF, "there is room at {index}");
        let place = self.free.trailing_zeros();
        self.free &= self.free - 1;
        self.order.copy_within(index..LEAF - 1, index + 1);
        self.order[index] = place as u8;
        self.len += 1;
        place as usize
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
