"""BLEU, ROUGE and exact match: known values, Chinese in words, and nothing printed."""

import subprocess
import sys

import pytest
from rouge_score.rouge_scorer import RougeScorer

from engine.settings import ROOT
from engine.training.metrics import bleu_signature, score, words


def test_the_same_text_is_best_everywhere_and_another_is_worst():
    same = score(["The cat sat on the mat."], ["The cat sat on the mat."])
    assert [same.bleu, same.rouge_1, same.rouge_2, same.rouge_l, same.exact_match] == pytest.approx([100] * 5)
    other = score(["", "nothing"], ["The cat sat on the mat.", "a b"])
    assert [other.bleu, other.rouge_1, other.rouge_2, other.rouge_l, other.exact_match] == [0] * 5


def test_english_rouge_is_that_of_rouge_score():
    reply, reference = "The drone flies 47 minutes, in rain!", "A drone flies for 47 minutes (rain or not)."
    theirs = RougeScorer(["rouge1", "rouge2", "rougeL"]).score(reference, reply)
    ours = score([reply], [reference])
    assert ours.rouge_1 == pytest.approx(100 * theirs["rouge1"].fmeasure)
    assert ours.rouge_2 == pytest.approx(100 * theirs["rouge2"].fmeasure)
    assert ours.rouge_l == pytest.approx(100 * theirs["rougeL"].fmeasure)


def test_chinese_is_segmented_into_words_and_other_scripts_are_kept():
    assert words("我爱北京天安门，GPT4很好 Café") == ["我", "爱", "北京", "天安门", "gpt4", "很", "好", "café"]


def test_chinese_scores_by_hand():
    # words 我 爱 北京 against 我 爱 上海: two of three, one pair of two
    scores = score(["我爱北京"], ["我爱上海。"])
    assert (scores.rouge_1, scores.rouge_2, scores.rouge_l) == pytest.approx((200 / 3, 50, 200 / 3))
    # characters 我 爱 北 京 against 我 爱 上 海 。: sacrebleu's smoothing halves a zero count, the reply is one too short
    assert scores.bleu == pytest.approx(100 * 2.718281828 ** (1 - 5 / 4) * (2 / 4 * 1 / 3 * 1 / 4 * 1 / 4) ** 0.25)


def test_bleu_says_how_it_was_computed():
    assert "tok:zh" in bleu_signature(["我爱上海", "english"])
    assert "tok:13a" in bleu_signature(["english", "more"])


def test_corpus_bleu_is_not_the_mean_of_rows_but_rouge_is():
    replies, references = ["the cat sat on the mat", "x"], ["the cat sat on the mat", "a long sentence of six words"]
    both = score(replies, references)
    rows = [score([reply], [reference]) for reply, reference in zip(replies, references, strict=True)]
    assert both.rouge_l == pytest.approx((rows[0].rouge_l + rows[1].rouge_l) / 2)
    assert both.bleu != pytest.approx((rows[0].bleu + rows[1].bleu) / 2, abs=1)


def test_exact_match_looks_past_blanks_only():
    assert score([" a  b\n", "A b"], ["a b", "a b"]).exact_match == 50


def test_jieba_prints_nothing_and_leaves_no_file(tmp_path):
    code = "from engine.training.metrics import words; words('我爱北京')"
    environment = {"PATH": "", "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == (b"", b"", [])
