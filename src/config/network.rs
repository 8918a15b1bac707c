//! Networks of addresses, as CIDR writes them (RFC 4632): `10.0.0.0/8`, `fd00::/8`, `192.0.2.1`.

use std::{fmt, net::IpAddr, str::FromStr};

/// A network of IPv4 or IPv6 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    /// How many of its leading bits all members share.
    prefix: u32,
}

impl Network {
    /// Whether it holds `address`; an IPv4 address that is written as IPv6 is one of IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, bits: u32| (a ^ b).checked_shr(bits - self.prefix) == Some(0);
        match (self.first, address.to_canonical()) {
            // Of 32 bits, shifted by 32 at most.
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(_), IpAddr::V6(_)) if self.prefix == 0 => true,
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }

    /// Whether it holds every address of its kind.
    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl FromStr for Network {
    type Err = String;

    /// Reads `address/prefix`, or one address.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence that begins with the text.
    fn from_str(text: &str) -> Result<Self, String> {
        let not_one = || {
            "is neither an address nor a network: write one such as \"10.0.0.0/8\" or \"::1\""
                .to_owned()
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| not_one())?;
        if address != address.to_canonical() {
            return Err(format!("is IPv4: write \"{}\"", address.to_canonical()));
        }
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= bits).ok_or_else(not_one)?
            }
            Some(_) => return Err(not_one()),
        };
        let first = first_of(address, prefix);
        if first != address {
            return Err(format!("is an address within a network: write \"{first}/{prefix}\""));
        }
        Ok(Self { first, prefix })
    }
}

/// The address without the bits after the first `prefix`.
fn first_of(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_told_from_others() {
        for (network, inside, outside) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.0"),
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::a01:203"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::1", "::1", "::2"),
            ("fd00::/8", "fdff:ffff::1", "fe00::"),
            ("2001:db8::/32", "2001:db8:ffff::", "2001:db9::"),
            ("::/0", "ffff::", "10.0.0.1"),
        ] {
            let read: Network = network.parse().unwrap();
            assert!(read.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!read.contains(outside.parse().unwrap()), "{network} {outside}");
        }
        assert_eq!("10.0.0.1".parse::<Network>().unwrap().to_string(), "10.0.0.1/32");
        assert!("::/0".parse::<Network>().unwrap().is_everything());
    }

    #[test]
    fn the_rest_is_refused_in_words() {
        for (text, hint) in [
            ("", "neither an address"),
            ("localhost", "neither an address"),
            ("10.0.0.0/33", "neither an address"),
            ("10.0.0.0/+8", "neither an address"),
            ("10.0.0.0/", "neither an address"),
            ("::/129", "neither an address"),
            ("10.0.0.1:80", "neither an address"),
            ("10.0.0.1/8", "write \"10.0.0.0/8\""),
            ("fd00::1/8", "write \"fd00::/8\""),
            ("::ffff:10.0.0.1", "write \"10.0.0.1\""),
        ] {
            let said = text.parse::<Network>().unwrap_err();
            assert!(said.contains(hint), "{text}: {said}");
        }
    }
}
