"""The shipped example is whole: what `make demo` reads fits together."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from brim.storage.template import Template

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS = [json.loads(line) for line in (EXAMPLES / "reviews.jsonl").read_text().splitlines()]


def test_reviews_are_sixty_and_balanced() -> None:
    """
    Sixty different reviews, numbered, half of each kind.
    """
    assert [row["id"] for row in ROWS] == [f"r{number:02}" for number in range(1, 61)]
    assert len({row["review"] for row in ROWS}) == 60
    assert Counter(row["label"] for row in ROWS) == {"positive": 30, "negative": 30}


def test_prompt_shows_the_shape_it_wants() -> None:
    """
    The prompt holds solved examples, each an answer that the schema allows, and the row's review.
    """
    prompt = Template((EXAMPLES / "sentiment.txt").read_text()).render(ROWS[0])
    schema = json.loads((EXAMPLES / "sentiment.schema.json").read_text())["json_schema"]["schema"]
    solved = [json.loads(line)["sentiment"] for line in prompt.splitlines() if line.startswith("{")]

    assert Counter(solved) == dict.fromkeys(schema["properties"]["sentiment"]["enum"], 2)
    assert ROWS[0]["review"] in prompt
