//! Whose messages are in which collection.
//!
//! The seed names a collection by two users joined by `_`, and a user's name may hold `_` too:
//! so a name can mean several pairs, and a collection can even hold the messages of several.
//! Every message is therefore given to the pair that its own sender and recipient say, among
//! those that the name can mean.

use mongodb::bson::Document;

use super::{
    fields::{first, key},
    users::Users,
};

/// A pair of users, by their places.
pub(super) type Pair = (usize, usize);

/// The pairs that a collection's name can mean.
pub(super) fn candidates(users: &Users, name: &str) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    for (at, _) in name.match_indices('_') {
        let (left, right) = (name.get(..at), name.get(at + 1..));
        for &a in left.map_or(&[][..], |left| users.named(left)) {
            for &b in right.map_or(&[][..], |right| users.named(right)) {
                let pair = (a.min(b), a.max(b));
                if !pairs.contains(&pair) {
                    pairs.push(pair);
                }
            }
        }
    }
    pairs
}

/// From whom to whom a message is.
///
/// # Errors
/// Why that cannot be told.
pub(super) fn direction(
    users: &Users,
    pairs: &[Pair],
    document: &Document,
) -> Result<(usize, usize), &'static str> {
    let sender = first(document, &["sender", "from"]).ok_or("without a sender")?;
    let sender = key(sender).ok_or("with an odd sender")?;
    let recipient = match first(document, &["receiver", "to"]) {
        Some(recipient) => Some(key(recipient).ok_or("with an odd recipient")?),
        None => None,
    };
    let mut found: Vec<(usize, usize)> = Vec::new();
    for &from in users.named(&sender) {
        for &(a, b) in pairs {
            let to = match from {
                _ if from == a => b,
                _ if from == b => a,
                _ => continue,
            };
            let is_meant =
                recipient.as_ref().is_none_or(|recipient| users.named(recipient).contains(&to));
            if is_meant && !found.contains(&(from, to)) {
                found.push((from, to));
            }
        }
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err("whose sender and recipient are not this pair"),
        _ => Err("that several pairs could have sent"),
    }
}
