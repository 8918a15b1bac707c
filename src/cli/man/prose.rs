//! Help that was laid out for a terminal, as roff: paragraphs, lists and examples.

use clap_mangen::roff::{Roff, bold, roman};

/// Appends `text`. Lines that begin at the margin are paragraphs. Indented ones are a list, if
/// each is `1. text` or `word  text` with two spaces between, and else an example. With
/// `headings`, a line `Exit status:` above indented ones begins a section of its own.
pub(super) fn append(roff: &mut Roff, text: &str, headings: bool) {
    let lines: Vec<&str> = text.lines().collect();
    // A section begins with a paragraph as it is.
    let mut fresh = false;
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let rest = lines.get(at..).unwrap_or_default();
        if line.trim().is_empty() {
            fresh = true;
            at += 1;
        } else if is_indented(line) {
            let block = block(rest);
            indented(roff, block, at == 0);
            fresh = true;
            at += block.len();
        } else {
            if headings && line.ends_with(':') && rest.get(1).is_some_and(|next| is_indented(next))
            {
                heading(roff, line.trim_end_matches(':'));
            } else {
                if fresh {
                    roff.control("PP", []);
                }
                roff.text([roman(*line)]);
            }
            fresh = false;
            at += 1;
        }
    }
}

fn is_indented(line: &str) -> bool {
    line.starts_with(' ') && !line.trim().is_empty()
}

/// The indented lines that `lines` begin with.
fn block<'l, 't>(lines: &'l [&'t str]) -> &'l [&'t str] {
    let count = lines.iter().take_while(|line| is_indented(line)).count();
    lines.get(..count).unwrap_or_default()
}

/// `Configuration, later layers win` is the section `CONFIGURATION`, which begins `Later layers
/// win:`.
fn heading(roff: &mut Roff, text: &str) {
    let (title, rest) = text.split_once(", ").unwrap_or((text, ""));
    roff.control("SH", [title.to_uppercase().as_str()]);
    let mut letters = rest.chars();
    if let Some(first) = letters.next() {
        roff.text([roman(format!("{}{}:", first.to_uppercase(), letters.as_str()))]);
    }
}

fn indented(roff: &mut Roff, lines: &[&str], first: bool) {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let least = lines.iter().map(|line| indent(line)).min().unwrap_or(0);
    let items: Option<Vec<Item<'_>>> =
        lines.iter().filter(|line| indent(line) == least).map(|line| item(line.trim())).collect();
    let Some(items) = items else {
        if !first {
            roff.control("PP", []);
        }
        return example(roff, lines, least);
    };
    let mut items = items.into_iter();
    for line in lines {
        if indent(line) > least {
            roff.text([roman(line.trim())]);
            continue;
        }
        match items.next() {
            Some(Item::Numbered(number, text)) => {
                roff.control("IP", [number, "4"]).text([roman(text)]);
            }
            Some(Item::Term(term, text)) => {
                roff.control("TP", []).text([bold(term)]).text([roman(text)]);
            }
            None => {}
        }
    }
}

fn example(roff: &mut Roff, lines: &[&str], indent: usize) {
    roff.control("RS", ["4"]).control("nf", []);
    for line in lines {
        roff.text([roman(line.get(indent..).unwrap_or(line))]);
    }
    roff.control("fi", []).control("RE", []);
}

/// An item of a list.
enum Item<'t> {
    /// `1.`, and its text.
    Numbered(&'t str, &'t str),
    /// What is explained, and how.
    Term(&'t str, &'t str),
}

fn item(line: &str) -> Option<Item<'_>> {
    if let Some((number, text)) = line.split_once(' ')
        && let Some(digits) = number.strip_suffix('.')
        && digits.parse::<u8>().is_ok()
    {
        return Some(Item::Numbered(number, text.trim()));
    }
    let (term, text) = line.split_once("  ")?;
    Some(Item::Term(term, text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roff(text: &str, headings: bool) -> String {
        let mut roff = Roff::new();
        append(&mut roff, text, headings);
        roff.to_roff()
    }

    #[test]
    fn paragraphs_are_filled() {
        let text = "One\ntwo.\n\nThree.";
        assert_eq!(roff(text, false), "One\ntwo.\n.PP\nThree.\n");
    }

    #[test]
    fn a_list_is_one() {
        let text = "Phases:\n  idle   with memory,\n         and time\n  open loop  more\n\nDone.";
        let expected = "Phases:\n.TP\n\\fBidle\\fR\nwith memory,\nand time\n.TP\n\
                        \\fBopen loop\\fR\nmore\n.PP\nDone.\n";
        assert_eq!(roff(text, false), expected);
        assert_eq!(roff("  1. a\n     b\n  2. c", false), ".IP 1. 4\na\nb\n.IP 2. 4\nc\n");
    }

    #[test]
    fn an_example_keeps_its_lines() {
        let text = "Write:\n\n  [limits]\n    page = 1  # few\n  .x";
        let expected = "Write:\n.PP\n.RS 4\n.nf\n[limits]\n  page = 1  # few\n\\&.x\n.fi\n.RE\n";
        assert_eq!(roff(text, false), expected);
    }

    #[test]
    fn a_section_may_begin_with_an_example() {
        let expected = ".RS 4\n.nf\na\n.fi\n.RE\n.PP\n.RS 4\n.nf\nb\n.fi\n.RE\n";
        assert_eq!(roff("  a\n\n  b", false), expected);
    }

    #[test]
    fn headings_begin_sections() {
        let text = "Configuration, later layers win:\n  1. a\nEnd.\n\nExit status:\n  0  done";
        let expected = ".SH CONFIGURATION\nLater layers win:\n.IP 1. 4\na\n.PP\nEnd.\n\
                        .SH \"EXIT STATUS\"\n.TP\n\\fB0\\fR\ndone\n";
        assert_eq!(roff(text, true), expected);
        assert!(roff("Exit status: 0 or 1", true).starts_with("Exit status"));
    }
}
