//! The words of a search, where they stand in a text, and what is shown of it.
//!
//! A word is found wherever it stands, also inside another one: that is the only way for writing without spaces, and
//! what people expect of a path. Letters are compared without case, one by one, so that a place in the folded text is
//! a place in the text as it was said.

use crate::domain::limits;

/// What is looked for: all of these, in any order.
#[derive(Debug, Clone)]
pub(super) struct Words(Vec<String>);

/// A part of a text with the words in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snippet {
    pub(super) text: String,
    /// From and to, in UTF-16 units.
    pub(super) marks: Vec<[u32; 2]>,
}

/// How much of a text stands in front of what was found.
const LEAD_CHARS: usize = limits::SEARCH_SNIPPET_CHARS / 4;
/// Tells that there is more.
const MORE: char = '\u{2026}';

/// A letter without its case. A sigma at the end of a word is one.
fn fold(letter: char) -> impl Iterator<Item = char> {
    letter.to_lowercase().map(|letter| if letter == '\u{3c2}' { '\u{3c3}' } else { letter })
}

fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(fold).collect()
}

/// The letters of a text, with the place where each begins in the folded one: a letter may fold to several, or to a
/// longer one.
fn letters(text: &str) -> impl Iterator<Item = (usize, char)> {
    text.chars().scan(0, |place, letter| {
        let begins = *place;
        *place += fold(letter).map(char::len_utf8).sum::<usize>();
        Some((begins, letter))
    })
}

impl Words {
    /// The words of a query, or what is wrong with it.
    pub(super) fn of(query: &str) -> Result<Self, String> {
        if query.len() > limits::SEARCH_QUERY_BYTES_MAX {
            return Err(format!("must have at most {} bytes", limits::SEARCH_QUERY_BYTES_MAX));
        }
        let mut words: Vec<String> = query.split_whitespace().map(folded).collect();
        words.sort_unstable();
        words.dedup();
        match words.len() {
            0 => Err("must have a word in it".into()),
            count if count > limits::SEARCH_WORDS_MAX => {
                Err(format!("must have at most {} words", limits::SEARCH_WORDS_MAX))
            }
            _ => Ok(Self(words)),
        }
    }

    /// What is shown of this text, if all words are in it.
    pub(super) fn find(&self, text: &str) -> Option<Snippet> {
        let folded = folded(text);
        if !self.0.iter().all(|word| folded.contains(word)) {
            return None;
        }
        let first = self.0.iter().filter_map(|word| folded.find(word)).min()?;
        Some(self.snippet(text, &folded, first))
    }

