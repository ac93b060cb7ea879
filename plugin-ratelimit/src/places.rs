//! Places that keys share which find none of their own.

/// How many there are in a set: enough that two who are not part of a flood hardly meet. Models of threads have two, or one
/// change of settings would be more steps than they can follow.
pub(crate) const PLACES: usize = if cfg!(loom) { 2 } else { 1024 };

/// A set of places, one for each hash. The hash has a random seed, so nobody can choose whom he meets.
pub(crate) struct Places<T>(Box<[T]>);

impl<T> Places<T> {
    pub(crate) fn new(make: impl FnMut() -> T) -> Self {
        Self(std::iter::repeat_with(make).take(PLACES).collect())
    }

    pub(crate) fn at(&self, hash: u64) -> &T {
        &self.0[Self::index(hash)]
    }

    pub(crate) fn at_mut(&mut self, hash: u64) -> &mut T {
        &mut self.0[Self::index(hash)]
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// Within the set, whatever the hash is.
    fn index(hash: u64) -> usize {
        hash as usize % PLACES
    }
}
