//! Reads both sides again, from the beginning to the end, and says whether they hold the same.

use futures_util::{StreamExt, TryStreamExt};

use super::{
    Differences,
    digest::{Digest, Hasher},
    progress::{Phase, Progress},
    walk::{Reader, accounts, conversations, logins, merge},
};
use crate::store::{
    Account, Conversation, Mark, Message, RefreshableLogin, StoreError,
    transfer::{Export, Import, Size, Thread},
};

/// What one side holds, as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Accounts.
    pub accounts: u64,
    /// Conversations with at least one message.
    pub conversations: u64,
    /// Messages.
    pub messages: u64,
    /// Read marks.
    pub marks: u64,
    /// Logins; 0 when the source knows of none.
    pub logins: u64,
    /// The checksum of all of it.
    pub digest: Digest,
}

/// Both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Where it came from.
    pub source: Content,
    /// Where it went.
    pub target: Content,
    /// Where they differ.
    pub differences: Differences,
}

impl Comparison {
    /// Whether both hold the same.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty() && self.source == self.target
    }
}

/// Compares all that two stores hold, `lanes` conversations at the same time.
///
/// # Errors
/// [`StoreError::Unavailable`] when either side cannot be read.
pub async fn compare(
    source: &dyn Export,
    target: &dyn Import,
    lanes: usize,
    progress: &Progress,
) -> Result<Comparison, StoreError> {
    progress.begin(Phase::Compare, source.size().await?.messages);
    let mut comparison = Comparison::default();
    let (mut left, mut right) = (Hasher::default(), Hasher::default());

    let mut both =
        std::pin::pin!(merge(accounts(source), accounts(target), |account: &Account| account.id));
    while let Some((ours, theirs)) = both.try_next().await? {
        let name = ours.as_ref().or(theirs.as_ref()).map(|account| account.username.clone());
        if let Some(why) = difference(ours.as_ref(), theirs.as_ref(), Account::differs)
            && let Some(name) = name
        {
            comparison.differences.add(format!("account {name}: {why}"));
        }
        ours.iter().for_each(|account| left.account(account));
        theirs.iter().for_each(|account| right.account(account));
        comparison.source.accounts += u64::from(ours.is_some());
        comparison.target.accounts += u64::from(theirs.is_some());
    }

    let both = merge(conversations(source), conversations(target), |one| *one);
    let threads = both.map(|one| async move {
        let (ours, theirs) = one?;
        match ours.or(theirs) {
            Some(conversation) => threads(source, target, conversation, progress).await.map(Some),
            None => Ok(None),
        }
    });
    let mut threads = std::pin::pin!(threads.buffered(lanes.max(1)));
    while let Some(found) = threads.try_next().await? {
        let Some((conversation, ours, theirs, why)) = found else {
            continue;
        };
        if let Some(why) = why {
            comparison.differences.add(format!("conversation {conversation}, {why}"));
        }
        ours.add_to(&mut comparison.source, &mut left, conversation);
        theirs.add_to(&mut comparison.target, &mut right, conversation);
    }
    if source.keeps_logins() {
        compare_logins(source, target, &mut comparison, (&mut left, &mut right)).await?;
    }
    comparison.source.digest = left.finish();
    comparison.target.digest = right.finish();
    strays(target.size().await?, &mut comparison);
    Ok(comparison)
}

/// Tells of logins that differ by their number alone: nobody knows them by a name.
async fn compare_logins(
    source: &dyn Export,
    target: &dyn Import,
    comparison: &mut Comparison,
    (left, right): (&mut Hasher, &mut Hasher),
) -> Result<(), StoreError> {
    let both = merge(logins(source), logins(target), |login: &RefreshableLogin| login.id);
    let (mut both, mut different) = (std::pin::pin!(both), 0);
    while let Some((ours, theirs)) = both.try_next().await? {
        different += u64::from(ours != theirs);
        ours.iter().for_each(|login| left.login(login));
        theirs.iter().for_each(|login| right.login(login));
        comparison.source.logins += u64::from(ours.is_some());
        comparison.target.logins += u64::from(theirs.is_some());
    }
    if different > 0 {
        comparison.differences.add(format!("logins: {different} differ"));
    }
    Ok(())
}

