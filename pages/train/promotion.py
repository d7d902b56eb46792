"""Whether an adapter shall be the default in chat: the reward's figure and the people's side by side, and the decision.

The studio never promotes by itself; a person does, who has seen both figures, and it can be undone.
"""

from dataclasses import asdict

import streamlit as st

from engine.adapters import promotion
from engine.adapters.promotion import Promotion
from engine.adapters.store import Adapter, read_adapter
from engine.blind import results, sessions
from engine.blind.figures import Figure, Figures, figures
from engine.blind.schema import BlindSession
from engine.runs import Run, list_runs
from engine.runs.answers import answers_file
from pages.shared.frame import errors_shown, person
from pages.shared.i18n import t
from pages.shared.labels import literal, when

_SAID = "promotion.said"  # what the last click did, for the run of the script after it
_ASKED = "promotion.asked"  # the adapter whose promotion waits for a second word


def promotion_panel(adapter_name: str) -> None:
    """Everything about the promotion of one chat adapter."""
    with errors_shown():
        adapter = read_adapter(adapter_name, kind="chat")
        found = figures(adapter)
        st.subheader(t("Is it better?"), anchor=False)
        for place, (title, figure) in zip(st.columns(2), _titled(found), strict=True):
            with place, st.container(border=True, height="stretch"):
                _figure(title, figure)
        with st.container(key="promotion.people"):
            _people(adapter)
        _decision(adapter, found)


def _titled(found: Figures) -> list[tuple[str, Figure | None]]:
    return [(t("Win rate by the reward"), found.reward), (t("Win rate by people"), found.human)]


def _figure(title: str, figure: Figure | None) -> None:
    if figure is None:
        st.metric(title, "–")
        st.caption(t("No figure yet."))
        return
    rate = figure.win_rate
    st.metric(title, f"{rate.rate:.0%}")
    st.markdown(
        t("With 95 % certainty between {low} and {high}.", low=f"{rate.low:.0%}", high=f"{rate.high:.0%}")
        + " "
        + _meaning(figure)
    )
    st.caption(_about(figure))


def _meaning(figure: Figure) -> str:
    if figure.better:
        return t("It is better than what was there before.")
    if figure.win_rate.high < 0.5:
        return t("It is worse than what was there before.")
    return t("That may be chance: half is as good as what was there before.")


def _about(figure: Figure) -> str:
    against = literal(figure.against) if figure.against else t("the base model")
    if figure.judge is not None:
        judge = literal(figure.judge)
        return t(
            "Against {against}, judged by {judge}. Prompts: {n}.", against=against, judge=judge, n=figure.win_rate.total
        )
    numbers = {"n": figure.win_rate.total, "votes": figure.votes, "people": figure.people}
    return t(
        "Against {against}. Prompts whose two replies differ: {n}. Votes: {votes}, people: {people}. Each prompt counts once.",
        against=against,
        **numbers,
    )


def _people(adapter: Adapter) -> None:
    """The open blind comparison of this adapter, or the button that starts one."""
    opened = [each for each in sessions.all_sessions(adapter.name, adapter.fingerprint) if each.closed is None]
    for each in opened:
        _open_session(each)
    run = _newest_comparison(adapter)
    if run is None:
        if not opened:
            st.caption(t("Compare it with what was there before, and people can be asked about the answers."))
    elif run.id not in {each.run for each in opened}:
        st.button(
            t("Ask people: start a blind comparison"),
            icon=":material/balance:",
            key="promotion.ask",
            help=t("The answers wait on everybody's chat page, without saying which adapter gave them."),
            on_click=_ask,
            args=(run,),
        )


