//! A chat to migrate, and whether two stores tell of the same one.

use std::{collections::HashMap, path::Path, sync::Arc};

use confab::{
    config,
    store::{
        Account, Appended, ChangeLimit, ChangeQuery, ChangedBy, Conversation, HistoryQuery,
        LoginId, Message, NewMark, NewMessage, RefreshableLogin, Standing, Store, StoreError,
        Timestamp, UsedToken, sqlite::SqliteStore,
    },
};
use confab_plugin::UserId;

/// The highest unread count that the stores tell.
pub const UNREAD: u64 = 1_000_000;

const NOON: i64 = 1_750_000_000_000;

pub struct World {
    pub accounts: Vec<Account>,
    pub conversations: Vec<Conversation>,
    pub messages: usize,
    pub marks: usize,
    pub logins: Vec<LoginId>,
}

/// An open embedded store.
pub fn embedded(folder: &Path) -> SqliteStore {
    let store = config::Store { path: folder.to_owned(), ..config::Store::default() };
    SqliteStore::open(&store, UNREAD).unwrap()
}

pub fn user(number: u128) -> UserId {
    UserId::from_u128(0x0198_0000_0000_0000_0000_0000_0000_0000 + number * 7919)
}

fn account(number: u128) -> Account {
    Account {
        id: user(number),
        username: format!("user.{number}_x").parse().unwrap(),
        display_name: number.is_multiple_of(2).then(|| format!("Üser {number} \"$ne\" 😀").into()),
        password_hash: format!("$argon2id$v=19$m=8192,t=1,p=1$c2FsdHNhbHQ$hash{number}").into(),
        created_at: Timestamp(NOON + i64::try_from(number).unwrap()),
        standing: Standing::default(),
    }
}

/// A login of a user; every second one was renewed.
pub fn login(user: UserId, number: u8) -> RefreshableLogin {
    let used = UsedToken { token: [number; 32], at: Timestamp(NOON + 1), salt: [0xff; 32] };
    RefreshableLogin {
        id: LoginId(u128::from(number) << 120 | 0xfe),
        user,
        epoch: u64::from(number),
        token: [number + 1; 32],
        used: number.is_multiple_of(2).then_some(used),
        expires: Timestamp(NOON + 1000 + i64::from(number)),
    }
}

impl World {
    /// Fills the folder: 12 users, each with a login, of whom one has no conversation; `conversations` pairs, of
    /// which the first is notes to oneself and the second has half of the `messages`.
    pub async fn fill(folder: &Path, conversations: usize, messages: usize) -> Self {
        let store = embedded(folder);
        let accounts: Vec<Account> = (0..12).map(account).collect();
        for account in &accounts {
            store.create_account(account.clone()).await.unwrap();
        }
        let pairs = (0..11u128).flat_map(|a| (a..11).map(move |b| (user(a), user(b))));
        let pairs: Vec<_> = pairs.take(conversations).collect();
        assert_eq!(pairs.len(), conversations);
        let mut batch = Vec::new();
        for n in 0..messages {
            let pair = if n % 2 == 0 { 1 % conversations } else { n / 2 % conversations };
            let (a, b) = pairs[pair];
            let (from, to) = if n % 3 == 0 { (b, a) } else { (a, b) };
            batch.push(NewMessage {
                from,
                to,
                content: format!("message {n} {}", "é".repeat(n % 50)).into(),
                client_id: (n % 4 != 0).then(|| format!("client-{n}").into()),
                at: Timestamp(NOON + i64::try_from(n / 3).unwrap()),
                changed_by: ChangedBy::of(["words", "no-links"].into_iter().take(n % 5 % 3)),
            });
            if batch.len() == 5000 {
                append(&store, std::mem::take(&mut batch)).await;
            }
        }
        append(&store, batch).await;
        let mut marks = Vec::new();
        for (n, &(a, b)) in pairs.iter().enumerate() {
            let at = Timestamp(NOON + i64::try_from(n).unwrap());
            let upto = Some(1 + n as u64 % 5);
            if n % 3 != 0 {
                marks.push(NewMark { reader: a, peer: b, upto, at });
            }
            if n % 4 == 0 && a != b {
                marks.push(NewMark { reader: b, peer: a, upto: None, at });
            }
        }
        let count = marks.len();
        for marked in store.mark_seen(marks).await {
            assert!(marked.unwrap().moved);
        }
        let mut logins = Vec::new();
        for (number, account) in (0..).zip(&accounts) {
            let new = login(account.id, number);
            let unused = RefreshableLogin { used: None, ..new.clone() };
            store.create_login(unused.clone(), 10).await.unwrap();
            assert!(store.renew_login(unused.token, new).await.unwrap());
            logins.push(unused.id);
        }
        store.close().await;
        let conversations = pairs.into_iter().map(|(a, b)| Conversation::between(a, b)).collect();
        Self { accounts, conversations, messages, marks: count, logins }
    }

