"""Taking a person's judgements out of all that is learnt from: what they said stays, and the adapters that learnt from it are named."""

import streamlit as st

from engine.feedback import pictures
from engine.feedback.store import known_values
from engine.feedback.withdrawn import readmit, withdraw, withdrawn
from engine.preferences.lineage import adapters_of
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal


def withdraw_people() -> None:
    """A choice of people, and what follows from withdrawing one."""
    with st.expander(t("Withdraw a person's judgements"), icon=":material/person_off:", key="feedback.withdraw.open"):
        st.caption(t("They stay here, and no dataset built from now on has them. It can be taken back."))
        gone = withdrawn()
        name = st.selectbox(
            t("Person"),
            sorted({*known_values("annotator"), *pictures.annotators()}),
            index=None,
            placeholder=t("nobody"),
            format_func=lambda person: t("{name} (withdrawn)", name=person) if person in gone else person,
            key="feedback.withdraw.person",
        )
        if name is None:
            return
        adapters = ", ".join(literal(adapter) for adapter in adapters_of(name))
        if adapters:
            st.markdown(
                t("Adapters that learnt from what {name} said: {adapters}.", name=literal(name), adapters=adapters)
            )
        else:
            st.markdown(t("No adapter has learnt from what {name} said.", name=literal(name)))
        if name in gone:
            st.button(
                t("Take it back"), icon=":material/undo:", key="feedback.readmit", on_click=_readmit, args=(name,)
            )
        else:
            st.button(
                t("Withdraw"), icon=":material/person_off:", key="feedback.withdraw", on_click=_withdraw, args=(name,)
            )


def _withdraw(name: str) -> None:
    with frame.errors_shown():
        withdraw(name, frame.person())


def _readmit(name: str) -> None:
    with frame.errors_shown():
        readmit(name)
