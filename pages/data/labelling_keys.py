"""Two things that a text area does not do by itself: hand over what is typed without being left, and take over the focus
when the next task comes. So a person labels without the mouse, and a closed laptop loses no words.
"""

import re

from streamlit.components.v2 import component

# A text area hands its words over when it is left: a pause in typing tells it so, though the cursor stays where it is.
_JS = """
const PAUSE = 2000;
let shown, timer;
export default function ({ data }) {
  const typed = (event) => {
    const box = event.target;
    if (event.isComposing || !(box instanceof HTMLTextAreaElement)) return;
    if (!box.closest('[class*="st-key-labelling-"]')) return;
    clearTimeout(timer);
    timer = setTimeout(() => box.dispatchEvent(new FocusEvent("focusout", { bubbles: true })), PAUSE);
  };
  const events = ["input", "compositionend"];
  events.forEach((name) => document.addEventListener(name, typed));
  const focus = (tries) => {
    const field = document.querySelector(`.st-key-${data.field} textarea`);
    if (field && document.activeElement === document.body) field.focus();
    else if (tries) setTimeout(focus, 100, tries - 1); // the old task is still being taken away
  };
  if (shown !== undefined && shown !== data.field) focus(20);
  shown = data.field;
  return () => events.forEach((name) => document.removeEventListener(name, typed));
}
"""
_typing = component("studio_typing", js=_JS)


def keep_while_typing(field: str) -> None:
    """For the text areas whose keys begin with `labelling.`.

    Args:
        field: the key of the text area that is written in first.
    """
    _typing(data={"field": re.sub(r"[^a-zA-Z0-9_-]", "-", field)}, key="labelling.typing", height=0)
