//! The way back: what the app would see of an answer that Bedrock gave.

use super::json::pretty;
use super::recording::{Form, Recording, Step, What};
use crate::converse::Event;
use crate::proxy::stream::interrupted;
use crate::translate::{Fold, Identity, ReplyShape, StreamWriter};
use crate::upstream::Failure;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// What the app would see.
#[derive(Debug, Serialize)]
pub(super) struct Reply {
    /// The file that it was read from.
    pub(super) file: String,
    /// How that is written.
    #[serde(serialize_with = "form_name")]
    pub(super) form: Form,
    /// How many events it holds.
    pub(super) events: usize,
    /// Which arm the app's answer would be from.
    pub(super) answered_by: &'static str,
    /// `x-crossfade-failover`, where the original answers instead.
    pub(super) failover: Option<&'static str>,
    /// What broke, and where in the file, for the operator: the app reads nothing of it.
    pub(super) why: Option<String>,
    /// The stream that the app reads.
    pub(super) sse: Option<String>,
    /// The whole answer that the app reads.
    pub(super) answer: Option<Box<RawValue>>,
    /// What is odd about the file.
    pub(super) notes: Vec<String>,
}

fn form_name<S: Serializer>(form: &Form, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(form.name())
}

/// Where an answer broke.
struct Broken<'r> {
    place: &'r str,
    failure: Failure,
}

impl Reply {
    /// Translates a recording for an app that asked for `shape`.
    pub(super) fn new(file: String, recording: Recording, shape: ReplyShape) -> Self {
        let Recording { form, steps, notes } = recording;
        let mut reply = Self {
            file,
            form,
            events: steps.len(),
            answered_by: "bedrock",
            failover: None,
            why: None,
            sse: None,
            answer: None,
            notes,
        };
        // Placeholders: each call has its own.
        let identity = Identity {
            id: "chatcmpl-explain".to_owned(),
            created_unix_s: 0,
        };
        if shape.stream {
            reply.stream(&steps, StreamWriter::new(shape, identity));
        } else {
            reply.whole(&steps, Fold::new(shape, identity));
        }
        reply
    }

    fn stream(&mut self, steps: &[Step], mut writer: StreamWriter) {
        let mut out = Vec::new();
        let read = feed(steps, |event| Ok(writer.push(event, &mut out)?));
        let read = read.and_then(|()| {
            writer
                .finish(&mut out)
                .map_err(|fault| at_end(fault.into()))
        });
        if let Err(broken) = read {
            if !writer.committed() {
                return self.fail_over(&broken);
            }
            self.why = Some(broken.text());
            out.extend_from_slice(&interrupted().sse_frame());
        }
        self.sse = Some(String::from_utf8_lossy(&out).into_owned());
    }

    fn whole(&mut self, steps: &[Step], mut fold: Fold) {
        let read = feed(steps, |event| Ok(fold.push(event)?));
        let read = read.and_then(|()| fold.finish().map_err(|fault| at_end(fault.into())));
        match read {
            Ok(answer) => {
                let answer = String::from_utf8_lossy(&answer).into_owned();
                self.answer = RawValue::from_string(answer).ok();
            }
            Err(broken) => self.fail_over(&broken),
        }
    }

    fn fail_over(&mut self, broken: &Broken<'_>) {
        self.answered_by = "original";
        self.failover = Some(broken.failure.fault.name());
        self.why = Some(broken.text());
    }

    /// For a person.
    pub(super) fn text(&self) -> String {
        let Self {
            file, form, events, ..
        } = self;
        let form = match form {
            Form::Converse => format!("an answer of Converse, read as {events} events"),
            Form::Events => format!("{events} events of ConverseStream"),
            Form::EventStream => format!("{events} frames of an event stream"),
            Form::Error => "an error".to_owned(),
        };
        let mut text = format!("{file} holds {form}.\n");
        for note in &self.notes {
            text += &format!("Note: {file}: {note}\n");
        }
        let why = self.why.as_deref().unwrap_or_default();
        match (&self.sse, &self.answer, self.failover) {
            (_, _, Some(class)) => {
                text += &format!(
                    "Bedrock fails the call: {why}\nNothing was sent to the app by then, so the \
                     original answers the call; the app sees only the header \
                     x-crossfade-failover: {class}.\n"
                );
            }
            (Some(sse), _, None) => {
                if self.why.is_some() {
                    text += &format!(
                        "The answer breaks after the app has read of it: {why}\nThe stream ends \
                         with an error and without [DONE], so that the SDKs raise.\n"
                    );
                }
                text += &format!("The app reads:\n\n{sse}");
            }
            (None, Some(answer), None) => {
                text += &format!("The app reads:\n\n{}\n", pretty(answer.get()));
            }
            (None, None, None) => {}
        }
        text
    }
}

impl Broken<'_> {
    fn text(&self) -> String {
        let Self { place, failure } = self;
        format!("{place}: {failure}")
    }
}

fn at_end(failure: Failure) -> Broken<'static> {
    Broken {
        place: "at its end",
        failure,
    }
}

/// Gives each event to `push`, up to the first failure.
fn feed<'r>(
    steps: &'r [Step],
    mut push: impl FnMut(Event<'_>) -> Result<(), Failure>,
) -> Result<(), Broken<'r>> {
    for step in steps {
        let read = match &step.what {
            What::Event(kind, payload) => Event::parse(kind, payload)
                .map_err(Failure::from)
                .and_then(|event| event.map_or(Ok(()), &mut push)),
            What::Failed(failure) => Err(Failure {
                fault: failure.fault,
                detail: failure.detail.clone(),
                retry_after: failure.retry_after,
                error: failure.error.clone(),
            }),
        };
        read.map_err(|failure| Broken {
            place: &step.place,
            failure,
        })?;
    }
    Ok(())
}
