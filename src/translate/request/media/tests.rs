use super::*;

fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn of(mime: &str, bytes: &[u8]) -> Result<ImageFormat, Reason> {
    let url = format!("data:{mime};base64,{}", encode(bytes));
    image(Cow::Owned(url)).map(|(format, source)| {
        assert_eq!(source.bytes, encode(bytes));
        format
    })
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend_from_slice(&width.to_be_bytes());
    png.extend_from_slice(&height.to_be_bytes());
    png
}

fn jpeg(width: u16, height: u16, metadata: usize) -> Vec<u8> {
    let mut jpeg = b"\xff\xd8\xff\xe1".to_vec();
    jpeg.extend_from_slice(&u16::try_from(metadata + 2).unwrap().to_be_bytes());
    jpeg.resize(jpeg.len() + metadata, 0xff);
    // A table, fill bytes, then the frame.
    jpeg.extend_from_slice(b"\xff\xc4\0\x03\0\xff\xff\xff\xc2\0\x0b\x08");
    jpeg.extend_from_slice(&height.to_be_bytes());
    jpeg.extend_from_slice(&width.to_be_bytes());
    jpeg
}

fn webp(kind: &[u8; 4], rest: &[u8]) -> Vec<u8> {
    let mut webp = b"RIFF\0\0\0\0WEBP".to_vec();
    webp.extend_from_slice(kind);
    webp.extend_from_slice(&[0; 4]);
    webp.extend_from_slice(rest);
    webp
}

fn gif(width: u16, height: u16) -> Vec<u8> {
    let mut gif = b"GIF89a".to_vec();
    gif.extend_from_slice(&width.to_le_bytes());
    gif.extend_from_slice(&height.to_le_bytes());
    gif.extend_from_slice(&[0; 3]);
    gif
}

#[test]
fn the_bytes_tell_the_format() {
    assert_eq!(of("image/png", &gif(1, 1)), Ok(ImageFormat::Gif));
    assert_eq!(of("image/gif", &png(1, 1)), Ok(ImageFormat::Png));
    assert_eq!(of("image/jpg", &jpeg(1, 1, 0)), Ok(ImageFormat::Jpeg));
    assert_eq!(
        of("image/webp", &webp(b"VP8 ", &[0; 12])),
        Ok(ImageFormat::Webp)
    );
    assert_eq!(
        of("image/png", b"not an image at all"),
        Err(Reason::ImageFormat)
    );
    assert_eq!(of("image/png", b"x"), Err(Reason::ImageFormat));
    assert_eq!(of("image/bmp", &png(1, 1)), Err(Reason::ImageFormat));
}

#[test]
fn sides_are_limited_in_every_format() {
    for (bytes, fits) in [
        (png(8000, 8000), true),
        (png(8001, 1), false),
        (png(1, 8001), false),
        (gif(8000, 1), true),
        (gif(1, 8001), false),
        (jpeg(8000, 8000, 0), true),
        (jpeg(8001, 1, 0), false),
        (jpeg(1, 8001, 60_000), false),
        (
            webp(b"VP8 ", &[0, 0, 0, 0x9d, 1, 0x2a, 0x40, 0x1f, 0x40, 0x1f]),
            true,
        ),
        (
            webp(b"VP8 ", &[0, 0, 0, 0x9d, 1, 0x2a, 0x41, 0x1f, 1, 0]),
            false,
        ),
        (webp(b"VP8L", &[0x2f, 0x3f, 0x1f, 0, 0]), true),
        (webp(b"VP8L", &[0x2f, 0x40, 0x1f, 0, 0]), false),
        (webp(b"VP8X", &[0, 0, 0, 0, 0x3f, 0x1f, 0, 0, 0, 0]), true),
        (webp(b"VP8X", &[0, 0, 0, 0, 0, 0, 0, 0x40, 0x1f, 0]), false),
    ] {
        let expected = if fits {
            Ok(())
        } else {
            Err(Reason::ImageLimit)
        };
        assert_eq!(of("image/png", &bytes).map(|_| ()), expected, "{bytes:?}");
    }
}

#[test]
fn the_size_is_limited() {
    let mut bytes = png(1, 1);
    bytes.resize(IMAGE_MAX, 0);
    assert_eq!(of("image/png", &bytes), Ok(ImageFormat::Png));
    bytes.push(0);
    assert_eq!(of("image/png", &bytes), Err(Reason::ImageLimit));
    let mut bytes = b"%PDF-1.7".to_vec();
    bytes.resize(DOCUMENT_MAX, 0);
    assert!(pdf(Cow::Owned(encode(&bytes))).is_ok());
    bytes.push(0);
    assert_eq!(
        pdf(Cow::Owned(encode(&bytes))).err(),
        Some(Reason::FileSize)
    );
}

#[test]
fn only_standard_base64_goes_through() {
    let fails = |body: &str| {
        let url = format!("data:image/png;base64,{body}");
        assert_eq!(
            image(Cow::Owned(url)).err(),
            Some(Reason::Malformed),
            "{body}"
        );
    };
    for body in [
        "", "=", "====", "AAA", "AA==AA==", "A===", "AB==", "AAA-", "AAA_", "AA AA", "AAA\n",
    ] {
        fails(body);
    }
    let bare = image(Cow::Borrowed("data:image/png,AAAA"));
    assert_eq!(bare.err(), Some(Reason::Malformed));
    let no_comma = image(Cow::Borrowed("data:image/png;base64"));
    assert_eq!(no_comma.err(), Some(Reason::Malformed));
}

#[test]
fn addresses_are_not_fetched() {
    for url in [
        "https://x/a.png",
        "http://x",
        "s3://b/k",
        "ftp://x",
        "a.png",
        "",
        "é:",
    ] {
        assert_eq!(
            image(Cow::Borrowed(url)).err(),
            Some(Reason::ImageUrlRemote),
            "{url}"
        );
    }
}

#[test]
fn a_document_is_a_pdf() {
    let file = |data: String| pdf(Cow::Owned(data)).map(|source| source.bytes.into_owned());
    let base64 = encode(b"%PDF-1.4");
    assert_eq!(file(base64.clone()), Ok(base64.clone()));
    assert_eq!(
        file(format!("DATA:application/PDF;base64,{base64}")),
        Ok(base64.clone())
    );
    assert_eq!(
        file(format!("data:text/csv;base64,{base64}")),
        Err(Reason::FileType)
    );
    assert_eq!(file(encode(b"hello")), Err(Reason::FileType));
    assert_eq!(file(String::from("%PDF")), Err(Reason::Malformed));
}
