"""Presidio's recognizers in addition to our own searches for personal data, if presidio-analyzer is installed.

They add official and account numbers (passports, licences, tax and health numbers, bank accounts, crypto wallets),
recognised by pattern, checksum and the words around them. Names and places are found by a spaCy model for English if
one is installed; none is downloaded. Recognizers for data that our own searches find are not used; Presidio's for
e-mail addresses and URLs would fetch a list of domains from the network. Importing Presidio takes seconds, so `load`
does it ahead of time.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import Any

from autolog._redaction.walk import Edit

#: The least score, out of 1, of a finding that counts; a weak pattern reaches it only with a fitting word nearby.
_SCORE = 0.4
#: Texts are read in overlapping pieces of this many characters, because Presidio's work for each finding grows with the
#: length of the text.
_PIECE, _OVERLAP = 2_000, 200
#: Spacy models for English, the best first.
_MODELS = ("en_core_web_trf", "en_core_web_lg", "en_core_web_md", "en_core_web_sm")
#: Recognizers that our own searches replace, or that find nothing about a person.
_LEFT_OUT = ("EmailRecognizer", "UrlRecognizer", "PhoneRecognizer", "IpRecognizer", "CreditCardRecognizer",
             "IbanRecognizer", "DateRecognizer")  # fmt: skip
_NO_PERSONAL_DATA = frozenset({"DATE_TIME", "URL", "ORGANIZATION", "NRP", "UUID"})
#: Presidio's kinds of data, and our labels for them.
_LABELS = {"PERSON": "NAME", "US_SSN": "SSN"}


@functools.cache
def load() -> Any:
    """Return Presidio's engine, created once, or None if Presidio is not installed.

    To be called on the thread that calls `configure`, because autolog's own threads do not import foreign packages.
    """
    if importlib.util.find_spec("presidio_analyzer") is None:
        return None
    analyzer = importlib.import_module("presidio_analyzer")
    registry = analyzer.RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"])
    for name in _LEFT_OUT:
        registry.remove_recognizer(name)
    return analyzer.AnalyzerEngine(registry=registry, nlp_engine=_pipeline(), supported_languages=["en"])


def _pipeline() -> Any:
    """Return Presidio's wrapper of a spaCy pipeline: an installed model, or one that only splits words."""
    engines, spacy = importlib.import_module("presidio_analyzer.nlp_engine"), importlib.import_module("spacy")
    model = next(filter(spacy.util.is_package, _MODELS), None)
    pipeline = spacy.load(model) if model else spacy.blank("en")
    if model is None:
        spacy.language.Language.component("autolog_lemmas", func=_lowered)
        pipeline.add_pipe("autolog_lemmas")
    pipeline.max_length = 2**31
    engine = engines.SpacyNlpEngine(models=[{"lang_code": "en", "model_name": model or "blank"}])
    engine.nlp = {"en": pipeline}
    return engine


def _lowered(document: Any) -> Any:
    """Make every word in lower case its own lemma, because Presidio finds the words around a number by lemma."""
    for token in document:
        token.lemma_ = token.text.lower()
    return document


def recognized(text: str) -> list[Edit]:
    """Return the edits that replace what Presidio recognizes by its kind, such as `[US_PASSPORT]`.

    Returns an empty list if Presidio has not been loaded.
    """
    engine = load()
    if engine is None:
        return []
    found = [
        (result.score, at + result.start, at + result.end, result.entity_type)
        for at in range(0, max(1, len(text) - _OVERLAP), _PIECE - _OVERLAP)
        for result in engine.analyze(text[at : at + _PIECE], language="en", score_threshold=_SCORE)
        if result.entity_type not in _NO_PERSONAL_DATA
    ]
    return [(start, end, f"[{_LABELS.get(kind, kind)}]") for _, start, end, kind in sorted(found, reverse=True)]
