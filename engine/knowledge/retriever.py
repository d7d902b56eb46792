"""Knowledge bases as a LangChain retriever, so that others can build chains on them.

LangChain is loaded when a retriever is made and no sooner. Retrieval itself is the studio's: thresholds, both arms, one score.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from engine.knowledge import bases
from engine.knowledge.retrieval import Hit, search

if TYPE_CHECKING:
    from langchain_core.retrievers import BaseRetriever


def retriever(base_ids: str | Sequence[str], limit: int = 5, threshold: float | None = None) -> "BaseRetriever":
    """A retriever over one or several bases. It returns nothing where nothing reaches the threshold.

    Args:
        base_ids: ids or names.
        limit: passages at most.
        threshold: instead of each base's own.

    Raises:
        BadInput: there is no such base.
    """
    names = [base_ids] if isinstance(base_ids, str) else list(base_ids)
    ids = [bases.get(name).id for name in names]
    return _retriever_class()(base_ids=ids, limit=limit, threshold=threshold)


def metadata(hit: Hit) -> dict[str, Any]:
    """What a LangChain document says of where it comes from."""
    passage = hit.passage
    return {
        "knowledge_base": hit.base_name,
        "document": passage.document_name,
        "page": passage.page,
        "line": passage.line,
        "score": hit.score,
        "key": passage.key,
        "heading": passage.heading,
    }


@cache
def _retriever_class() -> Any:
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever

    class KnowledgeRetriever(BaseRetriever):
        """Passages of the studio's knowledge bases."""

        base_ids: list[str]
        limit: int
        threshold: float | None

        def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
            found = search(self.base_ids, query, self.limit, self.threshold)
            return [Document(page_content=hit.passage.text, metadata=metadata(hit)) for hit in found.hits]

    return KnowledgeRetriever
