"""How far the books are kept, as a call."""

from penstock.hub.costs.books import books
from penstock.web.costs.asks import Ask
from penstock.web.documents import Document


class Books(Document):
    """Usage is entered from `from_s` until `until_s` (seconds since 1970), None where nothing is yet."""

    schema: int
    from_s: float | None
    until_s: float | None
    currency: str


ASKS = {"books": Ask(text="How far the books are kept.", run=books, answer=Books)}
