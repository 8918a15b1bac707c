//! All accounts, as a table or as JSON.

use std::fmt::Write as _;

use serde_json::json;

use super::Failed;
use crate::{
    cli::output,
    store::{Account, Store},
};

/// Accounts read and written at once.
const PAGE: usize = 500;

/// Writes the list.
pub(super) async fn all(store: &dyn Store, as_json: bool) -> Result<(), Failed> {
    let mut text = if as_json { "[".to_owned() } else { head() };
    let mut last: Option<Account> = None;
    loop {
        let after = last.as_ref().map(|account| &account.username);
        let page = store.accounts(after, PAGE).await?;
        for account in &page {
            if as_json {
                let comma = if last.is_none() && text == "[" { "\n" } else { ",\n" };
                let _ = write!(text, "{comma}  {}", object(account));
            } else {
                text.push_str(&row(account));
            }
        }
        let Some(newest) = page.into_iter().next_back() else { break };
        output::to_stdout(&text);
        text.clear();
        last = Some(newest);
    }
    if as_json {
        text.push_str(if last.is_none() { "]\n" } else { "\n]\n" });
    }
    output::to_stdout(&text);
    Ok(())
}

/// In one word, whether the account can be used.
fn state(account: &Account) -> &'static str {
    if account.is_bot() {
        "bot"
    } else if account.standing.deleted.is_some() {
        "deleted"
    } else if account.standing.disabled.is_some() {
        "disabled"
    } else {
        "active"
    }
}

fn head() -> String {
    format!("{:<20} {:<8} {:<10} {:<26} DISPLAY NAME\n", "NAME", "STATE", "CREATED", "ID")
}

fn row(account: &Account) -> String {
    let Account { id, username, display_name, created_at, .. } = account;
    let created = created_at.to_string();
    let day = created.split('T').next().unwrap_or_default();
    // Another program may have written a name that would drive the terminal.
    let shown = display_name.as_deref().unwrap_or_default();
    let shown: String =
        shown.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let line = format!("{username:<20} {:<8} {day:<10} {id} {shown}", state(account));
    format!("{}\n", line.trim_end())
}

fn object(account: &Account) -> serde_json::Value {
    let standing = account.standing;
    json!({
        "user_id": account.id.to_string(),
        "username": account.username.as_str(),
        "display_name": account.display_name.as_deref(),
        "state": state(account),
        "created_at": account.created_at,
        "disabled_at": standing.disabled,
        "deleted_at": standing.deleted,
    })
}
