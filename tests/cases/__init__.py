"""Tables that people have, and what must come of them."""
