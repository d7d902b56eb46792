"""Conversations: who answers (`backend`, `local`, `openai`), what was said (`conversations`), one turn (`turns`), what people think of it (`judgements`)."""
