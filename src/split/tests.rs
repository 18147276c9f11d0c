//! Frozen buckets, and the shares that follow from them.

use super::*;
use proptest::prelude::*;

/// Computed elsewhere. A change here moves every user of every installation.
#[test]
fn buckets_are_frozen() {
    let frozen: [(&str, &[u8], u64, u16); 8] = [
        ("crossfade", b"", 0x4e07_395b_2b9a_5e73, 7779),
        ("crossfade", b"a", 0x71c5_4ff3_e381_1586, 918),
        ("crossfade", b"user-1", 0xdeb1_798d_f084_ced4, 3076),
        ("crossfade", b"user-2", 0x6a61_c394_f1d3_3aff, 3231),
        (
            "crossfade",
            "Grüße, 世界".as_bytes(),
            0xad72_7c86_3829_b8fb,
            8027,
        ),
        ("crossfade", b"\x00\xff\x1f", 0xe4a3_a4d3_330c_b0e0, 784),
        ("other", b"user-1", 0xd184_515c_08de_b686, 9750),
        ("", b"user-1", 0xaced_3ec1_27fe_f86b, 1867),
    ];
    for (salt, key, hash, bucket) in frozen {
        assert_eq!(key_hash(salt, key), hash, "{salt} {key:?}");
        assert_eq!(Bucket::of_key(salt, key).index(), bucket, "{salt} {key:?}");
    }
}

#[test]
fn a_share_includes_the_buckets_below_it() {
    let five = Percent::from_basis_points(500).unwrap();
    assert!(five.includes(Bucket::of_hash(499)));
    assert!(!five.includes(Bucket::of_hash(500)));
    assert!(five.includes(Bucket::of_hash(10_499)));
    assert_eq!(Percent::from_basis_points(10_000), Some(Percent::ALL));
    assert_eq!(Percent::from_basis_points(10_001), None);
}

#[test]
fn nothing_and_everything_are_exact() {
    let buckets = || (0..u64::from(BUCKETS)).map(Bucket::of_hash);
    assert!(!buckets().any(|bucket| Percent::ZERO.includes(bucket)));
    assert!(buckets().all(|bucket| Percent::ALL.includes(bucket)));
    for share in 0..=BUCKETS {
        // So many of all buckets: the last one that is in, and the first that is not.
        let share = Percent(share);
        assert!(share.is_zero() || share.includes(Bucket(share.0 - 1)));
        assert!(share == Percent::ALL || !share.includes(Bucket(share.0)));
    }
}

#[test]
fn shares_are_written_without_trailing_zeros() {
    for (basis_points, said) in [
        (0, "0"),
        (1, "0.01"),
        (25, "0.25"),
        (50, "0.5"),
        (500, "5"),
        (1_050, "10.5"),
        (10_000, "100"),
    ] {
        assert_eq!(Percent(basis_points).to_string(), said);
    }
}

#[test]
fn every_share_survives_json() {
    for basis_points in 0..=BUCKETS {
        let json = serde_json::to_string(&Percent(basis_points)).unwrap();
        assert_eq!(json, Percent(basis_points).to_string());
        assert_eq!(
            serde_json::from_str::<Percent>(&json).unwrap(),
            Percent(basis_points)
        );
    }
    for refused in ["-0.01", "100.01", "5.005", "1e9", "\"5\"", "null", "-1"] {
        assert!(
            serde_json::from_str::<Percent>(refused).is_err(),
            "{refused}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Raising the share moves nobody back.
    #[test]
    fn who_is_on_bedrock_stays(key: Vec<u8>, salt: String, a in 0..=BUCKETS, b in 0..=BUCKETS) {
        let bucket = Bucket::of_key(&salt, &key);
        prop_assert_eq!(bucket, Bucket::of_key(&salt, &key));
        let (low, high) = (Percent(a.min(b)), Percent(a.max(b)));
        prop_assert!(!low.includes(bucket) || high.includes(bucket));
    }
}

/// Keys as apps have them: numbered, so as unlike random ones as can be.
fn keys() -> impl Iterator<Item = String> {
    (0..20_000).map(|n| format!("user-{n}"))
}

/// At every share, what goes to Bedrock of 20,000 keys is within four standard deviations (and two
/// keys, for shares of next to nothing).
#[test]
fn the_share_of_keys_is_the_asked_one() {
    let mut keys_in_bucket = vec![0; usize::from(BUCKETS)];
    for key in keys() {
        keys_in_bucket[usize::from(Bucket::of_key("crossfade", key.as_bytes()).index())] += 1;
    }
    let mut on_bedrock = 0;
    for share in 0..=BUCKETS {
        let p = f64::from(share) / f64::from(BUCKETS);
        let expected = 20_000.0 * p;
        let sigma = (expected * (1.0 - p)).sqrt();
        let off = (f64::from(on_bedrock) - expected).abs();
        assert!(
            off <= 4.0 * sigma + 2.0,
            "{on_bedrock} at {}",
            Percent(share)
        );
        on_bedrock += keys_in_bucket.get(usize::from(share)).copied().unwrap_or(0);
    }
    assert_eq!(on_bedrock, 20_000);
}

/// A salt is a new shuffle: who is in a share under one tells nothing of another.
#[test]
fn salts_shuffle_independently() {
    let half = Percent(5_000);
    let both = keys().take(4_000).filter(|key| {
        let on = |salt| half.includes(Bucket::of_key(salt, key.as_bytes()));
        on("crossfade") && on("another")
    });
    // A quarter, and four standard deviations of 27.4.
    assert!(both.count().abs_diff(1_000) <= 110);
}