def _open_session(session: BlindSession) -> None:
    by = results.votes_by(session.id)
    with st.container(horizontal=True, vertical_alignment="center"):
        numbers = {"items": session.items, "votes": sum(by.values()), "people": len(by)}
        st.markdown(
            t(
                "People are comparing now (“{name}”). Prompts: {items}, votes so far: {votes}, people: {people}.",
                name=literal(session.name),
                **numbers,
            )
        )
        if st.button(t("Vote yourself"), icon=":material/how_to_vote:", key=f"promotion.vote.{session.id}"):
            st.switch_page("pages/chat/chat.py", query_params={"blind": str(session.id)})
        st.button(
            t("Close the comparison"),
            key=f"promotion.close.{session.id}",
            type="tertiary",
            help=t("Nobody votes in it any more; the votes stay."),
            on_click=_close,
            args=(session,),
        )


def _decision(adapter: Adapter, found: Figures) -> None:
    now = promotion.current(adapter.card.base_model)
    if said := st.session_state.pop(_SAID, None):
        st.success(said, icon=":material/check:")
    if now and now.adapter == adapter.name:
        _promoted(now)
        return
    if now:
        st.caption(t("The default in chat is {adapter} now.", adapter=literal(now.adapter)))
    if st.session_state.get(_ASKED) == adapter.name:
        _confirm(adapter, found)
        return
    st.button(
        t("Make it the default in chat"),
        type="primary",
        icon=":material/star:",
        key="promotion.promote",
        on_click=_promote if found.better else _ask_again,
        args=(adapter, found),
    )


def _promoted(now: Promotion) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        facts = {"name": literal(now.by), "time": when(now.created.timestamp())}
        st.markdown(f":material/star: {t('It is the default in chat, by {name}, since {time}.', **facts)}")
        st.button(
            t("Undo"),
            icon=":material/undo:",
            key="promotion.undo",
            help=t("New conversations begin with what was the default before, or with the base model."),
            on_click=_undo,
            args=(now,),
        )


def _confirm(adapter: Adapter, found: Figures) -> None:
    """What speaks against it, before it is done all the same."""
    with st.container(border=True):
        st.markdown(f"**{t('Make it the default all the same?')}**")
        for title, figure in _titled(found):
            words = t("No figure yet.") if figure is None else _meaning(figure)
            st.markdown(f"{title}: {words}")
        st.caption(t("New conversations of everybody begin with it. It can be undone at any time."))
        with st.container(horizontal=True):
            decided = {"on_click": _promote, "args": (adapter, found)}
            st.button(
                t("Make it the default"), type="primary", icon=":material/star:", key="promotion.confirm", **decided
            )
            st.button(t("Leave it as it is"), key="promotion.leave", on_click=_leave)


def _ask_again(adapter: Adapter, _found: Figures) -> None:
    st.session_state[_ASKED] = adapter.name


def _leave() -> None:
    st.session_state.pop(_ASKED, None)


def _promote(adapter: Adapter, found: Figures) -> None:
    _leave()
    with errors_shown():
        promotion.promote(adapter.name, person(), asdict(found))
        st.session_state[_SAID] = t("New conversations begin with {adapter}.", adapter=literal(adapter.name))


def _undo(now: Promotion) -> None:
    with errors_shown():
        promotion.undo(person(), now.base_model)
        default = promotion.default_adapter(now.base_model)
        name = literal(default) if default else t("the base model")
        st.session_state[_SAID] = t("Undone: new conversations begin with {name}.", name=name)


def _ask(run: Run) -> None:
    with errors_shown():
        made = sessions.from_answers(run, person())
        st.session_state[_SAID] = t("It waits on everybody's chat page. Prompts to compare: {n}.", n=made.items)


def _close(session: BlindSession) -> None:
    with errors_shown():
        sessions.close(session.id)


def _newest_comparison(adapter: Adapter) -> Run | None:
    """The newest comparison of this adapter that has answers."""
    for run in list_runs():
        if run.kind == "winrate" and answers_file(run).exists():
            status = run.status()
            made_since = adapter.card.created <= status.created  # of these weights, not of older ones of the same name
            if status.state == "finished" and made_since and run.spec().get("adapter") == adapter.name:
                return run
    return None
