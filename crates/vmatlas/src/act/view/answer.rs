//! What questions about a recording are answered with.

use web::Answer;

/// The question is wrong.
pub(super) fn refused(why: &str) -> Answer {
    Answer::Bad(why.to_owned())
}

pub(super) fn json_answer(value: &serde_json::Value) -> Answer {
    Answer::Json(value.to_string().into_bytes())
}
