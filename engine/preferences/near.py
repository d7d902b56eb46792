"""Cases that are nearly the same become one, with the votes of both.

Prompt and replies must each resemble their counterparts: a long reply does not make different questions alike. Two replies
that resemble each other, as a reply and its small correction do, are left alone, as nothing tells which is which.
"""

from dataclasses import replace

from engine.data.cleaning.near import NearDuplicates, jaccard, shingled
from engine.preferences.votes import Case


def merge_near(cases: list[Case], similarity: float) -> list[Case]:
    """The cases without those that nearly are an earlier one, which takes over their votes.

    Args:
        cases: see `engine.preferences.votes`; those that stay are changed.
        similarity: see `NearDuplicates`.
    """
    near = NearDuplicates(similarity, lambda number: _text(cases[number]))
    kept: list[Case] = []
    for number, case in enumerate(cases):
        if len(case.texts) == 2 and _alike(case.texts[0], case.texts[1], similarity):
            kept.append(case)
            continue
        for earlier in near.find_all(_text(case)):
            if _take_over(cases[earlier], case, similarity):
                break
        else:
            near.add(number, _text(case))
            kept.append(case)
    return kept


def _take_over(earlier: Case, case: Case, similarity: float) -> bool:
    """Give the earlier case the other's votes, turned round where its replies stand the other way, if they are alike."""
    if not _alike(_prompt(earlier), _prompt(case), similarity):
        return False
    for texts, turned in ((case.texts, False), (case.texts[::-1], len(case.texts) == 2)):
        if all(_alike(mine, other, similarity) for mine, other in zip(earlier.texts, texts, strict=True)):
            earlier.votes += [replace(vote, first=vote.first is not turned) for vote in case.votes]
            return True
    return False


def _alike(one: str, other: str, similarity: float) -> bool:
    return jaccard(shingled(one), shingled(other)) >= similarity


def _prompt(case: Case) -> str:
    return "\n".join(turn.content for turn in case.prompt)


def _text(case: Case) -> str:
    # sorted, so that it is nearly the same whichever reply stands first
    return "\n".join([_prompt(case), *sorted(case.texts)])
