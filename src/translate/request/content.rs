//! The parts of messages.

use super::Losses;
use super::fields::refuse;
use super::media;
use crate::converse::request::{Block, Document, DocumentFormat, Image};
use crate::openai::message::{Content, File, ImageUrl, Part, PartKind};
use crate::openai::token::Text;
use crate::translate::{Loss, Reason, Target};

/// A part, whether it was written as one or as the whole of a message.
pub(super) struct Piece<'r> {
    pub(super) kind: Kind<'r>,
    pub(super) cache_breakpoint: bool,
}

pub(super) enum Kind<'r> {
    /// Never blank.
    Text(Text<'r>),
    /// Never blank.
    Refusal(Text<'r>),
    Image(&'r ImageUrl<'r>),
    File(&'r File<'r>),
}

/// The parts of a message that are not blank; Bedrock refuses blank ones.
pub(super) fn pieces<'r>(content: &'r Content<'r>) -> Result<Vec<Piece<'r>>, Reason> {
    match content {
        Content::Text(text) if text.is_blank() => Ok(Vec::new()),
        Content::Text(text) => Ok(vec![Piece {
            kind: Kind::Text(*text),
            cache_breakpoint: false,
        }]),
        Content::Parts(parts) => parts
            .iter()
            .filter_map(|part| piece(part).transpose())
            .collect(),
    }
}

fn piece<'r>(part: &'r Part<'r>) -> Result<Option<Piece<'r>>, Reason> {
    let kind = match &part.kind {
        PartKind::Unknown => return Err(Reason::UnknownPart),
        PartKind::Audio(_) => return Err(Reason::AudioInput),
        _ if part.unknown => return Err(Reason::UnknownField),
        PartKind::Text(text) if text.is_blank() => return Ok(None),
        PartKind::Refusal(text) if text.is_blank() => return Ok(None),
        PartKind::Text(text) => Kind::Text(*text),
        PartKind::Refusal(text) => Kind::Refusal(*text),
        PartKind::Image(image) => Kind::Image(image),
        PartKind::File(file) => Kind::File(file),
    };
    Ok(Some(Piece {
        kind,
        cache_breakpoint: part.cache_breakpoint,
    }))
}

/// The images and documents of one call: their limits hold across messages, and so do names.
#[derive(Debug, Default)]
pub(super) struct Media {
    images: usize,
    documents: usize,
}

/// The most images of a call. Bedrock says "of a message"; several models count those of all turns.
const IMAGES_MAX: usize = 20;

/// The most documents of a turn.
pub(super) const DOCUMENTS_MAX: usize = 5;

impl Media {
    pub(super) fn image<'r>(
        &mut self,
        image: &'r ImageUrl<'r>,
        target: &Target,
        losses: &mut Losses,
    ) -> Result<Block<'r>, Reason> {
        refuse(image.unknown, Reason::UnknownField)?;
        let url = image.url.ok_or(Reason::Malformed)?;
        refuse(!target.capabilities.images, Reason::ImageUnsupported)?;
        let (format, source) = media::image(url.decode())?;
        self.images += 1;
        refuse(self.images > IMAGES_MAX, Reason::ImageLimit)?;
        let closer = image
            .detail
            .is_some_and(|detail| detail.is("high") || detail.is("original"));
        losses.add_if(closer, Loss::ImageDetail);
        Ok(Block::Image(Image { format, source }))
    }

    /// A document gets a neutral name: Bedrock wants unique ones of few characters, and a person's
    /// own name for a file is a way to put words into a prompt.
    pub(super) fn file<'r>(
        &mut self,
        file: &'r File<'r>,
        target: &Target,
        losses: &mut Losses,
    ) -> Result<Block<'r>, Reason> {
        refuse(file.unknown, Reason::UnknownField)?;
        refuse(file.file_id.is_some(), Reason::FileId)?;
        let data = file.file_data.ok_or(Reason::Malformed)?;
        refuse(!target.capabilities.documents, Reason::FileType)?;
        let source = media::pdf(data.decode())?;
        self.documents += 1;
        losses.add_if(file.filename.is_some(), Loss::FileName);
        let name = format!("document-{}", self.documents);
        Ok(Block::Document(Document {
            format: DocumentFormat::Pdf,
            name,
            source,
        }))
    }
}

/// The texts of a message that may have nothing else; those that are not blank.
pub(super) fn texts<'r>(content: &'r Content<'r>) -> Result<Vec<(Text<'r>, bool)>, Reason> {
    let is_foreign = |part: &Part<'_>| match part.kind {
        PartKind::Text(_) | PartKind::Unknown => false,
        PartKind::Image(_) | PartKind::Audio(_) | PartKind::File(_) | PartKind::Refusal(_) => true,
    };
    let foreign = match content {
        Content::Text(_) => false,
        Content::Parts(parts) => parts.iter().any(is_foreign),
    };
    refuse(foreign, Reason::Malformed)?;
    let text = |piece: Piece<'r>| match piece.kind {
        Kind::Text(text) => Some((text, piece.cache_breakpoint)),
        Kind::Refusal(_) | Kind::Image(_) | Kind::File(_) => None,
    };
    Ok(pieces(content)?.into_iter().filter_map(text).collect())
}
