//! How many connections each address has open.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::client;

/// Counts open connections by address. Holds one entry for each address with a connection.
#[derive(Default)]
pub struct Addresses(Mutex<HashMap<IpAddr, usize>>);

/// One connection's place; given back when it is dropped.
pub struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from `address`, unless it has `most` already.
    pub fn enter(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<Place> {
        let address = client::customer(address);
        let mut open = self.lock();
        let count = open.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Place { addresses: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.addresses.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_given_back() {
        let addresses = Arc::new(Addresses::default());
        let enter = |address: &str| addresses.enter(address.parse().unwrap(), 2);
        let one = enter("192.0.2.1");
        let two = enter("192.0.2.1");
        assert!(one.is_some() && two.is_some());
        assert!(enter("192.0.2.1").is_none());
        assert!(enter("192.0.2.2").is_some());
        drop(one);
        assert!(enter("192.0.2.1").is_some());
        let a = enter("2001:db8::1");
        let b = enter("2001:db8::2");
        assert!(a.is_some() && b.is_some() && enter("2001:db8::3").is_none(), "one network");
        drop((two, a, b));
        assert!(addresses.lock().is_empty());
    }
}
