//! Places where nobody is, known without asking the network.

/// Nothing listens there: it is the port of a service that no machine has had for decades (RFC
/// 1078), and no test is given it as a free one.
pub const CLOSED_PORT: u16 = 1;

/// A host without an address. One label is longer than the 63 bytes of RFC 1035, 2.3.4, so that
/// it is refused here: a resolver that is slow, or not there, would answer otherwise or late.
pub const NO_SUCH_HOST: &str =
    "no-such-host-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.invalid";