    /// The rows of the table that a good end shows.
    pub fn rows(&self) -> [(&'static str, u64); 5] {
        [
            ("accounts", self.accounts.len() as u64),
            ("conversations", self.conversations.len() as u64),
            ("messages", self.messages as u64),
            ("read marks", self.marks as u64),
            ("logins", self.logins.len() as u64),
        ]
    }

    /// Both stores tell the same to everybody.
    pub async fn assert_same(&self, source: &dyn Store, target: &dyn Store) {
        for account in &self.accounts {
            let found = target.account_by_id(account.id).await.unwrap();
            assert_eq!(found.as_ref(), Some(account));
            let found = target.account_by_name(&account.username).await.unwrap();
            assert_eq!(found.as_ref(), Some(account));
            // Unread counts, both marks, the newest messages, and their order.
            let ours = source.conversations(account.id, None, 1000).await.unwrap();
            let theirs = target.conversations(account.id, None, 1000).await.unwrap();
            assert_eq!(ours, theirs);
            // The marks with their times.
            let of = ours.conversations.iter();
            let have: HashMap<_, _> = of.map(|one| (one.peer, one.last_message.seq)).collect();
            let limit = ChangeLimit { messages: 10, bytes: 10_000 };
            let mut ours = source
                .changes_since(account.id, ChangeQuery::all(have.clone(), limit))
                .await
                .unwrap();
            let mut theirs = target
                .changes_since(account.id, ChangeQuery::all(have.clone(), limit))
                .await
                .unwrap();
            for changes in [&mut ours, &mut theirs] {
                changes.marks.sort_by_key(|mark| (mark.reader, mark.peer));
            }
            assert_eq!(ours, theirs);
        }
        for id in &self.logins {
            let ours = source.login(*id).await.unwrap();
            assert!(ours.is_some());
            assert_eq!(target.login(*id).await.unwrap(), ours);
        }
        let mut total = 0;
        for conversation in &self.conversations {
            let ours = all(source, *conversation).await;
            let theirs = all(target, *conversation).await;
            total += ours.len();
            assert_eq!(ours, theirs);
            assert!(ours.iter().zip(1..).all(|(message, seq)| message.seq == seq));
        }
        assert_eq!(total, self.messages);
    }

    /// A retry is still known for what it is, and new messages follow on.
    pub async fn assert_goes_on(&self, target: &dyn Store) {
        for conversation in &self.conversations {
            let messages = all(target, *conversation).await;
            let known = messages.iter().filter(|message| message.client_id.is_some());
            let retries: Vec<Message> = known.take(20).cloned().collect();
            // First, for a retry would make up for an id that is not known.
            if let Some(one) = retries.first() {
                let other = NewMessage { to: user(99), ..again(one) };
                assert_eq!(append_one(target, other).await, Err(StoreError::IdReused));
            }
            let answers = target.append(retries.iter().map(again).collect()).await;
            for (message, answer) in retries.iter().zip(answers) {
                assert_eq!(answer, Ok(Appended { message: message.clone(), new: false }));
            }
            let last = messages.last().unwrap();
            let new = NewMessage { client_id: None, ..again(last) };
            assert_eq!(append_one(target, new).await.unwrap().message.seq, last.seq + 1);
        }
    }
}

fn again(message: &Message) -> NewMessage {
    NewMessage {
        from: message.from,
        to: message.to,
        content: Arc::from("another text"),
        client_id: message.client_id.clone(),
        at: message.at,
        changed_by: ChangedBy::of(["another"]),
    }
}

pub async fn append_one(store: &dyn Store, new: NewMessage) -> Result<Appended, StoreError> {
    store.append(vec![new]).await.remove(0)
}

async fn append(store: &dyn Store, batch: Vec<NewMessage>) {
    for answer in store.append(batch).await {
        assert!(answer.unwrap().new);
    }
}

/// All messages of a conversation.
pub async fn all(store: &dyn Store, conversation: Conversation) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    loop {
        let after = Some(messages.last().map_or(0, |last| last.seq));
        let query = HistoryQuery { after, before: None, limit: 5000 };
        let page = store.history(conversation, query).await.unwrap();
        messages.extend(page.messages);
        if !page.more {
            return messages;
        }
    }
}
