"""Columns of kind `fake`: names, mails, numbers and codes that are made up from a row's number, of which
nothing is learned."""
