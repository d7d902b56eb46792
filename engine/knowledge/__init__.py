"""Knowledge bases: documents in, passages found, cited answers out.

bases          which there are, and each one's settings
database       a base's folder, its SQLite file (the truth), its locks
loaders/, sections, splitting    files → pages → chunks
ingest         files become documents of a base; reindex
documents, passages     what is in a base, read and changed
embedding      texts → vectors
index          vectors in Chroma
terms, lexical     words in BM25
retrieval      question → passages, with a score from 0 to 1
rewriting      a follow-up → a question that stands alone
grounding      passages → what the model is told
answering      a question → an answer, or a refusal
markers, sentences, support, citations     an answer → what of it the passages say
evaluation     how well all this works, measured
retriever      the same for LangChain
"""
