//! Whether a command prints what a document says that it prints.
//!
//! Each line of the document must be among the printed ones, in this order, others between them aside.
//! Numbers and the widths of columns differ from run to run and count for nothing; `…` stands for any
//! text.

/// The first line of the sample that was not printed.
pub(super) fn is_in<'a>(sample: &'a str, printed: &str) -> Result<(), &'a str> {
    let mut printed = printed.lines();
    let lines = sample.lines().filter(|line| !line.trim().is_empty());
    for line in lines {
        if !printed.any(|printed| is_like(line, printed)) {
            return Err(line);
        }
    }
    Ok(())
}

/// Whether a printed line is the one of the sample.
fn is_like(sample: &str, printed: &str) -> bool {
    let (sample, printed) = (plain(sample), plain(printed));
    let mut parts = sample.split('…').peekable();
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = printed.strip_prefix(first) else {
        return false;
    };
    let mut open = false;
    while let Some(part) = parts.next() {
        open = part.is_empty();
        let last = parts.peek().is_none();
        let found = if last && !open {
            rest.ends_with(part).then_some(rest.len())
        } else {
            rest.find(part).map(|at| at + part.len())
        };
        let Some(end) = found else {
            return false;
        };
        rest = &rest[end..];
    }
    open || rest.is_empty()
}

/// Each number as `#`, each gap as one space.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    let mut number = false;
    for word in line.split_whitespace() {
        if !plain.is_empty() {
            plain.push(' ');
        }
        for c in word.chars() {
            let digit = c.is_ascii_digit() || (number && c == '.');
            if !digit {
                plain.push(c);
            } else if !number {
                plain.push('#');
            }
            number = digit;
        }
        number = false;
    }
    plain
}

#[test]
fn numbers_and_gaps_differ_and_words_do_not() {
    let printed =
        "RULE   NOW\nerrors  2.78 % (5/180)  10m\nnotify http://127.0.0.1:4711 FAILING: no\n";
    assert_eq!(is_in("RULE NOW\nerrors 1 % (12/9) 5m\n", printed), Ok(()));
    assert_eq!(is_in("notify … FAILING: …", printed), Ok(()));
    assert_eq!(is_in("notify … no", printed), Ok(()));
    assert_eq!(is_in("notify … FAILING", printed), Err("notify … FAILING"));
    assert_eq!(is_in("errors\n", printed), Err("errors"));
    assert_eq!(is_in("errors …\nRULE NOW", printed), Err("RULE NOW"));
    assert_eq!(is_in("latency …", printed), Err("latency …"));
    assert_eq!(is_in("", printed), Ok(()));
}
