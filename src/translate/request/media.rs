//! Images and documents, without decoding them.
//!
//! Base64 goes through as it is: Bedrock's JSON has bytes in the same form. Only the few bytes that
//! show format and size are decoded.

use super::fields::refuse;
use crate::converse::request::{ImageFormat, Source};
use crate::translate::Reason;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// The largest image, decoded: 3.75 MB.
const IMAGE_MAX: usize = 3_750_000;

/// The largest side of an image, in pixels.
const SIDE_MAX: u32 = 8000;

/// The largest document, decoded: 4.5 MB.
const DOCUMENT_MAX: usize = 4_500_000;

/// The image of a data URL.
pub(super) fn image(url: Cow<'_, str>) -> Result<(ImageFormat, Source<'_>), Reason> {
    let is_data = url
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    refuse(!is_data, Reason::ImageUrlRemote)?;
    let data = DataUrl::of(&url).ok_or(Reason::Malformed)?;
    let labelled = [
        "image/png",
        "image/jpeg",
        "image/jpg",
        "image/gif",
        "image/webp",
    ]
    .iter()
    .any(|mime| data.mime.eq_ignore_ascii_case(mime));
    refuse(!labelled, Reason::ImageFormat)?;
    refuse(!data.is_base64, Reason::Malformed)?;
    let base64 = Base64::of(data.body).ok_or(Reason::Malformed)?;
    refuse(base64.decoded > IMAGE_MAX, Reason::ImageLimit)?;
    // The label is often wrong, and Bedrock refuses a wrong one.
    let format = base64.image_format().ok_or(Reason::ImageFormat)?;
    let (width, height) = base64.image_size(format).unwrap_or_default();
    refuse(width.max(height) > SIDE_MAX, Reason::ImageLimit)?;
    let at = url.len() - data.body.len();
    Ok((
        format,
        Source {
            bytes: from(url, at),
        },
    ))
}

/// The PDF of a data URL or of bare base64.
pub(super) fn pdf(data: Cow<'_, str>) -> Result<Source<'_>, Reason> {
    let body = match DataUrl::of(&data) {
        Some(url) => {
            refuse(
                !url.mime.eq_ignore_ascii_case("application/pdf"),
                Reason::FileType,
            )?;
            refuse(!url.is_base64, Reason::Malformed)?;
            url.body
        }
        None => &data,
    };
    let base64 = Base64::of(body).ok_or(Reason::Malformed)?;
    refuse(base64.decoded > DOCUMENT_MAX, Reason::FileSize)?;
    refuse(
        &base64.bytes::<4>(0).unwrap_or_default() != b"%PDF",
        Reason::FileType,
    )?;
    let at = data.len() - body.len();
    Ok(Source {
        bytes: from(data, at),
    })
}

/// The text from a byte on.
fn from(text: Cow<'_, str>, at: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(at..).unwrap_or_default()),
        Cow::Owned(mut text) => Cow::Owned(text.split_off(at)),
    }
}

/// `data:MIME;…;base64,BODY`.
struct DataUrl<'a> {
    mime: &'a str,
    is_base64: bool,
    body: &'a str,
}

impl<'a> DataUrl<'a> {
    fn of(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once(':')?;
        let (head, body) = rest.split_once(',')?;
        let mut parameters = head.split(';').map(str::trim);
        let mime = parameters.next()?;
        let is_base64 = parameters
            .next_back()
            .is_some_and(|p| p.eq_ignore_ascii_case("base64"));
        scheme.eq_ignore_ascii_case("data").then_some(Self {
            mime,
            is_base64,
            body,
        })
    }
}

