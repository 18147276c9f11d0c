use super::*;

fn text(text: &str) -> Node {
    Node::Text(text.to_owned())
}

#[test]
fn percentages_are_read_exactly() {
    for (written, basis_points) in [
        ("0", Some(0)),
        ("5", Some(500)),
        ("5%", Some(500)),
        ("5 %", Some(500)),
        ("2.5", Some(250)),
        ("2.55", Some(255)),
        ("0.01", Some(1)),
        ("0.07", Some(7)),
        ("100", Some(10_000)),
        ("100.00", Some(10_000)),
        ("100.01", None),
        ("101", None),
        ("999", None),
        ("1000", None),
        ("-1", None),
        ("+1", None),
        ("010", None),
        ("00", None),
        ("2.555", None),
        (".5", None),
        ("5.", None),
        ("1e1", None),
        ("NaN", None),
        (".inf", None),
        ("", None),
        ("%", None),
        ("5%%", None),
        (" 5", None),
        ("٥", None),
    ] {
        let value = percent_text(written).map(Percent::basis_points);
        assert_eq!(value, basis_points, "{written:?}");
    }
}

#[test]
fn a_share_needs_its_sign() {
    let parse = share(Percent::ZERO..=Percent::ALL);
    for (node, basis_points) in [
        (text("2%"), Some(200)),
        (text("2.5 %"), Some(250)),
        (text("2"), None),
        (Node::Number("2".to_owned()), None),
        (text("%"), None),
        (Node::Nothing, None),
    ] {
        let value = parse.read(&node).ok().map(Percent::basis_points);
        assert_eq!(value, basis_points, "{node:?}");
    }
}

#[test]
fn durations_have_units_and_a_range() {
    let parse = duration_ms(Duration::from_millis(500)..=Duration::from_hours(24));
    for (written, millis) in [
        ("500ms", Some(500)),
        ("10m", Some(600_000)),
        ("1h30m", Some(5_400_000)),
        ("1h 30m", Some(5_400_000)),
        ("24h", Some(86_400_000)),
        ("499ms", None),
        ("25h", None),
        ("10", None),
        ("-5s", None),
        ("5 parsecs", None),
        ("99999999999999999999s", None),
        ("", None),
    ] {
        assert_eq!(parse.read(&text(written)).ok(), millis, "{written:?}");
    }
    parse
        .read(&Node::Number("600".to_owned()))
        .expect_err("no unit");
}

#[test]
fn sizes_have_units_and_a_range() {
    let parse = size(1_024..=(1 << 30));
    for (written, bytes) in [
        ("1KiB", Some(1_024)),
        ("32MiB", Some(32 << 20)),
        ("32 MiB", Some(32 << 20)),
        ("1GiB", Some(1 << 30)),
        ("2048B", Some(2_048)),
        ("1023B", None),
        ("2GiB", None),
        ("32", None),
        ("32MB", None),
        ("MiB", None),
        ("99999999999999999999GiB", None),
        ("32MiBMiB", None),
        ("é", None),
    ] {
        assert_eq!(parse.read(&text(written)).ok(), bytes, "{written:?}");
    }
    for (bytes, shown) in [
        (32 << 20, "32MiB"),
        (1_536, "1536B"),
        (0, "0B"),
        (1 << 30, "1GiB"),
    ] {
        assert_eq!(shown_size(bytes), shown);
    }
}

#[test]
fn a_hash_is_64_hexadecimal_digits() {
    let digits = "0123456789abcdefABCDEF00112233445566778899aabbccddeeff0011223344";
    let mut expected = [0; 32];
    expected[..4].copy_from_slice(&[0x01, 0x23, 0x45, 0x67]);
    assert_eq!(
        sha256(digits).map(|bytes| bytes[..4].to_vec()),
        Some(expected[..4].to_vec())
    );
    for wrong in ["", "00", &digits[1..], &format!("+{}", &digits[1..])] {
        assert_eq!(sha256(wrong), None, "{wrong}");
    }
}