    /// The part around the place `first` of the folded text, with all words that stand wholly in it.
    fn snippet(&self, text: &str, folded: &str, first: usize) -> Snippet {
        let at = letters(text).take_while(|(begins, _)| *begins <= first).count().saturating_sub(1);
        let from = at.saturating_sub(LEAD_CHARS);
        let mut shown: Vec<_> = letters(text).skip(from).take(limits::SEARCH_SNIPPET_CHARS + 1).collect();
        let behind = (shown.len() > limits::SEARCH_SNIPPET_CHARS).then(|| shown.pop()).flatten();
        let end = behind.map_or(folded.len(), |(begins, _)| begins);
        let begin = shown.first().map_or(0, |(begins, _)| *begins);

        let mut found: Vec<(usize, usize)> = Vec::new();
        for word in &self.0 {
            let inside = folded[begin..end].match_indices(word.as_str());
            found.extend(inside.map(|(at, _)| (begin + at, begin + at + word.len())));
        }
        found.sort_unstable();
        let mut snippet = String::new();
        if from > 0 {
            snippet.push(MORE);
        }
        let mut units = u32::from(from > 0);
        let mut marks: Vec<[u32; 2]> = Vec::new();
        for (index, (begins, letter)) in shown.iter().enumerate() {
            let ends = shown.get(index + 1).map_or(end, |(begins, _)| *begins);
            let wide = if letter.len_utf16() == 2 { 2 } else { 1 };
            if found.iter().any(|(from, to)| *from < ends && *begins < *to) {
                match marks.last_mut() {
                    Some(last) if last[1] == units => last[1] += wide,
                    _ => marks.push([units, units + wide]),
                }
            }
            units += wide;
            snippet.push(*letter);
        }
        if behind.is_some() {
            snippet.push(MORE);
        }
        Snippet { text: snippet, marks }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn find(query: &str, text: &str) -> Option<(String, Vec<String>)> {
        let found = Words::of(query).expect("words").find(text)?;
        let units: Vec<u16> = found.text.encode_utf16().collect();
        let marked = found
            .marks
            .iter()
            .map(|[from, to]| String::from_utf16(&units[*from as usize..*to as usize]).expect("whole letters"));
        let marked = marked.collect();
        Some((found.text, marked))
    }

    #[test]
    fn all_words_must_be_there_in_any_order_and_case() {
        let text = "The Checkout total ignores QUANTITIES";
        let (snippet, marked) = find("quantities check", text).expect("found");
        assert_eq!((snippet.as_str(), marked), (text, vec!["Check".to_owned(), "QUANTITIES".into()]));
        assert_eq!(find("checkout missing", text), None);
        assert_eq!(find("co total", "cototal").expect("found").1, ["cototal"], "neighbours are one mark");
    }

    #[test]
    fn every_script_is_found_and_marked_whole() {
        let marked = |query, text| find(query, text).map(|(_, marked)| marked);
        assert_eq!(
            marked("\u{4ed3}\u{5e93}", "\u{4fee}\u{590d}\u{4ed3}\u{5e93}\u{7684}\u{9519}\u{8bef}"),
            Some(vec!["\u{4ed3}\u{5e93}".into()])
        );
        assert_eq!(
            marked(
                "\u{0438}\u{0434}\u{0451}\u{0442}",
                "\u{0418}\u{0414}\u{0401}\u{0422} \u{0434}\u{043e}\u{0436}\u{0434}\u{044c}"
            ),
            Some(vec!["\u{0418}\u{0414}\u{0401}\u{0422}".into()])
        );
        assert_eq!(
            marked("\u{3c3}\u{3bf}\u{3c3}", "\u{3a3}\u{39f}\u{3a3}"),
            Some(vec!["\u{3a3}\u{39f}\u{3a3}".into()])
        );
        // One letter that folds to two, and letters of two units, in front of what is found.
        assert_eq!(marked("x", "\u{130}\u{1f600}\u{1f600}x"), Some(vec!["x".into()]));
        assert_eq!(marked("\u{1f600}", "a\u{1f600}b"), Some(vec!["\u{1f600}".into()]));
    }

    #[test]
    fn a_long_text_is_shown_around_what_was_found() {
        let text = format!("{} needle {}", "a ".repeat(5_000), "b ".repeat(5_000));
        let (snippet, marked) = find("needle", &text).expect("found");
        assert_eq!(marked, ["needle"]);
        assert!(snippet.starts_with(MORE) && snippet.ends_with(MORE));
        assert_eq!(snippet.chars().count(), limits::SEARCH_SNIPPET_CHARS + 2);
    }

    #[test]
    fn a_query_without_words_or_with_too_many_is_refused() {
        for query in ["", " \t\n ", &"x".repeat(limits::SEARCH_QUERY_BYTES_MAX + 1)] {
            assert!(Words::of(query).is_err(), "{query}");
        }
        let many: Vec<String> = (0..=limits::SEARCH_WORDS_MAX).map(|n| format!("w{n}")).collect();
        assert!(Words::of(&many.join(" ")).is_err());
        assert!(Words::of(&"same ".repeat(50)).is_ok());
    }

    proptest! {
        /// Whatever is looked for in whatever: no panic, marks on whole letters, and a word of the text is found.
        #[test]
        fn any_part_of_any_text_is_found(
            text in "\\PC{0,400}",
            from in 0_usize..400,
            count in 1_usize..20,
            hostile in "\\PC{1,20}",
        ) {
            let part: String = text.chars().skip(from).take(count).collect();
            for query in [part.as_str(), hostile.as_str()] {
                let Ok(words) = Words::of(query) else { continue };
                let found = words.find(&text);
                prop_assert!(query != part || found.is_some(), "{query:?} in {text:?}");
                let Some(found) = found else { continue };
                let units: Vec<u16> = found.text.encode_utf16().collect();
                let mut last = 0;
                for [from, to] in found.marks {
                    prop_assert!(last <= from && from < to);
                    prop_assert!(String::from_utf16(&units[from as usize..to as usize]).is_ok());
                    last = to;
                }
            }
        }
    }
}