/// Documents of the target that none of its accounts and conversations showed.
fn strays(size: Size, comparison: &mut Comparison) {
    let read = comparison.target;
    let counts =
        [("accounts", size.accounts, read.accounts), ("messages", size.messages, read.messages)];
    for (what, there, read) in counts {
        if there != read {
            comparison.differences.add(format!(
                "{what}: the target has {there} documents, of which {read} belong to this"
            ));
        }
    }
}

fn difference<T: PartialEq>(
    ours: Option<&T>,
    theirs: Option<&T>,
    differs: impl Fn(&T, &T) -> String,
) -> Option<String> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours != theirs).then(|| differs(ours, theirs)),
        (Some(_), None) => Some("only in the source".to_owned()),
        (None, Some(_)) => Some("only in the target".to_owned()),
        (None, None) => None,
    }
}

/// One conversation on one side.
#[derive(Default)]
struct Side {
    messages: u64,
    marks: u64,
    digest: Digest,
}

impl Side {
    fn add_to(&self, content: &mut Content, hasher: &mut Hasher, conversation: Conversation) {
        if self.messages > 0 {
            content.conversations += 1;
            content.messages += self.messages;
            content.marks += self.marks;
            hasher.conversation(conversation, self.digest);
        }
    }
}

type Found = (Conversation, Side, Side, Option<String>);

/// Compares one conversation; says where the sides differ first.
async fn threads(
    source: &dyn Export,
    target: &dyn Export,
    conversation: Conversation,
    progress: &Progress,
) -> Result<Found, StoreError> {
    let (ours, theirs) = (source.thread(conversation).await?, target.thread(conversation).await?);
    let marks = marks(&ours.marks, &theirs.marks);
    let (mut ours, mut theirs) = (Counted::new(ours), Counted::new(theirs));
    let mut why = None;
    loop {
        let (one, other) = (ours.next().await?, theirs.next().await?);
        let Some(seq) = one.as_ref().or(other.as_ref()).map(|message| message.seq) else {
            break;
        };
        progress.did(usize::from(one.is_some()));
        if why.is_none() {
            why = difference(one.as_ref(), other.as_ref(), Message::differs)
                .map(|why| format!("seq {seq}: {why}"));
        }
    }
    let has_messages = ours.side.messages + theirs.side.messages > 0;
    let why = why.or(marks.filter(|_| has_messages));
    Ok((conversation, ours.finish(), theirs.finish(), why))
}

fn marks(ours: &[Mark], theirs: &[Mark]) -> Option<String> {
    let of = |marks: &[Mark], reader| marks.iter().find(|mark| mark.reader == reader).copied();
    ours.iter().chain(theirs).find_map(|mark| {
        let (one, other) = (of(ours, mark.reader), of(theirs, mark.reader));
        let upto = |mark: Option<Mark>| mark.map_or(0, |mark| mark.upto);
        (one != other).then(|| {
            format!(
                "what {} has seen: up to {} in the source, up to {} in the target{}",
                mark.reader,
                upto(one),
                upto(other),
                if upto(one) == upto(other) { ", at another time" } else { "" }
            )
        })
    })
}

/// One side's messages, counted and summed up as they are read.
struct Counted {
    reader: Reader,
    hasher: Hasher,
    marks: Vec<Mark>,
    side: Side,
}

impl Counted {
    fn new(thread: Thread) -> Self {
        let Thread { messages, marks, .. } = thread;
        let side = Side { marks: marks.len() as u64, ..Side::default() };
        Self { reader: Reader::new(messages), hasher: Hasher::default(), marks, side }
    }

    async fn next(&mut self) -> Result<Option<Message>, StoreError> {
        let next = self.reader.next().await?;
        if let Some(message) = &next {
            self.hasher.message(message);
            self.side.messages += 1;
        }
        Ok(next)
    }

    fn finish(mut self) -> Side {
        for mark in &self.marks {
            self.hasher.mark(mark);
        }
        Side { digest: self.hasher.finish(), ..self.side }
    }
}
