//! Trace Context, case by case; what a call's trace is, and that there is none.

use super::*;
use proptest::prelude::*;

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

fn counting() -> impl FnMut() -> u64 {
    let mut last = 0;
    move || {
        last += 1;
        last
    }
}

fn begun(sample: Sample, pairs: &[(&'static str, &str)]) -> Option<Trace> {
    Trace::begin(
        sample,
        &headers(pairs),
        "/v1/chat/completions",
        7,
        counting(),
    )
}

#[test]
fn a_caller_s_span_is_the_parent() {
    let state = [
        ("tracestate", "congo=t61,rojo=00f"),
        ("tracestate", " more=1 "),
    ];
    let pairs = [&[("traceparent", CALLER)][..], &state].concat();
    // Whatever the share is.
    let trace = begun(Sample::NONE, &pairs).expect("sampled");
    assert_eq!(trace.id.to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(
        trace.parent.expect("a parent").to_string(),
        "b7ad6b7169203331"
    );
    assert_eq!(trace.state.as_deref(), Some("congo=t61,rojo=00f,more=1"));
    assert_eq!(trace.flags, SAMPLED);
    let mut sent = headers(&pairs);
    trace.hand_on(&mut sent);
    let expected = format!("00-{}-{}-01", trace.id, trace.original);
    assert_eq!(
        sent.get_all("traceparent").iter().collect::<Vec<_>>(),
        [expected.as_str()]
    );
    assert_eq!(
        sent.get_all("tracestate"),
        headers(&pairs).get_all("tracestate")
    );
}

#[test]
fn a_caller_that_does_not_sample_is_followed() {
    for flags in ["00", "02", "fe"] {
        let value = CALLER.replace("-01", &format!("-{flags}"));
        assert!(
            begun(Sample::ALL, &[("traceparent", &value)]).is_none(),
            "{flags}"
        );
    }
}

#[test]
fn without_a_caller_the_trace_begins_here() {
    assert!(begun(Sample::NONE, &[]).is_none());
    let trace = begun(Sample::ALL, &[("tracestate", "of=nobody")]).expect("sampled");
    assert_eq!(trace.id.to_string(), "00000000000000010000000000000002");
    assert_eq!(
        (trace.parent, trace.state.as_deref(), trace.flags),
        (None, None, 3)
    );
    let names = [trace.call, trace.bedrock, trace.original].map(|span| span.to_string());
    assert_eq!(
        names,
        ["0000000000000003", "0000000000000004", "0000000000000005"]
    );
    let mut sent = headers(&[("tracestate", "of=nobody")]);
    trace.hand_on(&mut sent);
    let expected = "00-00000000000000010000000000000002-0000000000000005-03";
    assert_eq!(sent.get("traceparent").expect("told"), expected);
    assert_eq!(sent.get("tracestate"), None);
}

/// The cases of the specification's own test suite (w3c/trace-context, `test_traceparent.py`), as
/// far as they are about the header alone.
#[test]
fn what_cannot_be_read_begins_a_new_trace() {
    let id = "0af7651916cd43dd8448eb211c80319c";
    let bad = [
        String::new(),
        "00".to_owned(),
        format!("{CALLER}."),
        format!("{CALLER}-"),
        format!("{CALLER}-what-the-future"),
        format!("cc{}.what", &CALLER[2..]),
        CALLER.replacen("00-", "ff-", 1),
        CALLER.replacen("00-", ".0-", 1),
        CALLER.replacen("00-", "0.-", 1),
        CALLER.replacen("00-", "000-", 1),
        CALLER.replacen("00-", "0-", 1),
        CALLER.replace(id, &"0".repeat(32)),
        CALLER.replace(id, &id.to_uppercase()),
        CALLER.replace(id, &id[1..]),
        CALLER.replace(id, &format!("{id}0")),
        CALLER.replace(id, &id.replace('0', ".")),
        CALLER.replace("b7ad6b7169203331", "0000000000000000"),
        CALLER.replace("b7ad6b7169203331", "b7ad6b716920333."),
        CALLER.replace("b7ad6b7169203331", "b7ad6b716920333"),
        CALLER.replace("-01", "-.0"),
        CALLER.replace("-01", "-1"),
        CALLER.replace("-01", "-0A"),
        CALLER.replace("-01", ""),
    ];
    for value in bad {
        let trace = begun(Sample::ALL, &[("traceparent", &value)]).expect("a new one");
        assert_eq!(trace.parent, None, "{value}");
        assert_ne!(trace.id.to_string(), id, "{value}");
    }
    let twice = [("traceparent", CALLER), ("traceparent", CALLER)];
    assert_eq!(begun(Sample::ALL, &twice).expect("a new one").parent, None);
}

#[test]
fn of_a_later_version_the_known_fields_are_read() {
    for value in [
        CALLER.replacen("00-", "cc-", 1),
        format!("cc{}-what-the-future-will-be-like", &CALLER[2..]),
        CALLER.replace("-01", "-ff"),
    ] {
        let trace = begun(Sample::NONE, &[("traceparent", &value)]).expect("sampled");
        assert_eq!(
            trace.id.to_string(),
            "0af7651916cd43dd8448eb211c80319c",
            "{value}"
        );
        let mut sent = HeaderMap::new();
        trace.hand_on(&mut sent);
        let told = sent["traceparent"].to_str().expect("text");
        // In the version that is known, with the flags that are.
        assert!(
            told.starts_with("00-") && told.len() == CALLER.len(),
            "{told}"
        );
        assert!(told.ends_with("-01") || told.ends_with("-03"), "{told}");
    }
}

#[test]
fn a_long_state_is_passed_on_but_not_repeated() {
    let long = format!("a={}", "x".repeat(600));
    let pairs = [("traceparent", CALLER), ("tracestate", &long)];
    let trace = begun(Sample::ALL, &pairs).expect("sampled");
    assert_eq!(trace.state, None);
    let mut sent = headers(&pairs);
    trace.hand_on(&mut sent);
    assert_eq!(sent["tracestate"], long.as_str());
    let longest = format!("a={}", "x".repeat(510));
    let pairs = [("traceparent", CALLER), ("tracestate", &longest)];
    let trace = begun(Sample::ALL, &pairs).expect("sampled");
    assert_eq!(trace.state.as_deref(), Some(longest.as_str()));
}

proptest! {
    #[test]
    fn any_header_gives_a_trace_with_names(bytes in proptest::collection::vec(0x20_u8..0x7f, 0..80)) {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_bytes(&bytes).expect("visible"));
        let trace = Trace::begin(Sample::ALL, &headers, "/", 0, || 0);
        if let Some(trace) = trace {
            prop_assert!(trace.id.to_bytes() != [0; 16] && trace.call.to_bytes() != [0; 8]);
        }
    }

    #[test]
    fn what_is_handed_on_is_read_back(id in 1_u128.., span in 1_u64.., random: bool) {
        let flags = if random { "03" } else { "01" };
        let value = format!("00-{id:032x}-{span:016x}-{flags}");
        let trace = begun(Sample::NONE, &[("traceparent", &value)]).expect("sampled");
        let mut sent = HeaderMap::new();
        trace.hand_on(&mut sent);
        let read = context::parent(&sent).expect("readable");
        prop_assert_eq!(read.trace, trace.id);
        prop_assert_eq!(read.span, trace.original);
        prop_assert_eq!(read.flags, trace.flags);
    }
}
