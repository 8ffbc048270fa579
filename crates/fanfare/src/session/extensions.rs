//! The application's own values beside a session.

use std::{
    any::{Any, TypeId},
    sync::OnceLock,
};

use parking_lot::Mutex;

type Values = Vec<(TypeId, Box<dyn Any + Send + Sync>)>;

/// One value of each type. Empty it is one word, because most sessions never have any.
#[derive(Default)]
pub(super) struct Extensions(OnceLock<Box<Mutex<Values>>>);

impl Extensions {
    pub(super) fn insert<T: Clone + Send + Sync + 'static>(&self, value: T) -> Option<T> {
        let mut values = self.0.get_or_init(Box::default).lock();
        for (id, old) in values.iter_mut() {
            if *id == TypeId::of::<T>() {
                let old = std::mem::replace(old, Box::new(value));
                return old.downcast().ok().map(|old| *old);
            }
        }
        values.push((TypeId::of::<T>(), Box::new(value)));
        None
    }

    pub(super) fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        let values = self.0.get()?.lock();
        values.iter().find_map(|(_, value)| value.downcast_ref::<T>()).cloned()
    }

    pub(super) fn remove<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        let mut values = self.0.get()?.lock();
        let place = values.iter().position(|(id, _)| *id == TypeId::of::<T>())?;
        values.swap_remove(place).1.downcast().ok().map(|value| *value)
    }
}
