"""What is shown of a file, as its page has it."""

from secateur.browse.beside import ALONE
from secateur.browse.view import SAID, View
from secateur.reports.environment import environment
from secateur.reports.page import inline, kind_of


def drawn(shown: View, name: str) -> str:
    """Return the page of a view; the name stands for its file's."""
    words = {
        "title": shown.title,
        "shown": shown,
        "item": {"name": name, "stamp": {"size": 1}},
        "note": "",
        "company": ALONE,
        "date": lambda item: "some time",
        "said": SAID[shown.entry.state],
    }
    template = environment().get_template("browse_item.html.j2")
    return template.render(kind=kind_of, inline=inline, **words)
