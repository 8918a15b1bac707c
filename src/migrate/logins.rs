//! Has the target keep the logins that the source keeps.

use futures_util::{TryStreamExt, stream::TryChunksError};

use super::walk::{logins, merge};
use crate::store::{
    RefreshableLogin, StoreError,
    transfer::{Export, Import},
};

/// Logins that are brought up to date at once.
const LOGINS: usize = 500;

/// Writes the logins of the source as they are, in the place of what the target has of them, and
/// ends the others: who logged out at the source is not logged in at the target. Changes nothing
/// if it is only to `rehearse`. Says how many it wrote.
///
/// # Errors
/// [`StoreError::Unavailable`] when either side cannot go on.
pub(super) async fn follow(
    source: &dyn Export,
    target: &dyn Import,
    rehearse: bool,
) -> Result<u64, StoreError> {
    let both = merge(logins(source), logins(target), |login: &RefreshableLogin| login.id);
    let changes = both.try_filter(|(ours, theirs)| {
        let differ = ours != theirs;
        async move { differ }
    });
    let mut parts = std::pin::pin!(changes.try_chunks(LOGINS));
    let mut count = 0;
    while let Some(part) = parts.try_next().await.map_err(|TryChunksError(_, error)| error)? {
        let (mut written, mut ended) = (Vec::new(), Vec::new());
        for (ours, theirs) in part {
            match ours {
                Some(ours) => written.push(ours),
                None => ended.extend(theirs.map(|theirs| theirs.id)),
            }
        }
        count += written.len() as u64;
        if !rehearse {
            target.put_logins(&written).await?;
            target.end_logins(&ended).await?;
        }
    }
    Ok(count)
}
