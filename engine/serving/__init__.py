"""The engine over HTTP, as OpenAI's API has it: `python -m engine serve`. Below `app` lies what needs FastAPI; the rest is plain data.

It answers from the process's one host and keeps nothing: no conversations, no feedback, no pictures.
"""