/// Whether a byte is a digit of base64. Looked up: images are most of a body that has any, and
/// comparing takes more than twice as long.
#[inline]
fn is_digit(byte: u8) -> bool {
    DIGITS.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Which bytes are digits of base64.
static DIGITS: [bool; 256] = {
    let mut digits = [false; 256];
    let mut byte = 0_u8;
    loop {
        digits[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        if byte == u8::MAX {
            break digits;
        }
        byte += 1;
    }
};

/// How much is looked at before the first byte that is no digit ends it: within a part there is no
/// branch.
const CHUNK: usize = 1024;

/// Standard base64, padded.
struct Base64<'a> {
    text: &'a [u8],
    /// How many bytes it stands for.
    decoded: usize,
}

impl<'a> Base64<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let text = text.as_bytes();
        let (body, last) = text.split_last_chunk::<4>()?;
        let valid = text.len().is_multiple_of(4)
            && body
                .chunks(CHUNK)
                .all(|part| part.iter().fold(true, |all, byte| all & is_digit(*byte)));
        // Refuses wrong padding, and bits that the padding cuts off.
        let last = STANDARD.decode(last).ok()?;
        valid.then_some(Self {
            text,
            decoded: body.len() / 4 * 3 + last.len(),
        })
    }

    /// `N` of the bytes that it stands for.
    fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let last = (at.checked_add(N)?.div_ceil(3)).checked_mul(4)?;
        let part = self.text.get(at / 3 * 4..last)?;
        STANDARD
            .decode(part)
            .ok()?
            .get(at % 3..)?
            .first_chunk()
            .copied()
    }

    fn image_format(&self) -> Option<ImageFormat> {
        let head = self.bytes::<12>(0)?;
        match &head {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(ImageFormat::Png),
            [0xff, 0xd8, 0xff, ..] => Some(ImageFormat::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(ImageFormat::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => Some(ImageFormat::Webp),
            _ => None,
        }
    }

    /// Width and height in pixels; none if the head does not show them.
    fn image_size(&self, format: ImageFormat) -> Option<(u32, u32)> {
        match format {
            ImageFormat::Png => {
                let [w0, w1, w2, w3, h0, h1, h2, h3] = self.bytes(16)?;
                Some((
                    u32::from_be_bytes([w0, w1, w2, w3]),
                    u32::from_be_bytes([h0, h1, h2, h3]),
                ))
            }
            ImageFormat::Gif => {
                let [w0, w1, h0, h1] = self.bytes(6)?;
                Some((
                    u16::from_le_bytes([w0, w1]).into(),
                    u16::from_le_bytes([h0, h1]).into(),
                ))
            }
            ImageFormat::Webp => self.webp_size(),
            ImageFormat::Jpeg => self.jpeg_size(),
        }
    }

    /// The three kinds of WebP: lossy, lossless, extended.
    fn webp_size(&self) -> Option<(u32, u32)> {
        match &self.bytes::<4>(12)? {
            b"VP8 " => {
                let [w0, w1, h0, h1] = self.bytes(26)?;
                let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
                Some((side(w0, w1), side(h0, h1)))
            }
            b"VP8L" => {
                let bits = u32::from_le_bytes(self.bytes(21)?);
                Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
            }
            b"VP8X" => {
                let [w0, w1, w2, h0, h1, h2] = self.bytes(24)?;
                let side = |a, b, c| u32::from_le_bytes([a, b, c, 0]) + 1;
                Some((side(w0, w1, w2), side(h0, h1, h2)))
            }
            _ => None,
        }
    }

    /// Walks the segments up to the frame header: metadata of any size may precede it.
    fn jpeg_size(&self) -> Option<(u32, u32)> {
        let mut at = 2;
        for _ in 0..JPEG_SEGMENTS_MAX {
            let [0xff, marker] = self.bytes(at)? else {
                return None;
            };
            match marker {
                // Fill.
                0xff => at += 1,
                0x01 | 0xd0..=0xd8 => at += 2,
                // Frame headers; between their numbers are three markers of other kinds.
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                    let [h0, h1, w0, w1] = self.bytes(at + 5)?;
                    let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
                    return Some((side(w0, w1), side(h0, h1)));
                }
                _ => at += 2 + usize::from(u16::from_be_bytes(self.bytes(at + 2)?)),
            }
        }
        None
    }
}

/// More segments than cameras write; what bounds the walk.
const JPEG_SEGMENTS_MAX: usize = 1000;

#[cfg(test)]
mod tests;
