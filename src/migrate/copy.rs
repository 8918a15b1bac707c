//! Copies what the target lacks; touches nothing that it has.

use futures_util::StreamExt;

use super::{
    ACCOUNTS, Differences, logins,
    progress::{Phase, Progress},
    walk::{Reader, conversations},
};
use crate::store::{
    Account, Conversation, StoreError,
    transfer::{Export, Import, Presence},
};

/// What a copy did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Accounts that were added.
    pub accounts: u64,
    /// Conversations with messages that were added.
    pub conversations: u64,
    /// Messages that were added.
    pub messages: u64,
    /// Read marks that were moved.
    pub marks: u64,
    /// Logins that were added, or brought up to date.
    pub logins: u64,
    /// What stands in the way, and was left as it is.
    pub conflicts: Differences,
}

/// Copies accounts, messages, read marks, and if nothing was in the way, logins; `lanes`
/// conversations at the same time. Changes nothing if it is only to `rehearse`. May be interrupted
/// anywhere and called again.
///
/// # Errors
/// [`StoreError::Unavailable`] when either side cannot go on.
pub async fn copy(
    source: &dyn Export,
    target: &dyn Import,
    lanes: usize,
    rehearse: bool,
    progress: &Progress,
) -> Result<Copied, StoreError> {
    let size = source.size().await?;
    let copy = Copy { source, target, rehearse, progress };
    let mut copied = Copied::default();

    progress.begin(Phase::Accounts, size.accounts);
    let mut after = None;
    loop {
        let page = source.accounts(after, ACCOUNTS).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.id);
        copy.accounts(&page, &mut copied).await?;
    }

    progress.begin(Phase::Messages, size.messages);
    let threads = conversations(source).map(|conversation| {
        let copy = &copy;
        async move { copy.thread(conversation?).await }
    });
    let mut threads = std::pin::pin!(threads.buffer_unordered(lanes.max(1)));
    while let Some(thread) = threads.next().await {
        let thread = thread?;
        copied.conversations += u64::from(thread.messages > 0);
        copied.messages += thread.messages;
        copied.marks += thread.marks;
        if let Some(conflict) = thread.conflict {
            copied.conflicts.add(conflict);
        }
    }
    if source.keeps_logins() && copied.conflicts.is_empty() {
        copied.logins = logins::follow(source, target, rehearse).await?;
    }
    Ok(copied)
}

struct Copy<'a> {
    source: &'a dyn Export,
    target: &'a dyn Import,
    rehearse: bool,
    progress: &'a Progress,
}

/// What was done to one conversation.
#[derive(Default)]
struct CopiedThread {
    messages: u64,
    marks: u64,
    conflict: Option<String>,
}

impl Copy<'_> {
    async fn accounts(&self, page: &[Account], copied: &mut Copied) -> Result<(), StoreError> {
        let presence = self.target.compare_accounts(page).await?;
        let mut missing = Vec::new();
        for (account, presence) in page.iter().zip(presence) {
            match presence {
                Presence::Missing => missing.push(account.clone()),
                Presence::Same => {}
                Presence::Other(why) => {
                    copied.conflicts.add(format!("account {}: {why}", account.username));
                }
            }
        }
        if !self.rehearse {
            self.target.add_accounts(&missing).await?;
        }
        copied.accounts += missing.len() as u64;
        self.progress.did(missing.len());
        self.progress.found((page.len() - missing.len()) as u64);
        Ok(())
    }

    async fn thread(&self, conversation: Conversation) -> Result<CopiedThread, StoreError> {
        let mut done = CopiedThread::default();
        let source = self.source.thread(conversation).await?;
        let there = self.target.thread(conversation).await?;
        let (all, reached) = (source.last_seq, there.last_seq);
        let conflict = |what: String| Some(format!("conversation {conversation}, {what}"));
        self.progress.found(reached.min(all));
        if reached > all {
            done.conflict = conflict(format!("seq {}: only in the target", all + 1));
            return Ok(done);
        }

        let mut messages = Reader::new(source.messages);
        if reached < all {
            let mut by_first = 0;
            let mut known = Reader::new(there.messages);
            while messages.seq() < reached {
                let (ours, theirs) = (messages.next().await?, known.next().await?);
                let Some(ours) = ours else {
                    break;
                };
                let why = match theirs {
                    Some(theirs) if theirs == ours => None,
                    Some(theirs) => Some(ours.differs(&theirs)),
                    None => Some("cannot be read in the target".to_owned()),
                };
                if let Some(why) = why {
                    done.conflict = conflict(format!("seq {}: {why}", ours.seq));
                    return Ok(done);
                }
                by_first += u64::from(ours.from == conversation.first());
            }
            if self.rehearse {
                done.messages = all - reached;
            } else {
                self.target.begin(conversation, all, source.last_at).await?;
                loop {
                    let page = messages.page().await?;
                    if page.is_empty() {
                        break;
                    }
                    let stopped = self.target.add_messages(conversation, by_first, &page).await?;
                    if let Some(what) = stopped {
                        done.conflict = conflict(what);
                        return Ok(done);
                    }
                    let ours = page.iter().filter(|one| one.from == conversation.first());
                    by_first += ours.count() as u64;
                    done.messages += page.len() as u64;
                    self.progress.did(page.len());
                }
            }
        }

        let behind = source.marks.iter().filter(|mark| {
            !there.marks.iter().any(|other| other.reader == mark.reader && other.upto >= mark.upto)
        });
        let behind: Vec<_> = behind.copied().collect();
        if !self.rehearse {
            self.target.add_marks(&behind).await?;
        }
        done.marks = behind.len() as u64;
        Ok(done)
    }
}
