//! Reads all that the embedded store keeps, for a move to another store. The daemon must be
//! stopped: its lock on the folder is taken here.

use std::{
    fs::File,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use confab_plugin::UserId;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    accounts, logins,
    open::{self, OpenError, one_line},
    queries::{self, pair},
    rows::{MESSAGE, count, limit, message, number, user},
};
use crate::store::{
    Account, Conversation, LoginId, Mark, Message, RefreshableLogin, StoreError, Timestamp,
    transfer::{Export, Messages, PAGE_BYTES, PAGE_MESSAGES, Size, Thread},
};

/// The embedded store in a folder, to be read.
pub struct SqliteExport {
    db: Db,
    _lock: Option<File>,
}

impl SqliteExport {
    /// Opens the store in `folder`, which must exist. It belongs to this one until dropped.
    /// Brings an older schema up to date, as the daemon would, and changes nothing else. Blocks
    /// on the disk: not for an async thread.
    ///
    /// # Errors
    /// [`OpenError::InUse`] while a daemon runs on the folder; [`OpenError::Missing`].
    pub fn open(folder: &Path, wait: Duration) -> Result<Self, OpenError> {
        let opened = open::open_existing(folder, wait)?;
        opened
            .writer
            .execute_batch("PRAGMA query_only = ON")
            .map_err(|error| OpenError::Database(opened.path, one_line(&error)))?;
        Ok(Self { db: Db(Arc::new(Mutex::new(opened.writer))), _lock: opened.lock })
    }
}

/// One connection, used on the blocking pool.
#[derive(Clone)]
struct Db(Arc<Mutex<Connection>>);

impl Db {
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let db = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            query(&db.lock().unwrap_or_else(PoisonError::into_inner))
        })
        .await
        .map_err(|_| StoreError::Unavailable("the query was stopped".to_owned()))?
        .map_err(|error| StoreError::Unavailable(one_line(&error)))
    }
}

/// A key for a column, before all of them if there is none.
fn key(id: Option<UserId>) -> Vec<u8> {
    id.map(|id| id.as_u128().to_be_bytes().to_vec()).unwrap_or_default()
}

#[async_trait]
impl Export for SqliteExport {
    async fn size(&self) -> Result<Size, StoreError> {
        self.db
            .read(|db| {
                db.query_row(
                    "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM conversations),
                            (SELECT count(*) FROM messages)",
                    [],
                    |row| {
                        Ok(Size {
                            accounts: count(row, 0)?,
                            conversations: count(row, 1)?,
                            messages: count(row, 2)?,
                        })
                    },
                )
            })
            .await
    }

    async fn accounts(
        &self,
        after: Option<UserId>,
        most: usize,
    ) -> Result<Vec<Account>, StoreError> {
        self.db.read(move |db| accounts::in_order_of_ids(db, &key(after), most)).await
    }

    async fn conversations(
        &self,
        after: Option<Conversation>,
        most: usize,
    ) -> Result<Vec<Conversation>, StoreError> {
        let (first, second) = (after.map(Conversation::first), after.map(Conversation::second));
        self.db
            .read(move |db| {
                db.prepare_cached(
                    "SELECT first, second FROM conversations WHERE (first, second) > (?1, ?2)
                     ORDER BY first, second LIMIT ?3",
                )?
                .query_map(params![key(first), key(second), limit(most)], |row| {
                    Ok(Conversation::between(user(row, 0)?, user(row, 1)?))
                })?
                .collect()
            })
            .await
    }

    async fn thread(&self, conversation: Conversation) -> Result<Thread, StoreError> {
        let found = self.db.read(move |db| head(db, conversation)).await?;
        let Head { id, last_seq, last_at, marks } = found.unwrap_or_default();
        let messages = Box::new(Rows { db: self.db.clone(), conversation, id });
        Ok(Thread { last_seq, last_at, marks, messages })
    }

    fn keeps_logins(&self) -> bool {
        true
    }

    async fn logins(
        &self,
        after: Option<LoginId>,
        most: usize,
    ) -> Result<Vec<RefreshableLogin>, StoreError> {
        self.db.read(move |db| logins::in_order_of_ids(db, after, most)).await
    }
}

/// What stands in a conversation's own row.
#[derive(Default)]
struct Head {
    id: i64,
    last_seq: u64,
    last_at: Timestamp,
    marks: Vec<Mark>,
}

fn head(db: &Connection, conversation: Conversation) -> rusqlite::Result<Option<Head>> {
    let (first, second) = (conversation.first(), conversation.second());
    db.prepare_cached(
        "SELECT id, last_seq, last_at, first_seen, first_seen_at, second_seen, second_seen_at
         FROM conversations WHERE first = ?1 AND second = ?2",
    )?
    .query_row(pair(conversation), |row| {
        let sides = [
            Mark { reader: first, peer: second, upto: count(row, 3)?, at: Timestamp(row.get(4)?) },
            Mark { reader: second, peer: first, upto: count(row, 5)?, at: Timestamp(row.get(6)?) },
        ];
        Ok(Head {
            id: row.get(0)?,
            last_seq: count(row, 1)?,
            last_at: Timestamp(row.get(2)?),
            marks: sides.into_iter().filter(|mark| mark.upto > 0).collect(),
        })
    })
    .optional()
}

/// The messages of one conversation.
struct Rows {
    db: Db,
    conversation: Conversation,
    id: i64,
}

#[async_trait]
impl Messages for Rows {
    async fn after(&self, seq: u64) -> Result<Vec<Message>, StoreError> {
        let (conversation, id) = (self.conversation, self.id);
        self.db
            .read(move |db| {
                let oldest = queries::OLDEST;
                let mut statement =
                    db.prepare_cached(&format!("SELECT {MESSAGE} FROM messages m {oldest}"))?;
                let bounds = params![id, number(seq), i64::MAX, limit(PAGE_MESSAGES)];
                let mut rows = statement.query(bounds)?;
                let (mut page, mut bytes) = (Vec::new(), 0);
                while let Some(row) = rows.next()? {
                    let message = message(row, conversation)?;
                    bytes += message.content.len();
                    page.push(message);
                    if bytes >= PAGE_BYTES {
                        break;
                    }
                }
                Ok(page)
            })
            .await
    }
}
