"""Form fields beyond the hosted API: faster-whisper's options by their own names, and ours."""

from typing import get_args

from deployments.whisper.types import DecodingOptions, Task, VadOptions
from serve_app.fields.form_field import FormField, fields_of
from serve_app.tasks.transcription.readers import VAD, read_clips, read_vad_parameters

DECODING = {
    "beam_size": "Beams of the search at temperature 0; 1 is greedy.",
    "best_of": "Candidates sampled at temperatures above 0.",
    "patience": "Beam search goes on until patience times beam_size hypotheses are complete.",
    "length_penalty": "Exponent of the length by which scores are divided.",
    "repetition_penalty": "Above 1 punishes tokens that were already produced.",
    "no_repeat_ngram_size": "N-grams of this size never repeat; 0 allows them.",
    "compression_ratio_threshold": "Text that compresses better than this is a failed window.",
    "log_prob_threshold": "A mean log-probability below this is a failed window.",
    "no_speech_threshold": "A window that failed and is more probably silent than this is skipped.",
    "condition_on_previous_text": "Show every window the text before it.",
    "prompt_reset_on_temperature": "Windows above this temperature are not shown to the next one.",
    "prefix": "Text with which the first window begins.",
    "hotwords": "Words and phrases to expect, shown to every window.",
    "suppress_blank": "Never begin a window with a blank.",
    "suppress_tokens": "Token ids that are never produced; -1 stands for the model's own list.",
    "without_timestamps": "Decode text only: a segment is then all that a window has of a stretch of speech.",
    "max_initial_timestamp": "Latest start of a window's first segment, in seconds.",
    "max_new_tokens": "Most tokens of one window.",
    "multilingual": "Detect the language of every window anew.",
    "language_detection_segments": "Windows to look at for the language.",
    "language_detection_threshold": "A language this probable ends the detection.",
    "word_timestamps": "Find the time of every word.",
    "prepend_punctuations": "Signs that belong to the word after them.",
    "append_punctuations": "Signs that belong to the word before them.",
}

DETECTION = {
    "threshold": "Probability above which a frame is speech.",
    "neg_threshold": "Probability below which speech ends; threshold - 0.15 if none.",
    "min_speech_duration_ms": "Shorter stretches of speech are dropped.",
    "max_speech_duration_s": "Longer stretches are cut; the model's window if none.",
    "min_silence_duration_ms": "Shorter pauses do not end a stretch.",
    "speech_pad_ms": "Audio kept on both sides of a stretch.",
}

OPTIONS = (
    FormField(
        "url",
        {"type": "string", "maxLength": 8192},
        "Where to fetch the audio, instead of `file`.",
        target="request.url",
    ),
    *fields_of(DecodingOptions, "decoding", DECODING, log_prob_threshold="logprob_threshold"),
    FormField(
        "vad_filter",
        {"type": "boolean"},
        "Whether to cut the audio into speech. If false, windows follow each other by their decoded times.",
        target="vad_filter",
    ),
    *fields_of(VadOptions, "vad", DETECTION, prefix="vad_"),
    FormField(
        "vad_parameters",
        {"type": "object", "properties": VAD},
        "The same options as a JSON object, without their prefix.",
        read=read_vad_parameters,
    ),
    FormField(
        "clip_timestamps",
        {"type": "string"},
        "Only these spans, in seconds: `start,end,start,end` and so on, or a JSON list of objects with `start` "
        "and `end`. They replace voice activity detection. They are heard in order of time; those that overlap, "
        "each by itself, in the order in which they were asked for.",
        target="request.clips",
        read=read_clips,
    ),
    FormField(
        "task",
        {"type": "string", "enum": list(get_args(Task))},
        "What the path says already; nothing else is taken.",
        target="request.task",
    ),
)
