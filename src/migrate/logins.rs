//! Has the target keep the logins that the source keeps.

use futures_util::TryStreamExt;

use super::walk::{logins, merge};
use crate::store::{
    RefreshableLogin, StoreError,
    transfer::{Export, Import},
};

/// Logins that are written at once.
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
    let mut both = std::pin::pin!(both.try_filter(|(ours, theirs)| {
        let differ = ours != theirs;
        async move { differ }
    }));
    let (mut written, mut ended, mut count) = (Vec::new(), Vec::new(), 0);
    while let Some((ours, theirs)) = both.try_next().await? {
        match ours {
            Some(ours) => written.push(ours),
            None => ended.extend(theirs.map(|theirs| theirs.id)),
        }
        if written.len() >= LOGINS || ended.len() >= LOGINS {
            count += written.len() as u64;
            if !rehearse {
                target.put_logins(&written).await?;
                target.end_logins(&ended).await?;
            }
            written.clear();
            ended.clear();
        }
    }
    count += written.len() as u64;
    if !rehearse {
        target.put_logins(&written).await?;
        target.end_logins(&ended).await?;
    }
    Ok(count)
}
