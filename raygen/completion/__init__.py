"""Rows given in part are completed, and whole rows are scored, by a trained model.

`partial` reads what is given, `givens` says it in codes, `particles` draws the rest, `completed` puts rows
together; `likelihood` scores; `driver` has the two verbs.
"""
