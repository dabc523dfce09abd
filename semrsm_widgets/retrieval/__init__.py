"""What a similarity retrieves: how good an answer is, and how one query is answered."""

from .candidates import SearchResult
from .exact_search import search
from .lookup import LARGEST_K, Answers, Lookup, Ranked
from .metrics import (
    Labelled,
    Labels,
    Retrieved,
    average_precision,
    chance_average_precision,
    f1_at_k,
    label_auc,
    label_f1,
    score_ranking,
)
from .query import Query
from .ranking import Ranking, hub_counts, nearest
from .streamed_scores import LabelLevels, score_blocks

__all__ = [
    "LARGEST_K",
    "Answers",
    "LabelLevels",
    "Labelled",
    "Labels",
    "Lookup",
    "Query",
    "Ranked",
    "Ranking",
    "Retrieved",
    "SearchResult",
    "average_precision",
    "chance_average_precision",
    "f1_at_k",
    "hub_counts",
    "label_auc",
    "label_f1",
    "nearest",
    "score_blocks",
    "score_ranking",
    "search",
]
