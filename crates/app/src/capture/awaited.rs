//! What another thread finds out meanwhile.

use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};

/// A value that is being made; waited for where it is used.
pub(super) struct Awaited<T> {
    making: Mutex<Option<JoinHandle<T>>>,
    made: OnceLock<T>,
}

impl<T: Default + Send + 'static> Awaited<T> {
    /// Begins to make it, on a thread of that name.
    pub(super) fn begin(name: &str, make: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
        let making = Builder::new().name(name.to_owned()).spawn(make)?;
        Ok(Self { making: Mutex::new(Some(making)), made: OnceLock::new() })
    }

    /// The value, once it is made; what stands for nothing, if making it panicked.
    pub(super) fn get(&self) -> &T {
        self.made.get_or_init(|| {
            let making = self.making.lock().unwrap_or_else(PoisonError::into_inner).take();
            making.and_then(|making| making.join().ok()).unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Awaited;

    #[test]
    fn what_is_made_is_waited_for_once_and_stays() {
        let made = Awaited::begin("made", || vec![1]).unwrap();
        assert_eq!((made.get(), made.get()), (&vec![1], &vec![1]));
    }

    #[test]
    fn what_could_not_be_made_is_nothing() {
        let failed =
            Awaited::<Vec<u8>>::begin("failed", || std::panic::resume_unwind(Box::new(())));
        assert!(failed.unwrap().get().is_empty());
    }
}
