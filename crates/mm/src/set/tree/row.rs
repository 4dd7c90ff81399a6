//! A short array with some of its places in use, all at the front.

use core::ops::{Index, IndexMut};

/// Up to `N` items in a row.
#[derive(Clone)]
pub(super) struct Row<T, const N: usize> {
    len: usize,
    items: [Option<T>; N],
}

impl<T, const N: usize> Row<T, N> {
    /// Makes a row without items.
    pub(super) fn new() -> Self {
        Self { len: 0, items: [const { None }; N] }
    }

    /// Returns the number of items.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the item at `index`; `None` past the last.
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.items.get(index)?.as_ref()
    }

    /// Returns the item at `index`; `None` past the last.
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.items.get_mut(index)?.as_mut()
    }

    /// Returns the items.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().flatten()
    }

    /// Inserts an item at `index`.
    ///
    /// # Preconditions
    /// The row is not full.
    pub(super) fn insert(&mut self, index: usize, item: T) {
        debug_assert!(index <= self.len && self.len < N, "there is room at {index}");
        self.items[index..=self.len].rotate_right(1);
        self.items[index] = Some(item);
        self.len += 1;
    }

    /// Removes and returns the item at `index`.
    pub(super) fn remove(&mut self, index: usize) -> T {
        let item = self.items[index].take().expect("there is an item below the length");
        self.items[index..self.len].rotate_left(1);
        self.len -= 1;
        item
    }

    /// Moves the items from `at` on to a row of their own.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let mut right = Self::new();
        for (to, from) in right.items.iter_mut().zip(&mut self.items[at..]) {
            *to = from.take();
        }
        right.len = self.len - at;
        self.len = at;
        right
    }

    /// Appends the items of another row.
    pub(super) fn append(&mut self, right: Self) {
        for (to, from) in self.items[self.len..].iter_mut().zip(right.items.into_iter().take(right.len)) {
            *to = from;
        }
        self.len += right.len;
    }
}

impl<T, const N: usize> Index<usize> for Row<T, N> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        self.get(index).expect("there is an item below the length")
    }
}

impl<T, const N: usize> IndexMut<usize> for Row<T, N> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        self.get_mut(index).expect("there is an item below the length")
    }
}
