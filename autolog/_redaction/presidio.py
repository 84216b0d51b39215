"""Presidio's recognizers beside our own searches for personal data, where presidio-analyzer is installed.

They add the numbers that states and others give (passports, licences, tax and health numbers, bank accounts, crypto
wallets), by their patterns, checksums and the words around them. Names and places are found by a spaCy model for
English if one is installed; none is downloaded. What our own searches find is left to them; Presidio's for e-mail
addresses and URLs would fetch a list of domains from the network. It takes seconds to import, which `load` does ahead.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import Any

from autolog._redaction.walk import Edit

#: What is taken for certain enough, of 1: what a pattern alone says little about counts with a word that suits it.
_SCORE = 0.4
#: Texts are read in pieces of so many characters, which overlap: what Presidio does for each finding takes time in
#: proportion to the text.
_PIECE, _OVERLAP = 2_000, 200
#: Spacy models for English, the best first.
_MODELS = ("en_core_web_trf", "en_core_web_lg", "en_core_web_md", "en_core_web_sm")
#: Recognizers that are not used: our own searches do that, or what they find is not about a person.
_LEFT_OUT = ("EmailRecognizer", "UrlRecognizer", "PhoneRecognizer", "IpRecognizer", "CreditCardRecognizer",
             "IbanRecognizer", "DateRecognizer")  # fmt: skip
_NO_PERSONAL_DATA = frozenset({"DATE_TIME", "URL", "ORGANIZATION", "NRP", "UUID"})
#: The names that our own searches have for the same.
_LABELS = {"PERSON": "NAME", "US_SSN": "SSN"}


@functools.cache
def load() -> Any:
    """Return Presidio's engine, made once; None if it is not installed.

    For the thread that configures: what is not ours is not imported on our own threads.
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
    """Return Presidio's view of a spaCy pipeline: a model that is installed, or one that only splits words."""
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
    """Let every word be its own lemma, in small letters: by these Presidio looks for the words around a number."""
    for token in document:
        token.lemma_ = token.text.lower()
    return document


def recognized(text: str) -> list[Edit]:
    """Return the edits that replace what Presidio recognizes by what it is, `[US_PASSPORT]`; none without Presidio."""
    engine = load()
    if engine is None:
        return []
    found = [
        (one.score, at + one.start, at + one.end, one.entity_type)
        for at in range(0, max(1, len(text) - _OVERLAP), _PIECE - _OVERLAP)
        for one in engine.analyze(text[at : at + _PIECE], language="en", score_threshold=_SCORE)
        if one.entity_type not in _NO_PERSONAL_DATA
    ]
    return [(start, end, f"[{_LABELS.get(kind, kind)}]") for _, start, end, kind in sorted(found, reverse=True)]
