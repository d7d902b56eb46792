"""How near replies come to their references: BLEU, ROUGE and exact match, for English and for Chinese. All from 0 to 100.

Compares texts and nothing else: it loads no model. BLEU is sacrebleu's (Papineni et al. 2002; Post 2018), ROUGE is that of
rouge-score (Lin 2004) over words of our own, since its tokenizer drops whatever is not a to z.
"""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORDS = re.compile(rf"(?P<chinese>[{_HAN}]+)|[^\W_{_HAN}]+")


@dataclass(frozen=True)
class Scores:
    """How near replies come to their references; 100 is best everywhere."""

    bleu: float
    """Of the whole corpus, which is not the mean of its rows."""
    rouge_1: float
    """F1 of single words; the mean over rows, as are those below."""
    rouge_2: float
    rouge_l: float
    exact_match: float
    """Share of replies that are the reference, whatever blanks stand in them."""


def score(replies: Sequence[str], references: Sequence[str]) -> Scores:
    """Compare replies with their references, one each.

    Args:
        replies: at least one.
        references: as many.
    """
    rouge = [_rouge().score(reference, reply) for reply, reference in zip(replies, references, strict=True)]
    same = [_plain(reply) == _plain(reference) for reply, reference in zip(replies, references, strict=True)]
    return Scores(
        bleu=_bleu(references, one_row=len(replies) == 1).corpus_score(replies, [references]).score,
        rouge_1=_mean_f1(rouge, "rouge1"),
        rouge_2=_mean_f1(rouge, "rouge2"),
        rouge_l=_mean_f1(rouge, "rougeL"),
        exact_match=100 * statistics.fmean(same),
    )


def bleu_signature(references: Sequence[str]) -> str:
    """How BLEU was computed, as sacrebleu writes it, so that others can compute the same."""
    bleu = _bleu(references, one_row=len(references) == 1)
    bleu.corpus_score(references, [references])  # it counts the references only now
    return str(bleu.get_signature())


def words(text: str) -> list[str]:
    """The words of a text in lower case: Chinese as jieba segments it, the rest as letters and digits stand together."""
    found: list[str] = []
    for match in _WORDS.finditer(text.lower()):
        found += _jieba().lcut(match.group()) if match.group("chinese") else [match.group()]
    return found


def _bleu(references: Sequence[str], one_row: bool) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    chinese = any(re.search(f"[{_HAN}]", reference) for reference in references)
    # the longer n-grams that a short row cannot have would make it 0
    return BLEU(tokenize="zh" if chinese else "13a", effective_order=one_row)


def _mean_f1(rows: list[Any], kind: str) -> float:
    return 100 * statistics.fmean(row[kind].fmeasure for row in rows)


def _plain(text: str) -> str:
    return " ".join(text.split())


class _Words:
    """What rouge-score asks of a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=_Words())


@cache
def _jieba() -> Any:
    """jieba's segmenter with its dictionary, which it would announce, and keep in a temporary file that anybody may replace."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for pkg_resources, which warns
        import jieba

    segmenter = jieba.Tokenizer()
    segmenter.FREQ, segmenter.total = segmenter.gen_pfdict(segmenter.get_dict_file())
    segmenter.initialized = True
    return segmenter
