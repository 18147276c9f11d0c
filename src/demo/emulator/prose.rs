//! What the emulated models say: plausible sentences, the same for the same question.

use super::log::sha256_hex;

const OPENINGS: [&str; 8] = [
    "Good question.",
    "Here is a short answer.",
    "In brief, yes.",
    "That depends on two things.",
    "Let me walk you through it.",
    "The short version is simple.",
    "There are a few ways to look at this.",
    "Most people start in the same place.",
];

const SENTENCES: [&str; 20] = [
    "Start with the smallest change that could work, and measure it before you go on.",
    "A good plan names what would make you turn back.",
    "The first step is to write down what you already know.",
    "Small batches are easier to review and easier to undo.",
    "Caches help, as long as somebody decides when they are wrong.",
    "If two numbers disagree, find out which of them is older.",
    "The order of the steps matters less than finishing each of them.",
    "Keep the old path open until the new one has carried real weight.",
    "Most of the time goes into the last tenth of the work.",
    "A queue hides a slow consumer until it is full.",
    "Names are cheap to change on the first day and dear on the hundredth.",
    "It is worth asking who will notice if this stops working.",
    "You can usually delete more than you expect.",
    "The weather decides more train timetables than the operators admit.",
    "Bread wants time, warmth and very little attention.",
    "A map with one wrong road is worse than no map.",
    "Write the summary first; the details will then know where to go.",
    "Two short meetings beat one long one.",
    "The cheapest test is the one that runs on every save.",
    "When in doubt, prefer the choice that you can take back.",
];

/// An answer to `question`: two to five sentences, chosen by its hash.
pub(super) fn answer(speaker: &str, question: &str) -> String {
    let digest = sha256_hex(format!("{speaker}\u{1f}{question}").as_bytes());
    let mut choices = digest.bytes().map(usize::from);
    let mut choose = |from: &[&'static str]| {
        let choice = choices.next().unwrap_or(0) * 31 + choices.next().unwrap_or(0);
        from.get(choice % from.len()).copied().unwrap_or_default()
    };
    let mut text = choose(&OPENINGS).to_owned();
    let more = 1 + digest.bytes().next().map_or(0, usize::from) % 4;
    for _ in 0..more {
        let sentence = choose(&SENTENCES);
        if !text.contains(sentence) {
            text.push(' ');
            text.push_str(sentence);
        }
    }
    text
}

/// `text` in the pieces in which a model would send it: words with the space before them.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = text
        .char_indices()
        .zip(text.chars().skip(1))
        .filter(|((_, before), after)| !before.is_whitespace() && after.is_whitespace())
        .map(|((at, before), _)| at + before.len_utf8())
        .collect();
    starts.push(text.len());
    let mut from = 0;
    let pieces = starts.into_iter().filter_map(|to| {
        let piece = text.get(from..to);
        from = to;
        piece.filter(|piece| !piece.is_empty())
    });
    pieces.collect()
}

/// How many tokens `text` would be, roughly.
pub(super) fn tokens(text: &str) -> u64 {
    u64::try_from(pieces(text).len()).unwrap_or(u64::MAX)
}

/// Why a text ends where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is whole.
    Whole,
    /// The caller's cap.
    MaxTokens,
    /// One of the caller's stop sequences.
    StopSequence,
}

/// `text` up to the first of `stops`, and at most `cap` tokens of it.
pub(super) fn ended(text: String, cap: Option<u64>, stops: &[&str]) -> (String, End) {
    let stop = stops
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| text.find(stop))
        .min();
    let (text, end) = match stop {
        Some(at) => (
            text.get(..at).unwrap_or_default().to_owned(),
            End::StopSequence,
        ),
        None => (text, End::Whole),
    };
    match cap {
        Some(cap) if tokens(&text) > cap => {
            let kept = pieces(&text)
                .into_iter()
                .take(usize::try_from(cap).unwrap_or(usize::MAX));
            (kept.collect(), End::MaxTokens)
        }
        Some(_) | None => (text, end),
    }
}

#[cfg(test)]
mod tests {
    use super::{End, answer, ended, pieces, tokens};

    #[test]
    fn the_same_question_has_the_same_answer() {
        assert_eq!(answer("a", "why?"), answer("a", "why?"));
        assert_ne!(answer("a", "why?"), answer("a", "why not?"));
    }

    #[test]
    fn pieces_make_up_the_text() {
        for text in ["", "one", " two words", "Zażółć 👩‍👩‍👧‍👦  gęślą\njaźń "]
        {
            assert_eq!(pieces(text).concat(), text);
        }
        assert_eq!(pieces("a b  c"), ["a", " b", "  c"]);
    }

    #[test]
    fn caps_and_stops_end_a_text() {
        let text = || "one two three".to_owned();
        assert_eq!(
            ended(text(), Some(2), &[]),
            ("one two".to_owned(), End::MaxTokens)
        );
        assert_eq!(ended(text(), Some(3), &[]), (text(), End::Whole));
        assert_eq!(
            ended(text(), None, &["three", "two"]),
            ("one ".to_owned(), End::StopSequence)
        );
        assert_eq!(tokens(&text()), 3);
    }
}
